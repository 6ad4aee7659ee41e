"""Keeps a source that needs the network current: one daemon thread a process, started on first use.

The thread is never trusted to live. Whoever finds the deadline passed looks at three plain facts, without a lock: the
process id (a fork has no threads of its parent), the heartbeat (a thread that was killed or hangs in a fetch shows
none) and the ownership token (a thread that was replaced sees that it is no longer the owner, and leaves). A hint from
the source is answered at once; a reconcile every interval makes up for hints that were lost.
"""

from __future__ import annotations

import os
import random
import time
from threading import Thread
from time import monotonic
from typing import Final

from msgspec.structs import replace

from .errors import FlagMiddlewareError, SourceError
from .holder import Holder
from .log import log
from .reconcile import HOLD, Verdict, intact, judge
from .sources.base import Snapshot, Waiting

__all__ = ["Refresher"]

_MISSED: Final = 5  # intervals without a heartbeat after which the thread counts as dead
_PATIENCE: Final = 64.0  # seconds: the longest that a thread goes without a heartbeat, however often it was replaced
_STALE_AFTER: Final = 3  # missed intervals after which the flags are called stale
_JITTER: Final = 0.2
_BACKOFF: Final = (0.05, 1.0, 5.0)  # seconds: the first wait, the longest, the longest once a minute has passed
_MINUTE: Final = 60.0
_REFUSED: Final = 30.0  # seconds to wait where the store does not let us in


class _Owner:
    """One refreshing thread's claim: its process and its last sign of life."""

    __slots__ = ("beat", "pid")

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.beat = monotonic()


