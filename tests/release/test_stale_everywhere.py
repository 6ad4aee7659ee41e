"""`flags stale` and `flags lint --strict` on code as it is: odd encodings, half of it, other languages."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import run
from tests.release.scripted import ScriptedRepository, instant

FLAGS = """\
version: 1
flags:
  umbrella:
    rules: [{serve: true}]
    environments:
      staging: {rules: []}
  roof: {rules: [{serve: true}]}
  used:
    requires: {umbrella: true, roof: true}
    rules: [{rollout: 50%}]
  in-a-browser: {rules: [{serve: true}]}
  in-a-script: {rules: [{serve: true}]}
  in-a-conflict: {rules: [{serve: true}]}
  old-sale: {rules: [{serve: true}]}
  ramped: {rules: [{ramp: [{at: 2026-01-01T00:00:00Z, to: 1%}, {at: 2026-05-20T00:00:00Z, to: 100%}]}]}
  dead: {rules: [{rollout: 5%}]}
"""
SALE = b'    if flags.is_enabled("old-sale"):\n        return 1\n    return 2\n'
CODE = {
    "app/used.py": b'def f(flags):\n    return flags.is_enabled("used"), flags.is_enabled("ramped")\n',
    "app/conflict.py": b'<<<<<<< HEAD\nif flags.is_enabled("in-a-conflict"):\n    x()\n',
    "app/latin.py": b'# -*- coding: latin-1 -*-\ns = "caf\xe9"\ndef f(flags):\n' + SALE,
    "app/bom.py": b"\xef\xbb\xbfdef f(flags):\n" + SALE,
    "app/windows.py": b"def f(flags):\r\n" + SALE.replace(b"\n", b"\r\n"),
    "other folder/\u00fc f.py": b"import os\n\x0c\ndef f(flags):\n" + SALE + b"# a \xe2\x80\xa8 b \x1c c\nX = 1\n",
    "static/app.ts": b"if (flags['in-a-browser']) go()\n",
    "templates/a.html": b'<p>\n<script>\nif (on("in-a-script")) go();\n</script>\n',
}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedRepository:
    """The flags, at 100 % for half a year, and the code."""
    made = ScriptedRepository(tmp_path / "repo")
    for name, data in CODE.items():
        path = made.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    made.commit(FLAGS, at=instant("2026-01-02T00:00"))
    monkeypatch.chdir(made.root)
    monkeypatch.delenv("FLAGMIDDLEWARE_SOURCE", raising=False)
    monkeypatch.setattr("flagmiddleware.cli.bench.Bench.now", staticmethod(lambda: instant("2026-07-01T00:00")))
    return made


def stale(*args: str) -> dict[str, dict[str, Any]]:
    """What is stale, by key."""
    return {flag["key"]: flag for flag in json.loads(run("stale", "--format", "json", *args).stdout)}


UNREAD = "no code or template reads it"


def test_what_is_read_by_anything_is_not_called_unused(repository: ScriptedRepository) -> None:
    """Another flag's `requires`, a browser's code, a page's script, a file in a merge conflict: all read."""
    found = stale()
    assert [key for key, flag in found.items() if UNREAD in flag["reasons"]] == ["dead"]
    problems = json.loads(run("lint", "--strict", "--format", "json", code=1).stdout)[0]["problems"]
    assert [one["flag"] for one in problems if UNREAD in one["message"]] == ["dead"]
    warned = [(one["file"], one["line"], one["message"]) for one in problems if one["severity"] == "warning"]
    assert warned == [
        (
            "app/conflict.py",
            1,
            "no Python that can be read, so what it asks of flags is known only in part: invalid syntax",
        ),
    ]


def test_a_ramp_that_has_arrived_settles_when_it_does(repository: ScriptedRepository) -> None:
    """A dated ramp that has been at 100 % since its last date, 42 days ago, has been settled since then."""
    assert stale()["ramped"]["reasons"] == ["at 100 % for 42 d"]


def test_what_is_not_committed_has_not_lasted(repository: ScriptedRepository) -> None:
    """A flag that somebody has just set to 100 %, or another in one environment only, has not been there for months."""
    half = FLAGS.replace("dead: {rules: [{rollout: 5%}]}", "fresh: {rules: [{rollout: 5%}]}")
    repository.commit(half, at=instant("2026-01-03T00:00"))
    Path("fresh.py").write_text("flags.is_enabled('fresh')\n", "utf-8")
    Path("flags.yaml").write_text(
        half.replace("fresh: {rules: [{rollout: 5%}]}", "fresh: {rules: [{serve: true}]}"), "utf-8"
    )
    assert "fresh" not in stale()
    assert "it is settled" not in "".join(
        line for line in run("lint", "--strict", code=1).stdout.splitlines() if "fresh" in line
    )
    late = half.replace("fresh: {", "fresh: {environments: {late: {rules: [{serve: true}]}}, ")
    repository.commit(late, at=instant("2026-06-25T00:00"))
    assert "fresh" not in stale("--environment", "late")


def test_every_byte_around_the_flag_stays(repository: ScriptedRepository) -> None:
    """Latin 1, a byte order mark, CRLF, form feeds, names with blanks: `git apply` takes the patch."""
    patch = run("stale", "old-sale", "--patch").stdout_bytes
    subprocess.run(["git", "apply"], input=patch, cwd=repository.root, check=True, timeout=60)
    for name, data in CODE.items():
        gone = data.replace(b'    if flags.is_enabled("old-sale"):\r\n        return 1\r\n', b"    return 1\r\n")
        gone = gone.replace(b'    if flags.is_enabled("old-sale"):\n        return 1\n', b"    return 1\n")
        assert Path(name).read_bytes() == gone
    assert Path("flags.yaml").read_text("utf-8") == FLAGS.replace("  old-sale: {rules: [{serve: true}]}\n", "")
    repository.git("checkout", ".")
    run("stale", "old-sale", "--apply")
    assert b"old-sale" not in b"".join(Path(name).read_bytes() for name in ("flags.yaml", *CODE))


