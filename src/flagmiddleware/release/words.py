"""A flag's state in words: what a person reads in a list, a plan or an admin page instead of rules."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import groupby
from typing import Any

from ..clock import share_at
from ..model import (
    AllOf,
    AnyOf,
    Condition,
    Flag,
    InSegment,
    Not,
    Predicate,
    Ramp,
    Rollout,
    Rule,
    Ruleset,
    Serve,
    Share,
    Split,
)
from ..model import Test as Comparison
from .shares import format_share

__all__ = ["describe", "describe_condition", "describe_instant", "describe_requirement", "describe_rule"]

_LONG = 70
_PHRASES = {
    "ne": "{} not {}",
    "not_in": "{} not {}",
    "starts_with": "{} starting {}",
    "ends_with": "{} ending {}",
    "contains": "{} containing {}",
    "matches": "{} matching {}",
    "gt": "{} > {}",
    "gte": "{} ≥ {}",
    "lt": "{} < {}",
    "lte": "{} ≤ {}",
    "before": "{} before {}",
    "after": "{} after {}",
    "semver": "{} {}",
    "cidr": "{} in {}",
}


def describe(flag: Flag, ruleset: Ruleset | None = None, *, now: float | None = None) -> str:
    """Whom the flag serves what, at ``now`` (default: the present).

    >>> describe(Flag(key="beta", rules=(Rule(Serve("on"), condition=InSegment("insiders")),)))
    'on for insiders'
    >>> describe(Flag(key="beta", enabled=False))
    'killed: off for everyone'
    """
    moment = time.time() if now is None else now
    if flag.error is not None:
        return f"broken: {flag.error.splitlines()[0]}"
    if not flag.enabled:
        return f"killed: {_name(flag, flag.off)} for everyone"
    parts = list(_parts(flag, moment))
    needs = " and ".join(describe_requirement(key.key, key.variants, ruleset) for key in flag.requires)
    return ", ".join(parts) + (f"; only where {needs}" if needs else "")


def _parts(flag: Flag, now: float) -> Iterator[str]:
    phrases = [
        (_payload(flag, rule), _audience(flag, rule, first=index == 0, now=now))
        for index, rule in enumerate(flag.rules)
    ]
    for payload, group in groupby(phrases, key=lambda phrase: phrase[0]):
        yield f"{payload} for " + ", ".join(audience for _, audience in group)
    if not flag.rules:
        yield f"{_name(flag, flag.default)} for everyone"
    elif flag.default != flag.off and not _catches_all(flag.rules[-1]):
        yield f"{_name(flag, flag.default)} otherwise"


def _catches_all(rule: Rule) -> bool:
    return rule.condition is None and rule.schedule is None and rule.gate is None


def _name(flag: Flag, variant: str | None) -> str:
    return "the caller's default" if variant is None else variant


def _payload(flag: Flag, rule: Rule) -> str:
    payload = rule.payload
    if isinstance(payload, Serve):
        return payload.variant
    if isinstance(payload, Split):
        weights = payload.weights or payload.cuts
        return ":".join(payload.variants) + " " + ":".join(f"{weight:g}" for weight in weights)
    return payload.text or "computed"


def _audience(flag: Flag, rule: Rule, *, first: bool, now: float) -> str:
    who, share = _who(rule, first=first), _share(rule, now)
    audience = f"{share} of {who}" if share else who
    return audience + _coming(rule, now) + _when(rule, now)


def _who(rule: Rule, *, first: bool) -> str:
    if rule.condition is None:
        return "everyone" if first else "the rest"
    text = describe_condition(rule.condition)
    return rule.name if rule.name and len(text) > _LONG else text


def _share(rule: Rule, now: float) -> str:
    if isinstance(rule.gate, Rollout):
        return format_share(rule.gate.share)
    return format_share(Share("", share_at(rule.gate, now))) if isinstance(rule.gate, Ramp) else ""


def _coming(rule: Rule, now: float) -> str:
    """What a ramp does next."""
    if not isinstance(rule.gate, Ramp):
        return ""
    step = next((step for step in rule.gate.steps if step.at > now), None)
    if step is None:
        return ""
    return f" ({format_share(step.to)} {'by' if rule.gate.linear else 'at'} {describe_instant(step.at)})"


def _when(rule: Rule, now: float) -> str:
    schedule = rule.schedule
    if schedule is None:
        return ""
    if schedule.until is not None and schedule.until <= now:
        return f" (over since {describe_instant(schedule.until)})"
    start = f"from {describe_instant(schedule.start)}" if schedule.start is not None and schedule.start > now else ""
    until = f"until {describe_instant(schedule.until)}" if schedule.until is not None else ""
    return "".join(f" {part}" for part in (start, until) if part)


def describe_instant(at: float) -> str:
    """An instant as people write it, in UTC.

    >>> describe_instant(1796043600.0)
    '2026-11-30 13:00 UTC'
    """
    moment = datetime.fromtimestamp(at, timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC" if moment.second else "%Y-%m-%d %H:%M UTC")


def describe_requirement(key: str, variants: tuple[str, ...], ruleset: Ruleset | None = None) -> str:
    """What another flag must serve.

    >>> describe_requirement("payments-v2", ("on",))
    'payments-v2 is on'
    """
    missing = ruleset is not None and key not in ruleset.flags
    return f"{key} is {' or '.join(variants)}" + (" (no such flag)" if missing else "")


def describe_rule(flag: Flag, rule: Rule, *, first: bool = False, now: float | None = None) -> str:
    """One rule in words: what it serves, and whom."""
    moment = time.time() if now is None else now
    return f"{_payload(flag, rule)} for {_audience(flag, rule, first=first, now=moment)}"


def describe_condition(condition: Condition) -> str:
    """A condition in words.

    >>> from flagmiddleware.conditions import OPERATORS
    >>> country = Comparison("country", OPERATORS["in"], ["AU", "NZ"])
    >>> describe_condition(AllOf((country, Comparison("plan", OPERATORS["eq"], "pro"))))
    'AU+NZ pro'
    """
    if isinstance(condition, Comparison):
        return _comparison(condition)
    if isinstance(condition, InSegment):
        return condition.segment
    if isinstance(condition, Not):
        return f"not ({describe_condition(condition.condition)})"
    if isinstance(condition, Predicate):
        return condition.text or "a condition of its own"
    if not condition.conditions:
        return "everyone" if isinstance(condition, AllOf) else "no one"
    inner = [_nested(part) for part in condition.conditions]
    return (" or " if isinstance(condition, AnyOf) else " ").join(inner)


def _nested(condition: Condition) -> str:
    text = describe_condition(condition)
    several = isinstance(condition, AnyOf | AllOf) and len(condition.conditions) > 1
    return f"({text})" if several else text


def _comparison(test: Comparison) -> str:
    name, operand = test.operator.name, test.operand
    if name in ("eq", "in"):
        if isinstance(operand, bool):
            return test.attribute if operand else f"not {test.attribute}"
        values = operand if isinstance(operand, list | tuple) else [operand]
        plain = all(isinstance(value, str) and value for value in values)
        return _values(operand) if plain else f"{test.attribute} {_values(operand)}"
    if name == "exists":
        return f"{test.attribute} known" if operand else f"{test.attribute} unknown"
    return _PHRASES.get(name, "{} " + name + " {}").format(test.attribute, _values(operand))


def _values(operand: Any) -> str:
    values = operand if isinstance(operand, list | tuple) else [operand]
    shown = [_value(value) for value in values[:4]]
    more = f"+{len(values) - 4} more" if len(values) > 4 else ""
    return "+".join(shown) + more


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f'"{text}"' if not text or any(mark in text for mark in " +,()") else text
