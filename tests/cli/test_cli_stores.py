"""push, pull, status, watch: against a real Redis."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from flagmiddleware import Context, Flags
from flagmiddleware.sources.redis import RedisSource
from tests.cli.commands import run

FILE = """\
version: 1
segments: {insiders: {email: {ends_with: "@example.com"}}}
flags:
  # who sees the new page
  checkout:
    risk: {technical: high, business: high}
    rules: [{if: {segment: insiders}, serve: true}]
    environments: {staging: {rules: [{serve: true}]}}
  banner: {description: "Größe"}
"""


@pytest.fixture
def url(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A set of flags of this test's own, empty; its folder is the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.delenv("FLAGMIDDLEWARE_SOURCE", raising=False)
    Path("flags.yaml").write_text(FILE, "utf-8")
    return f"{redis_url}?name={uuid4().hex}"


def test_push_and_pull_go_round(url: str) -> None:
    """What is pulled says what was pushed, in JSON and in YAML, and the store serves it."""
    assert "+ checkout: on for insiders" in run("push", "flags.yaml", url, "-m", "first").stdout
    served = Flags(url)
    assert served.is_enabled("checkout", Context("u", email="ann@example.com"))
    served.close()
    run("pull", url, "copy.yaml")
    run("pull", url, "copy.json")
    assert "Größe" in Path("copy.yaml").read_text("utf-8")
    for copy in ("copy.yaml", "copy.json"):
        assert Flags(copy).ruleset == Flags("flags.yaml").ruleset
        assert "has this already" in run("push", copy, url, "-m", "again").stdout
    assert json.loads(run("pull", url).stdout)["flags"]["banner"] == {"description": "Größe"}


def test_a_pull_writes_over_nothing_unasked(url: str) -> None:
    """A file that says something else is left alone without --force."""
    run("push", "flags.yaml", url, "-m", "first")
    run("pull", url, "flags.yaml")
    Path("flags.yaml").write_text(FILE.replace("banner", "poster"), "utf-8")
    assert "--force" in run("pull", url, "flags.yaml", code=2).stderr
    assert "poster" in Path("flags.yaml").read_text("utf-8")
    run("pull", url, "flags.yaml", "--force")
    assert "banner" in Path("flags.yaml").read_text("utf-8")


def test_a_push_that_is_wrong_writes_nothing(url: str) -> None:
    """Definitions that break in any environment, a missing reason and a dialect: refused before the store is asked."""
    Path("flags.yaml").write_text(FILE.replace("[{serve: true}]", "[{serv: true}]"), "utf-8")
    assert "serv" in run("push", "flags.yaml", url, "-m", "x", code=1).stderr
    Path("flags.yaml").write_text(FILE, "utf-8")
    run("push", "flags.yaml", url, code=2)
    run("push", "flags.yaml", url, "-m", "  ", code=2)
    assert "Nothing was written" in run("push", "flags.yaml", url, "-m", "x", "--dry-run").stdout
    Path("unleash.json").write_text('{"version": 2, "features": []}', "utf-8")
    assert "flags import" in run("push", "unleash.json", url, "-m", "x", code=2).stderr
    assert "no flags yet" in run("status", url, code=2).stderr


def test_a_push_never_goes_over_somebody_else(url: str) -> None:
    """A revision that is no longer current ends the push with what the file would mean against the newest one."""
    run("push", "flags.yaml", url, "-m", "first")
    Path("other.yaml").write_text(FILE.replace("Größe", "Ruhe"), "utf-8")
    run("push", "other.yaml", url, "-m", "second", "--expect", "1")
    Path("flags.yaml").write_text(FILE + "  late: {}\n", "utf-8")
    result = run("push", "flags.yaml", url, "-m", "third", "--expect", "1", code=2)
    assert "Somebody else wrote" in result.stderr
    assert "+ late" in result.stdout
    assert RedisSource(url).history(1)[0]["reason"] == "second"


def test_a_push_keeps_to_the_policy(url: str) -> None:
    """A step that the matrix forbids is refused, and goes ahead only with a reason that is written down."""
    run("push", "flags.yaml", url, "-m", "first")
    Path("flags.yaml").write_text(
        FILE.replace("serve: true}]\n    env", "serve: true}, {serve: true}]\n    env"), "utf-8"
    )
    assert "Refused: checkout" in run("push", "flags.yaml", url, "-m", "all in", code=1).stderr
    run("push", "flags.yaml", url, "-m", "all in", "--override", "the board said so")
    assert RedisSource(url).history(1)[0]["reason"] == "all in (override: the board said so)"


def test_a_push_of_a_segment_is_judged_by_the_flags_that_use_it(url: str) -> None:
    """Insiders who become everybody are a step of the crawl that is on for insiders; its owners decide."""
    crawl = "    owner: [engineering, product]\n    risk: {technical: high, business: high}\n"
    rules = "    rules: [{if: {segment: insiders}, serve: true}]\n"
    segments = "segments: {insiders: {email_domain: example.com}}\n"
    policy = "policy: {roles: {nobody@example.com: admin}}\n"
    text = f"version: 1\n{segments}flags:\n  pay:\n{crawl}{rules}"
    Path("flags.yaml").write_text(text, "utf-8")
    run("push", "flags.yaml", url, "-m", "first")
    wide = text.replace("email_domain: example.com", "user: {exists: true}")
    Path("flags.yaml").write_text(wide, "utf-8")
    refused = run("push", "flags.yaml", url, "-m", "all in", code=1).stderr
    assert "Refused: pay: for insiders, who may be nearly everyone, measured crawl may go from 0 %" in refused
    Path("flags.yaml").write_text(text + policy, "utf-8")
    run("push", "flags.yaml", url, "-m", "roles")
    Path("flags.yaml").write_text(wide + policy, "utf-8")
    assert "pay: ramp needs the role operate" in run("push", "flags.yaml", url, "-m", "x", code=1).stderr


def test_a_push_keeps_to_the_policy_in_each_environment(url: str) -> None:
    """A step in one environment alone is refused like any other; roles hold where the push reaches."""
    crawl = "    owner: [engineering, product]\n    risk: {technical: high, business: high}\n"
    text = f"version: 1\nflags:\n  pay:\n{crawl}    environments: {{live: {{rules: [{{rollout: 1%}}]}}}}\n"
    policy = "policy: {roles: {nobody@example.com: admin}, environments: {live: {nobody@example.com: admin}}}\n"
    Path("flags.yaml").write_text(text, "utf-8")
    run("push", "flags.yaml", url, "-m", "first")
    Path("flags.yaml").write_text(text.replace("1%", "100%"), "utf-8")
    refused = run("push", "flags.yaml", url, "-m", "all in", code=1).stderr
    assert "may go from 1 % to at most 5 %; this asks for 100 % (in live)" in refused
    run("push", "flags.yaml", url, "-m", "all in", "--override", "the board")
    Path("flags.yaml").write_text(text + policy, "utf-8")
    run("push", "flags.yaml", url, "-m", "roles")
    Path("flags.yaml").write_text(text.replace("1%", "5%") + policy, "utf-8")
    assert "pay: ramp needs the role operate in live" in run("push", "flags.yaml", url, "-m", "x", code=1).stderr
    Path("flags.yaml").write_text(text, "utf-8")
    assert "policy needs the role admin" in run("push", "flags.yaml", url, "-m", "no roles", code=1).stderr
    Path("flags.yaml").write_text((text + policy).replace("owner", "enabled: false\n    owner"), "utf-8")
    run("push", "flags.yaml", url, "-m", "it burns")


def test_status_tells_what_is_there(url: str) -> None:
    """Revision, flags, intact, the last change; exit 1 for definitions that are wrong, 2 for a store out of reach."""
    run("push", "flags.yaml", url, "-m", "because")
    told = json.loads(run("status", url, "--format", "json").stdout)
    assert (told["revision"], told["flags"], told["killed"], told["intact"], told["problems"]) == ("1", 2, 0, True, [])
    assert told["last_change"]["reason"] == "because"
    assert "because" in run("status", url).stdout
    source = RedisSource(url)
    source._redis().hset(source.key, "data", b'{"version":1,"flags":{"a":{"rools":1}}}')
    assert "rools" in run("status", url, code=1).stderr
    run("status", "redis://127.0.0.1:1/0", code=2)


def test_watch_shows_changes_as_they_happen(url: str) -> None:
    """Each change of each flag comes out while the command runs: from, to, who, why."""
    run("push", "flags.yaml", url, "-m", "first")
    command = [sys.executable, "-m", "flagmiddleware", "watch", url, "--changes", "1", "--seconds", "30"]
    process = subprocess.Popen(
        [*command, "--format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    killer = threading.Timer(60, process.kill)
    killer.start()
    try:
        assert process.stderr is not None
        assert "READY, revision 1, 2 flags" in process.stderr.readline()
        run("kill", "checkout", "-s", url, "-m", "payments fail")
        out, _ = process.communicate()
    finally:
        killer.cancel()
        process.kill()
    record = json.loads(out)
    assert (record["flag"], record["to"], record["revision"]) == ("checkout", "killed: off for everyone", "2")
    assert record["reason"] == "payments fail"


def test_a_single_flag_is_killed_in_the_store(url: str) -> None:
    """`flags kill --source redis://…` edits one line of what was pushed, and `flags log` tells of it."""
    run("push", "flags.yaml", url, "-m", "first")
    run("kill", "checkout", "-s", url, "-m", "payments fail")
    pulled = run("pull", url).stdout.splitlines()
    assert sum('"checkout"' in line for line in pulled) == 1
    assert "payments fail" in run("log", "-s", url).stdout


def test_the_variables_of_a_store(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the environment signs what is pushed and is asked of what is read; files go on without one."""
    run("push", "flags.yaml", url, "-m", "unsigned")
    monkeypatch.setenv("FLAGMIDDLEWARE_SNAPSHOT_KEY", "the key of those who publish")
    assert "not signed" in run("status", url, code=2).stderr
    refused = run("push", "flags.yaml", url, "-m", "signed", code=2)
    assert "--expect REVISION" in refused.stderr
    run("push", "flags.yaml", url, "-m", "signed", "--expect", "1")
    assert json.loads(run("status", url, "--format", "json").stdout)["revision"] == "2"
    assert "checkout" in run("list", "flags.yaml").stdout
    monkeypatch.setenv("FLAGMIDDLEWARE_CACHE_DIR", str(tmp_path / "kept"))
    assert "checkout" in run("list", "--source", url).stdout
    assert len(list((tmp_path / "kept").iterdir())) == 1
    monkeypatch.setenv("FLAGMIDDLEWARE_START_TIMEOUT", "soon")
    assert "FLAGMIDDLEWARE_START_TIMEOUT: 'soon'" in run("list", "--source", url, code=2).stderr
    monkeypatch.setenv("FLAGMIDDLEWARE_SNAPSHOT_KEY", "hunter2")
    told = run("status", url, code=2).stderr
    assert "FLAGMIDDLEWARE_SNAPSHOT_KEY: needs at least 16 bytes" in told
    assert "hunter2" not in told


