"""Flags: each field of a flag, and what the environments put in its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from msgspec.structs import replace

from ...frozen import Packed
from ...model import BOOLEAN, Example, Flag, FrozenDict, Requirement, Risk, freeze
from ..words import expected, listed, nearest, show
from .conditions import RESERVED
from .rules import read_rules, read_variant
from .scalars import KEY, is_date
from .scope import Scope

__all__ = ["FLAG_FIELDS", "PER_ENVIRONMENT", "check_keys", "read_details", "read_flag"]

_key = re.compile(KEY).fullmatch
_keys = re.compile(rf"{KEY}(\n{KEY})*").fullmatch
_SCALARS: Final = frozenset((str, int, float, bool, type(None)))
_TEST_FIELDS: Final = frozenset(("given", "expect", "at"))
_LEVELS: Final = ("low", "high")
_RISK_FIELDS: Final = frozenset(("technical", "business"))
_KINDS: Final[Mapping[type, str]] = {
    str: "text", int: "number", float: "number", bool: "true/false", dict: "mapping", list: "list"
}  # fmt: skip


def read_flag(scope: Scope, flags: dict[str, Any], key: str, document: dict[str, Any]) -> Flag:
    """The flag that ``document``, at ``flags[key]``, describes, without its tests and environments."""
    if len(document) == 1 and "rules" in document:
        return Flag(key=key, salt=key, rules=read_rules(scope, document, BOOLEAN))  # most flags of most sites
    fields: dict[str, Any] = {"key": key, "salt": key}
    variants: Mapping[str, Any] = BOOLEAN
    if "variants" in document:
        variants = fields["variants"] = _variants(scope, document)
        if variants is not BOOLEAN and "off" not in document:
            scope.report(flags, key, f"a flag with variants needs `off`, served when it is killed: {listed(variants)}")
    for name in document:
        read = _READERS.get(name)
        if read is not None:
            fields[name] = read(scope, document, name)
        elif name == "rules":
            fields["rules"] = read_rules(scope, document, variants)
        elif name == "off" or name == "default":
            fields[name] = read_variant(scope, document, name, variants)
        elif name not in FLAG_FIELDS:
            scope.check_fields(document, FLAG_FIELDS)
    if variants is not BOOLEAN:
        fields.setdefault("default", fields.get("off"))
    elif fields.get("off", "off") != "off":
        scope.report(document, "off", "a boolean flag is false when it is killed; leave `off` out")
    return Flag(**fields)


def check_keys(scope: Scope, flags: dict[str, Any]) -> None:
    """Report each key that is not a flag's key."""
    # One match for all of them; a key with a line break in it would pass as two, so the breaks are counted.
    together = "\n".join(flags)
    if _keys(together) and together.count("\n") == len(flags) - 1:
        return
    for key in flags:
        if not _key(key):
            wanted = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")
            hint = f', such as "{wanted[:60]}"' if wanted else ""
            scope.report(flags, key, f"a flag's key is lower-case words joined by hyphens{hint}")


def read_details(scope: Scope, key: str, document: dict[str, Any], flag: Flag) -> tuple[Flag, Mapping[str, Flag]]:
    """A flag with its tests, and what it is in each environment that changes it."""
    environments = _environments(scope, key, document) if "environments" in document else {}
    if "tests" in document:
        tests = _tests(scope, document, flag, environments)
        flag = replace(flag, tests=tests)
        environments = {name: replace(changed, tests=tests) for name, changed in environments.items()}
    return flag, environments


