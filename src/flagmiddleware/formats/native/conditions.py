"""Condition trees: what stands under ``if`` and what a segment is."""

from __future__ import annotations

from typing import Any, Final

from ...conditions import OPERATORS
from ...errors import ConfigurationError
from ...model import AllOf, AnyOf, Condition, Not, Operator, Test
from ..words import expected, nearest, show
from .scalars import read_instant
from .scope import Scope

__all__ = ["COMBINATORS", "DEEPEST_CONDITION", "RESERVED", "read_condition"]

DEEPEST_CONDITION: Final = 50
"""How deep `all`, `any` and `not` may nest."""

COMBINATORS: Final = frozenset(("all", "any", "not", "segment"))
RESERVED: Final = COMBINATORS | {"targeting_key"}
"""Names that no attribute can have."""

_SPECIAL: Final = RESERVED | {""}
_NOTHING: Final = AllOf(())
_SCALARS: Final = frozenset((str, int, float, bool))
_EQ: Final = OPERATORS["eq"]
_IN: Final = OPERATORS["in"]
_VALUE: Final = "a value, a list of values, or an operator such as {starts_with: …}"
_INSTANTS: Final = ("before", "after")
_DEEP: Final = 40  # from here on the depth of the whole document is measured


def read_condition(scope: Scope, holder: Any, key: str | int, document: Any, depth: int = 1) -> Condition:
    """The condition ``document``, which stands at ``holder[key]``; several keys mean all of them."""
    if document.__class__ is not dict or not document:
        scope.wrong(holder, key, "a condition, such as {country: AU}")
        return _NOTHING
    parts: list[Condition] = []
    for name, operand in document.items():
        kind = operand.__class__
        if name in _SPECIAL:
            parts.append(_combination(scope, document, name, depth))
        elif kind is str or kind is bool or kind is int or kind is float:
            parts.append(scope.test(name, _EQ, operand))
        elif kind is list and operand and _SCALARS.issuperset(map(type, operand)):
            parts.append(scope.test(name, _IN, tuple(operand)))
        else:
            parts.extend(_tests(scope, document, name))
    return parts[0] if len(parts) == 1 else scope.all_of(parts)


def _combination(scope: Scope, document: dict[str, Any], name: str, depth: int) -> Condition:
    if depth >= _DEEP:
        scope.is_deep = True
    if name == "segment":
        return _segments(scope, document)
    if name == "targeting_key":
        scope.report(
            document, name, "the targeting key cannot be tested; test the attribute it comes from, such as user"
        )
        return _NOTHING
    if not name:
        scope.report(document, name, "an attribute must have a name")
        return _NOTHING
    if depth >= DEEPEST_CONDITION:
        scope.report(document, name, f"conditions are nested deeper than {DEEPEST_CONDITION} levels; use segments")
        return _NOTHING
    if name == "not":
        return Not(read_condition(scope, document, name, document[name], depth + 1))
    operand = document[name]
    if operand.__class__ is not list or not operand:
        scope.wrong(document, name, "a list of conditions")
        return _NOTHING
    conditions = tuple([read_condition(scope, operand, index, item, depth + 1) for index, item in enumerate(operand)])
    return AllOf(conditions) if name == "all" else AnyOf(conditions)


def _segments(scope: Scope, document: dict[str, Any]) -> Condition:
    name = document["segment"]
    if name.__class__ is str and name in scope.segments:
        scope.used_segments[name] = None
        return scope.in_segment(name)
    names = scope.texts(document, "segment", "a segment's name, or a list of them")
    for name in names:
        scope.used_segments[name] = None
        if name not in scope.segments:
            scope.missing(document, "segment", "segment", name, scope.segments)
    found = tuple(map(scope.in_segment, names))
    return found[0] if len(found) == 1 else AnyOf(found)


def _tests(scope: Scope, document: dict[str, Any], name: str) -> list[Condition]:
    operand = document[name]
    if operand.__class__ is not dict or not operand:
        scope.report(document, name, _unusable(operand))
        return []
    tests: list[Condition] = []
    for word, value in operand.items():
        operator = OPERATORS.get(word)
        if operator is None:
            if not word.startswith("x-"):
                near = nearest(word, OPERATORS) or f"; there are {', '.join(OPERATORS)}"
                scope.report(operand, word, f"unknown operator{near}")
            continue
        if value.__class__ is not str or (word, value) not in scope.usable:
            message = _refused(operator, value)
            if message:
                scope.report(operand, word, message)
            elif value.__class__ is str:
                scope.usable.add((word, value))
        items = tuple(value) if value.__class__ is list else (value,)
        make = scope.test if _SCALARS.issuperset(map(type, items)) else Test  # what is refused may be anything
        tests.append(make(name, operator, items if value.__class__ is list else value))
    if all(word.startswith("x-") for word in operand):
        scope.wrong(document, name, _VALUE)
    return tests


def _unusable(operand: Any) -> str:
    if operand is None:
        return f"expected {_VALUE}, found nothing (null); a missing attribute is tested by {{exists: false}}"
    if operand.__class__ is list and operand:
        odd = next(item for item in operand if item.__class__ not in _SCALARS)
        return f"expected a list of texts, numbers or true/false, found {show(odd)} in it"
    return expected(_VALUE, operand)


def _refused(operator: Operator, operand: Any) -> str:
    """Why an operator cannot use an operand; empty where it can."""
    items = operand if operand.__class__ is list else [operand]
    if not items:
        return expected("at least one value", operand)
    if operator.name in _INSTANTS:
        return next((message for item in items if (message := read_instant(item)[1])), "")
    try:
        operator.prepare(operand)
    except (ValueError, TypeError, OverflowError) as error:
        found = "" if "found " in str(error) else f", found {show(operand)}"
        return f"`{operator.name}`: {error}{found}"
    except ConfigurationError as error:
        return str(error)
    return ""
