"""A plan: one ruleset, compiled, at one instant.

A flag is compiled when it is first read: until then its entry in the table is a stub that replaces itself. A plan
never changes what it decides; a new file, or the next boundary of a schedule, makes a new plan, which takes over the
functions of the flags that are still the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf
from typing import TYPE_CHECKING, Final
from weakref import ref

from .collector import paused_collector
from .context import TARGETING_KEY
from .errors import ContextNotReadyError
from .model import (
    AllOf,
    AnyOf,
    Compute,
    Condition,
    Evaluation,
    Flag,
    InSegment,
    Not,
    Predicate,
    Ramp,
    Rule,
    Ruleset,
    Split,
)

if TYPE_CHECKING:
    from .bound import BoundFlags
    from .compiler import Compiler, Decide
    from .context import Context
    from .emit import Template
    from .interpreter import Interpreter

__all__ = ["Plan", "is_same"]

_SHAPES_KEPT: Final = 4096


class _Home:
    """What the stubs of one plan need of it, without keeping it alive.

    A stub that held its plan would make a circle of plan, table and stubs, and each reload of ten thousand flags would
    leave one behind for the collector, which stops everything while it looks for it.
    """

    __slots__ = ("instant", "plan", "ruleset")

    def __init__(self, plan: Plan) -> None:
        self.plan = ref(plan)
        self.ruleset = plan.ruleset
        self.instant = plan.instant


class _Stub:
    """A flag that nobody has read yet."""

    __slots__ = ("flag", "home")

    def __init__(self, home: _Home, flag: Flag) -> None:
        self.home = home
        self.flag = flag

    def __call__(self, ctx: Context, here: BoundFlags | None = None) -> Evaluation:
        # The plan may have been replaced since the caller took this from its table: its like decides the same.
        plan = self.home.plan() or Plan(self.home.ruleset, self.home.instant)
        return plan.compile(self.flag)(ctx, here)


def is_same(old: Flag | None, new: Flag | None) -> bool:
    """Whether two definitions decide alike: equal, and true is not 1 although Python finds them equal."""
    return old is new or (old == new and repr(old) == repr(new))


def _is_timed(flag: Flag) -> bool:
    for rule in flag.rules:  # a loop, and no calls where none are needed: every flag passes here at every load
        if rule.schedule is not None or rule.gate.__class__ is Ramp:
            return True
        if rule.payload.__class__ is Compute and _reads_clock(rule.payload):
            return True
    return False


def _timed(ruleset: Ruleset, previous: Plan | None) -> list[Flag]:
    """The flags that follow the clock; those that are the same objects as before are not looked at again."""
    if previous is None:
        return [flag for flag in ruleset.flags.values() if flag.rules and _is_timed(flag)]
    old, timed = previous.ruleset.flags, {flag.key for flag in previous.timed}
    return [
        flag
        for key, flag in ruleset.flags.items()
        if (key in timed if old.get(key) is flag else flag.rules and _is_timed(flag))
    ]


def _reads_clock(payload: Compute) -> bool:
    return payload.moves or bool(payload.changes)


def _pace(interval: float) -> float:
    # Definitions that never change are never looked at again (an infinite interval), and time goes on all the same.
    return max(interval, 0.01) if interval < inf else 1.0


def _boundaries(flag: Flag, instant: float, interval: float) -> Iterator[float]:
    """When the flag's schedules and ramps change what it decides; a linear ramp under way moves every ``interval``."""
    for rule in flag.rules:
        if rule.schedule is not None:
            yield from (edge for edge in (rule.schedule.start, rule.schedule.until) if edge is not None)
        if isinstance(rule.gate, Ramp):
            ats = [step.at for step in rule.gate.steps]
            yield from ats
            if rule.gate.linear and ats[0] <= instant < ats[-1]:
                yield instant + _pace(interval)
        if isinstance(rule.payload, Compute):
            yield from rule.payload.changes
            if rule.payload.moves:
                yield instant + _pace(interval)


