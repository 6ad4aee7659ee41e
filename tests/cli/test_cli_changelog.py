"""The change log of real stores: what each record tells, how a forged one shows, what it is good for."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import redis
from click.testing import CliRunner, Result
from psycopg.rows import dict_row

from flagmiddleware.cli import flags
from flagmiddleware.sources.base import Change
from flagmiddleware.sources.chain import FIRST, link
from flagmiddleware.sources.postgres import PostgresSource, create_tables
from flagmiddleware.sources.redis import RedisSource

FILE = b"""\
version: 1
flags:
  a:   # keep
    risk: {technical: high, business: high}
    rules: [{rollout: 1%}]
    environments:
      live: {rules: [{rollout: 0.5%}]}
  b: {}
"""


Log = list[dict[str, Any]]
"""The entries, oldest first."""


class Store:
    """A store of the test's own, and a way to write behind its back."""

    def __init__(
        self, url: str, source: Any, rewrite: Callable[[Callable[[Log], Log]], None], put: Callable[..., None]
    ) -> None:
        self.url, self.source, self.rewrite, self.put = url, source, rewrite, put

    def forge(self, revision: str, reason: str) -> None:
        """Give an entry another reason."""
        self.rewrite(
            lambda log: [{**entry, "reason": reason} if entry["revision"] == revision else entry for entry in log]
        )

    def run(self, *args: str, code: int = 0) -> Result:
        """Run a command on the store and check its exit code."""
        result = CliRunner().invoke(flags, [*args, "--source", self.url])
        assert result.exit_code == code, result.output
        return result

    def log(self, *args: str) -> list[dict[str, Any]]:
        """The rows of `flags log`."""
        rows: list[dict[str, Any]] = json.loads(self.run("log", *args, "--format", "json").stdout)
        return rows


