"""What a flag gains because another one, which it requires, lets more people through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Final

import msgspec
from msgspec.structs import replace

from ..bucketing import BUCKETS
from ..model import Condition, Flag, Requirement, Rollout, Rule, Ruleset, Share
from ..plan import is_same
from .judge import as_before, coming_dates, revived
from .reach import core
from .shares import threshold_at
from .stages import as_written, dark_variants, deciding
from .trees import chain, measure, tree
from .words import describe_condition

__all__ = ["Lift", "lifts"]

PUBLIC: Final = "everyone"


class Lift(msgspec.Struct, frozen=True):
    """So many buckets of those whom a rule of the flag is for, before and after; ``by`` are the flags that moved.

    ``condition`` is the rule's own, as it is written; None: what the public gets. ``words`` say it.
    """

    before: int
    after: int
    by: tuple[str, ...]
    condition: Condition | None = None
    words: str = PUBLIC


def lifts(old: Flag | None, new: Flag, before: Ruleset, after: Ruleset, now: float) -> list[Lift]:
    """Where more of the flag is let through than before, at ``now`` and at each date of the flags that it requires.

    The flag itself is taken as it will be, on both sides: what its own rules add is judged as its own step.
    """
    if old is None or not (old.requires or new.requires):
        return []
    moved = _moved(old, new, before, after)
    if not moved:
        return []
    seen = revived(as_before(old, new))
    dates = {at for one in (before, after) for flag in _behind(new, one).values() for at in coming_dates(flag, now)}
    sides = (before.flags, old.requires), (after.flags, new.requires)
    return list(_lifts(list(_ways(seen, now)), sides, [now, *sorted(dates)], tuple(sorted(moved))))


def _behind(flag: Flag, ruleset: Ruleset) -> dict[str, Flag]:
    """All that a flag requires, by key; a kill ends nothing here."""
    return {one.key: one for one in chain(flag.key, ruleset.flags, past_kills=True) if one.key != flag.key}


def _moved(old: Flag, new: Flag, before: Ruleset, after: Ruleset) -> set[str]:
    """The flags on the way that decide otherwise, or are no longer on the way."""
    was, will = _behind(new, before), _behind(new, after)
    moved = {key for key in {**was, **will} if not is_same(core(was.get(key)), core(will.get(key)))}
    return moved | {one.key for one in old.requires if one not in new.requires}


_Way = tuple[Flag, "Condition | None"]


def _ways(flag: Flag, now: float) -> Iterator[_Way]:
    """The flag as if each of its rules were for everyone: that of the public, then those with a condition."""
    public = deciding(flag, now)
    yield _only(flag, None if public is None else flag.rules[public], now), None
    for rule in flag.rules:
        if rule.condition is not None:
            yield _only(flag, rule, now), rule.condition
        elif rule.schedule is None:  # nothing after it is ever tried
            return


def _only(flag: Flag, rule: Rule | None, now: float) -> Flag:
    if rule is None:
        return replace(flag, rules=())
    gate = Rollout(Share("", threshold_at(rule.gate, now)))
    return replace(flag, rules=(replace(rule, condition=None, schedule=None, gate=gate),))


_Side = tuple[Mapping[str, Flag], tuple[Requirement, ...]]


def _lifts(
    ways: Iterable[_Way], sides: tuple[_Side, _Side], instants: list[float], by: tuple[str, ...]
) -> Iterator[Lift]:
    for way, condition in ways:
        words = PUBLIC if condition is None else describe_condition(condition)
        had, has = (
            [let_through(replace(way, requires=requires), flags, at) for at in instants] for flags, requires in sides
        )
        # What a day to come lifts just as it would without the change is no part of it, nor what it gives back.
        steps = zip([(had[0], has[0]), *pairwise(has)], [None, *pairwise(had)], strict=True)
        yield from (
            Lift(as_written(max(was, had[0]) * BUCKETS), as_written(will * BUCKETS), by, condition, words)
            for (was, will), without in steps
            if will > max(was, had[0]) and (was, will) != without
        )


def let_through(flag: Flag, flags: Mapping[str, Flag], now: float) -> Fraction:
    """The share of the public that gets a variant other than `off` of ``flag``, by all that it requires.

    A kill of one of those counts as none, as it does everywhere where steps are judged.
    """
    ways = chain(flag.key, {**flags, flag.key: flag}, past_kills=True)
    needed = {one.key: flag if one is flag else revived(one) for one in ways}
    places = {key: _place(one, now) for key, one in needed.items()}
    dark = dark_variants(flag)
    return measure(tree(flag.key, needed, places, now), lambda variant: variant not in dark)


def _place(flag: Flag, now: float) -> int:
    place = deciding(flag, now)
    return len(flag.rules) if place is None else place