class Plan:
    """One compiled ruleset at one instant (``instant`` and ``next_change`` in seconds since 1970, UTC).

    ``table`` maps a flag's key to the function that decides it. ``next_change`` is the next boundary of a schedule
    or ramp, None where the clock changes nothing: nobody may keep an answer beyond it; ``interval`` is how often (in
    seconds) a linear ramp moves. ``fallbacks`` counts
    decisions that compiled code could not make and the interpreter made instead.
    """

    __slots__ = (
        "__weakref__",
        "_compiler",
        "_interpreter",
        "_reads",
        "_shapes",
        "fallbacks",
        "instant",
        "next_change",
        "ruleset",
        "table",
        "timed",
    )

    def __init__(
        self, ruleset: Ruleset, instant: float, previous: Plan | None = None, *, interval: float = 1.0
    ) -> None:
        self.ruleset = ruleset
        self.instant = instant
        self.fallbacks: int = 0 if previous is None else previous.fallbacks
        self.timed = _timed(ruleset, previous)
        home, kept = _Home(self), {} if previous is None else self._kept(previous)
        with paused_collector():
            self.table: dict[str, Decide] = {
                key: kept.get(key) or _Stub(home, flag) for key, flag in ruleset.flags.items()
            }
        edges = (edge for flag in self.timed for edge in _boundaries(flag, instant, interval) if edge > instant)
        self.next_change: float | None = min(edges, default=None)
        shapes = {} if previous is None else previous._shapes
        self._shapes: dict[str, Template] = shapes if len(shapes) <= _SHAPES_KEPT else {}
        self._compiler: Compiler | None = None
        self._interpreter: Interpreter | None = None
        self._reads: dict[str, frozenset[str]] = {}

    def _kept(self, previous: Plan) -> dict[str, Decide]:
        """The compiled functions of flags that are equal, need no other flag and do not follow the clock."""
        old, kept = previous.ruleset, {}
        if old.segments != self.ruleset.segments or old.dialect is not self.ruleset.dialect:
            return {}
        flags, timed = self.ruleset.flags, {flag.key for flag in self.timed}
        for key, decide in list(previous.table.items()):
            flag = flags.get(key)
            if decide.__class__ is _Stub or flag is None or flag.requires or key in timed:
                continue
            if is_same(old.flags[key], flag):
                kept[key] = decide
        return kept

    def compile(self, flag: Flag) -> Decide:
        """Compile one flag and put its function in the table; the interpreter stands in where that fails."""
        try:
            decide = self._compile(flag)
        except Exception:  # a definition that the compiler chokes on is still decided, and counted
            self.fallbacks += 1
            interpreter = self.interpreter

            def decide(ctx: Context, here: BoundFlags | None = None) -> Evaluation:
                return interpreter.evaluate(flag, ctx, here)

        self.table[flag.key] = decide
        return decide

    def _compile(self, flag: Flag) -> Decide:
        compiler = self._compiler
        if compiler is None:
            from .compiler import Compiler  # not needed before the first flag is read, and much of what there is

            compiler = self._compiler = Compiler(self.ruleset, self.instant, self.table, self._shapes)
        return compiler.compile(flag)

    def warm(self) -> None:
        """Compile every flag now."""
        for key, decide in list(self.table.items()):
            if decide.__class__ is _Stub:
                self.compile(self.ruleset.flags[key])

    def recover(self, flag: Flag, context: Context, here: BoundFlags | None, error: Exception) -> Evaluation:
        """Decide by the interpreter what compiled code could not; ``error`` is what it raised."""
        if not isinstance(error, ContextNotReadyError):
            self.fallbacks += 1
        return self.interpreter.evaluate(flag, context, here)

    @property
    def interpreter(self) -> Interpreter:
        """The reference interpreter of this plan's ruleset and instant."""
        if self._interpreter is None:
            from .interpreter import Interpreter  # most processes never need it

            self._interpreter = Interpreter(self.ruleset, self.instant)
        return self._interpreter

    def reads(self, key: str) -> frozenset[str]:
        """Every attribute that deciding the flag may read, prerequisites included; empty for an unknown flag.

        ``targeting_key`` is among them where the flag hashes it.
        """
        known = self._reads.get(key)
        if known is None:
            known = self._find_reads(key)
            if key in self.table:  # unknown keys are not kept: there may be millions
                self._reads[key] = known
        return known

    def _find_reads(self, key: str) -> frozenset[str]:
        seen: set[str] = set()
        names: set[str] = set()
        waiting = [key]
        while waiting:
            flag = self.ruleset.flags.get(waiting.pop())
            if flag is None or flag.key in seen or not flag.enabled or flag.error is not None:
                continue
            seen.add(flag.key)
            waiting += [requirement.key for requirement in flag.requires]
            for rule in flag.rules:
                names.update(self._rule_reads(flag, rule))
        return frozenset(names)

    def _rule_reads(self, flag: Flag, rule: Rule) -> Iterable[str]:
        if rule.condition is not None:
            yield from self._condition_reads(rule.condition)
        if isinstance(rule.payload, Compute):
            yield from rule.payload.reads
        if rule.gate is not None or isinstance(rule.payload, Split):
            yield flag.sticky_by or TARGETING_KEY

    def _condition_reads(self, condition: Condition) -> Iterator[str]:
        if isinstance(condition, AllOf | AnyOf):
            for part in condition.conditions:
                yield from self._condition_reads(part)
        elif isinstance(condition, Not):
            yield from self._condition_reads(condition.condition)
        elif isinstance(condition, InSegment):
            yield from self._condition_reads(self.ruleset.segments[condition.segment])
        elif isinstance(condition, Predicate):
            yield from condition.reads
        else:
            yield from self.ruleset.dialect.reads(condition.attribute)
