"""How far a flag is released: dark, internal, a share of everyone, or everyone."""

from __future__ import annotations

from enum import Enum

import msgspec

from ..bucketing import BUCKETS
from ..clock import holds
from ..model import Flag, Rule, Serve, Share
from .policy import Strategy
from .shares import format_share, threshold_at

__all__ = ["Stage", "StageKind", "has_cohort", "next_step", "stage_of", "staged_rule"]


class StageKind(str, Enum):
    """Where on its way a flag is."""

    KILLED = "killed"
    DARK = "dark"
    INTERNAL = "internal"
    PARTIAL = "partial"
    RELEASED = "released"

    __str__ = str.__str__


class Stage(msgspec.Struct, frozen=True):
    """``threshold`` is how many buckets of everyone are in; ``text`` says it; ``rule`` is the rule's place."""

    kind: StageKind
    threshold: int
    text: str
    rule: int | None = None


def staged_rule(flag: Flag, name: str | None = None) -> int | None:
    """The place of the rule that carries the flag's stage, or of the one named.

    It is the last unconditional gated rule that is ever tried; without one, the last unconditional rule of those.
    """
    if name is not None:
        return next((place for place, rule in enumerate(flag.rules) if rule.name == name), None)
    public = _public_rules(flag)
    return next(
        (place for place in reversed(public) if flag.rules[place].gate is not None), next(iter(public[::-1]), None)
    )


def _public_rules(flag: Flag) -> list[int]:
    """The places of the rules for everyone, up to the first that no date limits: nothing after it is tried."""
    places = []
    for place, rule in enumerate(flag.rules):
        if rule.condition is None:
            places.append(place)
            if rule.schedule is None:
                break
    return places


def stage_of(flag: Flag, now: float) -> Stage:
    """The stage that a flag is at.

    >>> stage_of(Flag(key="beta"), 0.0).text
    'dark'
    """
    if not flag.enabled:
        return Stage(StageKind.KILLED, 0, "killed")
    index = next((place for place in _public_rules(flag) if holds(flag.rules[place].schedule, now)), None)
    threshold = _public_share(flag, index, now)
    if 0 < threshold < BUCKETS:
        return Stage(StageKind.PARTIAL, threshold, format_share(Share("", threshold)), index)
    if threshold == BUCKETS:
        return Stage(StageKind.RELEASED, BUCKETS, "100 %", index)
    if has_cohort(flag, now):
        return Stage(StageKind.INTERNAL, 0, "internal", index)
    return Stage(StageKind.DARK, 0, "dark", index)


def _public_share(flag: Flag, index: int | None, now: float) -> int:
    """How many buckets of everyone get something else than `off`, where the rule at ``index`` decides."""
    outside = flag.default is not None and flag.default != flag.off
    if index is None:
        return BUCKETS if outside else 0
    rule = flag.rules[index]
    threshold = threshold_at(rule.gate, now)
    if not _serves(flag, rule):
        return BUCKETS - threshold if outside else 0
    # Outside a gate the default is served: what a rollout adds to the same variant is nothing.
    is_same = outside and isinstance(rule.payload, Serve) and rule.payload.variant == flag.default
    return BUCKETS if is_same else threshold


def has_cohort(flag: Flag, now: float) -> bool:
    """Whether some condition lets an internal cohort in before everyone else."""
    return any(
        rule.condition is not None
        and holds(rule.schedule, now)
        and threshold_at(rule.gate, now)
        and _serves(flag, rule)
        for rule in flag.rules
    )


def _serves(flag: Flag, rule: Rule) -> bool:
    return not (isinstance(rule.payload, Serve) and rule.payload.variant == flag.off)


def next_step(flag: Flag, strategy: Strategy | None, now: float) -> str:
    """What the strategy asks for next, in words.

    >>> from .policy import DEFAULT_POLICY
    >>> next_step(Flag(key="beta"), DEFAULT_POLICY.strategies["measured-crawl"], 0.0)
    '1 %'
    """
    stage = stage_of(flag, now)
    if stage.kind is StageKind.KILLED:
        return "restore"
    if strategy is None:
        return "declare its risk"
    if stage.kind is StageKind.RELEASED:
        return "remove the flag"
    if strategy.cohort and stage.kind is StageKind.DARK:
        return "internal cohort"
    coming = strategy.next_stage(stage.threshold)
    return format_share(coming) if coming is not None else "remove the flag"
