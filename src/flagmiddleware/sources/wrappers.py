"""Sources made of sources: a fallback, an overlay, one that cannot be written."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from msgspec.structs import replace

from ..errors import SourceError
from ..log import log
from .base import Snapshot, Source

__all__ = ["base_of", "fallback", "keep_pace", "kept_by", "lie_over", "may_differ", "readonly"]


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


def base_of(source: Source) -> Source:
    """The source that a change is written to: what lies below overlays, variables and fallbacks.

    >>> from flagmiddleware.sources import FileSource, MemorySource
    >>> base_of(fallback(MemorySource(b"{}"), FileSource("flags.yaml"))).name
    'memory'
    """
    while hasattr(source, "below"):
        source = source.below
    return source


def lie_over(wrapper: Any, below: Source) -> None:
    """Make ``wrapper`` one that lies over ``below``: changes are read and written there, and the file is there."""
    wrapper.below = below
    for name in (*_Wrapper.handed_on, "path"):
        if hasattr(below, name):
            setattr(wrapper, name, getattr(below, name))


def may_differ(source: Source, known: Snapshot | None) -> bool:
    """Whether fetching is worth it; a file that was not there is not fetched until it is."""
    path = getattr(source, "path", None)
    if known is None and path is not None and not source.threaded:
        return os.path.exists(path)
    return source.changed(known)


def kept_by(source: Source) -> Snapshot | None:
    """What ``source`` can give without waiting for anybody: what a cache kept, or what needs no network."""
    last_good = getattr(source, "last_good", None)
    if last_good is not None:
        found: Snapshot | None = last_good()
        return found
    return None if source.threaded else source.fetch(None)


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


class _Readonly(_Wrapper):
    is_readonly = True

    def __init__(self, inner: Source) -> None:
        super().__init__(inner)
        if hasattr(inner, "last_good"):
            self.last_good = inner.last_good


def readonly(source: Source) -> Source:
    """The same source without the means to write it.

    >>> from flagmiddleware.sources import MemorySource
    >>> hasattr(readonly(MemorySource(b"{}")), "write")
    False
    """
    return _Readonly(source)


class _Fallback:
    """The first source; where a start finds nothing there, the second, until the first has something to give."""

    def __init__(self, first: Source, second: Source) -> None:
        self.name = f"{first.name}, else {second.name}"
        self.threaded = first.threaded or second.threaded
        self._sources = (first, second)
        self._answering = 0  # for the log alone
        keep_pace(self, first, second)
        lie_over(self, first)

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        """What the first source has, what the second has where the first has never answered; raises SourceError."""
        place = None if known is None or known.token is None else known.token[0]
        # A token means something to the source that gave it, and only to that one.
        mine = None if known is None or place is None else _unwrapped(known)
        try:
            found = self._sources[0].fetch(mine if place == 0 else None)
        except SourceError as error:
            if place == 0:
                raise  # its last good flags stay, as without a fallback: a kill must not be undone by an old file
            return self._second(mine, error)
        if self._answering:
            self._answering = 0
            log().info("%s can be read again: flags come from there", self._sources[0].name)
        return _marked(0, found)

    def _second(self, known: Snapshot | None, error: SourceError) -> Snapshot | None:
        first, second = self._sources
        try:
            found = second.fetch(known)
        except SourceError as other:
            raise SourceError(f"{error}; {other}", refused=error.refused) from error
        if not self._answering:
            self._answering = 1
            log().warning("flags come from %s, since %s cannot be read: %s", second.name, first.name, error)
        return _marked(1, found)

    def last_good(self) -> Snapshot | None:
        """What the first one kept from before, else what the second one has without a wait."""
        kept = getattr(self._sources[0], "last_good", lambda: None)()
        if kept is not None:
            return _marked(0, kept)
        found = kept_by(self._sources[1])
        if found is not None and not self._answering:
            self._answering = 1
            first, second = self._sources
            log().warning("flags come from %s, since %s has not answered yet", second.name, first.name)
        return _marked(1, found)

    def changed(self, known: Snapshot | None) -> bool:
        """Whether the one that answered has something new, or the first one has appeared."""
        if known is None or known.token is None:
            return True
        first, second = self._sources
        if known.token[0] == 0:
            return first.changed(_unwrapped(known))
        return may_differ(first, None) or second.changed(_unwrapped(known))

    def accepted(self, snapshot: Snapshot) -> None:
        """Tell the source that the snapshot came from."""
        accepted = getattr(self._sources[snapshot.token[0]], "accepted", None)
        if accepted is not None:
            accepted(_unwrapped(snapshot))

    def close(self) -> None:
        """Let go of both."""
        for source in self._sources:
            source.close()


def _marked(place: int, found: Snapshot | None) -> Snapshot | None:
    """The snapshot with where it came from."""
    return None if found is None else replace(found, token=(place, found.token), epoch=f"{place}:{found.epoch}")


def _unwrapped(snapshot: Snapshot) -> Snapshot:
    """The snapshot as the source that it came from gave it."""
    return replace(snapshot, token=snapshot.token[1], epoch=snapshot.epoch.partition(":")[2])


def fallback(first: Source, second: Source) -> Source:
    """Serve from ``first``; where a start cannot read it, from ``second`` until it can.

    Once ``first`` has answered, its last good flags stay in force while it is away: what an older ``second`` says would
    undo kills. Put a cache inside (``fallback(cached(first, folder), second)``) to start from these, too.

    >>> from flagmiddleware.sources import FileSource, MemorySource
    >>> fallback(FileSource("gone.yaml"), MemorySource(b"{}", name="built in")).fetch(None).name
    'built in'
    """
    return _Fallback(first, second)