@pytest.fixture(params=["redis", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A Redis and a PostgreSQL store, empty."""
    name = uuid4().hex
    made = _redis if request.param == "redis" else _postgres
    found = made(request.getfixturevalue(f"{request.param}_url"), name)
    yield found
    found.source.close()


def _redis(url: str, name: str) -> Store:
    source = RedisSource(f"{url}?name={name}")

    def rewrite(change: Callable[[Log], Log]) -> None:
        client: Any = redis.Redis.from_url(url, decode_responses=True)
        entries = [entry for _, entry in client.xrange(source.log)]
        client.delete(source.log)
        for entry in change(entries):
            client.xadd(source.log, entry)
        client.close()

    def put(entry: dict[str, str]) -> None:
        client: Any = redis.Redis.from_url(url)
        client.xadd(source.log, entry)
        client.close()

    return Store(f"{url}?name={name}", source, rewrite, put)


def _postgres(url: str, name: str) -> Store:
    where = f"{url}{'&' if '?' in url else '?'}name={name}"
    create_tables(where)

    def behind(statement: str, values: tuple[Any, ...]) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER TABLE flagmiddleware_history DISABLE TRIGGER USER")
            connection.execute(statement.encode(), values)
            connection.execute("ALTER TABLE flagmiddleware_history ENABLE TRIGGER USER")

    def rewrite(change: Callable[[Log], Log]) -> None:
        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
            rows = connection.execute("SELECT * FROM flagmiddleware_history WHERE name = %s ORDER BY number", (name,))
            entries = [{**row, "revision": str(row["revision"])} for row in rows]
        behind("DELETE FROM flagmiddleware_history WHERE name = %s", (name,))
        for entry in change(entries):
            told = {column: value for column, value in entry.items() if column != "number"}
            marks = ", ".join(["%s"] * len(told))
            behind(f"INSERT INTO flagmiddleware_history ({', '.join(told)}) VALUES ({marks})", tuple(told.values()))

    def put(entry: dict[str, str]) -> None:
        columns = ", ".join(entry)
        marks = ", ".join(["%s"] * len(entry))
        statement = f"INSERT INTO flagmiddleware_history (name, epoch, data, {columns}) VALUES (%s, 'e', '', {marks})"
        behind(statement, (name, *entry.values()))

    return Store(where, PostgresSource(where), rewrite, put)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder outside git, with a file to push; the app's revision is told by the variable."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLAGMIDDLEWARE_APP_REVISION", "v7")
    Path("flags.yaml").write_bytes(FILE)


def push(store: Store) -> None:
    """Bring the file into the store."""
    result = CliRunner().invoke(flags, ["push", "flags.yaml", store.url, "-m", "the first"])
    assert result.exit_code == 0, result.output


def test_a_record_tells_everything(store: Store) -> None:
    """Time, environment, flag, actor, via, from, to, exposure before and after, reason, app revision: one a change."""
    push(store)
    store.run("ramp", "a", "5%", "-m", "looks good", "--gate", "person=no tickets", "--override", "the fair")
    first, other, live, step, untouched = *store.log(), None
    assert (first["flag"], first["kind"], first["environment"], first["to"]) == (
        "a",
        "created",
        None,
        "on for 1 % of everyone",
    )
    assert (live["flag"], live["environment"], live["exposure_after"]) == ("a", "live", pytest.approx(0.005))
    assert (other["flag"], other["from"]) == ("b", "absent")
    assert untouched is None  # `live` has rules of its own, so the step did not reach it
    assert step["from"] == "on for 1 % of everyone"
    assert step["to"] == "on for 5 % of everyone"
    assert step["exposure_before"] == pytest.approx(0.01)
    assert step["exposure_after"] == pytest.approx(0.05)
    assert (step["id"], step["flag"], step["kind"], step["via"]) == ("2:a", "a", "increased", "flags ramp")
    assert step["reason"].startswith("looks good")
    assert step["app_revision"] == "v7"
    assert step["actor"]
    assert step["time"] > 1_700_000_000


def test_a_change_in_one_environment_is_told_as_such(store: Store) -> None:
    """`-e live` shows what became of the flag there, and nothing that did not reach it."""
    push(store)
    store.run("kill", "a", "-e", "live", "-m", "bad")
    store.run("ramp", "a", "2%", "-m", "elsewhere", "--override", "test")
    assert [(row["environment"], row["kind"]) for row in store.log("a", "-e", "live")] == [
        ("live", "created"),
        ("live", "killed"),
    ]
    last = store.log("a")[-2]
    assert last["environment"] == "live"
    assert (last["from"], last["to"]) == ("on for 0.5 % of everyone", "killed: off for everyone")
    assert last["exposure_after"] == 0


def test_the_table_reads_as_it_does_for_files(store: Store) -> None:
    """The same columns as for a file in git; `--since` counts."""
    push(store)
    text = store.run("log", "a").stdout
    assert all(word in text.splitlines()[0] for word in ("ID", "WHEN", "FROM", "TO", "EXPOSURE", "WHO", "VIA", "WHY"))
    assert "0 % → 1 %" in text
    assert store.log("--since", "2999-01-01") == []
    assert len(store.log("--since", "1h")) == 3


def test_a_forged_entry_shows(store: Store) -> None:
    """The chain covers what is told: a log in which somebody rewrote a reason is shouted at, with exit code 1."""
    push(store)
    store.run("ramp", "a", "2%", "-m", "go", "--override", "x")
    store.run("kill", "a", "-m", "bad")
    assert store.run("log").stderr == ""
    store.forge("2", "nobody told me")
    assert "tampered with at revision 2" in store.run("log", code=1).stderr


REWRITTEN: dict[str, tuple[Callable[[Log], Log], str]] = {
    "first": (lambda log: log[1:], ": entry 1 is missing at its beginning"),
    "first two": (lambda log: log[2:], ": entries 1 to 2 are missing at its beginning"),
    "middle": (lambda log: [*log[:1], *log[2:]], " at revision 3: entry 2 is missing before it"),
    "last": (lambda log: log[:-1], ": entry 4 is missing at its end"),
    "last two": (lambda log: log[:2], ": entries 3 to 4 are missing at its end"),
    "all": (lambda log: [], ": it is empty, and the definitions tell of a change"),
    "reordered": (lambda log: [log[0], log[2], log[1], log[3]], " at revision 2: entry 2 stands after entry 3"),
    "edited": (
        lambda log: [*log[:2], {**log[2], "actor": "Eve"}, log[3]],
        " at revision 3: entry 3 is not what was written, or follows another one",
    ),
    "first edited": (
        lambda log: [{**log[0], "actor": "Eve"}, *log[1:]],
        " at revision 1: entry 1 is not what was written, or follows another one",
    ),
    "renumbered": (lambda log: [{**log[1], "place": "1"}, *log[2:]], " at revision 2: entry 1 is not what was written"),
    "unlinked": (lambda log: [{**entry, "link": ""} for entry in log], " at revision 1: entry 1 is not what was"),
    "put in": (lambda log: [*log, {**log[3], "revision": "9"}], " at revision 9: entry 4 stands after entry 4"),
}


@pytest.mark.parametrize("how", REWRITTEN)
def test_whatever_was_done_to_the_log_shows(store: Store, how: str) -> None:
    """Cut at either end, thinned out, reordered, edited: told with the place, and still after the next change."""
    push(store)
    for share in ("2%", "3%", "4%"):
        store.run("ramp", "a", share, "-m", "go", "--override", "x")
    assert store.run("log").stderr == ""
    change, told = REWRITTEN[how]
    store.rewrite(change)
    assert f"The change log was tampered with{told}" in store.run("log", code=1).stderr
    store.run("kill", "a", "-m", "bad")
    assert "The change log was tampered with" in store.run("log", code=1).stderr


def test_old_entries_that_the_store_lets_go_leave_a_checkpoint(
    store: Store, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Redis keeps so many changes: which were let go, and when, is in the chain. PostgreSQL lets none go."""
    monkeypatch.setattr("flagmiddleware.sources.redis._KEPT", 3)
    monkeypatch.setattr("flagmiddleware.sources.redis._SPARE", 2)
    push(store)
    for number in range(2, 7):
        store.run("ramp", "a", f"{number}%", "-m", "go", "--override", "x")
    found = store.run("log")
    is_redis = store.url.startswith("redis")
    assert len(store.source.history()) == (3 if is_redis else 6)
    assert ("Entries before 4 were trimmed on 20" in found.stderr) is is_redis
    assert "tampered" not in found.stderr
    if is_redis:  # one more than was let go
        store.rewrite(lambda log: log[1:])
        assert ": entries 1 to 4 are missing at its beginning" in store.run("log", code=1).stderr


def test_definitions_that_forgot_their_newest_entry_show(store: Store) -> None:
    """What names the newest entry was taken away with it: the log says so, and so it does after the next change."""
    push(store)
    store.run("ramp", "a", "2%", "-m", "go", "--override", "x")
    if store.url.startswith("redis"):
        client: Any = redis.Redis.from_url(store.url.partition("?")[0])
        client.hdel(store.source.key, "head")
        client.close()
    else:
        with psycopg.connect(store.url.partition("name=")[0].rstrip("?&"), autocommit=True) as connection:
            connection.execute("UPDATE flagmiddleware_snapshot SET head = ''")
    store.rewrite(lambda log: log[:-1])
    assert "entry 1 at its end is not the one" in store.run("log", code=1).stderr
    store.run("kill", "a", "-m", "bad")
    assert "entry 2 is not what was written, or follows another one" in store.run("log", code=1).stderr


def test_entries_of_an_earlier_version_are_read(store: Store) -> None:
    """An entry without from, to and exposure is shown with what it has, and its link still holds."""
    old = {"revision": "1", "sha256": "", "actor": "Ann", "reason": "why", "via": "x", "keys": "a,b", "time": "1.0"}
    store.put({**old, "link": link(FIRST, old)})
    one, two = store.log()
    assert (one["id"], two["id"], one["actor"], one["from"], one["exposure_before"]) == (
        "1:a",
        "1:b",
        "Ann",
        None,
        None,
    )
    assert "Ann" in store.run("log").stdout


def test_a_change_is_taken_back(store: Store) -> None:
    """`flags revert 2:a` gives the flag the text that it had, and the log tells of that too."""
    push(store)
    store.run("ramp", "a", "2%", "-m", "go", "--override", "x")
    store.run("revert", "2:a", "-m", "too soon")
    assert store.source.fetch(None).data == store.source.document("1")
    last = store.log("a")[-1]
    assert (last["via"], last["from"], last["to"]) == (
        "flags revert",
        "on for 2 % of everyone",
        "on for 1 % of everyone",
    )
    assert "changed since, by 3" in store.run("revert", "2:a", "-m", "again", code=2).stderr


def test_a_stage_soaks_by_the_stores_log(store: Store) -> None:
    """How long a flag has been at its stage is known from the store, so the crawl's day of soaking holds there, too."""
    push(store)
    result = store.run("ramp", "a", "5%", "-m", "go", code=1)
    assert "1 % has lasted 0 s, a stage lasts at least 1 d" in result.stderr


def test_releases_of_a_store_are_measured(store: Store) -> None:
    """`flags dora` takes deployments from the repository at hand, and releases from the store's log."""
    for args in (["init", "-q"], ["-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "x", "--allow-empty"]):
        subprocess.run(["git", *args], check=True, timeout=30)
    push(store)
    store.run("ramp", "a", "2%", "-m", "go", "--override", "x")
    store.run("kill", "a", "-m", "bad")
    figures = {one["name"]: one for one in json.loads(store.run("dora", "--format", "json").stdout)["figures"]}
    assert figures["releases"]["samples"] == 2
    assert figures["blast radius spent"]["samples"] == 1
    assert figures["deployments"]["samples"] == 1


def test_a_log_is_kept_where_the_definitions_are_broken(store: Store) -> None:
    """A kill in a store whose definitions have other problems is written and logged, only with less to tell."""
    store.source.write(Change(data=b"version: 1\nflags:\n  a: {}\n  b: {nonsense: 1}\n", reason="x"), None)
    store.run("kill", "a", "-m", "now")
    assert (store.log("a")[-1]["reason"], store.log("a")[-1]["kind"]) == ("now", None)
