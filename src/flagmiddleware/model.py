"""What a flag is, once parsed: immutable data that every format produces and the compiler reads.

A format turns bytes into a :class:`Ruleset`. Nothing here knows a file format, a framework or a vendor; what a
dialect decides differently enters as data (an :class:`Operator`, a :class:`Predicate`, a :class:`Compute`, the
ruleset's :class:`Dialect`), so that neither the compiler nor the interpreter has a branch for any of them. What comes
out of a decision, and values that cannot be changed, have files of their own and are to be had from here, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import msgspec

from .evaluation import ErrorCode, Evaluation, Reason
from .frozen import FrozenDict, FrozenList, freeze

__all__ = [
    "BOOLEAN",
    "NATIVE",
    "AllOf",
    "AnyOf",
    "Compute",
    "Condition",
    "Dialect",
    "ErrorCode",
    "Evaluation",
    "Example",
    "Fault",
    "Flag",
    "FrozenDict",
    "FrozenList",
    "InSegment",
    "Not",
    "Operator",
    "Predicate",
    "Ramp",
    "RampStep",
    "Reason",
    "Requirement",
    "Risk",
    "Rollout",
    "Rule",
    "Ruleset",
    "Schedule",
    "Serve",
    "Share",
    "Split",
    "Test",
    "freeze",
]


class Operator(msgspec.Struct, frozen=True, eq=False):
    """A comparison of an attribute with an operand.

    ``test(value, operand)`` is total: it answers for every Python object and never raises; ``value`` is None where
    the attribute is missing. ``prepare`` turns the operand as written (JSON) into what ``test`` wants and raises
    ValueError, with what was expected, for an operand that makes no sense.
    """

    name: str
    test: Callable[[Any, Any], bool]
    prepare: Callable[[Any], Any] = lambda operand: operand

    def __repr__(self) -> str:
        return self.name


class Test(msgspec.Struct, frozen=True, gc=False):
    """``attribute operator operand``; the operand is kept as written, :meth:`Operator.prepare` makes it ready."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    attribute: str
    operator: Operator
    operand: Any


class AllOf(msgspec.Struct, frozen=True):
    """True when every condition is; an empty one is true."""

    conditions: tuple[Condition, ...]


class AnyOf(msgspec.Struct, frozen=True):
    """True when some condition is; an empty one is false."""

    conditions: tuple[Condition, ...]


class Not(msgspec.Struct, frozen=True):
    """True when the condition is not."""

    condition: Condition


class InSegment(msgspec.Struct, frozen=True):
    """True when the named segment's condition is; the name is in :attr:`Ruleset.segments` (checked at load)."""

    segment: str


class _Function(msgspec.Struct, frozen=True, eq=False):
    """A function of a dialect, equal to another one if both were made from the same ``definition``.

    Functions are made anew at each reload; without this a flag that nobody touched would look changed.
    """

    def __eq__(self, other: object) -> bool:
        if self.__class__ is not other.__class__:
            return NotImplemented
        mine, theirs = getattr(self, "definition"), getattr(other, "definition")  # noqa: B009 - a field of subclasses
        if mine is None or theirs is None:
            return self is other
        return bool(mine == theirs)

    def __hash__(self) -> int:
        definition = getattr(self, "definition")  # noqa: B009 - a field of subclasses
        return id(self) if definition is None else hash(definition)


class Predicate(_Function, frozen=True, eq=False):
    """A dialect's own condition: ``function(context, here)``, ``here`` being the BoundFlags or None.

    ``function`` must not raise. ``reads`` names every attribute that it may read; ``text`` says it in words;
    ``definition`` is what the function was made from (bytes, or any hashable value): see :class:`_Function`.
    """

    function: Callable[[Any, Any], bool]
    reads: tuple[str, ...] = ()
    text: str = ""
    definition: Any = None


Condition: TypeAlias = "Test | AllOf | AnyOf | Not | InSegment | Predicate"


class Share(msgspec.Struct, frozen=True):
    """A percentage: as written, and as the number of the 2**32 buckets that it covers."""

    text: str
    threshold: int


class Rollout(msgspec.Struct, frozen=True):
    """A gate that lets a share of the subjects in; the others are served the flag's default."""

    share: Share


class RampStep(msgspec.Struct, frozen=True):
    """From ``at`` (seconds since 1970, UTC) on, the gate lets ``to`` in."""

    at: float
    to: Share


class Ramp(msgspec.Struct, frozen=True):
    """A rollout whose share follows the clock: 0 % before the first step; ``linear`` draws lines between steps."""

    steps: tuple[RampStep, ...]
    linear: bool = False


class Schedule(msgspec.Struct, frozen=True):
    """The rule counts from ``start`` (inclusive) until ``until`` (exclusive), in seconds since 1970, UTC."""

    start: float | None = None
    until: float | None = None


class Serve(msgspec.Struct, frozen=True):
    """Serve one variant, by name."""

    variant: str


