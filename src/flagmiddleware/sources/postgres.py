"""Definitions in PostgreSQL, for those who have that and nothing else: one row holds the newest snapshot.

Writing is one statement: compare epoch and revision, set the row, append to the history, notify. Reading asks for what
identifies the snapshot, and for the whole only where that differs. The notification makes a change arrive within
milliseconds; it may be lost, which the reconcile of the refresher makes up for.

URLs are libpq's (``postgresql://user@host/database?sslmode=require``); the query's ``name`` (default ``flags``) tells
several sets of flags in one database apart. :func:`create_tables` makes the two tables; :data:`TABLES` is its SQL, for
whoever keeps a schema by hand.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import socket
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from uuid import uuid4

import psycopg

from ..errors import ConfigurationError, ConflictError, SourceError
from .address import check_address
from .base import Change, Snapshot
from .chain import entry, head_of
from .home import home
from .listening import DEAF, listen
from .postgres_sql import ENTRY, INSERT, TABLES, UPDATE, WRITE
from .signed import sign

__all__ = ["TABLES", "PostgresSource", "create_tables"]

logger = logging.getLogger("flagmiddleware")

_LIMIT: Final = 64 * 2**20
_REFUSALS: Final = ("28000", "28P01", "42501")
_REFUSED_WORDS: Final = ("authentication failed", "no pg_hba.conf entry", "permission denied", "does not exist")


def _split(url: str) -> tuple[str, str]:
    """The URL as libpq takes it, and the name of the set of flags."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    name = options.pop("name", "flags")
    return parts._replace(scheme="postgresql", query=urlencode(options, quote_via=quote)).geturl(), name


def create_tables(url: str) -> None:
    """Make the tables where they are missing; the user needs the right to create, readers later need only SELECT.

    Raises SourceError where the database cannot be reached or forbids it.
    """
    check_address(url)
    try:
        with psycopg.connect(_split(url)[0], autocommit=True) as connection:
            connection.execute(TABLES)
    except psycopg.Error as error:
        told = str(error).partition("\n")[0]
        raise SourceError(f"{_name(url)}: the tables could not be made: {told}") from error


def _name(url: str) -> str:
    parts = urlsplit(url)
    return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}#{_split(url)[1]}"


