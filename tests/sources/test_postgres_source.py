"""PostgreSQL: one row, one statement a write, a history that cannot be rewritten unseen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from flagmiddleware import Flags
from flagmiddleware.errors import ConfigurationError, ConflictError, SourceError
from flagmiddleware.sources import Change, Source, from_url
from flagmiddleware.sources.chain import verify
from flagmiddleware.sources.postgres import PostgresSource, create_tables
from flagmiddleware.sources.signed import signed
from flagmiddleware.testing.contract_source import SECRET, SourceContract, document
from tests.services import wait_for

from .stores import Proxy, proxy

pytestmark = [pytest.mark.faults, pytest.mark.services]

KEY = b"a snapshot key of enough bytes"


@pytest.fixture(scope="module")
def database(postgres_url: str) -> str:
    """The session's PostgreSQL with the tables in it."""
    create_tables(postgres_url)
    create_tables(postgres_url)  # once more does nothing
    return postgres_url


@pytest.fixture
def url(database: str) -> str:
    return f"{database}?name={uuid4().hex}"


@pytest.fixture
def source(url: str) -> Iterator[PostgresSource]:
    made = PostgresSource(url)
    yield made
    made.close()


class InPostgres:
    """A set of flags of its own, reached through a proxy that can fail."""

    def __init__(self, url: str, between: Proxy, wrap: Callable[[Source], Source]) -> None:
        self.between, self.wrap = between, wrap
        self.direct = PostgresSource(url, snapshot_key=KEY)
        host = urlsplit(url).netloc.rpartition("@")[2]
        self.url = url.replace(f"flags@{host}", f"flags:{SECRET}@127.0.0.1:{between.port}")
        self.put(document(beta=True))

    def open(self) -> Source:
        return self.wrap(PostgresSource(self.url, snapshot_key=KEY))

    def put(self, data: bytes) -> None:
        self.between.mode = "pass"
        row = self.direct._row("revision")
        self.direct.write(Change(data=data), str(row[0]) if row else None)

    def break_it(self) -> bool:
        self.between.mode = "refuse"
        self.between.drop()
        return True


class TestPostgres(SourceContract):
    """A real PostgreSQL."""

    @pytest.fixture
    def store(self, url: str) -> Iterator[InPostgres]:
        with proxy(urlsplit(url).port or 0) as between:
            store = InPostgres(url, between, lambda source: source)
            yield store
            store.direct.close()


class TestSignedPostgres(SourceContract):
    """The same, believed only with our signature."""

    @pytest.fixture
    def store(self, url: str) -> Iterator[InPostgres]:
        with proxy(urlsplit(url).port or 0) as between:
            store = InPostgres(url, between, lambda source: signed(source, KEY))
            yield store
            store.direct.close()


def test_a_url_names_it(url: str) -> None:
    """Both spellings that people use."""
    for spelling in (url, url.replace("postgresql://", "postgres://")):
        assert isinstance(from_url(spelling), PostgresSource)
    with pytest.raises(ConfigurationError, match="needs a database"):
        from_url("postgresql://localhost")


