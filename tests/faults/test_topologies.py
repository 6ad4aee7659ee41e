"""Stores of several servers: a cluster that loses a node, a failover to a replica that lags, a pooler in between."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from flagmiddleware import Flags, refresher
from flagmiddleware.sources import Change
from flagmiddleware.sources.postgres import PostgresSource, create_tables
from flagmiddleware.sources.redis import RedisSource
from tests.services import wait_for
from tests.topologies import Cluster, pgbouncer, postgres_standby, redis_cluster, sentinel_pair

from .load import document, load, publish

pytestmark = [pytest.mark.faults, pytest.mark.services]


def test_a_cluster_loses_the_node_that_holds_the_flags() -> None:
    """Six nodes: the primary of our slot is killed, its replica takes over, and the next change arrives everywhere."""
    with redis_cluster() as cluster:
        writer = RedisSource(cluster.url)
        publish(writer, 1)
        with load(Flags(cluster.url, refresh=0.2)) as readers:
            readers.until(1)
            publish(writer, 2)
            readers.until(2)
            cluster.kill(_home_of(writer, cluster))
            wait_for(lambda: _published(writer, 3), "no replica took over")
            readers.until(3)
            readers.until_state("READY")
        assert readers.seen == [1, 2, 3]
        writer.close()


def _home_of(source: RedisSource, cluster: Cluster) -> int:
    """The port of the node that the flags are kept on."""
    port = int(source._redis().get_node_from_key(source.key).port)
    assert port in cluster.nodes
    return port


def _published(writer: RedisSource, number: int) -> bool:
    try:
        publish(writer, number)
    except Exception as error:
        logging.getLogger(__name__).info("not yet: %s", error)
        return False
    return True


def test_a_failover_to_a_replica_that_lags(monkeypatch: pytest.MonkeyPatch) -> None:
    """The primary dies before its replica has the newest flags: they are held for a while, then the store is followed.

    The replica is stopped while 40 MB are written, of which the network holds but a part; half of a command is none.
    """
    monkeypatch.setattr(refresher, "HOLD", 2.0)
    with sentinel_pair() as pair:
        writer = RedisSource(pair.url, timeout=20)
        publish(writer, 1)
        publish(writer, 2)
        writer._redis().wait(1, 5000)
        with load(Flags(RedisSource(pair.url, timeout=20), refresh=0.2)) as readers:
            readers.until(2)
            pair.replica[1].send_signal(signal.SIGSTOP)
            writer.write(Change(data=document(3, padding=40 * 2**20)), "2")
            readers.until(3)
            pair.primary[1].send_signal(signal.SIGKILL)
            pair.replica[1].send_signal(signal.SIGCONT)
            pair.failed_over()
            assert RedisSource(f"redis://127.0.0.1:{pair.replica[0]}/0").fetch(None).revision == "2"  # type: ignore[union-attr]
            readers.until(2)  # after the hold: what the store has now
            wait_for(lambda: _published(writer, 33), "the sentinel names no primary")
            readers.until(33)  # other content under revision 3
            readers.until_state("READY")
        assert readers.seen == [2, 3, 2, 33]
        writer.close()


def put(source: PostgresSource, number: int) -> None:
    """Write a document over whatever is there."""
    row = source._row("revision")
    source.write(Change(data=document(number)), str(row[0]) if row else None)


@pytest.fixture
def pooled(postgres_url: str) -> Iterator[tuple[PostgresSource, str]]:
    """A source that writes directly, and the URL of the same flags through PgBouncer in transaction mode."""
    create_tables(postgres_url)
    name = uuid4().hex
    direct = PostgresSource(f"{postgres_url}?name={name}")
    with pgbouncer(postgres_url) as url:
        yield direct, f"{url}?name={name}"
    direct.close()


def test_a_pooler_that_swallows_notifications(
    pooled: tuple[PostgresSource, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Behind PgBouncer in transaction mode changes are found by asking, which one line says, and once."""
    direct, url = pooled
    put(direct, 1)
    with load(Flags(url, refresh=0.2)) as readers:
        readers.until(1)
        source = readers.flags._holder.source
        wait_for(lambda: "does not pass notifications on" in caplog.text, "nothing was said")
        for number in (2, 3, 4):
            put(direct, number)
            readers.until(number)
        assert readers.flags.status.state == "READY"
        assert source._is_deaf  # type: ignore[attr-defined]
    assert caplog.text.count("does not pass notifications on") == 1
    through = PostgresSource(url)
    put(through, 5)
    found = direct.fetch(None)
    assert found is not None
    assert found.data == document(5)
    through.close()


def test_a_pooler_that_passes_them_on(postgres_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """In session mode the pooler is found out to be harmless, and changes are heard."""
    create_tables(postgres_url)
    with pgbouncer(postgres_url, "session") as url:
        source = PostgresSource(f"{url}?name={uuid4().hex}")
        put(source, 1)
        assert source.wait(1.0)
        assert not source.wait(0.1)
        put(source, 2)
        began = time.monotonic()
        assert source.wait(30.0)
        assert time.monotonic() - began < 30
        source.close()
    assert "does not pass" not in caplog.text


def test_a_standby_is_asked(postgres_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """A standby refuses LISTEN: one line says so, and what the primary is given arrives with the next question."""
    create_tables(postgres_url)
    name = uuid4().hex
    primary = PostgresSource(f"{postgres_url}?name={name}")
    put(primary, 1)
    with postgres_standby(postgres_url) as url, load(Flags(f"{url}?name={name}", refresh=0.2)) as readers:
        readers.until(1)
        put(primary, 2)
        readers.until(2)
        wait_for(lambda: "does not pass notifications on" in caplog.text, "nothing was said")
        assert readers.flags.status.state == "READY"
    assert caplog.text.count("does not pass notifications on") == 1
    primary.close()
