"""Keeps the newest good plan of a source.

From bytes to plan: ``source.fetch`` -> Snapshot -> ``load`` (parse) -> Ruleset -> Plan -> one assignment. The holder is
asked only when a deadline has passed, so a request pays for it at most once every ``refresh`` seconds, and then no more
than a ``stat``: a big document is read in a one-shot daemon thread. There is no lock: two looks that race read the same
file twice and assign equal plans. What goes wrong keeps the last good plan.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from threading import Thread
from time import monotonic, time
from typing import Final, NamedTuple, Protocol

from msgspec.structs import replace

from .answers import LONGEST
from .errors import FlagMiddlewareError, SourceError
from .log import log
from .model import Ruleset
from .plan import Plan
from .reading import Read
from .sources.base import Layers, Snapshot, Source
from .status import State, Status

__all__ = ["Holder", "Refresher"]

_INLINE_BYTES: Final = {"json": 64 * 1024, "yaml": 16 * 1024}  # about 3 ms of parsing each
_START_TIMEOUT: Final = 2.0  # seconds that a start waits for the network, unless the source says otherwise
_TOLD: Final = 20  # faults in one message: beyond that, nobody reads on
_TAIL: Final = 200  # bytes by which the end of a text is found again in the one before it
_LOADING_LIMIT: Final = 60.0  # seconds after which a reload that never reported back is started anew


class _Loading(NamedTuple):
    pid: int
    started: float


class Refresher(Protocol):
    """What drives a threaded source; the holder only makes sure that it lives."""

    def supervise(self) -> None:
        """Make sure that a thread of this process refreshes the source."""
        ...

    def reconcile(self) -> None:
        """Fetch once, in this thread; raises what went wrong."""
        ...

    def close(self) -> None:
        """Stop refreshing."""
        ...


def _documents(snapshot: Snapshot) -> Mapping[str, bytes]:
    """The texts of a snapshot by name; none where it is in layers, or needs no reading."""
    data = snapshot.data
    if isinstance(data, Layers | Ruleset):
        return {}
    return data if isinstance(data, Mapping) else {snapshot.name: data}


def _is_big(snapshot: Snapshot) -> bool:
    data = snapshot.data
    if isinstance(data, Layers):
        return any(layer is not None and _is_big(layer) for layer in (data.lower, data.upper))
    documents = _documents(snapshot)
    json = all(name.endswith((".json", ".toml")) or text[:1] == b"{" for name, text in documents.items())
    return sum(map(len, documents.values())) > _INLINE_BYTES["json" if json else "yaml"]


def _is_ended(snapshot: Snapshot) -> bool:
    data = snapshot.data
    if isinstance(data, Layers):
        return all(layer is None or _is_ended(layer) for layer in (data.lower, data.upper))
    return not isinstance(data, bytes) or not data or data.endswith((b"\n", b"}"))


def _goes_on(known: Snapshot | None, snapshot: Snapshot) -> bool:
    """Whether a document ends where its text of before went on, as while it is being written over from the start."""
    before = {} if known is None else _documents(known)
    return any(_continues(before.get(name, b""), text) for name, text in _documents(snapshot).items())


def _continues(before: bytes, text: bytes) -> bool:
    tail = text[-_TAIL:]
    place = before.rfind(tail)
    return place >= 0 and bool(before[place + len(tail) :].strip())


class Holder:
    """Holds the current :class:`Plan` of one source; ``deadline`` is when (monotonic seconds) to call :meth:`look`."""

    def __init__(self, source: Source, load: Read, *, refresh: float, announce: Callable[[Plan | None], None]) -> None:
        self.source = source
        self.refresh = refresh
        self.deadline = 0.0
        self.plan = Plan(Ruleset(flags={}), time())
        self.snapshot: Snapshot | None = None
        self.state = State.NOT_READY
        self.since = time()
        self.confirmed = monotonic()
        self.last_error = ""
        self.reloads = 0
        self.refresher: Refresher | None = None
        self._load = load
        self._announce = announce
        self._loading: _Loading | None = None

    # -- starting -------------------------------------------------------------------------------------------------

    def start(self, *, strict: bool) -> None:
        """Load for the first time; raises RulesetError or SourceError where ``strict``, else serves what it can.

        A source that needs the network never raises here and is waited for no longer than its ``start_timeout``.
        """
        if self.refresher is not None:
            first = Thread(target=self._first, args=(self.refresher,), name="flagmiddleware-start", daemon=True)
            first.start()
            first.join(getattr(self.source, "start_timeout", _START_TIMEOUT))
            if first.is_alive() and self.snapshot is None:
                self._start_from_before()
            return self._rearm()
        try:
            snapshot = self.source.fetch(None)
            if snapshot is not None:
                self._put(snapshot, self._load(snapshot, strict))
        except FlagMiddlewareError as error:
            if strict:
                raise
            self.failed(error)
        self._rearm()
        return None

    def _first(self, refresher: Refresher) -> None:
        try:
            refresher.reconcile()
        except FlagMiddlewareError as error:
            self.failed(error)
        except Exception as error:
            self.failed(SourceError(f"{self.source.name}: {type(error).__name__}: {error}"))

    def _start_from_before(self) -> None:
        """The source has kept the start waiting for long enough: serve what a cache on disk has, if there is one."""
        last_good = getattr(self.source, "last_good", None)
        try:
            kept = None if last_good is None else last_good()
            if kept is not None:
                self.accept(kept)
        except FlagMiddlewareError as error:
            self.failed(error)

    # -- looking --------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """The expired branch of the deadline: notice changes, cross boundaries of the clock."""
        self.deadline = monotonic() + self.refresh  # first, so that others do not follow into this branch
        if self.refresher is not None:
            self.refresher.supervise()
        elif self.source.changed(self.snapshot):
            self._reload()
        else:
            self.confirm()
        self.follow_clock()
        self._rearm()

    def now(self) -> None:
        """Fetch and load at once, in this thread; errors are kept in the status."""
        if self.refresher is not None:
            self._first(self.refresher)
        else:
            self._attempt(inline=True)
        self.follow_clock()
        self._rearm()

    def _rearm(self) -> None:
        wait = self.refresh
        if self.plan.next_change is not None:
            wait = min(wait, max(0.0, self.plan.next_change - time()))
        self.deadline = monotonic() + wait

    def _reload(self) -> None:
        if self._is_loading():
            return
        if self.snapshot is not None and _is_big(self.snapshot):
            return self._in_thread()
        self._attempt(inline=False)

    def _is_loading(self) -> bool:
        # After a fork the thread is gone and its record is not: the process id tells.
        loading = self._loading
        return loading is not None and loading.pid == os.getpid() and monotonic() - loading.started < _LOADING_LIMIT

    def _in_thread(self) -> None:
        self._loading = _Loading(os.getpid(), monotonic())
        try:
            Thread(target=self._attempt_and_release, name="flagmiddleware-reload", daemon=True).start()
        except RuntimeError:  # the interpreter is on its way out, or the machine is full: the next look tries again
            self._loading = None

    def _attempt_and_release(self) -> None:
        try:
            self._attempt(inline=True)
        finally:
            self._loading = None

    def _attempt(self, *, inline: bool) -> None:
        try:
            snapshot = self.source.fetch(self.snapshot)
            if snapshot is None:
                return self.confirm()
            if not inline and _is_big(snapshot):
                return self._in_thread()
            self.accept(snapshot)
        except FlagMiddlewareError as error:
            self.failed(error)
        except Exception as error:  # a source or format of somebody else's must not take a request down
            self.failed(SourceError(f"{self.source.name}: {type(error).__name__}: {error}"))

    # -- accepting ------------------------------------------------------------------------------------------------

    def accept(self, snapshot: Snapshot) -> None:
        """Put a snapshot's definitions in force; raises RulesetError, and changes nothing, where they are bad."""
        known = self.snapshot
        if known is not None and known.data == snapshot.data and self.state is not State.STALE:
            self.snapshot = replace(snapshot, data=known.data)  # what was read remembers those very bytes
            return self.confirm()
        ruleset = self._load(snapshot, known is not None)
        if not snapshot.settled and self._looks_cut(ruleset, snapshot):
            return None
        self._put(snapshot, ruleset)
        return None

    def _looks_cut(self, ruleset: Ruleset, snapshot: Snapshot) -> bool:
        """Whether a file that was written just now may be half of what it is going to be."""
        gone = self.plan.ruleset.flags.keys() - ruleset.flags.keys()
        return bool(gone) or not _is_ended(snapshot) or _goes_on(self.snapshot, snapshot)

    def _put(self, snapshot: Snapshot, ruleset: Ruleset) -> None:
        previous = self.plan
        plan = Plan(ruleset, time(), previous, interval=self.refresh)
        self.snapshot = snapshot
        self.plan = plan
        self.reloads += self.state is not State.NOT_READY
        if snapshot.stale:
            self._enter(State.STALE, snapshot.stale)
        else:
            self.confirm()
        self._tell_faults(ruleset, snapshot)
        self._announce(previous)
        accepted = getattr(self.source, "accepted", None)
        if accepted is not None:
            accepted(snapshot)

    def _tell_faults(self, ruleset: Ruleset, snapshot: Snapshot) -> None:
        """Name the flags that nobody could read, where the others are served all the same: once, and in the status."""
        faults = [flag.error[:LONGEST] for flag in ruleset.flags.values() if flag.error is not None]
        more = [f"and {len(faults) - _TOLD} more"] if len(faults) > _TOLD else []
        message = "\n".join(faults[:_TOLD] + more)
        if message and message not in self.last_error:
            log().error("%d flags from %s answer PARSE_ERROR:\n%s", len(faults), self.source.name, message)
        self.last_error = "\n".join(part for part in (snapshot.stale, message) if part)

    def follow_clock(self) -> None:
        """Make the plan of now where a schedule or ramp has crossed a boundary, or the clock was set back."""
        plan, now = self.plan, time()
        if (plan.next_change is not None and now >= plan.next_change) or (plan.timed and now < plan.instant):
            self.plan = Plan(plan.ruleset, now, plan, interval=self.refresh)
            self._announce(None)

    # -- states ---------------------------------------------------------------------------------------------------

    def confirm(self) -> None:
        """The source says that what is in force is current."""
        self.confirmed = monotonic()
        if self.state is not State.READY:
            if self.state is not State.NOT_READY:
                log().info("flags from %s are up to date again", self.source.name)
            self._enter(State.READY, "")

    def failed(self, error: FlagMiddlewareError) -> None:
        """The source could not be read or believed: keep the last good plan, tell once."""
        message = str(error)
        state = State.ERROR if self.snapshot is None else State.STALE
        # A store that is away says so in a new way each time; what is wrong with a document is worth a line again.
        told = message == self.last_error or (isinstance(error, SourceError) and not error.refused)
        if state is self.state and told:
            self.last_error = message
            return
        kept = "there are no flags to serve" if self.snapshot is None else "the last good flags stay in force"
        log().error("flags from %s could not be loaded, %s:\n%s", self.source.name, kept, message)
        self._enter(state, message)

    def _enter(self, state: State, message: str) -> None:
        changed = state is not self.state
        self.last_error = message
        if changed:
            first = self.state is State.NOT_READY
            self.state, self.since = state, time()
            if not first:
                self._announce(None)

    def status(self) -> Status:
        """How the definitions are doing."""
        return Status(
            state=self.state,
            source=self.source.name,
            revision="" if self.snapshot is None else self.snapshot.revision,
            flags=len(self.plan.table),
            age=monotonic() - self.confirmed,
            since=self.since,
            last_error=self.last_error,
            fallbacks=self.plan.fallbacks,
            reloads=self.reloads,
        )
