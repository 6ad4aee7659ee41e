"""What a source of definitions is: something that hands out snapshots with a revision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

import msgspec

from ..model import Ruleset

__all__ = ["Change", "Data", "Snapshot", "Source", "Waiting", "Writable"]

Data: TypeAlias = "bytes | Mapping[str, bytes] | Ruleset"
"""One document, the documents of a folder by file name, or definitions that need no parsing."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Definitions at one revision.

    ``revision`` orders what one store wrote, ``epoch`` changes when a store starts over; both may be empty. ``token``
    is the source's own (a file's signature, an ETag) and comes back to it as part of ``known``. ``settled`` is false
    while the source suspects that the writer has not finished. ``signature`` is what a writer who holds the snapshot
    key made of it (see :mod:`.signed`); a hash alone proves nothing about who wrote.
    """

    data: Data
    name: str = ""
    format: str | None = None
    revision: str = ""
    epoch: str = ""
    sha256: str = ""
    signature: str = ""
    token: Any = None
    settled: bool = True


@runtime_checkable
class Source(Protocol):
    """Where definitions come from.

    ``name`` is for people (never holds a credential). ``threaded`` tells whether fetching may take long, so that it
    belongs in a background thread; a source that is not threaded is looked at on the request path and must also have
    ``changed(known)``, which costs no more than a ``stat``.
    """

    name: str
    threaded: bool

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        """The newest snapshot, None where it is still ``known``; raises SourceError where there is none to be had."""
        ...

    def changed(self, known: Snapshot | None) -> bool:
        """Whether :meth:`fetch` is worth calling; may always say yes."""
        ...

    def close(self) -> None:
        """Let go of sockets and files."""
        ...


@runtime_checkable
class Waiting(Protocol):
    """A source that can be told of changes."""

    def wait(self, timeout: float) -> bool:
        """Block up to ``timeout`` seconds for a hint that something changed; a hint promises nothing."""
        ...


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to write: the new document, who, why and by what means."""

    data: bytes
    actor: str = ""
    reason: str = ""
    via: str = ""
    keys: tuple[str, ...] = ()


@runtime_checkable
class Writable(Protocol):
    """A source that can be written, with compare-and-set."""

    def write(self, change: Change, expected: str | None) -> str:
        """Write and return the new revision; raises ConflictError unless ``expected`` is the current revision.

        ``None`` expects that nothing is there yet.
        """
        ...
