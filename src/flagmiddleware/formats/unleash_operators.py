"""Unleash's constraint operators: what each accepts, and its total test.

Unleash types a comparison by how its value is written, not by the operator's name: ``NUM_GT`` with a version compares
versions. Facts: Unleash client specification 5.2, and the Yggdrasil engine where the cases are silent.
"""

from __future__ import annotations

import operator as order
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any, Final

from ..conditions import OPERATORS as NATIVE_OPERATORS
from ..model import AnyOf, Condition, Not, Operator, Test
from ..versions import parse_version

__all__ = ["IN", "NETWORKS", "NEVER", "condition", "instant_of", "kind_of", "quoted"]

NEVER: Final = AnyOf(())

Compare = Callable[[Any, Any], bool]

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:inf|infinity|nan)", re.I)
_INSTANT: Final = re.compile(
    r"\s*\+?([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[Tt]|\s+)([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.([0-9]+))?"
    r"\s*(?:([Zz]|UTC)|([+-])([0-9]{2}):?([0-9]{2}))\s*"
)
_VERSION: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
# What may stand in a constraint's `value`: narrower than what is read from the context.
_NUMBER_OPERAND: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
_INSTANT_OPERAND: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_NETWORK: Final = re.compile(r"[0-9A-Fa-f:.]+(?:/[0-9.]+)?")


def quoted(value: str, *, escaped: bool = True) -> str:
    """``value`` as Unleash's rule language keeps it; ValueError where its quotes or backslashes break the rule.

    ``escaped`` texts have their quotes escaped by Unleash; the others must bring their own backslash.
    """
    if value.endswith("\\") or (not escaped and re.search(r'(?<!\\)"', value)):
        raise ValueError(f"expected a text without a stray quote or a trailing backslash, found {value!r}")
    return value if escaped else value.replace('\\"', '"')


# -- lists and texts ----------------------------------------------------------------------------------------------


def _prepare_set(operand: Any) -> frozenset[str]:
    return frozenset(map(quoted, operand or ()))


def _prepare_texts(operand: Any) -> tuple[str, ...]:
    if not operand:
        raise ValueError("expected at least one value")
    return tuple(map(quoted, operand))


def _in(value: Any, operand: frozenset[str]) -> bool:
    return value.__class__ is str and value in operand


def _not_in(value: Any, operand: frozenset[str]) -> bool:
    return value.__class__ is not str or value not in operand


def _starts_with(value: Any, operand: tuple[str, ...]) -> bool:
    return value.__class__ is str and value.startswith(operand)


def _ends_with(value: Any, operand: tuple[str, ...]) -> bool:
    return value.__class__ is str and value.endswith(operand)


def _contains(value: Any, operand: tuple[str, ...]) -> bool:
    return value.__class__ is str and any(part in value for part in operand)


def _ignoring_case(operator: Operator) -> Operator:
    def prepare(operand: Any) -> Any:
        return tuple(part.lower() for part in operator.prepare(operand))

    def test(value: Any, operand: Any) -> bool:
        return value.__class__ is str and operator.test(value.lower(), operand)

    return Operator(f"{operator.name} (ignoring case)", test, prepare)


# -- order: numbers, dates and versions ---------------------------------------------------------------------------


def _number(value: str) -> float | None:
    return float(value) if _NUMBER.fullmatch(value) else None


def _instant(value: str) -> int | None:
    """Nanoseconds since 1970 of a date with time and zone, as leniently as the engine reads the context's."""
    match = _INSTANT.fullmatch(value)
    if match is None or not value.isascii():
        return None
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    fraction, utc, sign, hours, minutes = match.groups()[6:]
    try:
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=timezone.utc)
    except ValueError:
        return None
    offset = 0 if utc else (int(hours) * 60 + int(minutes)) * (-1 if sign == "-" else 1)
    if second > 60 or int(minutes or 0) > 59:
        return None
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds()) + second // 60 - offset * 60
    return seconds * 10**9 + int(f"{fraction or '':0<9.9}")


def _version(value: str) -> Any:
    """A strict SemVer 2.0.0 version without its build metadata; None for anything else."""
    if not _VERSION.fullmatch(value):
        return None
    numbers, _, _ = value.partition("+")
    core, _, suffix = numbers.partition("-")
    if any(part.isdigit() and part[0] == "0" and part != "0" for part in (*core.split("."), *suffix.split("."))):
        return None
    return parse_version(numbers)


_KINDS: Final[Mapping[str, tuple[re.Pattern[str], Callable[[str], Any]]]] = MappingProxyType(
    {"instant": (_INSTANT_OPERAND, _instant), "version": (_VERSION, _version), "number": (_NUMBER_OPERAND, _number)}
)


def kind_of(operand: Any) -> str:
    """What a comparison compares, by how its value is written; ValueError where it is nothing that has an order.

    >>> kind_of("18"), kind_of("1.2.3"), kind_of("2026-01-01T00:00:00Z")
    ('number', 'version', 'instant')
    """
    value = operand.strip(" \t") if isinstance(operand, str) else ""
    for kind, (pattern, parse) in _KINDS.items():
        if pattern.fullmatch(value) and parse(value) is not None:
            return kind
    raise ValueError(f"expected a number, a date and time with a zone, or a version, found {operand!r}")


