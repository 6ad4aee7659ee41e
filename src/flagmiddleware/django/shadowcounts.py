"""How often two systems agreed: in this process, and in a Django cache for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from logging import getLogger
from threading import Lock
from typing import Any, Final

from ..web.facts import on_loop

__all__ = ["KINDS", "Counts", "shared_counts"]

KINDS: Final = ("agreed", "disagreed", "missing")
_PREFIX: Final = "flagmiddleware.shadow"
_log: Final = getLogger(_PREFIX)


class Counts:
    """How often the two agreed, by flag and in this process; ``missing``: only one of them knows the flag.

    With ``cache``, the alias of one of ``settings.CACHES``, each is counted there as well, for all processes together.
    """

    def __init__(self, cache: str | None = None) -> None:
        self.agreed: Counter[str] = Counter()
        self.disagreed: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()
        self.cache = cache
        self.waiting: Counter[tuple[str, str]] = Counter()
        """By kind and flag: what was counted on an event loop, which waits for no cache."""
        self._lock = Lock()
        self._shared: set[tuple[str, str]] = set()
        self._has_failed = False

    def add(self, counter: Counter[str], key: str) -> int:
        """Count one more, and tell how many there are in this process."""
        with self._lock:
            counter[key] += 1
            number = counter[key]
        if self.cache is not None:
            kind = next(kind for kind in KINDS if getattr(self, kind) is counter)
            if on_loop():
                with self._lock:
                    self.waiting[kind, key] += 1
            else:
                self._share(kind, key)
        return number

    def share_waiting(self) -> None:
        """Count in the cache what had to wait for the end of an event loop's request."""
        if not self.waiting:
            return
        with self._lock:
            waiting, self.waiting = self.waiting, Counter()
        for (kind, key), number in waiting.items():
            self._share(kind, key, number)

    def as_dict(self) -> dict[str, dict[str, int]]:
        """The counts of this process as plain data."""
        with self._lock:
            return {kind: dict(getattr(self, kind)) for kind in KINDS}

    def _share(self, kind: str, key: str, number: int = 1) -> None:
        from django.core.cache import caches

        try:
            cache = caches[str(self.cache)]
            if (kind, key) not in self._shared:
                self._shared.add((kind, key))
                _list_key(cache, key)
                cache.add(_name(kind, key), 0, None)
            try:
                cache.incr(_name(kind, key), number)
            except ValueError:  # evicted or cleared since
                _list_key(cache, key)
                cache.set(_name(kind, key), number, None)
        except Exception as error:  # a cache that is down is no reason to fail a request
            if not self._has_failed:
                self._has_failed = True
                _log.warning("the cache %r does not count: %.200r", self.cache, error)


def shared_counts(cache_alias: str, keys: Iterable[str]) -> dict[str, dict[str, int]]:
    """The counts of all processes, from the cache; ``keys`` are looked for even where the cache lost its list."""
    from django.core.cache import caches

    cache = caches[cache_alias]
    known = sorted({*keys, *(cache.get(f"{_PREFIX}.keys") or ())})
    found = cache.get_many([_name(kind, key) for kind in KINDS for key in known])
    return {kind: {key: found[_name(kind, key)] for key in known if found.get(_name(kind, key))} for kind in KINDS}


def _list_key(cache: Any, key: str) -> None:
    listed = cache.get(f"{_PREFIX}.keys") or ()
    if key not in listed:
        cache.set(f"{_PREFIX}.keys", (*listed, key), None)


def _name(kind: str, key: str) -> str:
    return f"{_PREFIX}.{kind}.{key}"
