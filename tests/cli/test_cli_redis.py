"""Changing flags in a store: a real Redis, written with revision, author and reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import redis

from flagmiddleware.sources.base import Change
from flagmiddleware.sources.redis import RedisSource
from tests.cli.commands import run

FILE = b"version: 1\nflags:\n  a:   # keep\n    rules: [{rollout: 1%}]\n"


@pytest.fixture
def url(redis_url: str) -> str:
    """A store of the test's own, holding one flag."""
    made = f"{redis_url}?name={uuid4().hex}"
    source = RedisSource(made)
    source.write(Change(data=FILE, actor="setup", via="test", reason="set up"), None)
    source.close()
    return made


@pytest.fixture
def source(url: str) -> Iterator[RedisSource]:
    """The same store, looked at from beside."""
    made = RedisSource(url)
    yield made
    made.close()


def test_a_kill_reaches_the_store(url: str, source: RedisSource) -> None:
    """`flags kill --source redis://…` writes the edited document; comments stay."""
    run("kill", "a", "-m", "bad", "--source", url)
    snapshot = source.fetch(None)
    assert snapshot is not None
    assert snapshot.data == FILE.replace(b"    rules", b"    enabled: false\n    rules")
    assert snapshot.revision == "2"


def test_a_kill_does_not_lose_to_somebody_quicker(
    url: str, source: RedisSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes between a kill's reading and its writing keeps their change, and the kill follows it."""
    write, others = RedisSource.write, [FILE.replace(b"1%", b"2%"), FILE.replace(b"1%", b"3%")]

    def late(self: RedisSource, change: Change, expected: str | None) -> str:
        if change.via != "somebody" and others:
            now = source.fetch(None)
            assert now is not None
            write(source, Change(data=others.pop(0), via="somebody"), now.revision)
        return write(self, change, expected)

    monkeypatch.setattr(RedisSource, "write", late)
    run("kill", "a", "-m", "bad", "--source", url)
    snapshot = source.fetch(None)
    assert snapshot is not None
    assert (b"enabled: false" in snapshot.data, b"3%" in snapshot.data, snapshot.revision) == (True, True, "4")
    others.append(FILE)
    assert "changed by somebody else" in run("restore", "a", "-m", "x", "--source", url, code=2).stderr


def test_the_stores_log_tells_who_and_why(url: str) -> None:
    """`flags log --source redis://…` reads the store's own history."""
    run("ramp", "a", "100%", "-m", "all of them", "--source", url)
    last = json.loads(run("log", "a", "--source", url, "--format", "json").stdout)[-1]
    assert (last["reason"], last["via"], last["keys"], last["revision"]) == ("all of them", "flags ramp", "a", "2")


def test_a_plan_compares_a_file_with_a_store(url: str, tmp_path: Path) -> None:
    """Either side of a plan may be a source."""
    path = tmp_path / "new.yaml"
    path.write_bytes(FILE.replace(b"1%", b"5%"))
    (flag,) = json.loads(run("plan", url, str(path), "--format", "json").stdout)["flags"]
    assert round(flag["exposure_after"] - flag["exposure_before"], 6) == 0.04


def test_a_store_whose_log_was_rewritten_is_found_out(url: str, redis_url: str, source: RedisSource) -> None:
    """Each entry is chained to the one before by a hash: an entry that is taken out of the stream shows."""
    for share in ("5%", "25%", "50%"):
        run("ramp", "a", share, "-m", "go", "--source", url)
    assert run("log", "--source", url).stderr == ""
    client = redis.Redis.from_url(redis_url)
    (taken, _) = client.xrange(source.log)[2]
    client.xdel(source.log, taken)
    client.close()
    assert "tampered with at revision 4" in run("log", "--source", url, code=1).stderr


def test_a_log_that_was_cut_at_its_end_is_found_out(url: str, redis_url: str, source: RedisSource) -> None:
    """The definitions are at a revision that no entry tells of: the newest entries were taken out."""
    run("ramp", "a", "5%", "-m", "go", "--source", url)
    client = redis.Redis.from_url(redis_url)
    client.xdel(source.log, client.xrevrange(source.log, count=1)[0][0])
    client.close()
    told = run("log", "--source", url, code=1).stderr
    assert "tampered with: the definitions are at revision 2, and no entry is of it" in told


def test_a_stores_change_is_taken_back(url: str, source: RedisSource) -> None:
    """`flags revert REVISION` gives the flag the text that it had before, comments included, as a new revision."""
    run("ramp", "a", "100%", "-m", "all of them", "--source", url)
    run("revert", "2", "-m", "too soon", "--source", url)
    snapshot = source.fetch(None)
    assert snapshot is not None
    assert (snapshot.data, snapshot.revision) == (FILE, "3")
    last = json.loads(run("log", "a", "--source", url, "--format", "json").stdout)[-1]
    assert (last["via"], last["reason"]) == ("flags revert", "too soon")


def test_only_the_newest_change_of_a_stores_flag_is_taken_back(url: str) -> None:
    """A change that another one lies upon is refused, naming the one to begin with; so is an unknown revision."""
    run("ramp", "a", "5%", "-m", "go", "--source", url)
    run("ramp", "a", "25%", "-m", "go", "--source", url)
    assert "changed since, by 3" in run("revert", "2", "-m", "no", "--source", url, code=2).stderr
    assert "no revision '9'" in run("revert", "9", "-m", "no", "--source", url, code=2).stderr


def test_a_document_that_is_not_kept_is_told(url: str, source: RedisSource, redis_url: str) -> None:
    """Where the earlier document is gone, or is not what the log has the hash of, nothing is written."""
    run("ramp", "a", "5%", "-m", "go", "--source", url)
    client = redis.Redis.from_url(redis_url)
    client.hset(source.past, "1", b"version: 1\nflags: {a: {}}\n")
    client.close()
    assert "not kept as they were" in run("revert", "2", "-m", "no", "--source", url, code=2).stderr
    assert source.fetch(None).revision == "2"  # type: ignore[union-attr]


def test_a_store_keeps_fifty_documents(source: RedisSource) -> None:
    """The memory that earlier documents take is bounded; the log goes on."""
    for number in range(1, 61):
        source.write(Change(data=FILE + b"# %d\n" % number, keys=("a",)), str(number))
    assert source.document("11") is None
    assert source.document("12") is not None
    assert source.document("61") == FILE + b"# 60\n"


def test_an_override_is_on_the_stores_record(url: str) -> None:
    """What was overridden, and why, stands in the store's log beside the reason."""
    source = RedisSource(url)
    strict = b"version: 1\nflags:\n  a: {risk: {technical: high, business: high}, rules: [{rollout: 1%}]}\n"
    source.write(Change(data=strict), "1")
    source.close()
    run("ramp", "a", "50%", "-m", "hurry", "--override", "the fair is tomorrow", "--source", url)
    last = json.loads(run("log", "a", "--source", url, "--format", "json").stdout)[-1]
    assert "hurry\nFlags-Override: the fair is tomorrow (" in last["reason"]
