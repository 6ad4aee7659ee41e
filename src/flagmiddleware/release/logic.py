"""What can be said of conditions without a subject: one implies another, one can never hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ..model import AllOf, AnyOf, Condition, InSegment, Not, Predicate
from ..model import Test as Comparison

__all__ = ["contradiction", "expand", "implies", "is_wide", "satisfiable"]


def expand(condition: Condition | None, segments: Mapping[str, Condition]) -> Condition | None:
    """The condition with its segments written out, so that conditions of two rulesets can be compared."""
    if isinstance(condition, InSegment):
        return expand(segments[condition.segment], segments)
    if isinstance(condition, Not):
        return Not(_expanded(condition.condition, segments))
    if isinstance(condition, AllOf):
        return AllOf(tuple(_expanded(part, segments) for part in condition.conditions))
    if isinstance(condition, AnyOf):
        return AnyOf(tuple(_expanded(part, segments) for part in condition.conditions))
    return condition


def _expanded(condition: Condition, segments: Mapping[str, Condition]) -> Condition:
    found = expand(condition, segments)
    assert found is not None  # noqa: S101 - only None expands to None
    return found


def _values(test: Comparison) -> frozenset[tuple[bool, object]] | None:
    """The values of an equality test, told apart as decisions do: true is not 1."""
    if test.operator.name not in ("eq", "in"):
        return None
    operand = test.operand if isinstance(test.operand, list | tuple) else (test.operand,)
    return frozenset((isinstance(value, bool), value) for value in operand)


def implies(left: Condition | None, right: Condition | None) -> bool:
    """Whether ``right`` holds wherever ``left`` does. False means: not known.

    >>> from flagmiddleware.conditions import OPERATORS
    >>> au, anz = (Comparison("country", OPERATORS["in"], values) for values in (["AU"], ["AU", "NZ"]))
    >>> implies(au, anz), implies(anz, au), implies(AllOf((au, au)), anz), implies(au, None)
    (True, False, True, True)
    """
    if right is None or (
        left == right and repr(left) == repr(right)
    ):  # true is not 1, although Python finds them equal
        return True
    if left is None:
        return isinstance(right, AllOf) and not right.conditions
    if isinstance(right, AllOf):
        return all(implies(left, part) for part in right.conditions)
    if isinstance(left, AnyOf):
        return all(implies(part, right) for part in left.conditions)
    if isinstance(right, AnyOf) and any(implies(left, part) for part in right.conditions):
        return True
    if isinstance(left, AllOf):
        return any(implies(part, right) for part in left.conditions)
    if isinstance(left, Not) and isinstance(right, Not):
        return implies(right.condition, left.condition)
    return isinstance(left, Comparison) and isinstance(right, Comparison) and _test_implies(left, right)


def _test_implies(left: Comparison, right: Comparison) -> bool:
    if left.attribute != right.attribute:
        return False
    if right.operator.name == "exists":
        return right.operand is True and not (left.operator.name == "exists" and left.operand is False)
    mine, others = _values(left), _values(right)
    if mine is None:
        return _is_within(left, right)
    if others is not None:
        return mine <= others
    if right.operator.name not in _OF_ONE_VALUE:
        return False
    test, operand = right.operator.test, right.operator.prepare(right.operand)
    return all(test(value, operand) for _, value in mine)


_OF_ONE_VALUE: Final = frozenset({"starts_with", "ends_with", "matches", "gt", "gte", "lt", "lte", "semver", "cidr"})
"""What holds of a value holds of every list with that value in it."""
_BOUNDS: Final = {"gt": (1, False), "gte": (1, True), "lt": (-1, False), "lte": (-1, True)}
"""Which way a bound looks, and whether it belongs to what it bounds."""


def _is_within(left: Comparison, right: Comparison) -> bool:
    """Whether every number that one bound allows is allowed by the other."""
    if left.operator.name not in _BOUNDS or right.operator.name not in _BOUNDS:
        return False
    (way, mine), (other_way, others) = _BOUNDS[left.operator.name], _BOUNDS[right.operator.name]
    bounds = left.operand, right.operand
    if way != other_way or any(isinstance(bound, bool) or not isinstance(bound, int | float) for bound in bounds):
        return False
    distance = way * (left.operand - right.operand)
    return bool(distance > 0 or (distance == 0 and (others or not mine)))


def satisfiable(true: Iterable[Condition | None], false: Iterable[Condition | None]) -> bool:
    """Whether some subject may meet all of ``true`` and none of ``false``. True means: not known to be impossible."""
    wanted = [part for part in true if part is not None]
    together = AllOf(tuple(wanted)) if wanted else None
    return not any(implies(together, part) for part in false)


_TEXTS: Final = ("a", "Z", "0", "-", "é", " ")
"""Unlike each other: a pattern or a part of a text that all of these have is one that everybody has."""


def is_wide(condition: Condition | None) -> bool:
    """Whether nearly everyone may meet a condition, by what it says alone: all but some, whoever has a value, or none.

    >>> from flagmiddleware.conditions import OPERATORS
    >>> known, au = Comparison("user", OPERATORS["exists"], True), Comparison("country", OPERATORS["eq"], "AU")
    >>> is_wide(known), is_wide(Not(au)), is_wide(AnyOf((au, known))), is_wide(AllOf((au, known))), is_wide(au)
    (True, True, True, False, False)
    """
    if condition is None:
        return True
    if isinstance(condition, AllOf):
        return all(map(is_wide, condition.conditions))
    if isinstance(condition, AnyOf):
        return any(map(is_wide, condition.conditions))
    if isinstance(condition, Not):
        inner = condition.condition
        return not isinstance(inner, Predicate) and (_asks_presence(inner) or not is_wide(inner))
    return isinstance(condition, Comparison) and _is_wide_test(condition)


def _asks_presence(condition: Condition) -> bool:
    """Whether all that counts is if there is a value: who has none may be nearly everyone, as who has one may."""
    return isinstance(condition, Comparison) and condition.operator.name == "exists"


def _is_wide_test(test: Comparison) -> bool:
    name, values = test.operator.name, test.operand if isinstance(test.operand, list | tuple) else [test.operand]
    if name in ("ne", "not_in"):
        return True not in values  # not staff is nearly everyone, not (not staff) is not
    if name in ("eq", "in"):
        return any(value is False for value in values)
    if name == "exists":
        return True
    if name in ("starts_with", "ends_with", "contains"):
        return "" in values
    if name == "cidr":
        return any(str(value).endswith("/0") for value in values)
    return name == "matches" and all(test.operator.test(text, test.operator.prepare(test.operand)) for text in _TEXTS)


def contradiction(condition: Condition | None, single: Iterable[str]) -> str:
    """Why a condition can never hold, empty where it may; ``single`` are attributes that never hold a list."""
    if isinstance(condition, AnyOf):
        reasons = [contradiction(part, single) for part in condition.conditions]
        return "; ".join(reasons) if all(reasons) else ""
    if not isinstance(condition, AllOf):
        return ""
    for part in condition.conditions:
        reason = contradiction(part, single)
        if reason:
            return reason
        rest = tuple(other for other in condition.conditions if other is not part)
        if isinstance(part, Not) and rest and implies(AllOf(rest), part.condition):
            return "it asks for something and for its opposite"
    tests = [part for part in condition.conditions if isinstance(part, Comparison)]
    once = frozenset(single)
    pairs = ((left, right) for place, left in enumerate(tests) for right in tests[place + 1 :])
    return next((reason for left, right in pairs if (reason := _clash(left, right, once))), "")


def _clash(left: Comparison, right: Comparison, single: frozenset[str]) -> str:
    if left.attribute != right.attribute:
        return ""
    absent = [test for test in (left, right) if test.operator.name == "exists" and test.operand is False]
    if len(absent) == 1:
        return f"{left.attribute} cannot be missing and have a value"
    mine, others = _values(left), _values(right)
    if left.attribute in single and mine is not None and others is not None and not mine & others:
        return f"{left.attribute} cannot be two things at once"
    return ""
