"""JsonLogic's operators on values: each a function of its arguments alone.

Source: jsonlogic.com, "Supported operations", and the behaviour of its JavaScript implementation (json-logic-js 2.0).
An argument that a rule leaves out arrives as UNDEFINED.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import reduce
from types import MappingProxyType
from typing import Any, Final

from .javascript import (
    UNDEFINED,
    at_most,
    less,
    loose_equal,
    number,
    parse_float,
    plain,
    rounded,
    strict_equal,
    text,
    truthy,
    units,
)

__all__ = ["OPERATORS", "contains", "remainder"]


def contains(needle: Any, haystack: Any) -> bool:
    """``in``: a member of an array, or a part of a text."""
    if haystack.__class__ is not str:
        haystack = plain(haystack)
    if isinstance(haystack, str):
        return haystack != "" and text(needle) in haystack
    return isinstance(haystack, list) and any(strict_equal(item, needle) for item in haystack)


def _less(a: Any, b: Any, c: Any = UNDEFINED) -> bool:
    return less(a, b) and (c is UNDEFINED or less(b, c))


def _at_most(a: Any, b: Any, c: Any = UNDEFINED) -> bool:
    return at_most(a, b) and (c is UNDEFINED or at_most(b, c))


def _cat(*parts: Any) -> str:
    return "".join("" if part is None or part is UNDEFINED else text(part) for part in parts)


def _whole(value: Any) -> int:
    found = number(value)
    if found != found:
        return 0
    return int(max(-(2**40), min(2**40, found)))  # further than any text is long, and safe for an infinity


def _substr(source: Any, start: Any = UNDEFINED, length: Any = UNDEFINED) -> str:
    encoded = units(text(source))
    size = len(encoded) // 2
    first = _whole(start)
    first = max(size + first, 0) if first < 0 else min(first, size)
    last = size
    if length is not UNDEFINED:
        count = number(length)
        # A negative length counts from the end of what is left, in fractions too: PHP's rule, which JsonLogic keeps.
        last = min(first + _whole(size - first + count if count < 0 else count), size)
    return encoded[first * 2 : max(first, last) * 2].decode("utf-16-be", "surrogatepass")


def _add(*terms: Any) -> int | float:
    return rounded(sum(map(parse_float, terms)))


def _multiply(*factors: Any) -> Any:
    if not factors:
        raise ValueError("* needs a number to multiply")
    return reduce(lambda a, b: rounded(parse_float(a) * parse_float(b)), factors)


def _subtract(a: Any, b: Any = UNDEFINED) -> int | float:
    return -number(a) if b is UNDEFINED else rounded(number(a) - number(b))


def _divide(a: Any, b: Any) -> float:
    over, under = float(number(a)), float(number(b))
    if under:
        return over / under
    return math.nan if not over or over != over else math.copysign(math.inf, over) * math.copysign(1, under)


def remainder(a: Any, b: Any) -> int | float:
    """``%``: what is left of a division, with the sign of what was divided."""
    over, under = number(a), number(b)
    if not under or under != under or not math.isfinite(over):
        return math.nan
    left = math.fmod(over, under)
    return int(left) if isinstance(over, int) and isinstance(under, int) else left


def _extreme(pick: Callable[[list[Any]], Any], empty: float) -> Callable[..., int | float]:
    def extreme(*values: Any) -> int | float:
        numbers = list(map(number, values))
        if any(found != found for found in numbers):
            return math.nan
        return pick(numbers) if numbers else empty

    return extreme


def _merge(*parts: Any) -> list[Any]:
    merged: list[Any] = []
    for part in parts:
        found = plain(part)
        merged += found if isinstance(found, list) else [part]
    return merged


OPERATORS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {
        "==": lambda a=UNDEFINED, b=UNDEFINED, *_: loose_equal(a, b),
        "!=": lambda a=UNDEFINED, b=UNDEFINED, *_: not loose_equal(a, b),
        "===": lambda a=UNDEFINED, b=UNDEFINED, *_: strict_equal(a, b),
        "!==": lambda a=UNDEFINED, b=UNDEFINED, *_: not strict_equal(a, b),
        "<": lambda a=UNDEFINED, b=UNDEFINED, c=UNDEFINED, *_: _less(a, b, c),
        "<=": lambda a=UNDEFINED, b=UNDEFINED, c=UNDEFINED, *_: _at_most(a, b, c),
        ">": lambda a=UNDEFINED, b=UNDEFINED, *_: less(b, a),
        ">=": lambda a=UNDEFINED, b=UNDEFINED, *_: at_most(b, a),
        "!": lambda a=UNDEFINED, *_: not truthy(a),
        "!!": lambda a=UNDEFINED, *_: truthy(a),
        "%": lambda a=UNDEFINED, b=UNDEFINED, *_: remainder(a, b),
        "in": lambda a=UNDEFINED, b=UNDEFINED, *_: contains(a, b),
        "cat": _cat,
        "substr": lambda a=UNDEFINED, b=UNDEFINED, c=UNDEFINED, *_: _substr(a, b, c),
        "+": _add,
        "*": _multiply,
        "-": lambda a=UNDEFINED, b=UNDEFINED, *_: _subtract(a, b),
        "/": lambda a=UNDEFINED, b=UNDEFINED, *_: _divide(a, b),
        "min": _extreme(min, math.inf),
        "max": _extreme(max, -math.inf),
        "merge": _merge,
    }
)
"""Every operator whose arguments are worked out before it is applied, by name."""
