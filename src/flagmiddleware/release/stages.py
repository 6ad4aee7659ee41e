"""How far a flag is released: dark, internal, a share of everyone, or everyone."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import pairwise

import msgspec

from ..bucketing import BUCKETS, threshold
from ..clock import holds
from ..model import Flag, Rule, Serve, Share, Split
from .policy import Strategy
from .shares import format_share, parse_percent, threshold_at

__all__ = [
    "Stage",
    "StageKind",
    "dark_variants",
    "exposure_of",
    "has_cohort",
    "lit_share",
    "next_step",
    "rollout_to",
    "stage_of",
    "staged_rule",
]


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
    index = _deciding(flag, now)
    share = _rolled_out(flag, index, now)
    if 0 < share < BUCKETS:
        return Stage(StageKind.PARTIAL, share, format_share(Share("", share)), index)
    if share == BUCKETS:
        return Stage(StageKind.RELEASED, BUCKETS, "100 %", index)
    if has_cohort(flag, now):
        return Stage(StageKind.INTERNAL, 0, "internal", index)
    return Stage(StageKind.DARK, 0, "dark", index)


def _deciding(flag: Flag, now: float) -> int | None:
    """The place of the rule that decides for everyone at this instant."""
    return next((place for place in _public_rules(flag) if holds(flag.rules[place].schedule, now)), None)


def exposure_of(flag: Flag, now: float) -> int:
    """How many buckets of everyone get a variant other than ``off``.

    >>> beta = Flag(key="beta", rules=(Rule(Split(("on", "off"), (2**30, 2**32))),))
    >>> exposure_of(beta, 0.0) == 2**30
    True
    """
    return _exposed(flag, _deciding(flag, now), now) if flag.enabled else 0


def _exposed(flag: Flag, index: int | None, now: float) -> int:
    outside = flag.default not in dark_variants(flag)
    if index is None:
        return BUCKETS if outside else 0
    gate, lit = threshold_at(flag.rules[index].gate, now), lit_share(flag, flag.rules[index])
    rest = BUCKETS - gate if outside else 0
    return gate + rest if lit == 1 else _as_written(lit * gate + rest)


def _rolled_out(flag: Flag, index: int | None, now: float) -> int:
    """The same, but for a rollout from one variant to another: there it is how many have the new one."""
    exposed = _exposed(flag, index, now)
    if index is None or exposed < BUCKETS:
        return exposed
    rule = flag.rules[index]
    # Outside a gate the default is served: what a rollout adds to the same variant is nothing.
    is_same = isinstance(rule.payload, Serve) and rule.payload.variant == flag.default
    return exposed if is_same or lit_share(flag, rule) < 1 else threshold_at(rule.gate, now)


def _as_written(buckets: Fraction) -> int:
    """Whole buckets for a share that several cuts make up: as many as the percentage that people mean has.

    Each cut is rounded down, so the last variant of ``{off: 99, on: 1}`` has a bucket more than 1 % has.
    """
    exact = buckets * 100 / BUCKETS
    near = threshold(round(Decimal(exact.numerator) / exact.denominator, 6))
    return near if 0 < near < BUCKETS else int(buckets)


def dark_variants(flag: Flag | None) -> frozenset[str | None]:
    """The variants that count as not having the feature: ``off``, and whatever holds false.

    >>> sorted(dark_variants(Flag(key="beta")) - {None})
    ['off']
    """
    if flag is None:
        return frozenset({None})
    return frozenset({None, flag.off, *(name for name, value in flag.variants.items() if value is False)})


def lit_share(flag: Flag, rule: Rule) -> Fraction:
    """The share (0 … 1) of those whom a rule lets in that gets a variant other than ``off``.

    >>> beta = Flag(key="beta")
    >>> lit_share(beta, Rule(Split(("on", "off"), (2**30, 2**32))))
    Fraction(1, 4)
    """
    dark, payload = dark_variants(flag), rule.payload
    if isinstance(payload, Split):
        ranges = zip(payload.variants, pairwise((0, *payload.cuts)), strict=True)
        return Fraction(sum(high - low for name, (low, high) in ranges if name not in dark), BUCKETS)
    return Fraction(0 if isinstance(payload, Serve) and payload.variant in dark else 1)


def has_cohort(flag: Flag, now: float) -> bool:
    """Whether some condition lets an internal cohort in before everyone else."""
    return any(
        rule.condition is not None
        and holds(rule.schedule, now)
        and threshold_at(rule.gate, now)
        and lit_share(flag, rule) > 0
        for rule in flag.rules
    )


def rollout_to(flag: Flag, stage: Share) -> Share | None:
    """The rollout by which a stage is reached: more than its share where a split gives some of those let in `off`.

    None where the split's weights keep it out of reach.

    >>> from .shares import parse_percent
    >>> half = Rule(Split(("on", "off"), (2**31, 2**32)))
    >>> rollout_to(Flag(key="beta", rules=(half,)), parse_percent("5%")).text
    '10%'
    """
    place = staged_rule(flag)
    lit = lit_share(flag, flag.rules[place]) if place is not None else Fraction(1)
    if lit in (0, 1):
        return stage
    percent = round(Fraction(stage.threshold, BUCKETS) * 100 / lit, 6)
    return parse_percent(f"{float(percent):.6f}".rstrip("0").rstrip(".") + "%") if percent <= 100 else None


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
