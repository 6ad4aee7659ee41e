"""Steps for those who meet a condition: how far they go is known, how many people that are is not."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from ..bucketing import BUCKETS
from ..conditions import OPERATORS
from ..model import AnyOf, Condition, Flag, InSegment, Predicate, Requirement, Ruleset
from ..model import Test as Comparison
from .behind import Lift
from .exposure import Cohort, compare
from .judge import Verdict, as_before, coming_dates, percent, revived, step_too_far, too_soon
from .logic import expand, implies, is_wide
from .policy import Policy, Strategy
from .stages import as_written, dark_sides, exposure_of, keyless_exposure, stage_of
from .words import describe_condition

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
        found = (
            expand(InSegment(name), known.segments) if name in known.segments else _is_true(name)
            for name in policy.internal
            if name in known.segments or name not in after.segments
        )
        self._people = AnyOf(tuple(condition for condition in found if condition is not None))

    def __call__(self, who: Who) -> bool:
        """Whether all who meet these conditions are internal."""
        return any(condition is not None and implies(condition, self._people) for condition in who)


def _is_true(attribute: str) -> Condition:
    return Comparison(attribute, OPERATORS["eq"], True)


def rises(old: Flag | None, new: Flag, before: Ruleset, after: Ruleset, now: float) -> list[Rise]:
    """Every rise for those who meet some condition, of the flag or of those that it requires; now, and at each date."""
    own = _own(old, new, before, after, now, dark_sides(old, new))
    baseline = _baseline(old, new)
    flips = _own(old, new, before, after, now, baseline, "flips") if baseline is not None else ()
    found = [*own, *flips, *_keyless(old, new, now), *_required(old, new, before, after, now)]
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


def _keyless(old: Flag | None, new: Flag, now: float) -> Iterator[Rise]:
    """Whoever lacks the attribute that is hashed gets the default, whatever the shares say."""
    if new.sticky_by is None:
        return
    was, will = revived(old or Flag(key=new.key)), revived(as_before(old, new))
    who = Comparison(new.sticky_by, OPERATORS["exists"], False)
    for at in (now, *coming_dates(new, now)):
        had = exposure_of(was, at) if was.sticky_by != new.sticky_by else keyless_exposure(was, at)
        has = keyless_exposure(will, at)
        if has > had:
            yield Rise(describe_condition(who), (None, who), had, has, "exposure" if at == now else "")


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


_Wants = tuple[bool, bool]


def _required(
    old: Flag | None, new: Flag, before: Ruleset, after: Ruleset, now: float, wants: _Wants = (True, False)
) -> Iterator[Rise]:
    """What changes for those who meet a condition of a flag that is required.

    ``wants`` tells whether what counts is what the flag's rules serve, and whether it is its `off`: another flag may
    require either, and whoever meets no requirement gets the latter.
    """
    if old is None or not (old.requires or new.requires):
        return
    share = Fraction(max(stage_of(revived(new), now).threshold, _most(new, after, now)), BUCKETS)
    for requirement in new.requires:
        one, other = before.flags.get(requirement.key), after.flags.get(requirement.key)
        if one is None or other is None:
            continue
        was = next((mine for mine in old.requires if mine.key == requirement.key), requirement)
        met = share, (_unwanted(one, was), _unwanted(other, requirement))
        unmet = Fraction(1), (frozenset({*was.variants}), frozenset({*requirement.variants}))
        for part, dark in (way for way, is_wanted in zip((met, unmet), wants, strict=True) if is_wanted):
            deeper = _required(one, other, before, after, now, _wants(other, dark[1]))
            for rise in (*_own(one, other, before, after, now, dark), *deeper):
                words = f"{rise.words} by way of {requirement.key}"
                had, has = (as_written(part * buckets) for buckets in (rise.before, rise.after))
                if has > had:
                    yield replace(rise, words=words, before=had, after=has)
    if wants[0]:
        yield from _narrower(old, new, before, share, "whom {} held back")
    if wants[1]:
        yield from _narrower(new, old, after, Fraction(1), "whom {} holds back now")


def _wants(flag: Flag, dark: frozenset[str | None]) -> _Wants:
    return any(name not in dark for name in flag.variants if name != flag.off), flag.off not in dark


def _most(flag: Flag, ruleset: Ruleset, now: float) -> int:
    """The largest share that some rule gives those who meet its condition."""
    alone = replace(revived(flag), requires=())
    found = compare(None, alone, ruleset, ruleset, now)
    dark = dark_sides(None, flag)
    return max((_lit(cohort, 1, dark) for cohort in found if not is_wide(cohort.who[1])), default=0)


def _unwanted(flag: Flag, requirement: Requirement) -> frozenset[str | None]:
    return frozenset({None, *(name for name in flag.variants if name not in requirement.variants)})


def _narrower(flag: Flag, other: Flag, ruleset: Ruleset, share: Fraction, words: str) -> Iterator[Rise]:
    """Whom flags hold back that only one side requires: those who meet a condition of them cannot be counted."""
    wanted = {one.key: set(one.variants) for one in other.requires}
    for requirement in flag.requires:
        held = ruleset.flags.get(requirement.key)
        is_narrower = not wanted.get(requirement.key, _ANY) <= set(requirement.variants)
        if held is not None and share and is_narrower and any(rule.condition is not None for rule in held.rules):
            who = words.format(requirement.key)
            yield Rise(who, (None, _unknown(who)), 0, as_written(share * BUCKETS))


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


def judge_rise(rise: Rise, strategy: Strategy, lasted: float | None = None) -> Iterator[Verdict]:
    """What a strategy says of a rise for some, of whom nobody said how many they are.

    Nothing where all of everyone might go that far; as of everyone where the condition says that it is nearly all. A
    stage has to last for some as it has for everyone: ``lasted`` seconds, where that is known.
    """
    too_far = step_too_far(strategy, rise.before, rise.after, f"for {rise.words}, who may be nearly everyone, ")
    known = lasted is not None and rise.measure != ""  # how long it will have lasted by a date to come is not
    if too_far and is_wide_rise(rise):
        yield from (replace(verdict, unmeasured=rise.measure) for verdict in too_far)
    elif too_far or (strategy.soak and rise.before and not known):
        step = f"for {rise.words} from {percent(rise.before)} to {percent(rise.after)}"
        unknown = f"{strategy.title}: {step}; exposure unknown without --population"
        yield Verdict(unknown, strategy.conditional == "deny", rise.measure)
    elif rise.before and known:
        yield from too_soon(strategy, f"{percent(rise.before)} for {rise.words}", lasted)