class PostgresSource:
    """Reads and writes one set of flags in a PostgreSQL database.

    ``timeout`` (seconds) limits connecting and each statement, ``start_timeout`` how long a start waits,
    ``snapshot_key`` signs what is written. Raises ConfigurationError for a URL that makes no sense, SourceError from
    :meth:`fetch`, ConflictError from :meth:`write` where somebody else wrote first.
    """

    threaded = True

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 2.0,
        start_timeout: float = 2.0,
        snapshot_key: bytes | None = None,
    ) -> None:
        check_address(url)
        self._url, self._set = _split(url)
        parts = urlsplit(url)
        if not parts.path.strip("/") and "dbname" not in parts.query and "service" not in parts.query:
            raise ConfigurationError("postgresql:// needs a database, such as postgresql://localhost/flags")
        self.name = _name(url)
        self.start_timeout = start_timeout
        # NOTIFY takes 63 bytes of a name: a hash keeps any two sets apart.
        self.channel = f"flagmiddleware_{hashlib.sha256(self._set.encode()).hexdigest()[:16]}"
        self._timeout = timeout
        self.snapshot_key = snapshot_key
        self._home: object = home()
        self._connection: Any = None
        self._listener: Any = None
        self._is_deaf = False
        self._has_limits = True
        self._inherited: list[Any] = []

    # -- connections ----------------------------------------------------------------------------------------------

    def _connect(self) -> Any:
        milliseconds = int(self._timeout * 1000)
        limits: dict[str, Any] = {"options": f"-c statement_timeout={milliseconds}"} if self._has_limits else {}
        try:
            return psycopg.connect(
                self._url,
                autocommit=True,
                prepare_threshold=None,  # poolers that hand a connection to somebody else have no prepared statements
                connect_timeout=max(2, int(self._timeout)),
                tcp_user_timeout=milliseconds,
                application_name="flagmiddleware",
                **limits,
            )
        except psycopg.OperationalError as error:
            # PgBouncer takes no options at the start. Without them a statement is ended from outside: see abort().
            if not self._has_limits or "unsupported startup parameter" not in str(error):
                raise
            self._has_limits = False
            return self._connect()

    def _leave_to_the_parent(self) -> None:
        """Connections that a fork inherited are neither used nor closed: closing would end the parent's session."""
        if self._home != home():
            self._inherited += [self._connection, self._listener]
            self._connection, self._listener, self._is_deaf = None, None, False
            self._home = home()

    def _ask(self, ask: Callable[[Any], Any]) -> Any:
        self._leave_to_the_parent()
        try:
            connection = self._connection
            if connection is None or connection.closed:
                connection = self._connection = self._connect()
            return ask(connection)
        except psycopg.errors.UndefinedTable as error:
            cure = "flags push --create, or create_tables(url), makes them"
            raise SourceError(f"{self.name} has no tables for flags yet: {cure}") from error
        except psycopg.errors.UndefinedColumn as error:
            raise SourceError(
                f"{self.name} has tables of an earlier version: flags push --create adds to them"
            ) from error
        except (psycopg.Error, OSError) as error:
            self._drop("_connection")
            told = str(error).partition("\n")[0]
            refused = getattr(error, "sqlstate", None) in _REFUSALS or any(word in told for word in _REFUSED_WORDS)
            raise SourceError(f"{self.name}: {type(error).__name__}: {told}", refused=refused) from error

    def _drop(self, which: str) -> None:
        connection = getattr(self, which)
        setattr(self, which, None)
        if connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                connection.close()

    # -- reading --------------------------------------------------------------------------------------------------

    def changed(self, known: Snapshot | None) -> bool:
        """Always worth a look."""
        return True

    def _row(self, columns: str) -> tuple[Any, ...] | None:
        query = f"SELECT {columns} FROM flagmiddleware_snapshot WHERE name = %s"  # noqa: S608 - columns are ours
        row: tuple[Any, ...] | None = self._ask(lambda client: client.execute(query, (self._set,)).fetchone())
        return row

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        """The newest snapshot, None where it is still ``known``; raises SourceError where there is none."""
        identity = self._row("epoch, revision, sha256, octet_length(data)")
        if identity is None:
            raise SourceError(f"{self.name} holds no flags yet: flags push FILE postgresql://…")
        if identity[3] > _LIMIT:
            raise SourceError(f"{self.name} holds more than {_LIMIT // 2**20} MiB: that is no set of flags")
        if known is not None and (known.epoch, known.revision, known.sha256) == (
            identity[0], str(identity[1]), identity[2],
        ):  # fmt: skip
            return None
        row = self._row("epoch, revision, sha256, signature, format, data")
        if row is None:
            raise SourceError(f"{self.name} lost its flags just now")
        epoch, revision, digest, signature, format, data = row
        return Snapshot(
            data=bytes(data), name=self.name, format=format or None, revision=str(revision), epoch=epoch,
            sha256=digest, signature=signature,
        )  # fmt: skip

    def wait(self, timeout: float) -> bool:
        """Block up to ``timeout`` seconds for a notification; a lost connection is a hint, too, after a pause."""
        self._leave_to_the_parent()
        if self._is_deaf:
            time.sleep(timeout)
            return False
        try:
            if self._listener is None:
                self._listener = listen(self._connect, self.channel)
                self._is_deaf = self._listener is None
                if self._is_deaf:
                    logger.warning("%s %s", self.name, DEAF)
                return True  # what was written before we listened is found by fetching now
            return any(True for _ in self._listener.notifies(timeout=timeout, stop_after=1))
        except (psycopg.Error, OSError):
            self._drop("_listener")
            time.sleep(min(timeout, 0.2))
            return True

    # -- writing --------------------------------------------------------------------------------------------------

    def write(self, change: Change, expected: str | None) -> str:
        """Write a new snapshot; returns its revision.

        Raises ConflictError unless ``expected`` (None: nothing there yet) is the store's revision. A reply that was
        lost on the way is looked up: the change is written once or not at all.
        """
        if expected is not None and not (expected.isascii() and expected.isdigit() and len(expected) < 19):
            raise ConflictError(f"{self.name} counts its revisions: {expected!r} is none of them")
        row = self._row("epoch, head")
        epoch, head = row if row is not None else (uuid4().hex, None)
        values = self._values(change, epoch, expected, head)
        statement = WRITE.format(write=INSERT if expected is None else UPDATE)
        try:
            written = self._ask(lambda client: client.execute(statement, values).fetchone())
        except SourceError:
            if not self._has(values["revision"], values["sha256"]):
                raise
            return str(values["revision"])
        if written is None:
            found = self._row("revision")
            told = f"the store is at revision {found[0] if found else 'nothing'}, not {expected or 'nothing'}"
            raise ConflictError(f"{self.name}: {told}: read it again, then retry")
        return str(written[0])

    def _values(self, change: Change, epoch: str, expected: str | None, head: str | None) -> dict[str, Any]:
        revision = str(int(expected or 0) + 1)
        snapshot = Snapshot(data=change.data, revision=revision, epoch=epoch)
        # The history cannot move between this and the write: the revision would have moved with it.
        logged = entry(change, revision, self.history(1), head=head)
        return {
            **dict.fromkeys(ENTRY),
            **logged,
            "head": head_of(logged),
            "name": self._set,
            "epoch": epoch,
            "expected": int(expected or 0),
            "signature": sign(snapshot, self.snapshot_key) if self.snapshot_key is not None else "",
            "data": change.data,
            "channel": self.channel,
        }

    def _has(self, revision: str, digest: str) -> bool:
        """Whether what we wrote is there, although nobody told us."""
        for pause in (0.05, 0.2, 0.5):
            try:
                row = self._row("revision, sha256")
                return row is not None and (str(row[0]), row[1]) == (revision, digest)
            except SourceError:
                time.sleep(pause)
        return False

    def history(self, count: int = 100) -> list[dict[str, str]]:
        """The newest changes, the latest first, with the fields of :func:`.chain.entry`."""
        query = (
            f"SELECT {', '.join(ENTRY)} FROM flagmiddleware_history "  # noqa: S608 - columns are ours
            "WHERE name = %s ORDER BY number DESC LIMIT %s"
        )
        rows = self._ask(lambda client: client.execute(query, (self._set, count)).fetchall())
        found = (zip(ENTRY, row, strict=True) for row in rows)
        # What an entry does not say is left out: it was not there when the entry was linked.
        return [{name: str(value) for name, value in pairs if value is not None} for pairs in found]

    def head(self) -> str:
        """What the definitions say of their newest change, as :func:`.chain.head_of` names it; empty: nothing."""
        row = self._row("head")
        return row[0] if row is not None else ""

    def document(self, revision: str) -> bytes | None:
        """The document as it was at a revision of the present epoch; None where there was none."""
        query = (
            "SELECT h.data FROM flagmiddleware_history h JOIN flagmiddleware_snapshot s USING (name, epoch) "
            "WHERE h.name = %s AND h.revision = %s"
        )
        row = self._ask(lambda client: client.execute(query, (self._set, int(revision))).fetchone())
        return None if row is None else bytes(row[0])

    # -- letting go -----------------------------------------------------------------------------------------------

    def abort(self) -> None:
        """End what this process is waiting for: for whoever finds that it takes too long."""
        if self._home != home():
            return
        for connection in (self._connection, self._listener):
            with contextlib.suppress(psycopg.Error, OSError, AttributeError):
                duplicate = socket.socket(fileno=os.dup(connection.pgconn.socket))
                duplicate.shutdown(socket.SHUT_RDWR)
                duplicate.close()

    def close(self) -> None:
        """Close the sessions of this process."""
        if self._home == home():
            self._drop("_connection")
            self._drop("_listener")
