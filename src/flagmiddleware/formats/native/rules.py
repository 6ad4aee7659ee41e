"""Rules: condition, schedule, gate and payload."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

from ...model import BOOLEAN, Ramp, RampStep, Rollout, Rule, Schedule, Serve, Split
from ..words import expected, listed, nearest, show
from .conditions import read_condition
from .scope import Scope

__all__ = ["RULE_FIELDS", "read_rules", "read_variant"]

RULE_FIELDS: Final = frozenset(("name", "if", "schedule", "rollout", "ramp", "linear", "serve", "split"))
_SCHEDULE_FIELDS: Final = frozenset(("from", "until"))
_STEP_FIELDS: Final = frozenset(("at", "to"))
_ON: Final = Serve("on")


def read_rules(scope: Scope, flag: dict[str, Any], variants: Mapping[str, Any]) -> tuple[Rule, ...]:
    """The rules of a flag, in file order."""
    rules = flag["rules"]
    if rules.__class__ is not list:
        scope.wrong(flag, "rules", "a list of rules")
        return ()
    return tuple([_rule(scope, rules, index, rule, variants) for index, rule in enumerate(rules)])


def _rule(scope: Scope, rules: list[Any], index: int, rule: Any, variants: Mapping[str, Any]) -> Rule:
    if rule.__class__ is not dict:
        scope.wrong(rules, index, "a rule, such as {if: {country: AU}, serve: true}")
        return Rule(_ON)
    if len(rule) == 1 and variants is BOOLEAN and "rollout" in rule:
        return scope.rollout_for_all(rule)
    if not rule.keys() <= RULE_FIELDS:
        scope.check_fields(rule, RULE_FIELDS)
    if "serve" in rule or "split" in rule:
        payload = _payload(scope, rule, variants)
    else:
        payload = _ON
        if variants is not BOOLEAN:
            scope.report(rules, index, f"a rule of this flag needs `serve` or `split`; variants: {listed(variants)}")
    gate: Rollout | Ramp | None = None
    if "rollout" in rule:
        gate = scope.rollout(rule, "rollout")
    if "ramp" in rule:
        gate = _ramp(scope, rule)
    elif "linear" in rule:
        scope.report(rule, "linear", "`linear` says how a `ramp` moves, and this rule has none")
    return scope.rule(
        payload,
        read_condition(scope, rule, "if", rule["if"]) if "if" in rule else None,
        _schedule(scope, rule) if "schedule" in rule else None,
        gate,
        scope.text(rule, "name") if "name" in rule else None,
    )


def _payload(scope: Scope, rule: dict[str, Any], variants: Mapping[str, Any]) -> Serve | Split:
    if "serve" not in rule:
        return _split(scope, rule, variants)
    if "split" in rule:
        scope.report(rule, "split", "a rule either serves one variant or splits between several; remove one of them")
    if rule["serve"] is True and variants is BOOLEAN:
        return _ON
    return scope.serve(read_variant(scope, rule, "serve", variants))


def _ramp(scope: Scope, rule: dict[str, Any]) -> Ramp:
    if "rollout" in rule:
        scope.report(rule, "rollout", "a rule has one gate: either `rollout` or `ramp`; remove one of them")
    steps = rule["ramp"]
    linear = scope.flag(rule, "linear") if "linear" in rule else False
    if steps.__class__ is not list or not steps:
        scope.wrong(rule, "ramp", "a list of steps, such as [{at: 2026-12-01T09:00:00Z, to: 1%}]")
        return Ramp(())
    found = [_step(scope, steps, index) for index in range(len(steps))]
    for index, (before, after) in enumerate(pairwise(found), start=1):
        if before is not None and after is not None and after.at <= before.at:
            scope.report(steps, index, "each step of a ramp must be later than the one before it")
    return Ramp(tuple(step for step in found if step is not None), linear)


def _step(scope: Scope, steps: list[Any], index: int) -> RampStep | None:
    step = steps[index]
    if step.__class__ is not dict:
        scope.wrong(steps, index, "a step, such as {at: 2026-12-01T09:00:00Z, to: 10%}")
        return None
    if not step.keys() <= _STEP_FIELDS:
        scope.check_fields(step, _STEP_FIELDS)
    absent = [name for name in ("at", "to") if name not in step]
    if absent:
        scope.report(steps, index, f"a step needs `at` and `to`; `{absent[0]}` is missing")
        return None
    at, share = scope.instant(step, "at"), scope.share(step, "to")
    return None if at is None or share is None else RampStep(at, share)


def _schedule(scope: Scope, rule: dict[str, Any]) -> Schedule:
    schedule = scope.mapping(rule, "schedule", "`from`, `until` or both")
    if not schedule.keys() <= _SCHEDULE_FIELDS:
        scope.check_fields(schedule, _SCHEDULE_FIELDS)
    start = scope.instant(schedule, "from") if "from" in schedule else None
    until = scope.instant(schedule, "until") if "until" in schedule else None
    if rule["schedule"].__class__ is dict and not _SCHEDULE_FIELDS & schedule.keys():
        scope.wrong(rule, "schedule", "`from`, `until` or both")
    if start is not None and until is not None and start >= until:
        scope.report(rule, "schedule", "this schedule ends before it starts: `until` must be later than `from`")
    return Schedule(start, until)


def _split(scope: Scope, rule: dict[str, Any], variants: Mapping[str, Any]) -> Split:
    split = rule["split"]
    if split.__class__ is not dict or not split:
        scope.wrong(rule, "split", "variants and their weights, such as {blue: 50, green: 50}")
        return Split((), ())
    sound = True
    for name, weight in split.items():
        if name not in variants:
            scope.missing(split, name, "variant", name, variants)
        if (weight.__class__ is not int and weight.__class__ is not float) or weight < 0:
            sound = False
            scope.report(split, name, expected("a weight: a number that is not negative", weight))
    if sound and not any(split.values()):
        sound = False
        scope.report(rule, "split", "all weights are zero, so nobody would be served anything")
    return scope.split(split) if sound else Split((), ())


def read_variant(scope: Scope, holder: Any, key: str | int, variants: Mapping[str, Any]) -> str:
    """A variant's name at ``holder[key]``; boolean flags may write true and false."""
    name = holder[key]
    if name.__class__ is str and name in variants:
        return name
    if variants is BOOLEAN and (name is True or name is False):
        return "on" if name else "off"
    if variants is BOOLEAN:
        scope.wrong(holder, key, "true or false")
        return "off"
    owners = [variant for variant, value in variants.items() if value == name and value.__class__ is name.__class__]
    if owners:
        scope.report(holder, key, f"{show(name)} is a value; write the name of its variant, {show(owners[0])}")
    elif name.__class__ is str:
        near = nearest(name, variants) or f"; variants: {listed(variants)}"
        scope.report(holder, key, f"there is no variant {show(name)}{near}")
    else:
        scope.report(holder, key, expected(f"a variant's name ({listed(variants)})", name))
    return ""
