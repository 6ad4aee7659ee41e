"""What a source of definitions is: something that hands out snapshots with a revision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

import msgspec

from ..model import Ruleset

__all__ = ["Change", "Data", "FlagChange", "Layers", "Snapshot", "Source", "Waiting", "Writable"]

Data: TypeAlias = "bytes | Mapping[str, bytes] | Ruleset | Layers"
"""One document, the documents of a folder by file name, definitions that need no parsing, or several of these."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Definitions at one revision.

    ``revision`` orders what one store wrote, ``epoch`` changes when a store starts over; both may be empty. ``token``
    is the source's own (a file's signature, an ETag) and comes back to it as part of ``known``. ``settled`` is false
    while the source suspects that the writer has not finished. ``signature`` is what a writer who holds the snapshot
    key made of it (see :mod:`.signed`); a hash alone proves nothing about who wrote. ``stale`` says why it is not what
    the source holds now but what was kept from before; empty where it is.
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
    stale: str = ""


class Layers(msgspec.Struct, frozen=True, kw_only=True):
    """Definitions over others, to be parsed where all others are: as their flags say, and off the request path.

    The flags of ``upper`` stand in the place of those of ``lower``; ``forced`` says which variant a flag serves to
    everyone. Both layers are without their revisions and tokens: equal layers are equal definitions.
    """

    lower: Snapshot
    upper: Snapshot | None = None
    forced: Mapping[str, bool | str] = {}


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


class FlagChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a change means for one flag, as the change log tells it.

    ``kind`` is ``created``, ``removed``, ``killed``, ``restored``, ``increased``, ``decreased`` or ``edited``; ``old``
    and ``new`` say in words what was served to whom (``absent`` where there was no flag), ``before`` and ``after`` are
    shares of everyone (0 … 1). ``environment`` is where that holds; empty: in what all environments share.
    """

    flag: str
    kind: str
    old: str
    new: str
    before: float
    after: float
    environment: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to write: the new document, who, why and by what means.

    ``records`` say what it means for each flag, ``app_revision`` which revision of the application it was made with.
    """

    data: bytes
    actor: str = ""
    reason: str = ""
    via: str = ""
    keys: tuple[str, ...] = ()
    records: tuple[FlagChange, ...] = ()
    app_revision: str = ""


@runtime_checkable
class Writable(Protocol):
    """A source that can be written, with compare-and-set."""

    def write(self, change: Change, expected: str | None) -> str:
        """Write and return the new revision; raises ConflictError unless ``expected`` is the current revision.

        ``None`` expects that nothing is there yet.
        """
        ...
