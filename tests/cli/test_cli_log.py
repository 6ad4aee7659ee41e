"""`flags log` and `flags revert`: the history of flags, read from git."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from flagmiddleware import Flags
from flagmiddleware.cli import flags
from flagmiddleware.sources import MemorySource
from flagmiddleware.sources.chain import FIRST, link, verify
from tests.cli.commands import run
from tests.cli.terminal import on_a_terminal
from tests.release.scripted import ScriptedRepository, instant

START = """\
# the shop
version: 1
flags:
  a:
    rules: [{rollout: 1%}]   # slow
  b: {}
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedRepository:
    """Six commits: two flags, a ramp, a broken file, a kill, a removal."""
    made = ScriptedRepository(tmp_path / "repo")
    made.commit(START, "start", at=instant("2026-01-01T00:00"))
    made.commit(
        START.replace("1%", "5%"),
        "ramp a\n\nwhy\n\nFlags-Via: flags ramp\nFlags-Reason: it is fine",
        at=instant("2026-01-02T00:00"),
    )
    made.commit("version: 1\nflags: [", "oops", at=instant("2026-01-03T00:00"))
    made.commit(START.replace("1%", "5%") + "# a comment\n", "mend", at=instant("2026-01-04T00:00"))
    made.commit(
        START.replace("    rules: [{rollout: 1%}]", "    enabled: false\n    rules: [{rollout: 5%}]"),
        "kill a",
        at=instant("2026-01-05T00:00"),
    )
    made.commit(
        START.replace("    rules: [{rollout: 1%}]", "    enabled: false\n    rules: [{rollout: 5%}]").replace(
            "  b: {}\n", ""
        ),
        "drop b",
        at=instant("2026-01-06T00:00"),
    )
    monkeypatch.chdir(made.root)
    monkeypatch.delenv("FLAGMIDDLEWARE_SOURCE", raising=False)
    monkeypatch.setattr("flagmiddleware.cli.bench.Bench.now", staticmethod(lambda: instant("2026-01-07T00:00")))
    return made


def records(*args: str) -> list[dict[str, object]]:
    """The log as data."""
    return json.loads(run("log", *args, "--format", "json").stdout)  # type: ignore[no-any-return]


def test_the_log_has_one_record_a_change(repository: ScriptedRepository) -> None:
    """Each flag's changes, from what to what; a broken commit and a comment are no change."""
    found = [(one["flag"], one["kind"], one["from"], one["to"]) for one in records()]
    assert found == [
        ("a", "created", "absent", "on for 1 % of everyone"),
        ("b", "created", "absent", "off for everyone"),
        ("a", "increased", "on for 1 % of everyone", "on for 5 % of everyone"),
        ("a", "killed", "on for 5 % of everyone", "killed: off for everyone"),
        ("b", "removed", "off for everyone", "absent"),
    ]


def test_a_record_tells_who_when_why_and_how(repository: ScriptedRepository) -> None:
    """Time, actor, means, reason, exposure before and after, and the app's revision."""
    ramp = records("a")[1]
    assert ramp["time"] == instant("2026-01-02T00:00")
    assert ramp["actor"] == "Ann Example <ann@example.com>"
    assert (ramp["via"], ramp["reason"]) == ("flags ramp", "it is fine")
    assert [round(float(str(ramp[name])), 6) for name in ("exposure_before", "exposure_after")] == [0.01, 0.05]
    assert len(str(ramp["revision"])) == 40


def test_at_a_terminal_a_change_takes_three_lines(repository: ScriptedRepository) -> None:
    """A person gets what, who, why and from what to what below each other; a pipe gets one row a change."""
    shown = on_a_terminal(repository.root, "log", COLUMNS="100", NO_COLOR="1")
    last = records()[-1]
    assert f"{last['id']} {last['kind']}" in shown
    assert f"({last['via']}): {last['reason']}" in shown
    assert shown.count("\n") > 2 * len(records())
    assert len(run("log").stdout.splitlines()) == len(records()) + 1


def test_the_log_is_narrowed(repository: ScriptedRepository) -> None:
    """By key and by time, as a date or a span."""
    assert {one["flag"] for one in records("a")} == {"a"}
    assert [one["kind"] for one in records("--since", "2026-01-05")] == ["killed", "removed"]
    assert [one["kind"] for one in records("--since", "36h")] == ["removed"]
    assert "--since wants" in run("log", "--since", "soon", code=2).stderr


def test_a_misspelt_key_is_no_empty_log(repository: ScriptedRepository) -> None:
    """A flag that nobody defined or changed is a mistake; one that was removed long ago is not."""
    removed = next(one["flag"] for one in records() if one["kind"] == "removed")
    assert records(removed)
    assert f"no flag '{removed}x' is defined or was ever changed" in run("log", f"{removed}x", code=2).stderr


def test_a_change_is_reverted_to_its_own_lines(repository: ScriptedRepository) -> None:
    """Reverting a kill brings back the flag's lines and comments as they were, and leaves the rest."""
    (kill,) = [str(one["id"]) for one in records("a") if one["kind"] == "killed"]
    run("revert", kill, "-m", "it was not a", "--commit", "--override", "all clear")
    assert Path("flags.yaml").read_text("utf-8") == START.replace("1%", "5%").replace("  b: {}\n", "")
    assert records("a")[-1]["kind"] == "restored"


def test_a_removed_flag_comes_back(repository: ScriptedRepository) -> None:
    """Reverting a removal puts the flag's lines at the end of the flags."""
    (removal,) = [str(one["id"]) for one in records("b") if one["kind"] == "removed"]
    run("revert", removal, "-m", "needed")
    assert "b" in Flags("flags.yaml").ruleset.flags
    assert Path("flags.yaml").read_text("utf-8").endswith("   # slow\n  b: {}\n")


def test_only_the_newest_change_is_reverted(repository: ScriptedRepository) -> None:
    """A change that others came after is refused, with the one to revert first."""
    ramp = str(records("a")[1]["id"])
    assert "was changed since, by" in run("revert", ramp, "-m", "no", code=2).stderr


def test_a_shallow_clone_says_so(
    repository: ScriptedRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a shallow clone the log tells that older changes are missing."""
    clone = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{repository.root}", str(clone)], check=True, timeout=60)
    monkeypatch.chdir(clone)
    assert "shallow" in run("log").stderr


def test_without_git_there_is_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file outside git has no history; the error says so."""
    monkeypatch.chdir(tmp_path)
    Path("flags.yaml").write_text(START, "utf-8")
    assert "not in a git repository" in run("log", code=2).stderr


class _Store(MemorySource):
    """A store that keeps a chained history."""

    entries: list[dict[str, str]]

    def history(self, count: int = 100) -> list[dict[str, str]]:
        """The newest first."""
        return self.entries[::-1][:count]


def test_a_store_tells_its_log_and_tampering() -> None:
    """A store's own log is shown; a broken chain of hashes is shouted and fails."""
    store = _Store(START.encode(), name="store.yaml")
    store.entries, last = [], FIRST
    for number in range(3):
        entry = {"revision": str(number), "time": "1.0", "keys": "a,b", "actor": "Ann", "reason": "why", "via": "x"}
        last = link(last, entry)
        store.entries.append({**entry, "link": last})
    assert verify(store.entries) is None
    result = CliRunner().invoke(flags, ["log", "a"], obj=Flags(store))
    assert result.exit_code == 0, result.output
    assert "Ann" in result.stdout
    store.entries[1]["actor"] = "Mallory"
    result = CliRunner().invoke(flags, ["log"], obj=Flags(store))
    assert result.exit_code == 1
    assert "tampered with at revision 1" in result.stderr