class Split(msgspec.Struct, frozen=True):
    """Divide the subjects between variants: ``variants[i]`` up to, not including, bucket ``cuts[i]``."""

    variants: tuple[str, ...]
    cuts: tuple[int, ...]
    weights: tuple[float, ...] = ()


class Fault(msgspec.Struct, frozen=True):
    """What a :class:`Compute` returns where it cannot decide."""

    code: ErrorCode
    message: str


class Compute(_Function, frozen=True, eq=False):
    """A dialect's own payload: ``function(context, here)`` returns a variant's name, None for the flag's default,
    or a :class:`Fault`. It must not raise; ``reads`` names every attribute that it may read; ``definition`` is what
    the function was made from: see :class:`_Function`. ``changes`` are the instants (seconds since 1970) at which the
    clock alone may change the answer; ``moves`` is true where it may do so at any time.
    """

    function: Callable[[Any, Any], str | Fault | None]
    reads: tuple[str, ...] = ()
    reason: Reason = Reason.TARGETING_MATCH
    text: str = ""
    definition: Any = None
    changes: tuple[float, ...] = ()
    moves: bool = False


class Rule(msgspec.Struct, frozen=True):
    """Condition, schedule, gate and payload; the first rule whose condition and schedule hold decides.

    A rule whose gate shuts a subject out serves the flag's default: later rules are not tried.
    """

    payload: Serve | Split | Compute
    condition: Condition | None = None
    schedule: Schedule | None = None
    gate: Rollout | Ramp | None = None
    name: str | None = None


class Requirement(msgspec.Struct, frozen=True):
    """Another flag must serve one of ``variants`` first."""

    key: str
    variants: tuple[str, ...]


class Risk(msgspec.Struct, frozen=True):
    """A flag's place in the Blast Radius Matrix; each is ``low`` or ``high``."""

    technical: str
    business: str


class Example(msgspec.Struct, frozen=True):
    """One entry of a flag's ``tests``: what is given, which variant is expected, and the line that says so."""

    given: Mapping[str, Any]
    expect: str
    environment: str | None = None
    at: float | None = None
    line: int = 0


BOOLEAN: Final[Mapping[str, Any]] = MappingProxyType({"on": True, "off": False})
"""The variants that every boolean flag has."""


class Flag(msgspec.Struct, frozen=True, kw_only=True):
    """A named decision point.

    ``off`` is served when the flag is killed or fails, ``default`` when no rule matches; None in either leaves the
    value to the caller (some dialects do). ``salt`` is what is hashed beside the key (normally the flag's key),
    ``sticky_by`` the attribute that is hashed (None: the targeting key). ``labels`` says what a variant is called in
    evaluations, where a dialect gives one name to several values. ``error`` is set on a flag that could not be parsed
    while the others could: it answers PARSE_ERROR.
    """

    key: str
    variants: Mapping[str, Any] = BOOLEAN
    labels: Mapping[str, str] = MappingProxyType({})
    off: str | None = "off"
    default: str | None = "off"
    enabled: bool = True
    requires: tuple[Requirement, ...] = ()
    rules: tuple[Rule, ...] = ()
    salt: str = ""
    sticky_by: str | None = None
    qa: bool = False
    public: bool = False
    description: str = ""
    owner: tuple[str, ...] = ()
    risk: Risk | None = None
    expires: str | None = None
    metadata: Mapping[str, Any] = MappingProxyType({})
    tests: Sequence[Example] = ()
    error: str | None = None

    @property
    def is_boolean(self) -> bool:
        """Whether this is an on/off flag."""
        if self.variants is BOOLEAN:
            return True
        return self.variants.keys() == BOOLEAN.keys() and self.variants["on"] is True and self.variants["off"] is False


class Dialect(msgspec.Struct, frozen=True, eq=False):
    """How a format names things in the evaluation context.

    ``read(context, attribute)`` replaces the plain look-up where a dialect has names of its own for what the
    context holds; ``reads(attribute)`` then tells which of the context's attributes that may touch.
    """

    name: str
    read: Callable[[Any, str], Any] | None = None
    reads: Callable[[str], tuple[str, ...]] = lambda attribute: (attribute,)


NATIVE: Final = Dialect("native")


class Ruleset(msgspec.Struct, frozen=True):
    """Everything that one document (or folder) defines, for one environment.

    ``attributes`` are those that the file declares beside the well-known ones; ``policy`` is the release policy as
    written; ``sources`` tells which file each flag came from, where a folder was read.
    """

    flags: Mapping[str, Flag]
    segments: Mapping[str, Condition] = MappingProxyType({})
    dialect: Dialect = NATIVE
    environment: str | None = None
    metadata: Mapping[str, Any] = MappingProxyType({})
    attributes: tuple[str, ...] = ()
    policy: Mapping[str, Any] = MappingProxyType({})
    sources: Mapping[str, str] = MappingProxyType({})
