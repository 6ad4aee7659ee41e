"""JavaScript's values: the coercions that JsonLogic's operators are defined by.

Source: ECMAScript 2023, section 7.1 (type conversion) and 7.2 (comparison). ``None`` is ``null``, lists and tuples are
arrays, mappings are objects. Integers stay exact beyond 2**53, where JavaScript would round them: the identifiers
that people target on must not run together. What a web application may put in a context beside JSON (subclasses,
UUIDs, decimals, dates) is read as the nearest JSON value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from types import NoneType
from typing import Any, Final
from uuid import UUID

__all__ = [
    "UNDEFINED",
    "at_most",
    "less",
    "loose_equal",
    "number",
    "parse_float",
    "plain",
    "property_of",
    "rounded",
    "strict_equal",
    "text",
    "truthy",
    "units",
]


class _Undefined:
    """JavaScript's ``undefined``: the argument that a rule leaves out, which is not the same as ``null``."""

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED: Final = _Undefined()
NAN: Final = math.nan
_EXACT: Final = 2**53
_PLAIN: Final = frozenset({str, bool, int, float, NoneType, list, dict, _Undefined, datetime})
_SPACE: Final = " \t\n\r\v\f\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_DECIMAL: Final = r"[+-]?(?:Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
_NUMBER: Final = re.compile(rf"[{_SPACE}]*({_DECIMAL}|0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|)[{_SPACE}]*")
_PREFIX: Final = re.compile(rf"[{_SPACE}]*({_DECIMAL})")


def plain(value: Any) -> Any:
    """``value`` as one of the types that the functions below tell apart."""
    if value.__class__ in _PLAIN:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__pos__(value)
    if isinstance(value, float | Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return dict(value)
    return _container_or_text(value)


def _container_or_text(value: Any) -> Any:
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
    return str(value) if isinstance(value, UUID) else {}


def truthy(value: Any) -> bool:
    """JsonLogic's truth: JavaScript's, but that an empty array is false.

    >>> [truthy(value) for value in (None, 0, "", [], "0", {}, math.nan)]
    [False, False, False, False, True, True, False]
    """
    if value is True or value is False:
        return value is True
    value = plain(value)
    if isinstance(value, dict | datetime):
        return True
    return bool(value) and value is not UNDEFINED and value == value


def number(value: Any) -> int | float:
    """``Number(value)``.

    >>> number(""), number(" 12 "), number("0x10"), number([7]), number("1_000")
    (0, 12, 16, 7, nan)
    """
    value = plain(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    if value is None:
        return 0
    if isinstance(value, datetime):
        return _milliseconds(value)
    return NAN if value is UNDEFINED else _number_in(text(value))


def _number_in(written: str) -> int | float:
    match = _NUMBER.fullmatch(written)
    if match is None:
        return NAN
    digits = match[1]
    if digits[1:2] in ("x", "X", "o", "O", "b", "B"):
        return rounded(int(digits, 0))
    return _decimal(digits) if digits else 0


def _decimal(digits: str) -> int | float:
    if digits.lstrip("+-").isdecimal() and len(digits) < 400:
        return int(digits)
    return float(digits)


def parse_float(value: Any) -> int | float:
    """``parseFloat(value)``: the number that the text starts with.

    >>> parse_float("3.14abc"), parse_float(True), parse_float([1, 2])
    (3.14, nan, 1)
    """
    if value.__class__ is int or value.__class__ is float:
        return value
    match = _PREFIX.match(text(value))
    return _decimal(match[1]) if match else NAN


def _milliseconds(moment: datetime) -> float:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
    return aware.timestamp() * 1000


def text(value: Any) -> str:
    """``String(value)``.

    >>> text(None), text(True), text(1.0), text(1e21), text(1e-7), text([1, None, "a"]), text({})
    ('null', 'true', '1', '1e+21', '1e-7', '1,,a', '[object Object]')
    """
    value = plain(value)
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number_text(value)
    if isinstance(value, list):
        return ",".join("" if item is None or item is UNDEFINED else text(item) for item in value)
    if isinstance(value, datetime):
        return value.isoformat()
    return "undefined" if value is UNDEFINED else "[object Object]"


def _number_text(value: int | float) -> str:
    if isinstance(value, int) and abs(value) < 10**21:
        return str(value)
    value = _as_float(value)
    if not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    return ("-" if sign and value else "") + _layout("".join(map(str, digits)), len(digits) + int(exponent))


def _layout(digits: str, point: int) -> str:
    # ECMAScript 2023, 6.1.6.1.20: `digits` with the decimal point after the first `point` of them.
    if len(digits) <= point <= 21:
        return digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{mantissa}e{point - 1:+d}"


def _as_float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def rounded(value: int | float) -> int | float:
    """The result of arithmetic as JavaScript would hold it: beyond 2**53 a double."""
    return _as_float(value) if isinstance(value, int) and abs(value) > _EXACT else value


def loose_equal(a: Any, b: Any) -> bool:
    """``a == b`` with JavaScript's coercions.

    >>> loose_equal(1, "1"), loose_equal(True, "1"), loose_equal(None, 0), loose_equal("", 0)
    (True, True, False, True)
    """
    if a.__class__ is str and b.__class__ is str:
        return bool(a == b)
    nothing_a, nothing_b = a is None or a is UNDEFINED, b is None or b is UNDEFINED
    if nothing_a or nothing_b:
        return nothing_a and nothing_b
    if a is b:
        return bool(a == a) if isinstance(a, float) else True
    a, b = plain(a), plain(b)
    object_a, object_b = isinstance(a, list | dict | datetime), isinstance(b, list | dict | datetime)
    if object_a and object_b:
        return isinstance(a, datetime) and isinstance(b, datetime) and _milliseconds(a) == _milliseconds(b)
    return _equal_primitives(text(a) if object_a else a, text(b) if object_b else b)


def _equal_primitives(a: Any, b: Any) -> bool:
    if isinstance(a, str) and isinstance(b, str):
        return a == b
    return number(a) == number(b)


def strict_equal(a: Any, b: Any) -> bool:
    """``a === b``: no coercion; objects and arrays are equal to themselves alone.

    >>> strict_equal(1, 1.0), strict_equal(1, True), strict_equal([], [])
    (True, False, False)
    """
    if a is b:
        return bool(a == a) if isinstance(a, float) else True
    a, b = plain(a), plain(b)
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return a == b
    return isinstance(a, str) and isinstance(b, str) and a == b


def units(value: str) -> bytes:
    """The UTF-16 code units of a text, which is what JavaScript counts and compares."""
    return value.encode("utf-16-be", "surrogatepass")


def _ordered(compare: Callable[[Any, Any], bool], a: Any, b: Any) -> bool:
    a, b = _primitive(a), _primitive(b)
    if isinstance(a, str) and isinstance(b, str):
        return compare(units(a), units(b))
    return compare(number(a), number(b))


def _primitive(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, datetime):
        return _milliseconds(value)
    return text(value) if isinstance(value, list | dict) else value


def less(a: Any, b: Any) -> bool:
    """``a < b``: as texts if both are, else as numbers.

    >>> less(None, 18), less("b", "a"), less("10", 9), less("x", 1)
    (True, False, False, False)
    """
    return _ordered(lambda x, y: bool(x < y), a, b)


def at_most(a: Any, b: Any) -> bool:
    """``a <= b``."""
    return _ordered(lambda x, y: bool(x <= y), a, b)


def property_of(value: Any, name: str) -> Any:
    """``value[name]``, own properties only; UNDEFINED where there is none.

    >>> property_of({"a": 1}, "a"), property_of([5], "0"), property_of("abc", "length"), property_of(3, "a")
    (1, 5, 3, undefined)
    """
    if isinstance(value, Mapping):
        return value.get(name, UNDEFINED)
    value = plain(value)
    if isinstance(value, str):
        encoded = units(value)
        value = [encoded[place : place + 2].decode("utf-16-be", "surrogatepass") for place in range(0, len(encoded), 2)]
    if not isinstance(value, list):
        return UNDEFINED
    if name == "length":
        return len(value)
    place = int(name) if name.isascii() and name.isdigit() and len(name) < 10 else -1
    return value[place] if str(place) == name and place < len(value) else UNDEFINED
