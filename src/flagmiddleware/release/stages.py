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
    "as_written",
    "dark_sides",
    "dark_variants",
    "deciding",
    "exposure_of",
    "has_cohort",
    "is_beside",
    "keyless_exposure",
    "lit_share",
    "next_step",
    "rollout_to",
    "stage_of",
    "stage_pair",
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
    index = deciding(flag, now)
    share = _rolled_out(flag, index, now)
    if 0 < share < BUCKETS:
        return Stage(StageKind.PARTIAL, share, format_share(Share("", share)), index)
    if share == BUCKETS:
        return Stage(StageKind.RELEASED, BUCKETS, "100 %", index)
    if has_cohort(flag, now):
        return Stage(StageKind.INTERNAL, 0, "internal", index)
    return Stage(StageKind.DARK, 0, "dark", index)


def stage_pair(old: Flag | None, new: Flag | None, now: float) -> tuple[Stage | None, Stage | None]:
    """The stages before and after a change, by one measure; None where there is no flag.

    Where a rollout from one variant to another begins or ends, those who have the one that everybody had are on
    neither side part of it.

    >>> from ..model import Rollout
    >>> old = Flag(key="beta", variants={"x": 1, "y": 2, "z": 3}, off="x", default="y")
    >>> new = msgspec.structs.replace(old, rules=(Rule(Serve("z"), gate=Rollout(parse_percent("5%"))),))
    >>> [stage.text for stage in stage_pair(old, new, 0.0)], stage_of(old, 0.0).text
    (['dark', '5 %'], '100 %')
    """
    before, after = (None if flag is None else stage_of(flag, now) for flag in (old, new))
    if old is None or new is None or old.default != new.default:
        return before, after
    nobody = Stage(StageKind.DARK, 0, "dark")
    if is_beside(new, now) and _is_all_default(old, now):
        return nobody, after
    return before, nobody if is_beside(old, now) and _is_all_default(new, now) else after


def _is_all_default(flag: Flag, now: float) -> bool:
    index = deciding(flag, now)
    if not flag.enabled or index is None:
        return flag.enabled
    payload = flag.rules[index].payload
    return isinstance(payload, Serve) and payload.variant == flag.default


def deciding(flag: Flag, now: float) -> int | None:
    """The place of the rule that decides for everyone at this instant."""
    return next((place for place in _public_rules(flag) if holds(flag.rules[place].schedule, now)), None)


def exposure_of(flag: Flag, now: float) -> int:
    """How many buckets of everyone get a variant other than ``off``.

    >>> beta = Flag(key="beta", rules=(Rule(Split(("on", "off"), (2**30, 2**32))),))
    >>> exposure_of(beta, 0.0) == 2**30
    True
    """
    return _exposed(flag, deciding(flag, now), now) if flag.enabled else 0


def keyless_exposure(flag: Flag, now: float) -> int:
    """The same of those who have no key to hash: a share or a split leaves them with the default."""
    index = deciding(flag, now) if flag.enabled else None
    payload = None if index is None else flag.rules[index].payload
    is_let_in = index is not None and threshold_at(flag.rules[index].gate, now) == BUCKETS
    served = payload.variant if is_let_in and isinstance(payload, Serve) else flag.default
    return BUCKETS if flag.enabled and served not in dark_variants(flag) else 0


def _exposed(flag: Flag, index: int | None, now: float) -> int:
    outside = flag.default not in dark_variants(flag)
    if index is None:
        return BUCKETS if outside else 0
    gate, lit = threshold_at(flag.rules[index].gate, now), lit_share(flag, flag.rules[index])
    rest = BUCKETS - gate if outside else 0
    return gate + rest if lit == 1 else as_written(lit * gate + rest)


def _rolled_out(flag: Flag, index: int | None, now: float) -> int:
    """The same, but for a rollout from one variant to another: there it is how many have the new one."""
    exposed = _exposed(flag, index, now)
    return threshold_at(flag.rules[index].gate, now) if index is not None and _is_beside(flag, index, now) else exposed


def is_beside(flag: Flag, now: float) -> bool:
    """Whether a rollout goes from one variant to another, so that whoever it leaves out has no `off` either."""
    index = deciding(flag, now) if flag.enabled else None
    return index is not None and _is_beside(flag, index, now)


def _is_beside(flag: Flag, index: int, now: float) -> bool:
    rule = flag.rules[index]
    # Outside a gate the default is served: what a rollout adds to the same variant is nothing.
    is_same = isinstance(rule.payload, Serve) and rule.payload.variant == flag.default
    is_lit = flag.default not in dark_variants(flag) and lit_share(flag, rule) == 1
    return is_lit and not is_same and _exposed(flag, index, now) == BUCKETS


def as_written(buckets: Fraction) -> int:
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


def dark_sides(old: Flag | None, new: Flag | None) -> tuple[frozenset[str | None], frozenset[str | None]]:
    """The dark variants before and after a change: dark values stay dark, and no other value becomes so.

    Calling a variant ``off``, or giving ``off`` the value of another, hides nothing: what counts is what people get.

    >>> old = Flag(key="beta", variants={"a": 1, "b": 2}, off="a")
    >>> new = Flag(key="beta", variants={"a": 1, "b": 2}, off="b")
    >>> dark_sides(old, new) == (frozenset({None, "a"}), frozenset({None, "a"}))
    True
    """
    was, will = dark_variants(old), dark_variants(new)
    if old is None or new is None:
        return was, will
    texts = {name: repr(value) for name, value in old.variants.items()}
    dark = {repr(False), *(text for name, text in texts.items() if name in was)}
    lit = {(name, text) for name, text in texts.items() if name not in was}
    new_texts = {name: repr(value) for name, value in new.variants.items()}
    stayed = (name for name, text in new_texts.items() if text in dark and (name, text) not in lit)
    gained = {name for name, text in new_texts.items() if text not in dark and text in texts.values()}
    return was, frozenset({*will, *stayed}) - gained


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
