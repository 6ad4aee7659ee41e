"""The contract of sources as a test suite: subclass :class:`SourceContract` and give it a fixture ``store``.

A source may assume nothing about how it is used: by several threads, after a fork, after its store was changed by
somebody else or was away for a while. A new source adds one fixture and nothing else.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any, Protocol

import pytest

from ..context import Context
from ..errors import ConflictError, SourceError
from ..flags import Flags
from ..model import Ruleset
from ..reading import reader
from ..sources.base import Change, Layers, Snapshot, Source, Waiting, Writable

__all__ = ["SECRET", "SourceContract", "Store", "document"]

SECRET = "hunter2-is-no-secret"  # noqa: S105
"""What a store's credentials should consist of: it may show in no name, no status and no error."""

_WRITERS = 8
_LIMIT = 60  # seconds that a thread or a child process of a test may take


class Store(Protocol):
    """The place that a source reads, as a test handles it.

    A store that keeps what a document says but not its bytes (rows of a table, another system's dialect) has an
    attribute ``verbatim`` that is false; its :meth:`put` translates.
    """

    def open(self) -> Source:
        """A new source that reads this place."""

    def put(self, document: bytes) -> Any:
        """Replace the document behind the source's back, as another process would; mends what was broken."""

    def break_it(self) -> bool:
        """Make the place unreachable; False where that cannot be."""


def document(**flags: bool) -> bytes:
    """A native document in which each flag is on or off for everybody."""
    rules = {key.replace("_", "-"): {"rules": [{"serve": True}] if on else []} for key, on in flags.items()}
    return json.dumps({"version": 1, "flags": rules}).encode()


def told(snapshot: Snapshot | None) -> set[str]:
    """What a snapshot decides: the flags that are on for somebody, whatever dialect it is in."""
    assert snapshot is not None
    data = reader()(snapshot, True)
    flags = Flags(data).bind(Context("user-1"))
    return {key for key in data.flags if flags.is_enabled(key)}


def _bytes(snapshot: Snapshot | None) -> bytes:
    assert snapshot is not None
    data: Any = snapshot.data
    return data if isinstance(data, bytes) else b"".join(data.values())


def _in_threads(count: int, work: Any) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_LIMIT)


