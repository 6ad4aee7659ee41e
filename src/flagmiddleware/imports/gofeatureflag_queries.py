"""GO Feature Flag's targeting queries (``key eq "x" and not (age gt 18)``) in the native grammar."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from .draft import RESERVED

__all__ = ["Unsayable", "ignores_case", "say"]

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>-?[0-9]+(?:\.[0-9]+)?(?![0-9A-Za-z_.]))"""
    r"""|(?P<sign>==|!=|<=|>=|[()\[\],<>])|(?P<word>[A-Za-z_][A-Za-z0-9_.]*))"""
)
_SIGNS: Final = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_OPERATORS: Final = {
    "eq": "eq", "lt": "lt", "le": "lte", "gt": "gt", "ge": "gte", "co": "contains", "sw": "starts_with",
    "ew": "ends_with", "in": "in",
}  # fmt: skip
_CASELESS: Final = frozenset(("eq", "ne", "contains", "starts_with", "ends_with"))
_DEEPEST: Final = 40


class Unsayable(Exception):
    """A query that the native grammar has no words for."""


def say(query: str) -> Any:
    """A query in the native grammar; None for an empty one.

    >>> say('plan eq "pro" and not (age lt 18)')
    {'all': [{'plan': {'eq': 'pro'}}, {'not': {'age': {'lt': 18}}}]}
    """
    if not query.strip():
        return None
    if query.lstrip().startswith("{"):
        raise Unsayable("a JsonLogic query")
    parser = _Parser(_tokens(query))
    said = parser.either(0)
    if parser.tokens:
        raise Unsayable(f"unexpected {parser.tokens[-1][1]!r} in {query!r}")
    return said


def _tokens(query: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    place = 0
    query = query.rstrip()
    while place < len(query):
        match = _TOKEN.match(query, place)
        if match is None:
            raise Unsayable(f"unexpected {query[place:][:20]!r}")
        kind = str(match.lastgroup)
        found.append((kind, _value(kind, match[kind])))
        place = match.end()
    return found[::-1]


def _value(kind: str, text: str) -> Any:
    if kind == "text":
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return json.loads(text) if kind == "number" else text


def ignores_case(said: Any) -> bool:
    """Whether a query compared texts without regard to case, which a native condition does not.

    >>> ignores_case(say('plan eq "pro"')), ignores_case(say('plan in ["pro"]')), ignores_case(say('code sw "4-"'))
    (True, False, False)
    """
    if isinstance(said, list):
        return any(map(ignores_case, said))
    if not isinstance(said, dict):
        return False
    return any(
        ignores_case(part) or (name in _CASELESS and isinstance(part, str) and part.lower() != part.upper())
        for name, part in said.items()
    )


class _Parser:
    """Recursive descent: ``or`` over ``and`` over ``not``, parentheses and comparisons."""

    def __init__(self, tokens: list[tuple[str, Any]]) -> None:
        self.tokens = tokens  # the next one is the last

    def _take(self) -> tuple[str, Any]:
        if not self.tokens:
            raise Unsayable("the query ends too early")
        return self.tokens.pop()

    def _is(self, word: str) -> bool:
        return bool(self.tokens) and self.tokens[-1][0] in ("word", "sign") and str(self.tokens[-1][1]).lower() == word

    def either(self, depth: int) -> Any:
        """Parts joined by ``or``."""
        if depth > _DEEPEST:
            raise Unsayable("it is nested too deep")
        parts = [self._both(depth)]
        while self._is("or"):
            self._take()
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else {"any": parts}

    def _both(self, depth: int) -> Any:
        parts = [self._one(depth)]
        while self._is("and"):
            self._take()
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else {"all": parts}

    def _one(self, depth: int) -> Any:
        if self._is("not"):
            self._take()
            if depth > _DEEPEST:
                raise Unsayable("it is nested too deep")
            return {"not": self._one(depth + 1)}
        if self._is("("):
            self._take()
            said = self.either(depth + 1)
            if self._take()[1] != ")":
                raise Unsayable("a parenthesis is not closed")
            return said
        return self._comparison()

    def _comparison(self) -> Any:
        kind, name = self._take()
        if kind != "word" or "." in name or (name in RESERVED and name != "targetingKey"):
            raise Unsayable(f"attribute {name!r}")
        name = "user" if name in ("key", "targetingKey") else name
        if self._is("pr"):
            self._take()
            return {name: {"exists": True}}
        operator = str(self._take()[1]).lower()
        operator = _SIGNS.get(operator, operator)
        value = self._operand()
        if operator == "ne":
            return {name: {"ne": value}}  # nothing holds of a missing attribute, there and here
        if operator not in _OPERATORS or (operator == "in") is not isinstance(value, list):
            raise Unsayable(f"operator {operator!r}")
        return {name: {_OPERATORS[operator]: value}}

    def _operand(self) -> Any:
        kind, value = self._take()
        if kind == "word" and value in ("true", "false"):
            return value == "true"
        if value == "[" and kind == "sign":
            return self._list()
        if kind not in ("text", "number"):
            raise Unsayable(f"unexpected {value!r}")
        return value

    def _list(self) -> list[Any]:
        items: list[Any] = []
        while not self._is("]"):
            items.append(self._operand())
            if self._is(","):
                self._take()
        self._take()
        return items
