"""Flags from the site's own database, read by a thread with a connection of its own.

A connection of its own sees only what is committed, whatever transaction the site's code is in, and costs the request
path nothing: once the first snapshot is there, no request asks the database. PostgreSQL's NOTIFY brings a change at
once; elsewhere, and where a notification is lost, one row is read every interval.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import select
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.db import DatabaseError, connections
from django.db.utils import InterfaceError

from ...errors import ConfigurationError, SourceError
from ...formats.native.lines import join
from ...sources.base import Change, Snapshot
from ...sources.listening import DEAF, STANDBY

__all__ = ["CHANNEL", "OrmSource"]

logger = logging.getLogger("flagmiddleware")

_APP = "flagmiddleware.django.store"
CHANNEL = "flagmiddleware_store"
"""What PostgreSQL's NOTIFY is sent on."""
_TRIES = 3
_LIMITS = {"connect_timeout": 2, "tcp_user_timeout": 5000}  # PostgreSQL's: seconds, milliseconds


class OrmSource:
    """The flags in one of the site's databases (``using``, an alias of ``DATABASES``).

    ``start_timeout`` is how long, in seconds, a start waits for the first snapshot. Raises ConfigurationError where
    the app is not installed; SourceError from :meth:`fetch` where the database cannot be read or holds no flags.
    """

    threaded = True

    def __init__(self, using: str = "default", *, start_timeout: float = 2.0) -> None:
        if not apps.is_installed(_APP):
            raise ConfigurationError(f'SOURCE is "django": add "{_APP}" to INSTALLED_APPS, then run manage.py migrate')
        self.using = using
        self.name = "django" if using == "default" else f"django:{using}"
        self.start_timeout = start_timeout
        self._mine: tuple[int, int, Any] | None = None  # process, thread, connection
        self._is_listening = False
        self._deaf_in: int | None = None  # the process that found out that no notification comes

    # -- connections ----------------------------------------------------------------------------------------------

    def _new(self) -> Any:
        connection = connections.create_connection(self.using)
        if connection.vendor == "postgresql":
            options = {**_LIMITS, **connection.settings_dict.get("OPTIONS", {})}
            connection.settings_dict = {**connection.settings_dict, "OPTIONS": options}
        connection.inc_thread_sharing()  # close() comes from another thread
        return connection

    def _kept(self) -> Any:
        """The refresher's own connection: the one who waits keeps it. After a fork it is the parent's, and let be."""
        here = (os.getpid(), threading.get_ident())
        if self._mine is None or self._mine[:2] != here:
            self._mine, self._is_listening = (*here, self._new()), False
        return self._mine[2]

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        if self._mine is not None and self._mine[:2] == (os.getpid(), threading.get_ident()):
            try:
                yield self._mine[2]
            except BaseException:
                self._drop()
                raise
            return
        connection = self._new()  # somebody else asks, once
        try:
            yield connection
        finally:
            connection.close()

    def _drop(self) -> None:
        mine, self._mine, self._is_listening = self._mine, None, False
        if mine is not None and mine[0] == os.getpid():
            with contextlib.suppress(DatabaseError, InterfaceError, OSError):
                mine[2].close()

    # -- reading --------------------------------------------------------------------------------------------------

    def changed(self, known: Snapshot | None) -> bool:
        """Always worth a look."""
        return True

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        """The newest committed snapshot, None where it is still ``known``; raises SourceError."""
        try:
            with self._connection() as connection, connection.cursor() as cursor:
                return self._fetch(cursor, connection.ops.quote_name, known)
        except (DatabaseError, InterfaceError, OSError) as error:
            first = str(error).partition("\n")[0]
            hint = ": run manage.py migrate" if "flagmiddleware_store_" in first else ""
            raise SourceError(f"{self.name}: {type(error).__name__}: {first}{hint}") from error

    def _fetch(self, cursor: Any, quote: Any, known: Snapshot | None) -> Snapshot | None:
        state, flags = (quote(f"flagmiddleware_store_{table}") for table in ("storestate", "storedflag"))
        found = Snapshot(data=b"")
        for _ in range(_TRIES):
            # Raw, since the ORM would use the connection of this thread, and with it the transaction that it is in.
            cursor.execute(f"SELECT revision, epoch, sha256, top FROM {state} WHERE id = 1")  # noqa: S608 - our names
            row = cursor.fetchone()
            if row is None:
                raise SourceError(f"{self.name} holds no flags yet: manage.py flags push FILE -m WHY")
            revision, epoch, sha256, top = str(row[0]), row[1], row[2], row[3]
            if known is not None and (known.revision, known.epoch, known.sha256) == (revision, epoch, sha256):
                return None
            cursor.execute(f"SELECT {quote('key')}, definition FROM {flags} ORDER BY position, {quote('key')}")  # noqa: S608
            data = join(top, cursor.fetchall())
            found = Snapshot(data=data, name=self.name, format="native", revision=revision, epoch=epoch, sha256=sha256)
            if hashlib.sha256(data).hexdigest() == sha256:
                return found
        return found  # not a write that came between: the hash is wrong, which whoever checks it will say

    def wait(self, timeout: float) -> bool:
        """Block up to ``timeout`` seconds for a notification; where the database has none, just wait."""
        connection = self._kept()
        if connection.vendor != "postgresql" or self._deaf_in == os.getpid():
            time.sleep(timeout)
            return False
        try:
            if self._is_listening:
                return _notified(connection.connection, timeout)
            if self._hears(connection):
                with connection.cursor() as cursor:
                    cursor.execute(f"LISTEN {CHANNEL}")
                self._is_listening = True
                return True  # what was committed before the channel stood is found by fetching now
        except (DatabaseError, InterfaceError, OSError, ValueError) as error:
            self._drop()
            if getattr(error.__cause__, "pgcode", getattr(error.__cause__, "sqlstate", "")) != STANDBY:
                time.sleep(min(timeout, 0.5))
                return True
        self._deaf_in = os.getpid()
        logger.warning("the database of %s %s", self.name, DEAF)
        return True

    def _hears(self, connection: Any) -> bool:
        """Whether notifications reach this connection: a pooler in between accepts LISTEN and may swallow them."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            if cursor.fetchone()[0] == connection.connection.info.backend_pid:
                return True
            probe = f"{CHANNEL}_{uuid4().hex}"
            cursor.execute(f"LISTEN {probe}")
            other = self._new()
            try:
                with other.cursor() as asking:
                    asking.execute("SELECT pg_notify(%s, '')", [probe])
            finally:
                other.close()
            heard = _notified(connection.connection, 1.0)
            cursor.execute(f"UNLISTEN {probe}")
            return heard

    # -- writing --------------------------------------------------------------------------------------------------

    def write(self, change: Change, expected: str | None) -> str:
        """Write in the caller's transaction, if there is one; raises ConflictError unless ``expected`` is current."""
        from .writing import write

        return write(change, expected, using=self.using, name=self.name)

    def history(self, count: int = 100) -> list[dict[str, str]]:
        """The newest changes, the latest first."""
        from .models import HistoryEntry

        return [entry.as_record() for entry in HistoryEntry.objects.using(self.using).order_by("-id")[:count]]

    def head(self) -> str:
        """What the definitions say of their newest change, as :func:`.chain.head_of` names it; empty: nothing."""
        from .models import StoreState

        state = StoreState.objects.using(self.using).filter(pk=StoreState.THE_ONE).first()
        return f"{state.place or 0} {state.link}" if state is not None and state.link else ""

    def document(self, revision: str) -> bytes | None:
        """The document as it was at a revision of the present epoch; None where there was none."""
        from .past import document_at

        return document_at(revision, self.using)

    def close(self) -> None:
        """Close this process's connection."""
        self._drop()


def _notified(connection: Any, timeout: float) -> bool:
    """Whether a notification came; through what both psycopg 3 and psycopg2 offer."""
    low = getattr(connection, "pgconn", None)
    if low is None:
        ready = bool(select.select([connection], [], [], timeout)[0])
        if ready:
            connection.poll()
        notes = bool(connection.notifies)
        connection.notifies.clear()
        return notes
    if not select.select([low.socket], [], [], timeout)[0]:
        return False
    low.consume_input()
    found = False
    while low.notifies() is not None:
        found = True
    return found
