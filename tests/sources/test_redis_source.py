"""Redis: what is written once is written once, whatever the network does meanwhile."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import redis

from flagmiddleware import Flags
from flagmiddleware.errors import ConfigurationError, ConflictError, SourceError
from flagmiddleware.reconcile import intact
from flagmiddleware.sources import Change
from flagmiddleware.sources.redis import RedisSource
from flagmiddleware.sources.signed import signed
from tests.services import HOST, free_port, program, redis_server, running, wait_for

from .stores import proxy

pytestmark = [pytest.mark.faults, pytest.mark.services]


def document(number: int) -> bytes:
    return b'{"version": 1, "flags": {"n": {"variants": {"v": %d}, "off": "v"}}}' % number


@pytest.fixture
def name() -> str:
    return uuid4().hex


@pytest.fixture
def source(redis_url: str, name: str) -> Iterator[RedisSource]:
    made = RedisSource(f"{redis_url}?name={name}")
    yield made
    made.close()


def test_an_empty_store_says_how_to_fill_it(source: RedisSource) -> None:
    """Nothing there yet is an error of the source, with the cure, and never a set of no flags."""
    with pytest.raises(SourceError, match="flags push"):
        source.fetch(None)


def test_fifty_writers_make_fifty_revisions(source: RedisSource, redis_url: str, name: str) -> None:
    """Every one of fifty writers that race, conflict and try again gets its own revision; the history has them all."""
    source.write(Change(data=document(0)), None)
    revisions: list[int] = []

    def write(number: int) -> None:
        writer = RedisSource(f"{redis_url}?name={name}")
        while True:
            current = writer.fetch(None)
            assert current is not None
            try:
                revisions.append(int(writer.write(Change(data=document(number), actor=f"w{number}"), current.revision)))
                return writer.close()
            except ConflictError:
                continue

    threads = [threading.Thread(target=write, args=(number,)) for number in range(1, 51)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(revisions) == list(range(2, 52))
    history = source.history(100)
    assert [int(entry["revision"]) for entry in history] == list(range(51, 0, -1))
    assert {entry["actor"] for entry in history} == {"", *(f"w{number}" for number in range(1, 51))}


def test_a_lost_reply_is_no_second_write(redis_url: str, name: str) -> None:
    """The store wrote and the answer was lost: the writer finds its own hash there and reports its revision, once."""
    parts = urlsplit(redis_url)
    with proxy(parts.port or 0) as between:
        writer = RedisSource(f"redis://{HOST}:{between.port}/0?name={name}", timeout=1.0)
        direct = RedisSource(f"{redis_url}?name={name}")
        first = writer.write(Change(data=document(1)), None)
        original = writer._redis().eval

        def eval_and_lose(*arguments: object) -> object:
            between.mode = "cut"
            try:
                return original(*arguments)
            finally:
                between.mode = "pass"

        writer._redis().eval = eval_and_lose
        assert writer.write(Change(data=document(2)), first) == "2"
        assert [entry["revision"] for entry in direct.history()] == ["2", "1"]
        writer.close()
        direct.close()


def test_a_write_that_never_arrived_is_an_error(name: str) -> None:
    """Nobody there: the writer is told, and told within its time limit."""
    writer = RedisSource(f"redis://{HOST}:{free_port()}/0?name={name}", timeout=0.2)
    with pytest.raises(SourceError):
        writer.write(Change(data=document(1)), None)


def test_a_reader_that_wrote_nothing_hears_of_changes(source: RedisSource, redis_url: str, name: str) -> None:
    """After the first wait (the subscription) a write is a hint; silence is none."""
    source.write(Change(data=document(1)), None)
    reader = RedisSource(f"{redis_url}?name={name}")
    assert reader.wait(1.0)
    assert not reader.wait(0.05)
    source.write(Change(data=document(2)), "1")
    assert any(reader.wait(2.0) for _ in range(3))
    reader.close()


def test_revoked_access_keeps_the_flags_and_leaks_no_password() -> None:
    """The user is deleted while the site runs: refused, the last good flags stay, no word of the password anywhere."""
    with redis_server() as url:
        admin = redis.Redis.from_url(url)
        admin.acl_setuser(
            "app", enabled=True, passwords=["+s3cr3t-pass"], keys=["*"], channels=["*"], categories=["+@all"]
        )
        source = RedisSource(url.replace("://", "://app:s3cr3t-pass@"))
        source.write(Change(data=document(7)), None)
        flags = Flags(source, refresh=0.1)
        assert flags.value("n") == 7
        admin.acl_deluser("app")
        with contextlib.suppress(SourceError):
            source.fetch(None)  # the connection was ended with the user
        with pytest.raises(SourceError, match="does not let us in") as refused:
            source.fetch(None)
        assert refused.value.refused
        flags.refresh()
        assert flags.value("n") == 7
        assert flags.status.state == "STALE"
        assert "s3cr3t" not in repr(flags.status) + str(refused.value) + source.name
        flags.close()
        admin.close()


def test_a_store_that_lost_its_data_starts_a_new_epoch(source: RedisSource) -> None:
    """After a loss the first write begins another epoch, so that revision 1 is newer than the old revision 2."""
    source.write(Change(data=document(1)), None)
    source.write(Change(data=document(2)), "1")
    before = source.fetch(None)
    source._redis().delete(source.key, source.log)
    flags = Flags(source)
    assert flags.status.state == "ERROR"
    source.write(Change(data=document(3)), None)
    after = source.fetch(before)
    assert before is not None
    assert after is not None
    assert after.revision == "1"
    assert after.epoch != before.epoch
    flags.refresh()
    assert flags.value("n") == 3
    flags.close()


def test_content_that_was_tampered_with_has_another_hash(source: RedisSource) -> None:
    """Bytes that do not fit the hash beside them are seen."""
    source.write(Change(data=document(1)), None)
    source._redis().hset(source.key, "data", document(2))
    found = source.fetch(None)
    assert found is not None
    assert not intact(found)


def test_what_is_signed_with_another_key_is_not_believed(redis_url: str, name: str) -> None:
    """Whoever can write the store but has no key cannot change a flag."""
    url = f"{redis_url}?name={name}"
    ours, theirs = b"a key of sixteen bytes", b"some other key, as long"
    writer, intruder = RedisSource(url, snapshot_key=ours), RedisSource(url, snapshot_key=theirs)
    writer.write(Change(data=document(1)), None)
    flags = Flags(signed(RedisSource(url), ours), refresh=0.1)
    assert flags.value("n") == 1
    intruder.write(Change(data=document(666)), "1")
    flags.refresh()
    assert flags.value("n") == 1
    assert "not signed" in flags.status.last_error
    for one in (writer, intruder, flags):
        one.close()


def test_a_url_without_a_host_is_refused() -> None:
    """At construction, with an example of a right one."""
    with pytest.raises(ConfigurationError, match="redis://localhost"):
        RedisSource("redis://")


def test_sentinel_leads_to_the_primary(tmp_path: Path, name: str) -> None:
    """A URL of sentinels reads and writes whatever they call the primary."""
    with redis_server() as url:
        primary, port = urlsplit(url).port, free_port()
        configuration = tmp_path / "sentinel.conf"
        configuration.write_text(
            f"port {port}\nbind {HOST}\ndir {tmp_path}\nsentinel monitor flagstore {HOST} {primary} 1\n"
        )
        with running([program("redis-server"), str(configuration), "--sentinel"], port=port, log=tmp_path / "log"):
            source = RedisSource(f"redis+sentinel://{HOST}:{port}/flagstore?name={name}")
            wait_for(lambda: source._redis().ping(), "no primary named", 20)
            assert source.write(Change(data=document(5)), None) == "1"
            assert Flags(source).value("n") == 5
            source.close()


def test_the_rights_of_the_guide_are_enough() -> None:
    """A site that may only read, as the how-to's ACL says: it fetches, it listens, it cannot write."""
    with redis_server() as url:
        writer = RedisSource(url)
        writer.write(Change(data=document(1)), None)
        rights = "on >word ~{flags}:* &{flags}:* +hmget +subscribe +unsubscribe +ping +hello +client"
        writer._redis().execute_command("ACL", "SETUSER", "site", *rights.split())
        site = RedisSource(url.replace("://", "://site:word@"))
        flags = Flags(site, refresh=0.1)
        assert flags.value("n") == 1
        site.wait(0.5)
        writer.write(Change(data=document(2)), "1")
        wait_for(lambda: flags.value("n") == 2, "the change did not arrive")
        assert flags.status.state == "READY"
        with pytest.raises(SourceError, match="does not let us in"):
            site.write(Change(data=document(3)), "2")
        flags.close()
        writer.close()
