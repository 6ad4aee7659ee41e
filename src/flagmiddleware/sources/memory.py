"""Definitions that the program itself holds: for tests, for code that builds its flags, for other sources' tests."""

from __future__ import annotations

from threading import Lock

from ..errors import ConflictError
from .base import Change, Data, Snapshot

__all__ = ["MemorySource"]


class MemorySource:
    """Holds one document; ``put`` replaces it, ``write`` does so with compare-and-set.

    >>> source = MemorySource(b'{"version": 1, "flags": {}}')
    >>> source.write(Change(data=b'{"version": 1, "flags": {}}'), expected="1")
    '2'
    """

    threaded = False

    def __init__(self, data: Data, *, name: str = "memory", format: str | None = None) -> None:
        self.name = name
        self._format = format
        self._lock = Lock()  # taken by writers only
        self._snapshot = self._make(data, 1)

    def _make(self, data: Data, revision: int) -> Snapshot:
        return Snapshot(data=data, name=self.name, format=self._format, revision=str(revision))

    def put(self, data: Data) -> str:
        """Replace the document; returns the new revision."""
        with self._lock:
            self._snapshot = self._make(data, int(self._snapshot.revision) + 1)
            return self._snapshot.revision

    def write(self, change: Change, expected: str | None) -> str:
        """Replace the document if ``expected`` is still its revision; raises ConflictError otherwise."""
        with self._lock:
            found = self._snapshot.revision
            if expected != found:
                raise ConflictError(f"{self.name} is at revision {found}, not {expected}: read it again, then retry")
            self._snapshot = self._make(change.data, int(found) + 1)
            return self._snapshot.revision

    def changed(self, known: Snapshot | None) -> bool:
        """Whether the document was replaced since ``known``."""
        return known is None or known.revision != self._snapshot.revision

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        """The document, None where it is still ``known``."""
        return self._snapshot if self.changed(known) else None

    def close(self) -> None:
        """Nothing to let go of."""