class SourceContract:
    """What every source promises. ``store`` starts with :func:`document` ``(beta=True)`` in it."""

    @pytest.fixture
    def source(self, store: Store) -> Iterator[Source]:
        """A source on the store."""
        source = store.open()
        yield source
        source.close()

    # -- reading --------------------------------------------------------------------------------------------------

    def test_contract_first_fetch(self, source: Source) -> None:
        """Who knows nothing gets the document."""
        assert source.changed(None)
        assert told(source.fetch(None)) == {"beta"}

    def test_contract_not_modified(self, source: Source) -> None:
        """Who knows the newest gets None, again and again."""
        known = source.fetch(None)
        assert [source.fetch(known) for _ in range(3)] == [None] * 3

    def test_contract_change(self, source: Source, store: Store) -> None:
        """A change is noticed, fetched, and another snapshot than the one before."""
        known = source.fetch(None)
        store.put(document(beta=False))
        assert source.changed(known)
        newer = source.fetch(known)
        assert told(newer) == set()
        assert source.fetch(newer) is None
        assert newer != known

    def test_contract_change_back(self, source: Source, store: Store) -> None:
        """Going back to a former document is a change too."""
        known = source.fetch(None)
        store.put(document(beta=False))
        newer = source.fetch(known)
        store.put(document(beta=True))
        assert told(source.fetch(newer)) == {"beta"}

    def test_contract_bytes(self, source: Source, store: Store) -> None:
        """No line end, letter or trailing blank is touched: signatures and hashes are made of these bytes."""
        odd = document(beta=False).replace(b"{", '{"x-note": "zoë \\u0000 🚩",\r\n\t'.encode(), 1) + b"\r\n \n"
        store.put(odd)
        snapshot = source.fetch(None)
        assert told(snapshot) == set()
        assert snapshot is not None
        if getattr(store, "verbatim", True) and not isinstance(snapshot.data, Ruleset | Layers):
            assert _bytes(snapshot) == odd

    def test_contract_revisions(self, source: Source, store: Store) -> None:
        """Where revisions are numbers, a later one of the same epoch is higher."""
        first = source.fetch(None)
        store.put(document(beta=False))
        second = source.fetch(first)
        assert first is not None
        assert second is not None
        if first.revision.isdigit() and first.epoch == second.epoch:
            assert int(second.revision) > int(first.revision)

    def test_contract_two_readers(self, source: Source, store: Store) -> None:
        """Two sources on one place do not disturb each other."""
        other = store.open()
        try:
            known, others = source.fetch(None), other.fetch(None)
            store.put(document(beta=False))
            assert told(source.fetch(known)) == told(other.fetch(others)) == set()
        finally:
            other.close()

    def test_contract_threads(self, source: Source) -> None:
        """Threads that fetch through one source at once each get the whole."""
        found: list[set[str]] = []
        _in_threads(8, lambda _: found.append(told(source.fetch(None))))
        assert found == [{"beta"}] * 8

    def test_contract_broken(self, source: Source, store: Store) -> None:
        """A place that cannot be reached raises SourceError, names the source, and heals."""
        known = source.fetch(None)
        if not store.break_it():
            return
        assert source.changed(known)
        with pytest.raises(SourceError) as raised:
            source.fetch(known)
        assert source.name in str(raised.value)
        assert SECRET not in str(raised.value)
        store.put(document(beta=False))
        assert told(source.fetch(known)) == set()

    def test_contract_name(self, source: Source) -> None:
        """Names are for logs and health pages: they tell no credentials."""
        assert source.name
        assert SECRET not in source.name + repr(source)

    def test_contract_wait(self, source: Source, store: Store) -> None:
        """Waiting ends with or without a hint; what changed meanwhile is found by fetching."""
        if not isinstance(source, Waiting):
            return
        known = source.fetch(None)
        source.wait(0.05)
        store.put(document(beta=False))
        source.wait(0.05)
        assert told(source.fetch(known)) == set()

    def test_contract_flags(self, source: Source, store: Store) -> None:
        """``Flags`` on the source decides what the document says, before and after a change, and after closing."""
        flags = Flags(source)
        try:
            assert flags.is_enabled("beta")
            store.put(document(beta=False))
            flags.refresh()
            assert not flags.is_enabled("beta")
            assert flags.status.state == "READY"
            assert SECRET not in repr(flags.status)
        finally:
            flags.close()
        assert not flags.is_enabled("beta")

    # -- writing --------------------------------------------------------------------------------------------------

    def test_contract_write(self, source: Source) -> None:
        """A source that can be written compares before it sets: who saw an old revision is refused."""
        if not isinstance(source, Writable):
            return
        known = source.fetch(None)
        assert known is not None
        revision = source.write(Change(data=document(beta=False), actor="ann", reason="a test"), known.revision)
        newer = source.fetch(known)
        assert newer is not None
        assert (told(newer), newer.revision) == (set(), revision)
        for expected in (known.revision, None, "0", "999", "no-revision"):
            with pytest.raises(ConflictError):
                source.write(Change(data=document(gamma=True), reason="a test"), expected)
        assert source.fetch(newer) is None

    def test_contract_writers(self, source: Source) -> None:
        """Writers that race, conflict, read again and retry each get a revision of their own."""
        if not isinstance(source, Writable):
            return
        revisions: list[str] = []

        def write(number: int) -> None:
            while True:
                current = source.fetch(None)
                assert current is not None
                try:
                    flags = {f"flag_{number}": True}
                    return revisions.append(
                        source.write(Change(data=document(**flags), reason="a test"), current.revision)
                    )
                except ConflictError:
                    continue

        _in_threads(_WRITERS, write)
        assert len(set(revisions)) == len(revisions) == _WRITERS

    # -- processes ------------------------------------------------------------------------------------------------

    def test_contract_fork(self, source: Source, store: Store) -> None:
        """A child fetches for itself and the parent goes on: neither reads from the other's socket."""
        if not hasattr(os, "fork"):
            return
        known = source.fetch(None)
        if isinstance(source, Waiting):
            source.wait(0.01)
        child = os.fork()
        if child == 0:
            signal.alarm(_LIMIT)
            try:
                os._exit(7 if all(told(source.fetch(None)) == {"beta"} for _ in range(3)) else 1)
            finally:
                os._exit(2)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 7
        store.put(document(beta=False))
        assert told(source.fetch(known)) == set()

    def test_contract_close(self, source: Source) -> None:
        """Closing twice is no error."""
        source.fetch(None)
        source.close()
        source.close()
