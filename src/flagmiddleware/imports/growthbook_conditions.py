"""GrowthBook's targeting conditions (a MongoDB-like grammar) in the native grammar."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ..conditions import OPERATORS
from .draft import RESERVED
from .logic import every, negated, some

__all__ = ["Unsayable", "say"]

Condition = dict[str, Any]


_LITERAL: Final = re.compile(r"(\^?)((?:[A-Za-z0-9 _@:,/~=!#%&<>'\"-]|\\[.@/+*?()$^|\\-])*)(\$?)")
_PLAIN: Final[Mapping[tuple[bool, bool], str]] = MappingProxyType(
    {(False, False): "contains", (True, False): "starts_with", (False, True): "ends_with", (True, True): "eq"}
)


class Unsayable(Exception):
    """A part that the native grammar has no words for."""


def say(condition: Any, groups: Mapping[str, Any], depth: int = 0) -> Any:
    """A condition in the native grammar, True or False where it is always the same; Unsayable where there is none.

    >>> say({"plan": "pro", "age": {"$gt": 17}, "country": {"$nin": ["NZ"]}}, {})
    {'all': [{'plan': 'pro'}, {'age': {'gt': 17}}, {'not': {'country': {'in': ['NZ']}}}]}
    """
    if not isinstance(condition, Mapping) or depth > 40:
        raise Unsayable(f"expected a condition, found {condition!r:.60}")
    return every([_entry(key, value, groups, depth) for key, value in condition.items()])


def _entry(key: str, value: Any, groups: Mapping[str, Any], depth: int) -> Any:
    if key == "$not":
        return negated(say(value, groups, depth + 1))
    if key in ("$and", "$or", "$nor"):
        if not isinstance(value, list):
            raise Unsayable(f"{key} without a list")
        parts = [say(part, groups, depth + 1) for part in value]
        joined = every(parts) if key == "$and" or not value else some(parts)  # an empty $or holds there
        return negated(joined) if key == "$nor" else joined
    if key.startswith("$"):
        raise Unsayable(f"{key}")
    if key in RESERVED or "." in key:
        raise Unsayable(f"attribute {key!r}: a path into an object, or a word of the native grammar")
    return _attribute(key, value, groups)


def _attribute(name: str, value: Any, groups: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping) and all(key.startswith("$") for key in value):
        return every([_operator(name, operator, operand, groups) for operator, operand in value.items()])
    return _equals(name, value)


def _equals(name: str, value: Any) -> Condition:
    if value is None:
        return {name: {"exists": False}}
    if not isinstance(value, str | bool | int | float):
        raise Unsayable(f"{name!r} compared with an object or a list")
    return {name: value}


def _operator(name: str, operator: str, operand: Any, groups: Mapping[str, Any]) -> Any:
    if operator == "$not":
        return negated(_attribute(name, operand, groups))
    if operator in ("$inGroup", "$notInGroup"):
        members = _members(groups, operand)
        operator, operand = ("$in" if operator == "$inGroup" else "$nin"), members
    write = _WRITERS.get(operator)
    if write is None:
        raise Unsayable(f"operator {operator} on {name!r}")
    return write(name, operand)


def _members(groups: Mapping[str, Any], name: Any) -> Any:
    group = groups.get(name) if isinstance(name, str) else None
    members = group.get("values") if isinstance(group, Mapping) else group
    if not isinstance(members, list):
        raise Unsayable(f"saved group {name!r} is not in the file")
    return members


def _in(name: str, operand: Any) -> Any:
    if not isinstance(operand, list) or not all(isinstance(one, str | bool | int | float) for one in operand):
        raise Unsayable(f"a list of texts, numbers or booleans was expected for {name!r}")
    return {name: {"in": operand}} if operand else False


def _ordered(operator: str) -> Callable[[str, Any], Condition]:
    def write(name: str, operand: Any) -> Condition:
        if isinstance(operand, bool) or not isinstance(operand, int | float):
            raise Unsayable(f"the order of anything but numbers (on {name!r})")
        return {name: {operator: operand}}

    return write


def _version(sign: str) -> Callable[[str, Any], Condition]:
    def write(name: str, operand: Any) -> Condition:
        return _checked(name, "semver", f"{sign}{operand}")

    return write


def _matches(name: str, operand: Any) -> Condition:
    match = _LITERAL.fullmatch(operand) if isinstance(operand, str) else None
    if match is not None and match[2]:
        # A pattern that is plain text between its anchors needs no engine, and is ten times as fast without one.
        anchors = (bool(match[1]), bool(match[3]))
        return {name: {_PLAIN[anchors]: re.sub(r"\\(.)", r"\1", match[2])}}
    return _checked(name, "matches", operand)


def _checked(name: str, operator: str, operand: Any) -> Condition:
    try:
        OPERATORS[operator].prepare(operand)
    except ValueError as error:
        raise Unsayable(f"{operator} on {name!r}: {error}") from error
    return {name: {operator: operand}}


def _not(write: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    # A missing attribute is "not equal" there, and under `not:` here.
    return lambda name, operand: negated(write(name, operand))


_WRITERS: Final[Mapping[str, Callable[[str, Any], Any]]] = MappingProxyType(
    {
        "$eq": _equals,
        "$ne": _not(_equals),
        "$in": _in,
        "$nin": _not(_in),
        "$gt": _ordered("gt"),
        "$gte": _ordered("gte"),
        "$lt": _ordered("lt"),
        "$lte": _ordered("lte"),
        "$exists": lambda name, operand: {name: {"exists": bool(operand)}},
        "$regex": _matches,
        "$notRegex": _not(_matches),
        "$veq": _version("="),
        "$vne": _not(_version("=")),
        "$vgt": _version(">"),
        "$vgte": _version(">="),
        "$vlt": _version("<"),
        "$vlte": _version("<="),
    }
)