def _variants(scope: Scope, document: dict[str, Any]) -> Mapping[str, Any]:
    variants = document["variants"]
    if variants.__class__ is not dict or not variants:
        scope.wrong(document, "variants", "names and their values, such as {blue: '#00f', green: '#0f0'}")
        return BOOLEAN
    kinds: dict[str, str] = {}
    for name, value in variants.items():
        kind = _KINDS.get(value.__class__)
        if kind is None:
            scope.wrong(variants, name, "a value; null is none")
            continue
        kinds.setdefault(kind, name)
        scope.free(variants, name)
        if not name:
            scope.report(variants, name, "a variant must have a name")
    if len(kinds) > 1:
        (first, one), (second, other) = list(kinds.items())[:2]
        message = f"all values must be of one type, but {show(one)} is a {first} and {show(other)} is a {second}"
        scope.report(variants, other, message)
    if len(variants) == 2 and variants.get("on") is True and variants.get("off") is False:
        return BOOLEAN
    return variants if _SCALARS.issuperset(map(type, variants.values())) or scope.is_deep else _frozen(variants)


def _frozen(values: dict[str, Any]) -> dict[str, Any]:
    return {name: freeze(value) for name, value in values.items()}


def _requires(scope: Scope, document: dict[str, Any], field: str) -> tuple[Requirement, ...]:
    required = scope.mapping(document, field, "flags and what they must serve, such as {payments-v2: true}")
    found = []
    for key, wanted in required.items():
        names = wanted if wanted.__class__ is list else [wanted]
        if not names or any(name.__class__ not in (str, bool) for name in names):
            scope.wrong(required, key, "true, false, a variant's name, or a list of names")
            continue
        # Which of its variants true and false mean, if any, the other flag tells: see references.
        found.append(Requirement(key, tuple(name if name.__class__ is str else _ON_OFF[name] for name in names)))
    return tuple(found)


_ON_OFF: Final = {True: "on", False: "off"}


def _risk(scope: Scope, document: dict[str, Any], field: str) -> Risk | None:
    risk = scope.mapping(document, field, "{technical: low or high, business: low or high}")
    if not risk.keys() <= _RISK_FIELDS:
        scope.check_fields(risk, _RISK_FIELDS)
    for side in ("technical", "business"):
        if side not in risk:
            if document[field].__class__ is dict:
                scope.report(document, field, f"`{side}` is missing: a risk is {{technical: low or high, business: …}}")
        elif risk[side] not in _LEVELS:
            near = nearest(risk[side], _LEVELS) if risk[side].__class__ is str else ""
            scope.report(risk, side, expected("low or high", risk[side]) + near)
    made = Risk(risk.get("technical", ""), risk.get("business", ""))
    return scope.once(made) if made.technical.__class__ is made.business.__class__ is str else made


def _expires(scope: Scope, document: dict[str, Any], field: str) -> str | None:
    day = document[field]
    if day.__class__ is not str or day not in scope.days:
        if not is_date(day):
            scope.wrong(document, field, "a day, such as 2027-03-31")
            return None
        scope.days[day] = day
    return scope.days[day]


def _metadata(scope: Scope, document: dict[str, Any], field: str) -> Mapping[str, Any]:
    metadata = scope.mapping(document, field, "a mapping of whatever you like")
    if _SCALARS.issuperset(map(type, metadata.values())):
        return FrozenDict({name: scope.word(value) for name, value in metadata.items()})
    scope.free(document, field)
    return {} if scope.is_deep else freeze(metadata)


def _description(scope: Scope, document: dict[str, Any], field: str) -> str:
    value = document[field]
    if value.__class__ is not str:
        scope.wrong(document, field, "text")
    return value  # type: ignore[no-any-return]


def _owner(scope: Scope, document: dict[str, Any], field: str) -> tuple[str, ...]:
    return scope.once(scope.texts(document, field, "a team, or a list of teams, such as [product, engineering]"))


def _sticky_by(scope: Scope, document: dict[str, Any], field: str) -> str:
    name = scope.text(document, field, "an attribute's name, such as user")
    if name in RESERVED:
        scope.report(document, field, f'"{name}" is no attribute; without `sticky_by` the targeting key is hashed')
    return name


_READERS: Final[Mapping[str, Callable[[Scope, dict[str, Any], str], Any]]] = {
    "enabled": Scope.flag,
    "qa": Scope.flag,
    "public": Scope.flag,
    "salt": Scope.text,
    "description": _description,
    "owner": _owner,
    "risk": _risk,
    "expires": _expires,
    "requires": _requires,
    "sticky_by": _sticky_by,
    "metadata": _metadata,
}

