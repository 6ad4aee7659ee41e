"""Steps for those who meet a condition: how far they go is known, how many people that are is not."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from ..bucketing import BUCKETS
from ..conditions import OPERATORS
from ..model import Condition, Flag, InSegment, Predicate, Requirement, Ruleset
from ..model import Test as Comparison
from .behind import Lift
from .exposure import Cohort, compare
from .judge import Verdict, coming_dates, percent, revived, step_too_far
from .logic import expand, implies, is_wide
from .policy import Policy, Strategy
from .stages import as_written, dark_sides, stage_of

__all__ = ["Internal", "Rise", "Who", "is_wide_rise", "judge_rise", "lifted", "rises"]

Who = tuple["Condition | None", "Condition | None"]
Dark = tuple[frozenset["str | None"], frozenset["str | None"]]


class Rise(msgspec.Struct, frozen=True):
    """Of those who meet a condition, so many buckets had it before, and so many will.

    ``who`` are the conditions of the old and the new flag that they meet. ``measure`` is what of a population tells how
    many they are (see :attr:`.judge.Verdict.unmeasured`); nothing where that is about a day to come.
    """

    words: str
    who: Who
    before: int
    after: int
    measure: str = "exposure"


class Internal:
    """Knows one's own people: by the segments and attributes that the policy names, as they were before the change."""

    def __init__(self, policy: Policy, before: Ruleset, after: Ruleset) -> None:
        known = before if before.flags else after
        self._conditions = [
            expand(InSegment(name), known.segments) if name in known.segments else _is_true(name)
            for name in policy.internal
            if name in known.segments or name not in after.segments
        ]

    def __call__(self, who: Who) -> bool:
        """Whether all who meet these conditions are internal."""
        return any(condition is not None and implies(condition, one) for condition in who for one in self._conditions)


def _is_true(attribute: str) -> Condition:
    return Comparison(attribute, OPERATORS["eq"], True)


def rises(old: Flag | None, new: Flag, before: Ruleset, after: Ruleset, now: float) -> list[Rise]:
    """Every rise for those who meet some condition, of the flag or of those that it requires; now, and at each date."""
    own = _own(old, new, before, after, now, dark_sides(old, new))
    baseline = _baseline(old, new)
    flips = _own(old, new, before, after, now, baseline, "flips") if baseline is not None else ()
    found = [*own, *flips, *_required(old, new, before, after, now)]
    # Of several dates, and of two ways to count, the first is told.
    return list({(rise.words, rise.after): rise for rise in reversed(found)}.values())[::-1]


def _baseline(old: Flag | None, new: Flag) -> Dark | None:
    """What nobody was given by a rollout between variants, the default included; None where the default is `off`."""
    dark = dark_sides(old, new)
    if old is None or old.default != new.default or old.default in dark[0]:
        return None
    return dark[0] | {old.default}, dark[1] | {old.default}


def _own(
    old: Flag | None, new: Flag, before: Ruleset, after: Ruleset, now: float, dark: Dark, measure: str = "exposure"
) -> Iterator[Rise]:
    if old is not None and _for_some(old, before) == _for_some(new, after):
        return
    # Whom the flags that it requires hold back is asked elsewhere: here everyone is let through.
    was, will = (None if flag is None else replace(revived(flag), requires=()) for flag in (old, new))
    assert will is not None  # noqa: S101 - `new` is a flag
    dates = {at for flag in (old, new) if flag is not None for at in coming_dates(flag, now)}
    for at in (now, *sorted(dates)):
        for cohort in compare(was, will, before, after, at):
            had, has = (_lit(cohort, side, dark) for side in (0, 1))
            if cohort.who != (None, None) and has > had:
                yield Rise(cohort.words, cohort.who, had, has, measure if at == now else "")


def _for_some(flag: Flag, ruleset: Ruleset) -> str:
    """All of a flag that may matter to those who meet a condition. As text: true is not 1 there."""
    rules = [
        (
            rule.schedule,
            None if rule.condition is None else replace(rule, condition=expand(rule.condition, ruleset.segments)),
        )
        for rule in flag.rules
    ]
    return repr((rules, flag.variants, flag.off, flag.default, flag.salt, flag.sticky_by))


