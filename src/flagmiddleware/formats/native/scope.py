"""What the readers of one document share: the problems so far, the names in it, objects made once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar

from ...bucketing import cuts
from ...model import AllOf, Condition, InSegment, Operator, Ramp, Rollout, Rule, Schedule, Serve, Share, Split, Test
from ..syntax import Finding, is_deeper
from ..words import expected, nearest, show
from .scalars import read_instant, read_share

__all__ = ["Scope"]

T = TypeVar("T")

_SCALARS: Final = frozenset((str, int, float, bool, type(None)))
_PATIENCE: Final = 50_000  # names that are compared with wrong ones, in all
_WORD, _WORDS = 40, 10_000  # letters of a text that may well come again, and how many such texts are remembered
_SHALLOW: Final = 80  # nesting of a free value, or of a condition, under which the document's depth is in no doubt


class Scope:
    """Collects findings as ``holder[key]``: a container is unique in its document, so its path is found afterwards."""

    __slots__ = (
        "alls",
        "cuts",
        "days",
        "findings",
        "gates",
        "instants",
        "is_deep",
        "members",
        "merged",
        "onces",
        "patience",
        "rules",
        "segments",
        "serves",
        "shares",
        "tests",
        "usable",
        "used_segments",
    )

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.segments: Mapping[str, Any] = {}
        self.used_segments: dict[str, None] = {}
        self.members: dict[str, InSegment] = {}
        self.serves: dict[str, Serve] = {}
        self.shares: dict[str | int, Share | None] = {}
        self.rules: dict[Any, Rule] = {}
        self.tests: dict[tuple[Any, ...], Test] = {}
        self.alls: dict[tuple[int, ...], AllOf] = {}
        self.gates: dict[str | int, Rollout | None] = {}
        self.cuts: dict[tuple[Any, ...], tuple[int, ...]] = {}
        self.instants: dict[str, float] = {}
        self.days: dict[str, str] = {}
        self.onces: dict[Any, Any] = {}
        self.usable: set[tuple[str, str]] = set()
        self.merged: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = []
        self.is_deep = False
        self.patience = _PATIENCE

    def report(self, holder: Any, key: str | int | None, message: str) -> None:
        """Note a problem at ``holder[key]``."""
        self.findings.append(Finding(holder, key, message))

    def wrong(self, holder: Any, key: str | int, what: str) -> None:
        """Note that ``holder[key]`` is not what was expected."""
        self.findings.append(Finding(holder, key, expected(what, holder[key])))

    def check_fields(self, holder: dict[str, Any], known: frozenset[str]) -> None:
        """Report each field that is none; ``x-…`` and ``$schema`` may stand anywhere and mean nothing."""
        for name in holder:
            if name in known:
                continue
            if name.startswith("x-") or name == "$schema":
                self.free(holder, name)
            else:
                self.report(
                    holder, name, f"unknown field{nearest(name, known) or '; known: ' + ', '.join(sorted(known))}"
                )

    def free(self, holder: Any, key: str) -> Any:
        """A value of any shape."""
        value = holder[key]
        if value.__class__ is dict and _SCALARS.issuperset(map(type, value.values())):
            return value
        if is_deeper(value, _SHALLOW):
            self.is_deep = True
        return value

    def text(self, holder: dict[str, Any], key: str, what: str = "text") -> str:
        """A text that is not empty."""
        value = holder[key]
        if value.__class__ is str and value:
            return value
        self.wrong(holder, key, what)
        return ""

    def flag(self, holder: dict[str, Any], key: str) -> bool:
        """True or false."""
        value = holder[key]
        if value is True or value is False:
            return value
        self.wrong(holder, key, "true or false")
        return False

    def texts(self, holder: dict[str, Any], key: str, what: str) -> tuple[str, ...]:
        """A text, or a list of texts."""
        value = holder[key]
        items = value if value.__class__ is list else [value]
        for item in items:
            if item.__class__ is not str or not item:
                self.report(holder, key, expected(what, item))
                return ()
        if not items:
            self.wrong(holder, key, what)
        return tuple(items)

    def mapping(self, holder: Any, key: str | int, what: str) -> dict[str, Any]:
        """A mapping; an empty one, and a problem, where it is something else."""
        value = holder[key]
        if value.__class__ is dict:
            return value
        self.wrong(holder, key, what)
        return {}

    def share(self, holder: dict[str, Any], key: str) -> Share | None:
        """A percentage; the same one is the same object."""
        value = holder[key]
        if value.__class__ is not str and value.__class__ is not int:
            self.report(holder, key, read_share(value)[1])
            return None
        share = self.shares.get(value)
        if share is None:
            share, message = read_share(value)
            if share is None:
                self.report(holder, key, message)
            self.shares[value] = share
        return share

    def rollout(self, holder: dict[str, Any], key: str) -> Rollout | None:
        """A rollout's gate; the same percentage is the same object."""
        value = holder[key]
        if value.__class__ is str or value.__class__ is int:
            gate = self.gates.get(value)
            if gate is not None:
                return gate
        share = self.share(holder, key)
        if share is None:
            return None
        gate = self.gates[value] = Rollout(share)
        return gate

    def rollout_for_all(self, rule: dict[str, Any]) -> Rule:
        """A rule that is nothing but a percentage; the same one is the same object."""
        value = rule["rollout"]
        if value.__class__ is str or value.__class__ is int:
            found = self.rules.get(value)
            if found is not None:
                return found
        made = Rule(self.serve("on"), None, None, self.rollout(rule, "rollout"))
        if made.gate is not None:
            self.rules[value] = made
        return made

    # What follows is known by the identity of its parts, which the one made first keeps alive: equality would take
    # 1 for true. A site's flags say the same things over and over, and need hold them only once.

    def rule(
        self,
        payload: Serve | Split,
        condition: Condition | None,
        schedule: Schedule | None,
        gate: Rollout | Ramp | None,
        name: str | None,
    ) -> Rule:
        """A rule; one of the same parts is the same object."""
        key = (id(payload), id(condition), id(schedule), id(gate), name)
        found = self.rules.get(key)
        if found is None:
            found = self.rules[key] = Rule(payload, condition, schedule, gate, name)
        return found

    def all_of(self, parts: list[Condition]) -> AllOf:
        """Several conditions at once; the same ones are the same object."""
        key = tuple(map(id, parts))
        found = self.alls.get(key)
        if found is None:
            found = self.alls[key] = AllOf(tuple(parts))
        return found

    def test(self, attribute: str, operator: Operator, operand: Any) -> Test:
        """A comparison with a scalar or a tuple of scalars; the same one is the same object."""
        kind = operand.__class__
        key = (attribute, operator, operand, tuple(map(type, operand)) if kind is tuple else kind)
        found = self.tests.get(key)
        if found is None:
            found = self.tests[key] = Test(attribute, operator, operand)
        return found

    def once(self, value: T) -> T:
        """The value, or what was equal to it before: texts, and tuples and objects of texts."""
        found: T = self.onces.setdefault(value, value)
        return found

    def word(self, value: Any) -> Any:
        """A scalar; a short text that came before is that object, as long as there are not too many."""
        if value.__class__ is not str or len(value) > _WORD:
            return value
        return self.onces.get(value, value) if len(self.onces) > _WORDS else self.onces.setdefault(value, value)

    def split(self, weights: dict[str, Any]) -> Split:
        """A split by variants' weights; the same weights have the same cuts."""
        key = tuple(weights.values())
        ends = self.cuts.get(key)
        if ends is None:
            ends = self.cuts[key] = cuts(key)
        return Split(tuple(weights), ends, key)

    def instant(self, holder: dict[str, Any], key: str) -> float | None:
        """A point in time."""
        value = holder[key]
        found = self.instants.get(value) if value.__class__ is str else None
        if found is None:
            found, message = read_instant(value)
            if found is None:
                self.report(holder, key, message)
            else:
                self.instants[value] = found
        return found

    def serve(self, variant: str) -> Serve:
        """Serving a variant; the same one is the same object."""
        found = self.serves.get(variant)
        if found is None:
            found = self.serves[variant] = Serve(variant)
        return found

    def in_segment(self, name: str) -> InSegment:
        """Being in a segment; the same one is the same object."""
        found = self.members.get(name)
        if found is None:
            found = self.members[name] = InSegment(name)
        return found

    def missing(self, holder: Any, key: str | int | None, what: str, name: str, names: Collection[str]) -> None:
        """Note a name that stands for nothing."""
        # Whoever renamed a flag that thousands name wants to know soon, more than to be told the new name each time.
        self.patience -= len(names)
        near = nearest(name, names) if self.patience > 0 else ""
        self.report(holder, key, f"there is no {what} {show(name)}{near}")