def test_what_cannot_be_taken_out_stays_defined_with_its_reason(repository: ScriptedRepository) -> None:
    """Other languages, files that are no Python, a requirement that another environment does not meet."""
    left = run("stale", "--apply").stderr
    for line in (
        "left to you: app/conflict.py:2: in-a-conflict: the file is no Python that can be read",
        "left to you: static/app.ts:1: in-a-browser: the key is used as text",
        "left to you: templates/a.html:3: in-a-script: a script names the key",
        "left to you: flags.yaml:3: umbrella: another environment gets something else",
    ):
        assert line in left
    assert Path("app/conflict.py").read_bytes() == CODE["app/conflict.py"]
    defined = stale().keys() | {"used"}
    assert defined == {"in-a-browser", "in-a-script", "in-a-conflict", "umbrella", "used"}
    assert "requires: {umbrella: true}" in Path("flags.yaml").read_text("utf-8")


def test_what_an_environment_requires_is_not_cut_from_under_it(repository: ScriptedRepository) -> None:
    """A flag that another one requires in one environment only is read there; its definition stays, with the reason."""
    needs = "  used:\n    environments: {production: {requires: {old-sale: true, dead: true}}}"
    repository.commit(FLAGS.replace("  used:", needs), at=instant("2026-01-03T00:00"))
    assert "dead" not in stale()
    left = run("stale", "old-sale", "--apply").stderr
    assert "old-sale: used requires it in production: take that out first" in left
    assert repository.git("status", "--porcelain") == ""


def test_an_environment_chosen_is_not_all_of_them(repository: ScriptedRepository) -> None:
    """What is settled in the environment of the command line is not, where the others get something else."""
    text = FLAGS.replace("  used:", "  used:\n    environments: {production: {requires: null, rules: [{serve: true}]}}")
    repository.commit(text, at=instant("2026-01-03T00:00"))
    assert stale("--environment", "production")["used"]["settled"] is True
    told = run("stale", "used", "--patch", "--environment", "production")
    assert "used: another environment gets something else" in told.stderr
    assert told.stdout == ""


def test_half_of_the_code_is_not_taken_for_all(repository: ScriptedRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the flag file's folder, or beside it, the whole repository is looked through, unless a folder is named."""
    monkeypatch.chdir("static")
    found = stale("--source", "../flags.yaml")
    assert [key for key, flag in found.items() if UNREAD in flag["reasons"]] == ["dead"]
    assert found["in-a-browser"]["mentions"][0]["file"] == "../static/app.ts"
    assert UNREAD in stale("--source", "../flags.yaml", "--code", ".")["old-sale"]["reasons"]


def test_without_code_nothing_is_unused(repository: ScriptedRepository, tmp_path: Path) -> None:
    """A folder that does not exist is an error; in one without code no flag is called unused or changed."""
    for command in (["stale"], ["lint", "--strict"]):
        assert "nowhere does not exist" in run(*command, "--code", "nowhere", code=2).stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    assert all(UNREAD not in flag["reasons"] for flag in stale("--code", str(empty)).values())
    assert "no code was found" in run("lint", "--strict", "--code", str(empty), code=1).stdout
    assert "there is no code in" in run("stale", "--apply", "--code", str(empty), code=2).stderr
    assert Path("flags.yaml").read_text("utf-8") == FLAGS


def test_a_flag_that_does_not_exist_is_not_merely_fresh(repository: ScriptedRepository) -> None:
    """A mistyped key is answered with the right one."""
    assert "did you mean 'old-sale'?" in run("stale", "old-sales", code=2).stderr
    assert "used is not stale: it stays." in run("stale", "used").stderr


UNDECLARED = {
    "plugins.py": "if plugins.is_enabled('markdown'):\n    x()\n",
    "config.py": "x = config.get_string_value('colour')\n",
    "cpu.py": "cpu_flags = {}\nx = cpu_flags['sse']\nre_flags = {}\ny = flags['verbose']\n",
    "own.py": "from flagmiddleware.flask import flag_required as gate\n@gate('missing-one')\ndef view(): ...\n",
    "asked.py": "x = request.flags['missing-two']\n",
    "urls.py": "urlpatterns = [flag_path('missing-four/', view, flag='missing-four'), path('x', view)]\n",
    "views.py": "class View(FlagRequiredMixin):\n    flag_required = 'missing-five'\n",
    "api.py": "permissions = [flag_permission('missing-six'), Depends(flag_enabled(any=['missing-seven']))]\n",
    "a.html": '{% flags_cache_key "missing-eight" "missing-nine" as decided %}',
    "keys.py": "from flagmiddleware import Flags\nx = Flags('f').is_enabled('missing-three')\n",
}


def test_other_things_that_are_enabled_are_no_undeclared_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plugins, settings and other flags than ours are not asked to be declared; reads of ours are, under any name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLAGMIDDLEWARE_SOURCE", raising=False)
    for name, text in UNDECLARED.items():
        Path(name).write_text(text, "utf-8")
    Path("flags.yaml").write_text("version: 1\nflags: {}\n", "utf-8")
    problems = json.loads(run("lint", "--strict", "--format", "json", code=1).stdout)[0]["problems"]
    numbers = ["eight", "five", "four", "nine", "one", "seven", "six", "three", "two"]
    assert sorted(one["flag"] for one in problems) == [f"missing-{number}" for number in numbers]
