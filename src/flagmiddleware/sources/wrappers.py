"""Sources made of sources: a fallback, an overlay, one that cannot be written."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec.structs import replace

from ..errors import SourceError
from .base import Snapshot, Source

__all__ = ["fallback", "keep_pace", "readonly"]


def keep_pace(wrapper: Any, *inner: Source) -> None:
    """Give ``wrapper`` what the refresher asks of sources: the first one's hints, the longest of their limits."""
    if hasattr(inner[0], "wait"):
        wrapper.wait = inner[0].wait
    for limit in ("start_timeout", "min_interval"):
        found = [getattr(source, limit) for source in inner if hasattr(source, limit)]
        if found:
            setattr(wrapper, limit, max(found))
    ending = [source.abort for source in inner if hasattr(source, "abort")]
    if ending:
        wrapper.abort = lambda: [abort() for abort in ending]


class _Wrapper:
    """Hands everything on to another source."""

    handed_on: ClassVar[tuple[str, ...]] = ("history", "document")
    """What is there where the inner source has it; writing is for the wrapper to allow."""

    def __init__(self, inner: Source) -> None:
        self.inner = inner
        self.name = inner.name
        self.threaded = inner.threaded
        keep_pace(self, inner)
        for name in self.handed_on:
            if hasattr(inner, name):
                setattr(self, name, getattr(inner, name))
        if hasattr(inner, "accepted") and not hasattr(type(self), "accepted"):
            self.accepted = inner.accepted

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        return self.inner.fetch(known)

    def changed(self, known: Snapshot | None) -> bool:
        return self.inner.changed(known)

    def close(self) -> None:
        self.inner.close()


def readonly(source: Source) -> Source:
    """The same source without the means to write it.

    >>> from flagmiddleware.sources import MemorySource
    >>> hasattr(readonly(MemorySource(b"{}")), "write")
    False
    """
    return _Wrapper(source)


class _Fallback:
    """The first source; where it has nothing to give, the second."""

    def __init__(self, first: Source, second: Source) -> None:
        self.name = f"{first.name}, else {second.name}"
        self.threaded = first.threaded or second.threaded
        self._sources = (first, second)
        keep_pace(self, first, second)

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        """What the first source that answers has; raises SourceError, with each one's reason, where none does."""
        reasons: list[str] = []
        for place, source in enumerate(self._sources):
            # A token means something to the source that gave it, and only to that one.
            mine = known if known is not None and known.token is not None and known.token[0] == place else None
            try:
                found = source.fetch(None if mine is None else _unwrapped(mine))
            except SourceError as error:
                reasons.append(str(error))
                continue
            if found is None:
                return None
            return replace(found, token=(place, found.token), epoch=f"{place}:{found.epoch}")
        raise SourceError("; ".join(reasons))

    def changed(self, known: Snapshot | None) -> bool:
        """Always worth a look: which source answers may have changed too."""
        return True

    def accepted(self, snapshot: Snapshot) -> None:
        """Tell the source that the snapshot came from."""
        accepted = getattr(self._sources[snapshot.token[0]], "accepted", None)
        if accepted is not None:
            accepted(_unwrapped(snapshot))

    def close(self) -> None:
        """Let go of both."""
        for source in self._sources:
            source.close()


def _unwrapped(snapshot: Snapshot) -> Snapshot:
    """The snapshot as the source that it came from gave it."""
    return replace(snapshot, token=snapshot.token[1], epoch=snapshot.epoch.partition(":")[2])


def fallback(first: Source, second: Source) -> Source:
    """Serve from ``first``; from ``second`` while ``first`` cannot be read.

    >>> from flagmiddleware.sources import FileSource, MemorySource
    >>> fallback(FileSource("gone.yaml"), MemorySource(b"{}", name="built in")).fetch(None).name
    'built in'
    """
    return _Fallback(first, second)
