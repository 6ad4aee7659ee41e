"""The front door: flags from a source, decided in this process.

A read compares a monotonic deadline, looks a function up in a dict and calls it. No lock, no log, no I/O: what has to
be done now and then (a ``stat``, the next boundary of a schedule) is done in the branch behind the deadline.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from time import monotonic
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from .answers import fit, not_found
from .bound import BoundFlags, OverriddenFlags
from .context import EMPTY, Context
from .holder import Holder
from .log import log
from .model import Evaluation, Reason, Ruleset
from .overrides import ACTIVE, Override, counted
from .plan import Plan, is_same
from .reading import reader
from .sources.base import Source
from .status import State, Status

if TYPE_CHECKING:
    from .interpreter import Explanation

__all__ = ["Change", "Flags"]

T = TypeVar("T")

_REMEMBERED: Final = 1000  # causes logged once each; beyond that, silence is better than memory without bound


class Change(msgspec.Struct, frozen=True):
    """What subscribers are told: a new plan is in force (``changed`` names the flags that differ) or a new state."""

    old: Ruleset | None
    new: Ruleset
    changed: tuple[str, ...]
    state: State


def _source(source: Any) -> tuple[Source, bool]:
    """The source meant, and whether it can ever change."""
    from .sources import MemorySource, open_source

    if isinstance(source, Ruleset):
        return MemorySource(source, name="definitions in the program"), False
    return open_source(source), True


def _as_context(given: Any) -> Context:
    """What can be made of whatever was given as a context; nobody in particular where that is nothing."""
    if isinstance(given, Context):
        return given
    try:
        return Context(None, given) if isinstance(given, Mapping) else EMPTY
    except Exception:  # a mapping that cannot be read, such as a session whose store is gone
        return EMPTY


def _apart(read: Callable[..., T], *args: Any, **options: Any) -> T:
    """What reading definitions returns, and no trace of it in the caller's context.

    Making one Decimal, as percentages do, leaves decimal's variable there, and each request that sets a context
    variable of its own, as every one here does, then pays half as much again for it.
    """
    return copy_context().run(read, *args, **options)


class Flags:
    """Feature flags from a source: a path (file or folder), a URL, a Source, a Ruleset, or a document as plain data.

    ``{"url": …, "cache_dir": …}`` is a source with settings around it (:func:`.sources.open_source`).
    ``format`` names the dialect where it cannot be told from the content, ``environment`` picks the environment,
    ``refresh`` is how often, in seconds, the source is looked at, ``options`` go to the dialect. ``strict`` (the
    default) raises RulesetError or SourceError for a bad or missing file at start; without it the good flags are
    served and the others answer PARSE_ERROR. Once started nothing raises: a file that breaks later leaves the last
    good flags in force.

    >>> flags = Flags({"version": 1, "flags": {"beta": {"rules": [{"rollout": "25%"}]}}})
    >>> [flags.is_enabled("beta", Context(f"user-{n}")) for n in range(4)]
    [False, True, False, False]
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | Source | Ruleset | Mapping[str, Any],
        *,
        format: str | None = None,
        environment: str | None = None,
        strict: bool = True,
        refresh: float = 1.0,
        options: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        if isinstance(source, Mapping) and "url" not in source:
            from . import formats

            how: Any = {"environment": environment, "strict": strict, "options": options}
            source = _apart(formats.parse_document, source, format=format, **how)
        self.environment = environment
        self.forced: Mapping[str, Override] = {}
        self._subscribers: list[Callable[[Change], None]] = []
        self._logged: set[tuple[str, str]] = set()
        found, changes = _source(source)
        read = reader(format, environment, options)
        self._holder = Holder(found, read, refresh=refresh if changes else float("inf"), announce=self._announce)
        if found.threaded:
            from .refresher import Refresher  # who reads a file does not pay for threads, randomness and hashes

            pace = max(refresh, getattr(found, "min_interval", 0.0))
            self._holder.refresher = Refresher(self._holder, interval=pace)
        self._plan = self._holder.plan
        self._table: dict[str, Callable[..., Evaluation]] = {}
        self._deadline = float("inf")
        _apart(self._holder.start, strict=strict)
        self._adopt()

    # -- deciding -------------------------------------------------------------------------------------------------

    def is_enabled(self, key: str, context: Context | None = None) -> bool:
        """Whether a variant other than ``off`` is served. Never raises; false for an unknown flag."""
        if monotonic() >= self._deadline or ACTIVE:
            return self._evaluate_slowly(key, context).is_enabled
        try:
            return self._table[key](EMPTY if context is None else context).is_enabled
        except Exception as error:
            return self.recover(self._plan, key, context, None, error).is_enabled

    def value(self, key: str, context: Context | None = None, default: Any = None) -> Any:
        """The served variant's value; ``default`` where there is none or its JSON type is another one. Never raises."""
        value = self.evaluate(key, context).value
        if default is None or value.__class__ is default.__class__:
            return value
        return fit(value, default)[1]

    def evaluate(self, key: str, context: Context | None = None) -> Evaluation:
        """The whole answer: value, variant, reason, rule, error. Never raises."""
        if monotonic() >= self._deadline or ACTIVE:
            return self._evaluate_slowly(key, context)
        try:
            return self._table[key](EMPTY if context is None else context)
        except Exception as error:
            return self.recover(self._plan, key, context, None, error)

    def bind(self, context: Context | None = None, *, qa: Mapping[str, str] | None = None) -> BoundFlags:
        """Flags for one subject, consistent from now on.

        ``qa`` holds verified QA overrides, key to variant: they apply to flags that are ``qa: true`` and not killed.
        """
        if monotonic() >= self._deadline:
            self._look()
        if qa or ACTIVE:
            return OverriddenFlags.under(qa, self._plan, EMPTY if context is None else context, self)
        here = BoundFlags()  # `BoundFlags.of` written out, which costs two thirds of it
        here.plan = self._plan
        here.context = EMPTY if context is None else context
        here.flags = self
        here._one = here._memo = here.draw = None
        return here

    def explain(self, key: str, context: Context | None = None) -> Explanation:
        """How the flag's answer comes about, rule by rule, by the reference interpreter; overrides are left out."""
        plan = self.plan
        flag = plan.ruleset.flags.get(key)
        if flag is None:
            from .interpreter import Explanation  # most processes explain nothing

            return Explanation(evaluation=not_found(key))
        return plan.interpreter.explain(flag, EMPTY if context is None else context)

    def _evaluate_slowly(self, key: str, context: Context | None) -> Evaluation:
        if monotonic() >= self._deadline:
            self._look()
        if ACTIVE:
            return OverriddenFlags.under(None, self._plan, EMPTY if context is None else context, self).evaluate(key)
        try:
            return self._table[key](EMPTY if context is None else context)
        except Exception as error:
            return self.recover(self._plan, key, context, None, error)

    def recover(self, plan: Plan, key: Any, context: Any, here: BoundFlags | None, error: Exception) -> Evaluation:
        """Answer where compiled code could not: unknown key, odd context, or a fault that the interpreter decides."""
        flag = plan.ruleset.flags.get(key) if isinstance(key, str) else None
        if flag is None:
            return not_found(key)
        evaluation = plan.recover(flag, _as_context(context), here, error)
        if evaluation.reason is Reason.ERROR:  # a missing key is the caller's, and serves the default
            self._log_once(flag.key, f"{evaluation.error_code}: {evaluation.error_message}")
        return evaluation

    def _log_once(self, key: str, cause: str) -> None:
        if (key, cause) not in self._logged and len(self._logged) < _REMEMBERED:
            self._logged.add((key, cause))
            log().error("flag %s serves `off`: %s", key, cause)

    # -- keeping current ------------------------------------------------------------------------------------------

    def _look(self) -> None:
        self._deadline = monotonic() + 1.0  # others go on with the present plan while this one looks
        try:
            _apart(self._holder.look)
        finally:
            self._adopt()

    def _adopt(self) -> None:
        self._plan = self._holder.plan
        self._table = self._plan.table
        self._deadline = self._holder.deadline

    @property
    def plan(self) -> Plan:
        """The plan in force, after a look at the source where one was due."""
        if monotonic() >= self._deadline:
            self._look()
        return self._plan

    @property
    def ruleset(self) -> Ruleset:
        """The definitions in force."""
        return self.plan.ruleset

    @property
    def source(self) -> Source:
        """Where the definitions come from."""
        return self._holder.source

    @property
    def status(self) -> Status:
        """State, revision, age in seconds, last error, fallbacks; takes a look at the source where one is due."""
        if monotonic() >= self._deadline:
            self._look()
        return self._holder.status()

    def refresh(self) -> None:
        """Look at the source now, whatever the deadline says."""
        _apart(self._holder.now)
        self._adopt()

    def warm(self) -> None:
        """Compile every flag now: for servers that load before they fork, and for the first request's sake."""
        self.plan.warm()

    def close(self) -> None:
        """Let go of the source; the flags go on being decided as they are."""
        self._holder.refresh = float("inf")
        self._deadline = self._holder.deadline = float("inf")
        if self._holder.refresher is not None:
            self._holder.refresher.close()
        self._holder.source.close()

    # -- telling others -------------------------------------------------------------------------------------------

    def subscribe(self, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Call ``callback`` after each new plan or state, in whatever thread noticed it; returns the unsubscriber."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback) if callback in self._subscribers else None

    def _announce(self, previous: Plan | None) -> None:
        self._plan = self._holder.plan
        self._table = self._plan.table
        if not self._subscribers:
            return
        new = self._holder.plan.ruleset
        old = previous.ruleset if previous is not None else None
        before = old.flags if old is not None else new.flags
        changed = [key for key in {**before, **new.flags} if not is_same(before.get(key), new.flags.get(key))]
        change = Change(old, new, tuple(changed), self._holder.state)
        for callback in list(self._subscribers):
            try:
                callback(change)
            except Exception:
                log().exception("a subscriber to flag changes failed")

    @contextmanager
    def override(self, values: Mapping[str, Override]) -> Iterator[None]:
        """Override flags of this object for the block, in every thread: for tests against a live server."""
        before = self.forced
        self.forced = {**before, **values}
        try:
            with counted():
                yield
        finally:
            self.forced = before
