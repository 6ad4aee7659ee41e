"""What flagd's published schema asks of a document, told as problems that a person can mend.

The evaluator is more tolerant on purpose (one bad flag must not take the others down); this is for editors, reviews and
``options={"validate": True}``. Source: flagd-schemas, json/flags and json/targeting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from ..errors import Problem
from .flagd_operators import SEMVER_COMPARISONS
from .words import expected, nearest

__all__ = ["problems", "targeting_problems"]

Found: TypeAlias = "Iterator[tuple[str, str]]"
"""(where, message)"""

_SEMVER: Final = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)
_INJECTED: Final = ("$flagd.flagKey", "$flagd.timestamp")


def problems(document: Any, *, name: str = "") -> list[Problem]:
    """Everything in which a document breaks the schema; empty where it breaks it nowhere."""
    if not isinstance(document, dict):
        return [Problem(expected("an object with `flags`", document), file=name)]
    found = [Problem(message, where, file=name) for where, message in _document(document)]
    flags = document.get("flags")
    if isinstance(flags, dict):
        pairs = [(key, f"flags.{key}", flag) for key, flag in flags.items()]
    else:
        pairs = [(_key(flag), f"flags[{place}]", flag) for place, flag in enumerate(_listed(flags))]
    for key, where, flag in pairs:
        found += [Problem(message, place, file=name, flag=key or None) for place, message in _flag(flag, where)]
    return found


def targeting_problems(targeting: Any) -> list[Problem]:
    """Everything in which a targeting rule breaks the schema.

    >>> [str(problem) for problem in targeting_problems({"fractional": [["on", 2.5]]})]
    ['targeting.fractional[0][1]: expected a whole number of at least 0, or a rule, found 2.5']
    """
    return [Problem(message, where) for where, message in _rule(targeting, "targeting")]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _key(flag: Any) -> str:
    key = flag.get("key") if isinstance(flag, dict) else None
    return key if isinstance(key, str) else ""


# -- the document --------------------------------------------------------------------------------------------------


def _document(document: Mapping[str, Any]) -> Found:
    flags = document.get("flags")
    takes_array = not str(document.get("$schema", "flagd.json")).endswith("flags.json")
    if isinstance(flags, list) and not takes_array:
        yield "flags", "an array of flags is for the flagd daemon ($schema: flagd.json); expected an object"
    elif isinstance(flags, list):
        keyless = (place for place, flag in enumerate(flags) if not _key(flag))
        yield from ((f"flags[{place}]", "a flag in an array has a `key`") for place in keyless)
    elif not isinstance(flags, dict):
        yield "flags", expected("an object of flags by key", flags)
    elif "" in flags:
        yield "flags", "a flag's key is not empty"
    yield from _metadata(document, "metadata")
    evaluators = document.get("$evaluators", {})
    if not isinstance(evaluators, dict):
        yield "$evaluators", expected("an object of rules by name", evaluators)
        return
    for name, rule in evaluators.items():
        yield from _rule(rule, f"$evaluators.{name}")


def _metadata(holder: Mapping[str, Any], where: str) -> Found:
    metadata = holder.get("metadata", {})
    if not isinstance(metadata, dict):
        yield where, expected("an object", metadata)
        return
    for name, value in metadata.items():
        if not isinstance(value, str | int | float):
            yield f"{where}.{name}", expected("text, a number, true or false", value)


def _flag(flag: Any, where: str) -> Found:
    if not isinstance(flag, dict):
        yield where, expected("an object", flag)
        return
    if flag.get("state") not in ("ENABLED", "DISABLED"):
        yield f"{where}.state", expected("ENABLED or DISABLED", flag.get("state"))
    if not isinstance(flag.get("defaultVariant"), str | None):
        yield f"{where}.defaultVariant", expected("a variant's name, or null", flag["defaultVariant"])
    yield from _variants(flag.get("variants"), f"{where}.variants")
    yield from _metadata(flag, f"{where}.metadata")
    if "targeting" in flag:
        yield from _rule(flag["targeting"], f"{where}.targeting")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return "text" if isinstance(value, str) else "an object" if isinstance(value, dict) else ""


def _variants(variants: Any, where: str) -> Found:
    if not isinstance(variants, dict) or not variants:
        yield where, expected("an object with at least one variant", variants)
        return
    kinds = {_kind(value) for value in variants.values()}
    if len(kinds) > 1 or "" in kinds:
        yield where, "the values of all variants are booleans, or all numbers, texts or objects"
    if "" in variants:
        yield where, "a variant's name is not empty"


# -- targeting -----------------------------------------------------------------------------------------------------


class _Arguments(NamedTuple):
    """How many arguments an operator takes, always in an array unless it takes a single one."""

    least: int
    most: int | None = None
    single: bool = False


_MANY: Final = _Arguments(1)
_TWO: Final = _Arguments(2, 2)
_ONE: Final = _Arguments(1, 1, single=True)
_ARGUMENTS: Final[Mapping[str, _Arguments]] = MappingProxyType(
    {
        **dict.fromkeys(("==", "===", "!=", "!==", ">", ">=", "%", "/", "in"), _TWO),
        **dict.fromkeys(("map", "filter", "all", "none", "some"), _TWO),
        **dict.fromkeys(("substr", "<", "<="), _Arguments(2, 3)),
        **dict.fromkeys(("if", "or", "and", "+", "-", "max", "min", "merge", "cat"), _MANY),
        **dict.fromkeys(("!", "!!"), _ONE),
        "*": _Arguments(2),
        "reduce": _Arguments(3, 3),
    }
)


def _rule(rule: Any, where: str) -> Found:
    if not isinstance(rule, dict):
        yield where, expected("an object with one operator", rule)
    elif len(rule) > 1:
        yield where, f"expected one operator, found {len(rule)}: {', '.join(map(repr, rule))}"
    for name, arguments in rule.items() if isinstance(rule, dict) and len(rule) == 1 else ():
        place = f"{where}.{name}"
        special = _SPECIAL.get(name)
        if special is not None:
            yield from special(arguments, place)
        elif name in _ARGUMENTS:
            yield from _counted(arguments, _ARGUMENTS[name], place)
        else:
            yield place, f"unknown operator {name!r}{_meant(name)}"


def _meant(name: str) -> str:
    return nearest(name, [*_ARGUMENTS, *_SPECIAL])


def _argument(argument: Any, where: str) -> Found:
    # Anything but an object is a value, an array too: the schema looks no further into it.
    if isinstance(argument, dict):
        yield from _rule(argument, where)


def _counted(arguments: Any, wanted: _Arguments, where: str) -> Found:
    if not isinstance(arguments, list):
        if wanted.single:
            yield from _argument(arguments, where)
        else:
            yield where, expected("an array of arguments", arguments)
        return
    if len(arguments) < wanted.least or (wanted.most is not None and len(arguments) > wanted.most):
        most = "" if wanted.most == wanted.least else " or more" if wanted.most is None else f" to {wanted.most}"
        yield where, f"expected {wanted.least}{most} arguments, found {len(arguments)}"
    for place, argument in enumerate(arguments):
        yield from _argument(argument, f"{where}[{place}]")


def _reference(name: Any, where: str) -> Found:
    if not isinstance(name, str):
        yield where, expected("the name of a rule in $evaluators", name)


def _var(argument: Any, where: str) -> Found:
    name = argument[0] if isinstance(argument, list) and argument else argument
    if isinstance(argument, list) and not (argument and isinstance(name, str)):
        yield where, expected("an attribute's name first", argument)
    if isinstance(argument, str) and argument.startswith("$flagd.") and argument not in _INJECTED:
        yield where, expected(f"one of {', '.join(_INJECTED)}", argument)


def _names(names: Any, where: str) -> Found:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        yield where, expected("an array of attributes' names", names)


def _missing_some(arguments: Any, where: str) -> Found:
    if not isinstance(arguments, list) or len(arguments) != 2 or not isinstance(arguments[0], int | float):
        yield where, expected("a number and an array of attributes' names", arguments)
        return
    yield from _names(arguments[1], f"{where}[1]")


def _texts(arguments: Any, where: str) -> Found:
    yield from _counted(arguments, _TWO, where)
    for place, argument in enumerate(_listed(arguments)):
        if not isinstance(argument, str | dict):
            yield f"{where}[{place}]", expected("text, or a rule", argument)


def _sem_ver(arguments: Any, where: str) -> Found:
    if not isinstance(arguments, list) or len(arguments) != 3:
        yield where, expected("a version, a comparison and a version", arguments)
        return
    for place in (0, 2):
        yield from _version(arguments[place], f"{where}[{place}]")
    if not isinstance(arguments[1], str) or arguments[1] not in SEMVER_COMPARISONS:
        yield f"{where}[1]", expected(f"one of {' '.join(SEMVER_COMPARISONS)}", arguments[1])


def _version(version: Any, where: str) -> Found:
    if isinstance(version, dict) and set(version) <= {"var"}:
        yield from _rule(version, where)
    elif not isinstance(version, str) or not _SEMVER.fullmatch(version):
        yield where, expected('a version such as "2.1.0", or a `var`', version)


def _fractional(arguments: Any, where: str) -> Found:
    if not isinstance(arguments, list) or not arguments:
        yield where, expected("an array of buckets, which a bucket value may precede", arguments)
        return
    first = arguments[0]
    if isinstance(first, dict):
        yield from _rule(first, f"{where}[0]")
    for place, bucket in enumerate(arguments):
        if place or not isinstance(first, dict):
            yield from _bucket(bucket, f"{where}[{place}]")


def _bucket(bucket: Any, where: str) -> Found:
    if not isinstance(bucket, list) or not 1 <= len(bucket) <= 2:
        yield where, expected("a bucket: an array of a variant and, if it is not 1, a weight", bucket)
        return
    yield from _argument(bucket[0], f"{where}[0]")
    if len(bucket) == 2:
        yield from _weight(bucket[1], f"{where}[1]")


def _weight(weight: Any, where: str) -> Found:
    if isinstance(weight, dict):
        yield from _rule(weight, where)
    elif isinstance(weight, bool) or not isinstance(weight, int | float) or weight < 0 or weight % 1:
        yield where, expected("a whole number of at least 0, or a rule", weight)


_SPECIAL: Final[Mapping[str, Callable[[Any, str], Found]]] = MappingProxyType(
    {
        "$ref": _reference,
        "var": _var,
        "missing": _names,
        "missing_some": _missing_some,
        "starts_with": _texts,
        "ends_with": _texts,
        "sem_ver": _sem_ver,
        "fractional": _fractional,
    }
)