def test_a_database_without_tables_says_how_to_make_them(url: str) -> None:
    """The cure is in the message."""
    with psycopg.connect(urlsplit(url)._replace(query="").geturl(), autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS bare")
        admin.execute("CREATE DATABASE bare")
    bare = PostgresSource(url.replace("/flags?", "/bare?"))
    with pytest.raises(SourceError, match="create_tables"):
        bare.fetch(None)
    bare.close()


def test_an_empty_store_says_how_to_fill_it(source: PostgresSource) -> None:
    """No row is an error of the source, never a set of no flags."""
    with pytest.raises(SourceError, match="flags push"):
        source.fetch(None)


def test_twenty_writers_make_a_chain_of_twenty(source: PostgresSource, url: str) -> None:
    """Each gets a revision of its own, and each entry of the history follows from the one before."""
    source.write(Change(data=document(beta=True), actor="ann", reason="first", keys=("beta",)), None)

    def write(number: int) -> None:
        writer = PostgresSource(url)
        while True:
            current = writer.fetch(None)
            assert current is not None
            try:
                writer.write(Change(data=document(beta=bool(number % 2)), actor=f"w{number}"), current.revision)
                return writer.close()
            except ConflictError:
                continue

    threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    history = source.history()
    assert [entry["revision"] for entry in history] == [str(number) for number in range(21, 0, -1)]
    chain = history[::-1]
    assert verify(chain) is None
    assert verify([*chain[:3], {**chain[3], "reason": "rewritten"}, *chain[4:]]) == 3
    assert verify([*chain[:3], *chain[4:]]) == 3


def test_the_history_refuses_to_be_rewritten(source: PostgresSource) -> None:
    """Neither UPDATE nor DELETE nor TRUNCATE gets past the trigger."""
    source.write(Change(data=document(beta=True)), None)
    for statement in ("UPDATE {} SET actor = 'eve'", "DELETE FROM {}", "TRUNCATE {}"):
        with pytest.raises(psycopg.errors.RaiseException, match="only ever appended"):
            source._connection.execute(statement.format("flagmiddleware_history"))
    assert verify(source.history()) is None


def test_a_lost_reply_is_no_second_write(url: str) -> None:
    """The statement was executed and its answer was lost: the writer finds its own hash and reports its revision."""
    with proxy(urlsplit(url).port or 0) as between:
        writer = PostgresSource(url.replace(f":{urlsplit(url).port}", f":{between.port}"))
        direct = PostgresSource(url)
        first = writer.write(Change(data=document(beta=True)), None)
        ask = writer._ask

        def lose(statement: object) -> object:
            between.mode = "cut"
            try:
                return ask(statement)  # type: ignore[arg-type]
            finally:
                between.mode, writer._ask = "pass", ask  # type: ignore[method-assign]

        history = writer.history

        def history_and_lose(count: int = 100) -> list[dict[str, str]]:
            found = history(count)  # the last question before the write
            writer._ask = lose  # type: ignore[method-assign]
            return found

        writer.history = history_and_lose  # type: ignore[method-assign]
        assert writer.write(Change(data=document(beta=False)), first) == "2"
        assert [entry["revision"] for entry in direct.history()] == ["2", "1"]
        writer.close()
        direct.close()


def test_a_reader_hears_of_changes_once_they_are_committed(source: PostgresSource, url: str) -> None:
    """NOTIFY travels with the commit: what is rolled back is neither heard nor seen."""
    source.write(Change(data=document(beta=False)), None)
    reader = PostgresSource(url)
    assert reader.wait(1.0)
    assert not reader.wait(0.05)
    known = reader.fetch(None)
    with source._connection.transaction(force_rollback=True):
        source.write(Change(data=document(beta=True)), "1")
        assert reader.fetch(known) is None
    assert not reader.wait(0.1)
    source.write(Change(data=document(beta=True)), "1")
    assert reader.wait(5.0)
    assert reader.fetch(known) is not None
    reader.close()


def test_flags_follow_through_a_restarted_session(source: PostgresSource, url: str) -> None:
    """The server ends our sessions: the refresher connects again and finds what was written meanwhile."""
    source.write(Change(data=document(beta=False)), None)
    flags = Flags(url, refresh=0.2)
    wait_for(lambda: flags.is_enabled("beta") or flags._holder.source._listener, "nobody listens")  # type: ignore[attr-defined]
    source._connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'flagmiddleware' AND pid <> pg_backend_pid()"
    )
    source.write(Change(data=document(beta=True)), "1")
    wait_for(lambda: flags.is_enabled("beta"), "the change did not arrive")
    flags.close()


def test_a_role_that_lost_its_rights_is_refused(source: PostgresSource, url: str) -> None:
    """Permission denied is told apart from being away, so that nobody hammers the database."""
    source.write(Change(data=document(beta=True)), None)
    source._connection.execute("CREATE ROLE reader LOGIN; GRANT SELECT ON flagmiddleware_snapshot TO reader")
    reader = PostgresSource(url.replace("flags@", "reader@"))
    assert reader.fetch(None) is not None
    source._connection.execute("REVOKE SELECT ON flagmiddleware_snapshot FROM reader")
    with pytest.raises(SourceError, match="permission denied") as refused:
        reader.fetch(None)
    assert refused.value.refused
    reader.close()
    source._connection.execute("DROP ROLE reader")


def test_a_store_that_swallows_can_be_left(url: str) -> None:
    """A proxy acknowledges and never answers: ``abort`` ends the wait that no time limit of the client covers."""
    with proxy(urlsplit(url).port or 0) as between:
        reader = PostgresSource(url.replace(f":{urlsplit(url).port}", f":{between.port}"))
        with pytest.raises(SourceError, match="holds no flags yet"):
            reader.fetch(None)
        between.mode = "swallow"
        errors: list[str] = []

        def fetch() -> None:
            try:
                reader.fetch(None)
            except SourceError as error:
                errors.append(str(error))

        thread = threading.Thread(target=fetch)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        reader.abort()
        thread.join(10)
        assert not thread.is_alive()
        assert len(errors) == 1
        reader.close()


def test_the_rights_of_the_guide_are_enough(source: PostgresSource, url: str) -> None:
    """A site that may read and a pipeline that may write, as the how-to grants it, and no more."""
    source.write(Change(data=document(beta=False)), None)
    source._connection.execute(
        """
        CREATE ROLE site LOGIN; CREATE ROLE pipeline LOGIN;
        GRANT SELECT ON flagmiddleware_snapshot TO site;
        GRANT SELECT, INSERT, UPDATE ON flagmiddleware_snapshot TO pipeline;
        GRANT SELECT, INSERT ON flagmiddleware_history TO pipeline;
        GRANT USAGE ON SEQUENCE flagmiddleware_history_number_seq TO pipeline;
        """
    )
    site, pipeline = (PostgresSource(url.replace("flags@", f"{role}@")) for role in ("site", "pipeline"))
    try:
        assert pipeline.write(Change(data=document(beta=True)), "1") == "2"
        found = site.fetch(None)
        assert found is not None
        assert found.revision == "2"
        with pytest.raises(SourceError, match="permission denied"):
            site.write(Change(data=document(beta=False)), "2")
    finally:
        site.close()
        pipeline.close()
        source._connection.execute("DROP OWNED BY site, pipeline; DROP ROLE site, pipeline")
