"""The operators of the native flag file: what each accepts as operand, and its total test.

A test is total: it answers for every Python object, hostile ones included, and never raises. The laws (DESIGN,
"Comparison"): a missing attribute (None) never matches, but under ``exists: false``; a list-valued attribute matches
if any element does, and under ``ne`` and ``not_in`` if none does; a list operand means any of; strings compare
case-sensitively; a boolean is never a number; a number never equals a string; NaN matches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from .errors import ConfigurationError
from .model import Operator
from .versions import parse_range, parse_version

__all__ = ["OPERATORS", "elements", "instant"]

_TRUE: Final = object()
_FALSE: Final = object()
_NOTHING: Final = object()

# What fromisoformat takes beside RFC 3339 (weeks, offsets without a colon) differs between Pythons.
_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
_LONGEST_INSTANT: Final = 40  # characters

_LONGEST_PATTERN: Final = 1_000_000  # characters: RE2 refuses most of these, and floods standard error meanwhile
_LONGEST_REASON: Final = 120  # characters of what another library says; some repeat the whole operand


def elements(value: Any) -> Iterable[Any]:
    """The values that an attribute holds: a list's or set's elements, nothing where it is missing, else itself."""
    if value is None:
        return ()
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return _iterate(kind, value)
    return (value,)


def _iterate(kind: Any, value: Any) -> Iterator[Any]:
    # The built-in iteration, so that a subclass with an __iter__ of its own cannot run code in a decision.
    return kind.__iter__(value)  # type: ignore[no-any-return]


def _canonical(value: Any) -> Any:
    """Something hashable that is equal exactly for attribute values that count as equal."""
    if isinstance(value, str):
        return value if value.__class__ is str else str.__str__(value)
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    if isinstance(value, int):
        return int.__pos__(value)
    if isinstance(value, float):
        return float.__pos__(value) if value == value else _NOTHING
    if isinstance(value, Decimal):
        return value if Decimal.is_finite(value) else _NOTHING
    return str(value) if value.__class__ is UUID else _NOTHING


def _listed(operand: Any) -> list[Any]:
    return operand if isinstance(operand, list | tuple) else [operand]  # type: ignore[return-value]


# -- equality -----------------------------------------------------------------------------------------------------


def _prepare_values(operand: Any) -> frozenset[Any]:
    values = frozenset(map(_canonical, _listed(operand)))
    if _NOTHING in values:
        raise ValueError("expected text, a number or true/false, or a list of these")
    return values


def _prepare_list(operand: Any) -> frozenset[Any]:
    if not isinstance(operand, list | tuple):
        raise ValueError("expected a list, such as [AU, NZ]")
    return _prepare_values(operand)


def _in(value: Any, operand: frozenset[Any]) -> bool:
    return any(_canonical(item) in operand for item in elements(value))


def _is_nan(value: Any) -> bool:
    return isinstance(value, float | Decimal) and _canonical(value) is _NOTHING


def _not_in(value: Any, operand: frozenset[Any]) -> bool:
    return value is not None and not _is_nan(value) and not _in(value, operand)


# -- text ---------------------------------------------------------------------------------------------------------


def _prepare_texts(operand: Any) -> tuple[str, ...]:
    texts = tuple(_listed(operand))
    if not texts or not all(isinstance(text, str) for text in texts):
        raise ValueError("expected text, or a list of texts")
    return texts


def _texts(value: Any) -> Iterator[str]:
    return (str.__str__(item) for item in elements(value) if isinstance(item, str))


def _starts_with(value: Any, operand: tuple[str, ...]) -> bool:
    return any(text.startswith(operand) for text in _texts(value))


def _ends_with(value: Any, operand: tuple[str, ...]) -> bool:
    return any(text.endswith(operand) for text in _texts(value))


def _contains(value: Any, operand: frozenset[Any]) -> bool:
    if isinstance(value, str):
        text = str.__str__(value)
        return any(part in text for part in operand if part.__class__ is str)
    return isinstance(value, list | tuple | set | frozenset) and _in(value, operand)


def _prepare_pattern(operand: Any) -> Any:
    texts = _prepare_texts(operand)
    try:
        import re2
    except ImportError as error:
        raise ConfigurationError(
            "`matches` needs the RE2 engine, which runs in linear time: pip install 'flagmiddleware[matches]'"
        ) from error
    if any(len(text) > _LONGEST_PATTERN for text in texts):
        raise ValueError(f"expected a pattern of at most {_LONGEST_PATTERN:,} characters")
    options = re2.Options()
    options.log_errors = False
    try:
        return tuple(re2.compile(text.encode("utf-8", "surrogatepass"), options) for text in texts)
    except (re2.error, UnicodeError) as error:
        told = error.args[0] if error.args else error
        text = (told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told))[:_LONGEST_REASON]
        raise ValueError(f"expected a pattern that RE2 accepts ({text})") from error


def _matches(value: Any, operand: tuple[Any, ...]) -> bool:
    # A lone surrogate has no UTF-8 for RE2 to read: it is searched as the replacement character.
    return any(
        pattern.search(text.encode("utf-8", "replace")) is not None for text in _texts(value) for pattern in operand
    )


# -- order --------------------------------------------------------------------------------------------------------


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and _canonical(value) not in (_TRUE, _FALSE, _NOTHING)


def _prepare_number(pick: Callable[[Iterable[Any]], Any]) -> Callable[[Any], Any]:
    def prepare(operand: Any) -> Any:
        numbers = _listed(operand)
        if not numbers or not all(map(_is_number, numbers)):
            raise ValueError("expected a number")
        return pick(numbers)  # any of several bounds is the same as the loosest of them

    return prepare


def _numbers(value: Any) -> Iterator[Any]:
    return (_canonical(item) for item in elements(value) if _is_number(item))


def _gt(value: Any, operand: Any) -> bool:
    return any(number > operand for number in _numbers(value))


def _gte(value: Any, operand: Any) -> bool:
    return any(number >= operand for number in _numbers(value))


def _lt(value: Any, operand: Any) -> bool:
    return any(number < operand for number in _numbers(value))


def _lte(value: Any, operand: Any) -> bool:
    return any(number <= operand for number in _numbers(value))


def instant(value: Any) -> float | None:
    """Seconds since 1970 (UTC) of an RFC 3339 text or an aware datetime; None for anything else.

    >>> instant("2026-12-01T00:00:00+11:00")
    1796043600.0
    >>> instant("2026-12-01") is None
    True
    """
    if isinstance(value, str):
        text = str.__str__(value)
        if len(text) > _LONGEST_INSTANT or _RFC_3339.fullmatch(text) is None:
            return None
        text = text.replace("t", "T").replace(" ", "T")
        text = text[:-1] + "+00:00" if text[-1] in "zZ" else text
        try:
            value = datetime.fromisoformat(_microseconds(text))
        except ValueError:
            return None
    if value.__class__ is not datetime or value.tzinfo is None:
        return None
    try:
        return float(value.timestamp())
    except (OverflowError, ValueError, OSError):
        return None


def _microseconds(text: str) -> str:
    # Before Python 3.11 fromisoformat takes exactly three or six digits of a second's fraction.
    if len(text) <= 19 or text[19] != ".":
        return text
    digits = len(text[20:]) - len(text[20:].lstrip("0123456789"))
    return f"{text[:20]}{text[20 : 20 + digits][:6]:0<6}{text[20 + digits :]}"


def _prepare_instant(pick: Callable[[Iterable[float]], float]) -> Callable[[Any], float]:
    def prepare(operand: Any) -> float:
        found = [instant(item) for item in _listed(operand)]
        instants = [item for item in found if item is not None]
        if not instants or len(instants) < len(found):
            raise ValueError('expected a date and time with an offset, such as "2026-12-01T00:00:00+11:00"')
        return pick(instants)

    return prepare


def _instants(value: Any) -> Iterator[float]:
    return (found for item in elements(value) if (found := instant(item)) is not None)


def _before(value: Any, operand: float) -> bool:
    return any(found < operand for found in _instants(value))


def _after(value: Any, operand: float) -> bool:
    return any(found > operand for found in _instants(value))


# -- versions, networks, presence ---------------------------------------------------------------------------------


def _prepare_ranges(operand: Any) -> tuple[Any, ...]:
    return tuple(map(parse_range, _listed(operand)))


def _semver(value: Any, operand: tuple[Any, ...]) -> bool:
    versions = [found for text in _texts(value) if (found := parse_version(text)) is not None]
    return any(
        all(compare(version, bound) for compare, bound in comparisons)
        for version in versions
        for comparisons in operand
    )


def _prepare_networks(operand: Any) -> tuple[Any, ...]:
    from ipaddress import ip_network  # not needed before a file asks for it, and slow to import

    texts = _prepare_texts(operand)
    try:
        return tuple(ip_network(text, strict=False) for text in texts)
    except ValueError as error:
        reason = str(error)[-_LONGEST_REASON:]
        raise ValueError(f'expected a network such as "10.0.0.0/8" or "2001:db8::/32" ({reason})') from error


def _addresses(value: Any) -> Iterator[Any]:
    from ipaddress import IPv4Address, IPv6Address, ip_address

    for item in elements(value):
        if isinstance(item, str):
            try:
                item = ip_address(str.__str__(item))
            except ValueError:
                continue
        if item.__class__ in (IPv4Address, IPv6Address):
            yield item
            mapped = getattr(item, "ipv4_mapped", None)
            if mapped is not None:  # the same address on a socket that speaks both
                yield mapped


def _cidr(value: Any, operand: tuple[Any, ...]) -> bool:
    return any(address in network for address in _addresses(value) for network in operand)


def _prepare_presence(operand: Any) -> bool:
    if not isinstance(operand, bool):
        raise ValueError("expected true or false")
    return operand


def _exists(value: Any, operand: bool) -> bool:
    return (value is not None) is operand


OPERATORS: Final[Mapping[str, Operator]] = MappingProxyType(
    {
        operator.name: operator
        for operator in (
            Operator("eq", _in, _prepare_values),
            Operator("ne", _not_in, _prepare_values),
            Operator("in", _in, _prepare_list),
            Operator("not_in", _not_in, _prepare_list),
            Operator("starts_with", _starts_with, _prepare_texts),
            Operator("ends_with", _ends_with, _prepare_texts),
            Operator("contains", _contains, _prepare_values),
            Operator("matches", _matches, _prepare_pattern),
            Operator("gt", _gt, _prepare_number(min)),
            Operator("gte", _gte, _prepare_number(min)),
            Operator("lt", _lt, _prepare_number(max)),
            Operator("lte", _lte, _prepare_number(max)),
            Operator("before", _before, _prepare_instant(max)),
            Operator("after", _after, _prepare_instant(min)),
            Operator("semver", _semver, _prepare_ranges),
            Operator("cidr", _cidr, _prepare_networks),
            Operator("exists", _exists, _prepare_presence),
        )
    }
)
"""Every operator of the native flag file, by the name that the file uses."""
