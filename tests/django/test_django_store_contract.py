"""The Django store passes the contract of sources, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connections, transaction

from flagmiddleware import Flags
from flagmiddleware.django.store.models import HistoryEntry, StoredFlag, StoreState
from flagmiddleware.django.store.source import OrmSource
from flagmiddleware.sources import Change
from flagmiddleware.testing.contract_source import SECRET, SourceContract, document
from tests.services import wait_for
from tests.sources.stores import Proxy, proxy
from tests.topologies import pgbouncer, postgres_standby

pytestmark = pytest.mark.services

MODELS = (StoredFlag, StoreState, HistoryEntry)


class InTables:
    """The store's tables in a database of their own; rows keep what a document says, not how it was laid out."""

    verbatim = False

    def __init__(self, direct: str, read: str) -> None:
        self.direct, self.read = OrmSource(direct), OrmSource(read)
        with connections[direct].schema_editor() as editor:
            for model in MODELS:
                editor.create_model(model)
        self.put(document(beta=True))

    def open(self) -> OrmSource:
        return OrmSource(self.read.using)

    def mend(self) -> None:
        """Undo what :meth:`break_it` did."""

    def put(self, data: bytes) -> None:
        self.mend()
        found = StoreState.objects.using(self.direct.using).values_list("revision", flat=True).first()
        self.direct.write(Change(data=data, reason="a test"), str(found) if found else None)

    def drop(self) -> None:
        self.mend()
        with connections[self.direct.using].schema_editor() as editor:
            for model in MODELS:
                editor.delete_model(model)


class InSqlite(InTables):
    """A file, broken by taking it away."""

    def __init__(self, alias: str, path: Path) -> None:
        self.path, self.aside = path, path.with_suffix(".aside")
        super().__init__(alias, alias)

    def break_it(self) -> bool:
        connections[self.direct.using].close()
        self.path.rename(self.aside)
        return True

    def mend(self) -> None:
        if self.aside.exists():
            self.aside.replace(self.path)


class InPostgres(InTables):
    """A server behind a proxy that can fail."""

    def __init__(self, direct: str, read: str, between: Proxy) -> None:
        self.between = between
        super().__init__(direct, read)

    def break_it(self) -> bool:
        self.between.mode = "refuse"
        self.between.drop()
        return True

    def mend(self) -> None:
        self.between.mode = "pass"


def _declare(**databases: dict[str, Any]) -> None:
    filled = connections.configure_settings({"default": connections.settings["default"], **databases})
    connections.settings.update({alias: filled[alias] for alias in databases})


def _forget(*aliases: str) -> None:
    for alias in aliases:
        connections[alias].close()
        del connections[alias], connections.settings[alias]


def _place(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    place = {"ENGINE": "django.db.backends.postgresql", "HOST": parts.hostname, "USER": parts.username}
    return {**place, "NAME": parts.path[1:], "PORT": parts.port, "PASSWORD": SECRET}


@pytest.fixture
def sqlite_tables(tmp_path: Path, django_db_blocker: Any) -> Iterator[InTables]:
    path = tmp_path / "site.sqlite3"
    with django_db_blocker.unblock():
        _declare(tables={"ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": {"timeout": 20}})
        yield InSqlite("tables", path)
        _forget("tables")


@pytest.fixture(scope="module")
def own_database(postgres_url: str) -> Iterator[str]:
    """A database of this module's: others leave the same tables in the session's."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE of_the_contract")
    yield f"{postgres_url.rpartition('/')[0]}/of_the_contract"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE of_the_contract WITH (FORCE)")


@pytest.fixture
def postgres_tables(own_database: str, django_db_blocker: Any) -> Iterator[InTables]:
    place = _place(own_database)
    with django_db_blocker.unblock(), proxy(place["PORT"]) as between:
        _declare(tables=place, tables_behind={**place, "PORT": between.port})
        store = InPostgres("tables", "tables_behind", between)
        try:
            yield store
        finally:
            store.drop()
            _forget("tables", "tables_behind")


class TestOrmOnSqlite(SourceContract):
    """Rows in a file."""

    @pytest.fixture
    def store(self, sqlite_tables: InTables) -> InTables:
        return sqlite_tables


class TestOrmOnPostgres(SourceContract):
    """Rows in a real PostgreSQL."""

    @pytest.fixture
    def store(self, postgres_tables: InTables) -> InTables:
        return postgres_tables


def test_a_notification_comes_with_the_commit(postgres_tables: InTables) -> None:
    """Whoever listens hears of a change when it is committed, and of one that is rolled back never."""
    reader = postgres_tables.direct
    assert reader.wait(1.0)
    assert not reader.wait(0.05)
    known = reader.fetch(None)
    with transaction.atomic(using=reader.using):
        postgres_tables.put(document(beta=False))
        assert not reader.wait(0.3)
        assert reader.fetch(known) is None
        transaction.set_rollback(True, using=reader.using)
    assert not reader.wait(0.3)
    assert reader.fetch(known) is None
    postgres_tables.put(document(beta=False))
    assert reader.wait(30.0)
    assert reader.fetch(known) is not None
    reader.close()


def test_elsewhere_one_row_is_read_every_interval(sqlite_tables: InTables) -> None:
    """A database without notifications is asked, once an interval; the change arrives with the next question."""
    flags = Flags(sqlite_tables.open(), refresh=0.1)
    try:
        assert flags.is_enabled("beta")
        sqlite_tables.put(document(beta=False))
        assert not sqlite_tables.direct.wait(0.01)
        wait_for(lambda: not flags.is_enabled("beta"), "the change did not arrive")
    finally:
        flags.close()


@pytest.mark.faults
@pytest.mark.parametrize("between", [pgbouncer, postgres_standby])
def test_who_passes_no_notifications_on_is_found_out(
    between: Any, postgres_tables: InTables, own_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Behind PgBouncer in transaction mode, or on a standby, the store asks at every interval, and says so once."""
    with between(own_database) as url:
        _declare(tables_elsewhere=_place(url))
        reader = OrmSource("tables_elsewhere")
        known = reader.fetch(None)
        assert reader.wait(1.0)
        assert caplog.text.count("does not pass notifications on") == 1
        postgres_tables.put(document(beta=False))
        assert not reader.wait(0.1)
        wait_for(lambda: reader.fetch(known), "the change did not arrive")
        assert caplog.text.count("does not pass notifications on") == 1
        reader.close()
        _forget("tables_elsewhere")