def test_a_first_push_says_that_the_store_is_empty(url: str) -> None:
    """Whoever is pushing is not told to push; and PostgreSQL's tables are not for Redis."""
    told = run("push", "flags.yaml", url, "-m", "first").stderr
    assert "is empty" in told
    assert "flags push FILE" not in told
    assert "--create is for postgresql://" in run("push", "flags.yaml", url, "-m", "x", "--create", code=2).stderr


def test_what_cannot_be_written_says_what_can(url: str) -> None:
    """A file, or a document on the web, is no store."""
    for target in ("flags.yaml", "http://localhost:1/flags.json"):
        told = run("push", "flags.yaml", target, "-m", "x", code=2).stderr
        assert "cannot be written" in told
        assert "redis://" in told


def test_what_lies_over_a_store_is_read_and_never_written(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables compose what commands read, as a site's settings do; a kill, a push and a pull are about the store."""
    run("push", "flags.yaml", url, "-m", "first")
    Path("mine.yaml").write_text("version: 1\nflags: {banner: {default: true}, checkout: {default: true}}\n")
    monkeypatch.setenv("FLAGMIDDLEWARE_OVERLAY", "mine.yaml")
    monkeypatch.setenv("FLAGMIDDLEWARE_ENV_PREFIX", "SHOP_")
    monkeypatch.setenv("SHOP_BANNER", "off")

    def decided(where: str) -> dict[str, bool]:
        told = json.loads(run("eval", "--all", "--source", where, "--format", "json").stdout)["flags"]
        return {key: told[key]["variant"] == "on" for key in ("banner", "checkout")}

    assert decided(url) == decided("flags.yaml") == {"banner": False, "checkout": True}
    run("kill", "checkout", "-m", "it burns", "--source", f"{url}&fallback=flags.yaml")
    assert decided(url) == {"banner": False, "checkout": False}
    run("pull", url, "copy.json")
    copied = Flags("copy.json").ruleset.flags
    assert (copied["checkout"].enabled, copied["banner"].default) == (False, "off")
    run("push", "flags.yaml", f"{url}&overlay=mine.yaml", "-m", "healed")
    status = json.loads(run("status", f"{url}&overlay=mine.yaml", "--format", "json").stdout)
    told = [status[name] for name in ("revision", "flags", "problems", "writable", "pushes_changes")]
    assert told == ["3", 2, [], True, True]
    monkeypatch.setenv("FLAGMIDDLEWARE_READONLY", "yes")
    for command in (("kill", "banner", "--source", url), ("push", "copy.json", url)):
        told = run(*command, "-m", "x", code=2).stderr
        assert "opened read-only" in told
    monkeypatch.setenv("FLAGMIDDLEWARE_ENV_PREFIX", "SHOP")
    assert "FLAGMIDDLEWARE_ENV_PREFIX: 'SHOP'" in run("list", "--source", url, code=2).stderr