def _lit(cohort: Cohort, side: int, dark: Dark) -> int:
    shares = (share for pair, share in cohort.flows.items() if pair[side] not in dark[side])
    return as_written(sum(shares, Fraction(0)) * BUCKETS)


def _required(old: Flag | None, new: Flag, before: Ruleset, after: Ruleset, now: float) -> Iterator[Rise]:
    """What changes for those who meet a condition of a flag that is required."""
    if old is None or not (old.requires or new.requires):
        return
    share = Fraction(max(stage_of(revived(new), now).threshold, _most(new, after, now)), BUCKETS)
    for requirement in new.requires:
        one, other = before.flags.get(requirement.key), after.flags.get(requirement.key)
        if one is None or other is None:
            continue
        was = next((mine for mine in old.requires if mine.key == requirement.key), requirement)
        dark = _unwanted(one, was), _unwanted(other, requirement)
        for rise in (*_own(one, other, before, after, now, dark), *_required(one, other, before, after, now)):
            words = f"{rise.words} by way of {requirement.key}"
            had, has = (as_written(share * part) for part in (rise.before, rise.after))
            if has > had:
                yield replace(rise, words=words, before=had, after=has)
    yield from _dropped(old, new, before, share)


def _most(flag: Flag, ruleset: Ruleset, now: float) -> int:
    """The largest share that some rule gives those who meet its condition."""
    alone = replace(revived(flag), requires=())
    found = compare(None, alone, ruleset, ruleset, now)
    dark = dark_sides(None, flag)
    return max((_lit(cohort, 1, dark) for cohort in found if not is_wide(cohort.who[1])), default=0)


def _unwanted(flag: Flag, requirement: Requirement) -> frozenset[str | None]:
    return frozenset({None, *(name for name in flag.variants if name not in requirement.variants)})


def _dropped(old: Flag, new: Flag, before: Ruleset, share: Fraction) -> Iterator[Rise]:
    """Whom a flag held back that is no longer required: those who met a condition of it cannot be counted."""
    kept = {one.key: set(one.variants) for one in new.requires}
    for requirement in old.requires:
        held = before.flags.get(requirement.key)
        is_wider = not kept.get(requirement.key, _ANY) <= set(requirement.variants)
        if held is not None and share and is_wider and any(rule.condition is not None for rule in held.rules):
            words = f"whom {requirement.key} held back"
            yield Rise(words, (None, _unknown(words)), 0, as_written(share * BUCKETS))


_ANY: Final = {object()}


def _unknown(words: str) -> Predicate:
    def never(context: Any, here: Any) -> bool:
        return False

    return Predicate(never, (), words, definition=words)


def lifted(found: list[Lift], after: Ruleset) -> Iterator[Rise]:
    """What flags on the way lift for those who meet a condition of the flag itself."""
    for lift in found:
        if lift.condition is not None:
            words = f"{lift.words} behind {' and '.join(lift.by)}"
            yield Rise(words, (None, expand(lift.condition, after.segments)), lift.before, lift.after)


def is_wide_rise(rise: Rise) -> bool:
    """Whether all that it is for may be nearly everyone."""
    return all(map(is_wide, rise.who))


def judge_rise(rise: Rise, strategy: Strategy) -> Iterator[Verdict]:
    """What a strategy says of a rise for some, of whom nobody said how many they are.

    Nothing where all of everyone might go that far; as of everyone where the condition says that it is nearly all. How
    long a stage for some has lasted is in no history, so a strategy whose stages last does not let it pass either.
    """
    too_far = step_too_far(strategy, rise.before, rise.after, f"for {rise.words}, who may be nearly everyone, ")
    if too_far and is_wide_rise(rise):
        yield from (replace(verdict, unmeasured=rise.measure) for verdict in too_far)
    elif too_far or (strategy.soak and rise.before):
        step = f"for {rise.words} from {percent(rise.before)} to {percent(rise.after)}"
        unknown = f"{strategy.title}: {step}; exposure unknown without --population"
        yield Verdict(unknown, strategy.conditional == "deny", rise.measure)
