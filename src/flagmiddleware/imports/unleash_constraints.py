"""Unleash's constraints in the native grammar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from ..conditions import OPERATORS
from ..errors import ConfigurationError
from ..formats.unleash_document import Constraint, Segment
from ..formats.unleash_operators import NETWORKS, kind_of
from .draft import Draft
from .logic import every

__all__ = ["FIELDS", "UNLESS", "Never", "Segments", "Unsayable", "addresses", "people", "say", "words"]

FIELDS: Final = MappingProxyType({"userId": "user", "sessionId": "visitor", "remoteAddress": "ip"})
"""Unleash's own context fields by what they are called here."""
UNLESS: Final = MappingProxyType(
    {
        "semver": "versions must be in full (1.2.3) and without a v, or they are compared now and were not there",
        "cidr": "an IPv4 address that is written as IPv6 is now found in its network, too",
    }
)
"""By native operator: what else must be so for an answer to stay as it was."""
_CLIENTS: Final = ("environment", "appName")
_TEXT: Final = MappingProxyType(
    {"STR_STARTS_WITH": "starts_with", "STR_ENDS_WITH": "ends_with", "STR_CONTAINS": "contains"}
)
_NUMBER: Final = MappingProxyType({"EQ": "eq", "GT": "gt", "GTE": "gte", "LT": "lt", "LTE": "lte"})
_SIGN: Final = MappingProxyType({"EQ": "=", "GT": ">", "GTE": ">=", "LT": "<", "LTE": "<="})
_INSTANT: Final = MappingProxyType({"GT": "after", "LT": "before"})
_SHORT: Final = MappingProxyType({"AFTER": "GT", "BEFORE": "LT"})


class Unsayable(Exception):
    """A part that the native grammar has no words for."""


class Never(Exception):
    """A strategy that holds for nobody: a rule less."""


def say(constraint: Constraint) -> Any:
    """A constraint in the native grammar; None where it always holds, Never where it never does.

    >>> say(Constraint("plan", "NOT_IN", values=["free"]))
    {'not': {'plan': {'in': ['free']}}}
    """
    name = FIELDS.get(constraint.context_name, constraint.context_name)
    if name in _CLIENTS:
        raise Unsayable(f"{name} was the client's own setting; here a flag has `environments:`")
    if constraint.operator.startswith("SEMVER_") and (constraint.value or "").startswith("v"):
        raise Never  # even where it is inverted
    said = _say(constraint, name)
    if not isinstance(said, bool):
        return {"not": said} if constraint.inverted else said
    if said is constraint.inverted:
        raise Never
    return None


def _say(constraint: Constraint, name: str) -> Any:
    operator, values = constraint.operator, constraint.values or []
    if name == "currentTime":
        raise Unsayable("a date on currentTime is a `schedule:` here; write it on the rule")
    if operator in ("IN", "NOT_IN"):
        # A missing attribute is "not in" there, and under `not:` here.
        said: Any = {name: {"in": people(values) if name == "user" else values}} if values else False
        return said if operator == "IN" else {"not": said} if values else True
    if operator in _TEXT:
        if constraint.case_insensitive:
            raise Unsayable(f"{operator} ignoring case")
        return {name: {_TEXT[operator]: values}}
    if operator == "REGEX":
        return _pattern(
            name, f"(?i){constraint.value or ''}" if constraint.case_insensitive else constraint.value or ""
        )
    if operator == "IN_CIDR":
        return {name: {"cidr": addresses(values)}} if _networks(values) else False
    return _ordered(name, operator.partition("_")[2], (constraint.value or "").strip(" \t"))


def _ordered(name: str, compared: str, value: str) -> Any:
    """A comparison, which is typed by how its value is written: a number, a version, or a date and time."""
    sign, kind = _SHORT.get(compared, compared), kind_of(value)
    if kind == "version":
        return {name: {"semver": f"{_SIGN[sign]}{value}"}}
    if kind == "number":
        number = float(value)
        return {name: {_NUMBER[sign]: int(number) if number.is_integer() else number}}
    if sign not in _INSTANT:
        raise Unsayable(f"{compared} of a date and time")
    return {name: {_INSTANT[sign]: value}}


def _pattern(name: str, pattern: str) -> Any:
    try:
        OPERATORS["matches"].prepare(pattern)
    except ValueError:
        return False  # what is no pattern matches nothing there
    except ConfigurationError:
        pass  # without the engine the file that we write is refused, which says what to install
    return {name: {"matches": pattern}}


def people(ids: Sequence[str]) -> list[str | int]:
    """Users by their ids, which are numbers in one framework's context and text in another's.

    >>> people(["ann", "7"])
    ['ann', '7', 7]
    """
    return [each for one in ids for each in ((one, int(one)) if one.isdecimal() and str(int(one)) == one else (one,))]


def _networks(texts: Sequence[str]) -> list[str]:
    return [text for text in texts if NETWORKS.prepare([text])]


def addresses(texts: Sequence[str]) -> list[str]:
    """The networks among ``texts``: Unleash passes over what is none; Never where all of it is."""
    found = _networks(texts)
    if not found:
        raise Never
    return found


def words(condition: Any) -> frozenset[str]:
    """Which operators of :data:`UNLESS` a condition has in it."""
    if isinstance(condition, list):
        return frozenset().union(*(words(one) for one in condition if isinstance(one, Mapping | list)))
    if not isinstance(condition, Mapping):
        return frozenset()
    return frozenset(UNLESS.keys() & condition.keys()).union(*map(words, condition.values()))


class Segments:
    """The segments that strategies name, each written once."""

    def __init__(self, draft: Draft, shaped: Mapping[int, Segment]) -> None:
        self._draft = draft
        self._shaped = shaped
        self._said: dict[int, tuple[Any, frozenset[str]] | Exception] = {}

    def say(self, number: int) -> tuple[Any, frozenset[str]]:
        """What names a segment in a condition, None where it is everybody; and its words, as :func:`words` has them."""
        if number not in self._said:
            try:
                self._said[number] = self._write(number)
            except (Unsayable, Never) as reason:
                self._said[number] = reason
        found = self._said[number]
        if isinstance(found, Exception):
            raise found
        return found

    def _write(self, number: int) -> tuple[Any, frozenset[str]]:
        condition = every(part for part in map(say, self._shaped[number].constraints) if part is not None)
        if condition is True:
            return None, frozenset()
        name = f"segment-{number}"
        self._draft.segments[name] = condition
        return {"segment": name}, words(condition)
