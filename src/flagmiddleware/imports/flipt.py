"""Flipt's ``features.yaml``: boolean and variant flags, segments, distributions and thresholds.

Facts: docs.flipt.io, "Declarative configuration". Who is outside a threshold goes on to the next rollout there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

import msgspec

from .documents import load
from .draft import Draft, FlagDraft, ImportProblem, moved_by_rollout, moved_by_split, percent
from .logic import every, some
from .shapes import STUMBLES, Percentage, Shape, alone, check

__all__ = ["convert"]


class _Named(Shape, frozen=True, rename=None):
    key: Annotated[str, msgspec.Meta(min_length=1)]


class _Variant(_Named, frozen=True, rename=None):
    default: bool | None = None


class _Several(Shape, frozen=True, rename=None):
    key: str | None = None
    keys: list[str] | None = None
    operator: Literal["OR_SEGMENT_OPERATOR", "AND_SEGMENT_OPERATOR"] | None = None
    value: bool | None = None


class _Threshold(Shape, frozen=True, rename=None):
    percentage: Percentage | None = None
    value: bool | None = None


class _Rollout(Shape, frozen=True, rename=None):
    segment: _Several | None = None
    threshold: _Threshold | None = None


class _Distribution(Shape, frozen=True, rename=None):
    variant: str
    rollout: Percentage


class _Rule(Shape, frozen=True, rename=None):
    segment: str | _Several | None = None
    distributions: list[_Distribution] | None = None


class _Flag(_Named, frozen=True, rename=None):
    type: Literal["BOOLEAN_FLAG_TYPE", "VARIANT_FLAG_TYPE"] | None = None
    description: str | None = None
    enabled: bool | None = None
    variants: list[_Variant] | None = None
    rules: list[_Rule] | None = None
    rollouts: list[_Rollout] | None = None


class _Constraint(Shape, frozen=True, rename=None):
    type: str
    property: str
    operator: str
    value: str | int | float | list[Any] | None = None


class _Segment(_Named, frozen=True, rename=None):
    match_type: Literal["ALL_MATCH_TYPE", "ANY_MATCH_TYPE"] | None = None
    constraints: list[_Constraint] | None = None


_NUMBER: Final[Mapping[str, str]] = MappingProxyType({"eq": "eq", "lt": "lt", "lte": "lte", "gt": "gt", "gte": "gte"})


class _Unsayable(Exception):
    """A part that the native grammar has no words for."""


def convert(data: bytes, name: str, options: Mapping[str, Any]) -> Draft:
    """The native draft of a Flipt document."""
    document = load(data, name)
    if not isinstance(document, Mapping) or not isinstance(document.get("flags"), list):
        raise ImportProblem(f'{name or "the file"}: expected Flipt\'s document with a list under "flags"')
    draft = Draft()
    broken: dict[str, str] = {}
    written: dict[str, str] = {}
    segments = document.get("segments")
    for segment in segments if isinstance(segments, list) else ():
        key = str(segment.get("key")) if isinstance(segment, Mapping) else ""
        try:
            check(segment, _Segment)
            said = _segment(segment)
        except (_Unsayable, *STUMBLES) as error:
            broken[key] = str(error)
        else:
            written[key] = draft.segment(key)
            draft.segments[written[key]] = said
    for place, item in enumerate(document["flags"]):
        flag = draft.flag(item.get("key") if isinstance(item, Mapping) else None, f"flags[{place}]")
        with alone(flag, "Flipt"):
            check(item, _Flag)
            flag.describe(item.get("description"))
            boolean = item.get("type") == "BOOLEAN_FLAG_TYPE"
            (_boolean if boolean else _variants)(flag, item, written, broken)
            if flag.is_exact:
                flag.exact("every rule came over; attributes must be given as the types that the file shows")
    return draft


def _segment(segment: Mapping[str, Any]) -> Any:
    parts = [_constraint(one) for one in segment.get("constraints") or ()]
    said = some(parts) if segment.get("match_type") == "ANY_MATCH_TYPE" and parts else every(parts)
    if isinstance(said, bool):
        raise _Unsayable(f"it is a segment of {'everybody' if said else 'nobody'}")
    return said


def _constraint(one: Mapping[str, Any]) -> Any:
    kind, name, operator, value = one.get("type"), one.get("property"), one.get("operator"), one.get("value")
    say = _KINDS.get(str(kind))
    if say is None or not isinstance(name, str):
        raise _Unsayable(f"a constraint of type {kind}")
    if operator in ("present", "notpresent", "empty", "notempty"):
        there = {"all": [{name: {"exists": True}}, {"not": {name: ""}}]}  # an empty text is none to Flipt
        return there if operator in ("present", "notempty") else {"not": there}
    return say(name, str(operator), value)


def _text(name: str, operator: str, value: Any) -> Any:
    # A missing or empty text meets no constraint there, not even "is not".
    if operator in ("isoneof", "isnotoneof"):
        items = [item for item in _list(value) if item != ""]
        if operator == "isnotoneof":
            return {name: {"not_in": [*items, ""]}}
        return {name: {"in": items}} if items else False
    words = {"eq": "eq", "prefix": "starts_with", "suffix": "ends_with", "contains": "contains"}
    if operator == "neq":
        return {name: {"not_in": list(dict.fromkeys((str(value), "")))}}
    if operator == "notcontains":
        return {"all": [{name: {"not_in": [""]}}, {"not": {name: {"contains": str(value)}}}]}
    if operator not in words:
        raise _Unsayable(f"operator {operator!r}")
    if operator == "eq" and value in ("", None):
        return False
    return {name: {words[operator]: str(value)}}


def _number(name: str, operator: str, value: Any) -> Any:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise _Unsayable(f"{value!r} is no number") from error
    number = int(number) if number.is_integer() else number
    if operator == "neq":
        return {name: {"ne": number}}
    if operator not in _NUMBER:
        raise _Unsayable(f"operator {operator!r}")
    return {name: {_NUMBER[operator]: number}}


def _truth(name: str, operator: str, value: Any) -> Any:
    if operator not in ("true", "false"):
        raise _Unsayable(f"operator {operator!r}")
    return {name: operator == "true"}


def _list(value: Any) -> list[Any]:
    import json

    items = json.loads(value) if isinstance(value, str) else value
    if not isinstance(items, list):
        raise _Unsayable(f"{value!r:.60} is no list")
    return items


_KINDS: Final[Mapping[str, Callable[[str, str, Any], Any]]] = MappingProxyType(
    {
        "STRING_COMPARISON_TYPE": _text,
        "ENTITY_ID_COMPARISON_TYPE": lambda name, operator, value: _text("user", operator, value),
        "NUMBER_COMPARISON_TYPE": _number,
        "BOOLEAN_COMPARISON_TYPE": _truth,
    }
)


def _named(rule: Mapping[str, Any], segments: Mapping[str, str], broken: Mapping[str, str]) -> Any:
    given = rule.get("segment")
    keys = given.get("keys") or [given.get("key")] if isinstance(given, Mapping) else [given]
    operator = given.get("operator") if isinstance(given, Mapping) else None
    names = [str(key) for key in keys]
    for name in names:
        if name in broken:
            raise _Unsayable(f"segment {name!r}: {broken[name]}")
        if name not in segments:
            raise _Unsayable(f"there is no segment {name!r}")
    if len(names) == 1:
        return {"segment": segments[names[0]]}
    return {"all" if operator == "AND_SEGMENT_OPERATOR" else "any": [{"segment": segments[name]} for name in names]}


def _boolean(flag: FlagDraft, item: Mapping[str, Any], segments: Mapping[str, str], broken: Mapping[str, str]) -> None:
    rollouts = item.get("rollouts") or []
    if item.get("enabled"):
        flag.body["default"] = True  # `enabled` is what a boolean flag of Flipt's answers where no rollout matches
    for place, rollout in enumerate(rollouts):
        segment, threshold = rollout.get("segment"), rollout.get("threshold")
        try:
            if segment:
                flag.rule(_named(rollout, segments, broken), serve=bool(segment.get("value")))
            elif threshold:
                _threshold(flag, threshold, bool(item.get("enabled")), place == len(rollouts) - 1)
            else:
                raise _Unsayable("it has neither a segment nor a threshold")
        except _Unsayable as error:
            flag.lost(f"rollout {place + 1} is left out: {error}")


def _threshold(flag: FlagDraft, threshold: Mapping[str, Any], default: bool, last: bool) -> None:
    percentage, value = float(threshold.get("percentage") or 0), bool(threshold.get("value"))
    if not last:
        flag.lost("who is outside a threshold went on to the next rollout; here a rollout decides")
    if value is default:
        return
    flag.reshuffles(moved_by_rollout(percentage), f"the {percent(percentage)} threshold is hashed anew")
    flag.rule(rollout=percent(percentage), serve=value)


def _weights(rule: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for one in rule.get("distributions") or ():
        if one["variant"] not in names:
            raise _Unsayable(f"there is no variant {one['variant']!r}")
        weights[names[one["variant"]]] = weights.get(names[one["variant"]], 0) + one["rollout"]
    if not any(weights.values()):
        raise _Unsayable("it distributes nothing")
    return weights


def _variants(flag: FlagDraft, item: Mapping[str, Any], segments: Mapping[str, str], broken: Mapping[str, str]) -> None:
    names = {one["key"]: flag.variant(one["key"], one["key"]) for one in item.get("variants") or ()}
    # Served where no rule matches, and by a flag that is not enabled, too.
    fallback = next((names[one["key"]] for one in item.get("variants") or () if one.get("default")), None)
    flag.body["off"] = flag.variant("", "none") if fallback is None else fallback
    if any(one.get("attachment") for one in item.get("variants") or ()):
        flag.lost("attachments: a variant's value is its key here; make the attachment the value")
    if not item.get("enabled"):
        flag.body["enabled"] = False
    for place, rule in enumerate(item.get("rules") or ()):
        try:
            weights = _weights(rule, names)
            covered = min(sum(weights.values()), 100.0)
            payload: dict[str, Any] = {"split": weights} if len(weights) > 1 else {"serve": next(iter(weights))}
            if covered < 100:  # who is in none of the distributions gets no variant, and no later rule is tried
                payload = {"rollout": percent(covered), **payload}
            flag.rule(_named(rule, segments, broken), **payload)
            shares = [*weights.values(), 100 - covered]
            flag.reshuffles(moved_by_split(shares), f"the split of rule {place + 1} is hashed anew")
        except _Unsayable as error:
            flag.lost(f"rule {place + 1} is left out: {error}")