PER_ENVIRONMENT: Final = frozenset((*_READERS, "variants", "off", "default", "rules"))
"""The fields that an environment may replace."""

FLAG_FIELDS: Final = PER_ENVIRONMENT | {"environments", "tests"}
_ENVIRONMENT_FIELDS: Final = PER_ENVIRONMENT | {"clear"}


def _environments(scope: Scope, key: str, document: dict[str, Any]) -> Mapping[str, Flag]:
    environments = scope.mapping(document, "environments", "environments and the fields they replace")
    found = {}
    for environment, changes in environments.items():
        if changes.__class__ is not dict:
            scope.wrong(environments, environment, "the fields that this environment replaces")
            continue
        if not environment:
            scope.report(environments, environment, "an environment must have a name")
        merged = _merge(scope, document, changes)
        scope.merged.append((merged, changes, document))
        flag = read_flag(scope, environments, environment, merged)
        found[environment] = replace(flag, key=key, salt=merged.get("salt", key))
    return found


def _merge(scope: Scope, document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    if not changes.keys() <= _ENVIRONMENT_FIELDS:
        scope.check_fields(changes, _ENVIRONMENT_FIELDS)
    cleared = scope.texts(changes, "clear", "a field's name, or a list of them") if "clear" in changes else ()
    for field in cleared:
        if field not in PER_ENVIRONMENT:
            scope.missing(changes, "clear", "field", field, PER_ENVIRONMENT)
    gone = {*cleared, *(name for name, value in changes.items() if value is None)}
    both = {**document, **changes}
    return {name: value for name, value in both.items() if name in PER_ENVIRONMENT and name not in gone}


_Row: TypeAlias = "tuple[dict[str, Any], str, str | None, float | None]"


def _made(given: dict[str, Any], expect: str, environment: str | None, at: float | None) -> Example:
    return Example(FrozenDict(given), expect, environment, at)


def _tests(scope: Scope, document: dict[str, Any], flag: Flag, environments: Mapping[str, Flag]) -> Sequence[Example]:
    tests = document["tests"]
    if tests.__class__ is not list:
        scope.wrong(document, "tests", "a list of examples, such as [{given: {user: user-42}, expect: true}]")
        return ()
    found = [_example(scope, tests, index, flag, environments) for index in range(len(tests))]
    rows = [row for row in found if row is not None]
    try:
        return Packed(rows, _made)
    except ValueError:  # nested so deeply that the document is refused for it in the end
        return ()


def _example(scope: Scope, tests: list[Any], index: int, flag: Flag, environments: Mapping[str, Flag]) -> _Row | None:
    test = tests[index]
    if test.__class__ is not dict:
        scope.wrong(tests, index, "an example, such as {given: {user: user-42}, expect: true}")
        return None
    if not test.keys() <= _TEST_FIELDS:
        scope.check_fields(test, _TEST_FIELDS)
    if "expect" not in test:
        scope.report(tests, index, "an example needs `expect`: the variant that these attributes are served")
        return None
    at = scope.instant(test, "at") if "at" in test else None
    given, environment = _given(scope, test) if "given" in test else ({}, None)
    variants = environments.get(environment or "", flag).variants
    return given, read_variant(scope, test, "expect", variants), environment, at


def _given(scope: Scope, test: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    given = scope.mapping(test, "given", "attributes, such as {user: user-42}")
    scope.free(test, "given")
    if not RESERVED.isdisjoint(given):
        for name in sorted(RESERVED.intersection(given)):
            hint = "; write user" if name == "targeting_key" else ""
            scope.report(given, name, f'"{name}" is no attribute{hint}')
    if "environment" not in given:
        return given, None
    environment = scope.text(given, "environment", "an environment's name")
    return {name: value for name, value in given.items() if name != "environment"}, environment
