"""JavaScript's values: the conversions, comparisons and arithmetic by which JsonLogic is defined; nothing of JsonLogic.

Source: ECMAScript 2023, sections 7.1 (type conversion), 7.2 (comparison) and 6.1.6 (numbers). ``None`` is ``null``,
mappings are objects, and whatever else a web application puts into a context (subclasses, UUIDs, decimals, dates) is
read as the nearest JSON value. Integers stay exact beyond 2**53, where JavaScript would round them: the identifiers
that people target on must not run together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from types import NoneType
from typing import Any, Final
from uuid import UUID

__all__ = ["NUMBERS", "UNDEFINED", "divide", "extreme", "is_nothing", "joined", "loose_equal", "number", "ordered"]
__all__ += ["parse_float", "path_reader", "plain", "property_of", "remainder", "rounded", "strict_equal", "substr"]
__all__ += ["text", "truthy", "units"]


class _Undefined:
    """JavaScript's ``undefined``: the argument that a rule leaves out, which is not the same as ``null``."""


UNDEFINED: Final = _Undefined()
NUMBERS: Final = frozenset({int, float})
_PLAIN: Final = frozenset({str, bool, int, float, NoneType, list, dict, _Undefined, datetime})
_NEAREST: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (str, str.__str__),
    (int, int.__pos__),
    ((float, Decimal), float),
    (Mapping, dict),
    ((list, tuple, set, frozenset), list),
    (date, lambda day: datetime(day.year, day.month, day.day, tzinfo=timezone.utc)),
    (UUID, str),
    (object, lambda thing: {}),
)
_SPACE: Final = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
# Each part of a number begins with something that the part before cannot hold, so that no text is read twice.
_DECIMAL: Final = re.compile(r"[+-]?(?:Infinity|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_RADIX: Final = re.compile(r"0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+")
_PLACE: Final = re.compile(r"0|[1-9][0-9]{0,8}")


def plain(value: Any) -> Any:
    """``value`` as one of the types that the functions below tell apart."""
    if value.__class__ in _PLAIN:
        return value
    return next(nearest(value) for kind, nearest in _NEAREST if isinstance(value, kind))


def is_nothing(value: Any) -> bool:
    """Whether it is ``null`` or ``undefined``."""
    return value is None or value is UNDEFINED


def truthy(value: Any) -> bool:
    """JsonLogic's truth: JavaScript's, but that an empty array is false.

    >>> [truthy(value) for value in (None, 0, "", [], "0", {}, math.nan)]
    [False, False, False, False, True, True, False]
    """
    value = plain(value)
    return isinstance(value, dict | datetime) or (bool(value) and value is not UNDEFINED and value == value)


def number(value: Any) -> int | float:
    """``Number(value)``.

    >>> number(""), number(" 12 "), number("0x10"), number([7]), number("1_000")
    (0, 12, 16, 7, nan)
    """
    value = plain(value)
    if isinstance(value, int | float):
        return +value
    if isinstance(value, datetime):
        return (value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)).timestamp() * 1000
    written = "" if value is None else text(value).strip(_SPACE)
    if _RADIX.fullmatch(written):
        return rounded(int(written, 0))
    return _decimal(written) if _DECIMAL.fullmatch(written) else math.nan if written else 0


def _decimal(digits: str) -> int | float:
    return int(digits) if digits.lstrip("+-").isdecimal() and len(digits) < 400 else float(digits)


def parse_float(value: Any) -> int | float:
    """``parseFloat(value)``: the number that the text starts with.

    >>> parse_float("3.14abc"), parse_float(True), parse_float([1, 2])
    (3.14, nan, 1)
    """
    if value.__class__ is int or value.__class__ is float:
        return value
    match = _DECIMAL.match(text(value).lstrip(_SPACE))
    return _decimal(match[0]) if match else math.nan


def text(value: Any) -> str:
    """``String(value)``.

    >>> text(None), text(True), text(1.0), text(1e21), text(1e-7), text([1, None, "a"]), text({})
    ('null', 'true', '1', '1e+21', '1e-7', '1,,a', '[object Object]')
    """
    value = plain(value)
    if isinstance(value, str):
        return value
    if is_nothing(value):
        return "null" if value is None else "undefined"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number_text(value)
    if isinstance(value, list):
        return ",".join(map(joined, value))
    return value.isoformat() if isinstance(value, datetime) else "[object Object]"


def joined(value: Any) -> str:
    """What ``join`` makes of an item: its text, but nothing of ``null`` and ``undefined``."""
    if value.__class__ is str:
        return value
    return "" if is_nothing(value) else text(value)


def _number_text(value: int | float) -> str:
    if isinstance(value, int) and abs(value) < 10**21:
        return str(value)
    value = _as_float(value)
    if not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    # Python's digits are JavaScript's; which numbers have an exponent, and how it is written, is not the same.
    if value and not 1e-6 <= abs(value) < 1e21:
        return repr(value).replace("e-0", "e-")
    return f"{Decimal(repr(value)):f}".removesuffix(".0") if value else "0"


def _as_float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def rounded(value: int | float) -> int | float:
    """The result of arithmetic as JavaScript would hold it: beyond 2**53 a double."""
    return _as_float(value) if isinstance(value, int) and abs(value) > 2**53 else value