def _prepare_ordered(compare: Compare) -> Callable[[Any], tuple[Callable[[str], Any], Compare, Any]]:
    def prepare(operand: Any) -> tuple[Callable[[str], Any], Compare, Any]:
        _, parse = _KINDS[kind_of(operand)]
        return parse, _close if parse is _number and compare is order.eq else compare, parse(operand.strip(" \t"))

    return prepare


def _close(value: Any, operand: Any) -> bool:
    return bool(abs(value - operand) < 2.220446049250313e-16)


def _ordered(value: Any, operand: tuple[Callable[[str], Any], Compare, Any]) -> bool:
    if value.__class__ is not str:
        return False
    parse, compare, wanted = operand
    found = parse(value)
    return found is not None and compare(found, wanted)


# -- patterns and networks ----------------------------------------------------------------------------------------

_MATCHES: Final = NATIVE_OPERATORS["matches"]


def _prepare_pattern(operand: Any) -> Any:
    pattern = quoted(operand or "")
    try:
        return _MATCHES.prepare(pattern)
    except ValueError:
        return None  # lookaround, back references and broken patterns never match; inverted they always do


def _matches(value: Any, operand: Any) -> bool:
    return operand is not None and value.__class__ is str and _MATCHES.test(value, operand)


def _in_networks(value: Any, operand: tuple[Any, ...]) -> bool:
    """Whether a text is an address in one of the networks; an IPv4 address inside IPv6 is not unwrapped."""
    from ipaddress import ip_address

    if value.__class__ is not str or "%" in value:
        return False
    try:
        address = ip_address(value)
    except ValueError:
        return False
    return any(address in network for network in operand)


def _networks(texts: Sequence[str]) -> tuple[Any, ...]:
    """The networks among ``texts``; what is none is ignored, as Unleash does."""
    from ipaddress import ip_network

    found = []
    for written in filter(_NETWORK.fullmatch, texts):
        mask = written.partition("/")[2]
        try:
            network = ip_network(written, strict=False)
        except ValueError:
            continue
        if "." not in mask or mask == str(network.netmask):
            found.append(network)
    return tuple(found)


def _prepare_networks(operand: Any) -> tuple[Any, ...]:
    return _networks(_prepare_texts(operand))


IN: Final = Operator("IN", _in, _prepare_set)
NETWORKS: Final = Operator("IN_CIDR", _in_networks, _prepare_networks)

_TEXT: Final = (
    Operator("STR_STARTS_WITH", _starts_with, _prepare_texts),
    Operator("STR_ENDS_WITH", _ends_with, _prepare_texts),
    Operator("STR_CONTAINS", _contains, _prepare_texts),
)
_ORDER: Final[Mapping[str, Compare]] = MappingProxyType(
    {
        **{f"NUM_{name}": getattr(order, short) for name, short in (("EQ", "eq"), ("GT", "gt"), ("LT", "lt"))},
        **{"NUM_GTE": order.ge, "NUM_LTE": order.le, "DATE_AFTER": order.gt, "DATE_BEFORE": order.lt},
        **{"SEMVER_EQ": order.eq, "SEMVER_GT": order.gt, "SEMVER_LT": order.lt},
        **{"SEMVER_GTE": order.ge, "SEMVER_LTE": order.le},
    }
)
_OPERATORS: Final[Mapping[str, Operator]] = MappingProxyType(
    {
        operator.name: operator
        for operator in (
            IN,
            Operator("NOT_IN", _not_in, _prepare_set),
            *_TEXT,
            *(Operator(name, _ordered, _prepare_ordered(compare)) for name, compare in _ORDER.items()),
            Operator("REGEX", _matches, _prepare_pattern),
            NETWORKS,
        )
    }
)
_IGNORING_CASE: Final[Mapping[str, Operator]] = MappingProxyType(
    {operator.name: _ignoring_case(operator) for operator in _TEXT}
)


def instant_of(test: Test) -> float | None:
    """The instant (seconds since 1970) that a test compares the clock with; None for every other test."""
    if test.attribute != "currentTime" or test.operator.name not in _ORDER:
        return None
    parse, _, wanted = test.operator.prepare(test.operand)
    return float(wanted) / 10**9 if parse is _instant else None


def condition(constraint: Any) -> Condition:
    """The condition of one constraint; ValueError where it turns its feature off."""
    name, kind = constraint.context_name, constraint.operator
    operator = (_IGNORING_CASE if constraint.case_insensitive else _OPERATORS).get(kind) or _OPERATORS.get(kind)
    if operator is None:
        raise ValueError(f"unknown operator {kind!r}")
    quoted(name, escaped=False)
    single = kind in _ORDER or kind == "REGEX"
    operand = constraint.value if single else constraint.values
    if kind.startswith("SEMVER_") and (operand or "").startswith("v"):
        return NEVER  # even where it is inverted
    if kind == "REGEX" and constraint.case_insensitive:
        operand = f"(?i){operand or ''}"
    try:
        operator.prepare(operand)
    except ValueError as error:
        raise ValueError(f"{kind} on {name!r}: {error}") from error
    test = Test(name, operator, operand)
    return Not(test) if constraint.inverted else test
