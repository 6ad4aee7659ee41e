"""Stores in which somebody wrote past us: the log is told all the same, what was done shows, and a kill is a kill."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
import redis

from tests.cli.test_cli_changelog import FILE, Log, Store, here, push, store

__all__ = ["here", "store"]


def spoilt(field: str, text: str) -> Any:
    """Gives the second entry something else in a field."""

    def change(log: Log) -> Log:
        return [log[0], {**log[1], field: text}, *log[2:]]

    return change


SPOILT = [
    ("changes", "{"),
    ("changes", "[{}]"),
    ("changes", '"text"'),
    ("time", "yesterday"),
    ("time", "1e999"),
    ("time", "1e300"),
    ("place", "²"),
]


@pytest.mark.parametrize(("field", "text"), SPOILT)
def test_an_entry_that_says_nonsense_shows(store: Store, field: str, text: str) -> None:
    """Whatever stands in it: the entries beside it are told, where it stands is said, and nothing breaks."""
    push(store)
    for share in ("2%", "3%"):
        store.run("ramp", "a", share, "-m", "go", "--override", "x")
    store.rewrite(spoilt(field, text))
    result = store.run("log", "--format", "json", code=1)
    assert {"1:a", "3:a"} <= {row["id"] for row in json.loads(result.stdout)}
    assert "The change log was tampered with" in result.stderr


@pytest.mark.parametrize(("field", "text"), SPOILT)
def test_a_spoilt_newest_entry_stops_nobody(store: Store, field: str, text: str) -> None:
    """Status, the next step and above all a kill go on over an entry that says nonsense; and it stays seen."""
    push(store)
    store.run("ramp", "a", "2%", "-m", "go", "--override", "x")
    store.rewrite(spoilt(field, text))
    store.run("status")
    store.run("ramp", "a", "3%", "-m", "go", "--override", "x")
    store.run("kill", "a", "-m", "bad")
    assert "The change log was tampered with" in store.run("log", code=1).stderr


def test_definitions_that_were_changed_past_the_log_show(store: Store) -> None:
    """Somebody edited what the store holds, and no entry tells of it: the newest has the hash of something else."""
    push(store)
    assert store.run("log").stderr == ""
    edited = FILE.replace(b"1%", b"99%")
    if store.url.startswith("redis"):
        client: Any = redis.Redis.from_url(store.url.partition("?")[0])
        client.hset(store.source.key, "data", edited)
        client.close()
    else:
        name = store.url.rpartition("name=")[2]
        with psycopg.connect(store.url.partition("name=")[0].rstrip("?&"), autocommit=True) as connection:
            connection.execute("UPDATE flagmiddleware_snapshot SET data = %s WHERE name = %s", (edited, name))
    told = ": the definitions are not those that revision 1 was written with"
    assert f"The change log was tampered with{told}" in store.run("log", code=1).stderr