def divide(a: Any, b: Any) -> float:
    """``a / b``.

    >>> divide(1, 0), divide(-1, "0"), divide(0, 0)
    (inf, -inf, nan)
    """
    over, under = float(number(a)), float(number(b))
    if under:
        return over / under
    return math.nan if not over or over != over else math.copysign(math.inf, over) * math.copysign(1, under)


def remainder(a: Any, b: Any) -> int | float:
    """``a % b``: what is left of a division, with the sign of what was divided."""
    over, under = number(a), number(b)
    if not under or under != under or not math.isfinite(over):
        return math.nan
    left = math.fmod(over, under)
    return int(left) if isinstance(over, int) and isinstance(under, int) else left


def extreme(pick: Callable[..., int | float], empty: float, *values: Any) -> int | float:
    """``Math.min`` and ``Math.max``: NaN where there is one among the values, ``empty`` where there are none."""
    numbers = [number(value) for value in values]
    return math.nan if any(found != found for found in numbers) else pick(numbers, default=empty)


def loose_equal(a: Any, b: Any) -> bool:
    """``a == b`` with JavaScript's coercions.

    >>> loose_equal(1, "1"), loose_equal(True, "1"), loose_equal(None, 0), loose_equal("", 0)
    (True, True, False, True)
    """
    if is_nothing(a) or is_nothing(b):
        return is_nothing(a) and is_nothing(b)
    if a is b:
        return not isinstance(a, float) or a == a
    a, b = plain(a), plain(b)
    if isinstance(a, list | dict | datetime) and isinstance(b, list | dict | datetime):
        return isinstance(a, datetime) and isinstance(b, datetime) and number(a) == number(b)
    a, b = (text(value) if isinstance(value, list | dict | datetime) else value for value in (a, b))
    return bool(a == b) if isinstance(a, str) and isinstance(b, str) else number(a) == number(b)


def strict_equal(a: Any, b: Any) -> bool:
    """``a === b``: no coercion; objects and arrays are equal to themselves alone.

    >>> strict_equal(1, 1.0), strict_equal(1, True), strict_equal([], [])
    (True, False, False)
    """
    if a is b:
        return not isinstance(a, float) or a == a
    a, b = plain(a), plain(b)
    kinds = {a.__class__, b.__class__}
    return (kinds <= NUMBERS or kinds in ({str}, {bool})) and a == b


def ordered(compare: Callable[[Any, Any], bool], a: Any, b: Any) -> bool:
    """``a < b`` and the like, by Python's function for numbers: as texts if both are, else as numbers.

    >>> from operator import lt
    >>> ordered(lt, None, 18), ordered(lt, "b", "a"), ordered(lt, "10", 9), ordered(lt, "x", 1)
    (True, False, False, False)
    """
    a, b = (text(value) if isinstance(value, list | dict) else value for value in (plain(a), plain(b)))
    return compare(units(a), units(b)) if isinstance(a, str) and isinstance(b, str) else compare(number(a), number(b))


def units(value: str) -> str:
    """A character for each UTF-16 code unit of a text, which is what JavaScript counts and compares."""
    encoded = value.encode("utf-16", "surrogatepass")
    return value if value.isascii() else "".join(map(chr, memoryview(encoded).cast("H")[1:]))


def substr(value: Any, start: Any, length: Any = UNDEFINED) -> str:
    """``String(value).substr(start, length)``: in code units, a negative start from the end.

    >>> substr("flagged", -3), substr("flagged", 1, 3), substr("flagged", 1, None)
    ('ged', 'lag', '')
    """

    def whole(found: int | float) -> int:  # no further than any text is long, so that an infinity has its place
        return 0 if found != found else int(max(-(2**40), min(2**40, found)))

    characters, first = units(text(value)), whole(number(start))
    rest = characters[first:] if first >= 0 else characters[max(len(characters) + first, 0) :]
    found = rest if length is UNDEFINED else rest[: max(0, whole(number(length)))]
    return found.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def property_of(value: Any, name: str) -> Any:
    """``value[name]``, own properties only; UNDEFINED where there is none.

    >>> property_of({"a": 1}, "a"), property_of([5], "0"), property_of([5], "-1") is UNDEFINED
    (1, 5, True)
    """
    if isinstance(value, Mapping):
        return value.get(name, UNDEFINED)
    value = plain(value)
    if not isinstance(value, str | list):
        return UNDEFINED
    items = units(value) if isinstance(value, str) else value
    if name == "length":
        return len(items)
    return items[int(name)] if _PLACE.fullmatch(name) and int(name) < len(items) else UNDEFINED


def path_reader(first: Callable[[Any], Any], parts: Iterable[str]) -> Callable[[Any], Any]:
    """Go on from what ``first`` gives, one property after another; UNDEFINED where the path ends early."""
    names = tuple(parts)

    def run(data: Any) -> Any:
        value = first(data)
        for name in names:
            if value is None or value is UNDEFINED:
                return UNDEFINED
            value = value.get(name, UNDEFINED) if value.__class__ is dict else property_of(value, name)
        return value

    return run