class Refresher:
    """Drives the source of a :class:`Holder`; ``interval`` is the time, in seconds, between two reconciles.

    ``restarts`` counts threads that had to be replaced, ``conflicts`` snapshots that had other content under a known
    revision, ``rewinds`` lower revisions that were held back.
    """

    def __init__(self, holder: Holder, *, interval: float) -> None:
        self.interval = max(interval, 0.1)
        self.restarts = 0
        self.conflicts = 0
        self.rewinds = 0
        self._holder = holder
        self._owner: _Owner | None = None
        self._pid = os.getpid()
        self._closed = False
        self._rewound: tuple[str, float] | None = None
        self._refused: tuple[Snapshot, FlagMiddlewareError] | None = None
        self._in_a_row = 0  # replacements since the source was last heard

    # -- supervision ----------------------------------------------------------------------------------------------

    def supervise(self) -> None:
        """Called from the deadline branch: make sure that a thread of this process refreshes the source."""
        owner, pid, now = self._owner, os.getpid(), monotonic()
        if self._closed:
            return
        if owner is not None and owner.pid == pid:
            if now - owner.beat > self._patience():
                self._replace(now - owner.beat)
            return
        # A child that has just been forked may end at once: it gets a thread when it is seen a second time, unless
        # what it inherited is old already.
        if pid != self._pid and now - self._holder.confirmed < _MISSED * self.interval:
            self._pid = pid
            return
        self._pid = pid
        self._spawn()

    def _patience(self) -> float:
        # Doubled each time, so that a resolver which hangs for minutes does not collect threads.
        usual = _MISSED * max(self.interval, 1.0)
        return max(usual, min(usual * float(2**self._in_a_row), _PATIENCE))

    def _replace(self, silent: float) -> None:
        self.restarts += 1
        self._in_a_row = min(self._in_a_row + 1, 10)
        source = self._holder.source
        log().warning("the refresher of %s gave no sign of life and is replaced", source.name)
        if monotonic() - self._holder.confirmed > _STALE_AFTER * self.interval:
            self._holder.failed(SourceError(f"{source.name} has kept its refresher waiting for {silent:.0f} s"))
        abort = getattr(source, "abort", None)
        if abort is not None:
            abort()  # what the old thread hangs in ends, and so does the thread
        self._spawn()

    def _spawn(self) -> None:
        owner = self._owner = _Owner()
        try:
            Thread(target=self._run, args=(owner,), name="flagmiddleware-refresher", daemon=True).start()
        except RuntimeError:  # no thread can be had: the interpreter is on its way out, or the machine is full
            self._owner = None

    def close(self) -> None:
        """Let the thread leave; it ends with its present fetch."""
        self._closed = True
        self._owner = None

    # -- the thread -----------------------------------------------------------------------------------------------

    def _run(self, owner: _Owner) -> None:
        failures, failing_since = 0, monotonic()
        while self._owner is owner and owner.pid == os.getpid():
            owner.beat = monotonic()
            try:
                self.reconcile()
                failures, failing_since = 0, monotonic()
                self._pause(owner)
            except Exception as error:  # the thread outlives whatever a source or a parser does
                if self._owner is not owner:
                    return  # closed or replaced meanwhile: what went wrong is of no interest any more
                failures += 1
                self._failed(error)
                self._rest(owner, self._backoff(error, failures, monotonic() - failing_since))

    def _pause(self, owner: _Owner) -> None:
        """Wait for a hint, or until the next reconcile is due."""
        wait = self.interval * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spreads load, hides nothing
        source = self._holder.source
        if isinstance(source, Waiting):
            source.wait(wait)
        else:
            self._rest(owner, wait)

    def _rest(self, owner: _Owner, seconds: float) -> None:
        until = monotonic() + seconds
        while self._owner is owner and (left := until - monotonic()) > 0:
            owner.beat = monotonic()
            time.sleep(min(left, 1.0))  # looked up late: gevent may have replaced it

    def _backoff(self, error: Exception, failures: int, lasted: float) -> float:
        if isinstance(error, SourceError) and error.refused:
            return _REFUSED
        first, longest, longest_later = _BACKOFF
        ceiling = min(first * 2 ** min(failures, 10), longest if lasted < _MINUTE else longest_later)
        return random.uniform(0, ceiling)  # noqa: S311 - full jitter

    def _failed(self, error: Exception) -> None:
        source = self._holder.source
        known = isinstance(error, FlagMiddlewareError)
        told = error if known else SourceError(f"{source.name}: {type(error).__name__}: {error}")
        overdue = monotonic() - self._holder.confirmed > _STALE_AFTER * self.interval
        if overdue or not isinstance(error, SourceError):  # a bad document is no matter of patience
            self._holder.failed(told)  # type: ignore[arg-type]

    # -- reconciling ----------------------------------------------------------------------------------------------

    def reconcile(self) -> None:
        """Fetch once and put in force what is newer; raises what the source or the parser raised."""
        holder = self._holder
        refused = self._refused
        found = holder.source.fetch(holder.snapshot if refused is None else refused[0])
        self._in_a_row = 0
        if found is None and refused is not None:
            raise refused[1]  # still what we could not take: neither read nor parsed again
        self._refused = None
        if found is None:
            self._rewound = None
            return holder.confirm()
        self._check(found)
        known = holder.snapshot
        verdict = judge(known, found)
        if known is not None and verdict is Verdict.SAME:
            holder.snapshot = replace(found, data=known.data)  # the same, under a token that the source knows
            return holder.confirm()
        if verdict is Verdict.REWIND and not self._patience_is_over(found):
            return None
        if verdict is Verdict.CONFLICT:
            self.conflicts += 1
            log().warning("%s changed under revision %s: its content is followed", holder.source.name, found.revision)
        self._rewound = None
        return self._accept(found)

    def _accept(self, found: Snapshot) -> None:
        try:
            self._holder.accept(found)
        except FlagMiddlewareError as error:
            if found.settled:
                self._refused = found, error
            raise

    def _check(self, found: Snapshot) -> None:
        if not intact(found):
            told = f"{self._holder.source.name}: revision {found.revision} does not have the hash it claims"
            raise SourceError(told)

    def _patience_is_over(self, found: Snapshot) -> bool:
        now = monotonic()
        if self._rewound is None or self._rewound[0] != found.epoch:
            known = self._holder.snapshot
            self.rewinds += 1
            self._rewound = (found.epoch, now)
            log().error(
                "%s went back from revision %s to %s: its flags are held for %d s, then followed",
                self._holder.source.name,
                known.revision if known is not None else "",
                found.revision,
                HOLD,
            )
        return now - self._rewound[1] >= HOLD
