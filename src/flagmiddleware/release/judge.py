"""Whether a step of a release keeps to the policy: how far, how soon, whose, and after which cohort."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import msgspec

from ..bucketing import BUCKETS
from ..model import Flag, Share
from .dated import dates_of
from .matrix import format_age
from .policy import Policy, Strategy
from .shares import format_share
from .stages import (
    Stage,
    StageKind,
    dark_sides,
    dark_variants,
    exposure_of,
    has_cohort,
    stage_of,
    stage_pair,
)

__all__ = [
    "NO_RISK",
    "Verdict",
    "as_before",
    "climbs_by_date",
    "cohort_first",
    "coming_dates",
    "judge",
    "owned_by",
    "percent",
    "revived",
    "stages_of",
    "step_too_far",
    "strategies_of",
    "too_soon",
]


class Verdict(msgspec.Struct, frozen=True):
    """One finding on a step; ``breaks`` where the policy forbids it, else it is worth knowing.

    ``unmeasured`` tells what a population would say in its place: ``exposure`` (how many have the feature), ``flips``
    (how many go from one variant to another), or nothing.
    """

    text: str
    breaks: bool = True
    unmeasured: str = ""


def judge(
    old: Flag | None, new: Flag | None, policy: Policy, *, now: float, since: float | None = None
) -> tuple[Verdict, ...]:
    """What the policy says of going from ``old`` to ``new``; ``since`` is when the present stage was reached.

    Going back is always allowed: a kill, a removal or a smaller share has no verdict. This is of what the public gets
    by the flag's own rules; :func:`.verdicts.judge_flag` also asks who meets a condition, and what it requires.
    """
    if new is None:
        return ()
    return tuple(dict.fromkeys(_judge(old, new, policy, now, since)))


def revived(flag: Flag) -> Flag:
    """The flag without its kill.

    A kill is no way around the stages, and no way back down them: what counts is the share that it hides, which a
    restore gives back unasked.
    """
    return flag if flag.enabled else msgspec.structs.replace(flag, enabled=True)


def as_before(old: Flag | None, new: Flag) -> Flag:
    """The new flag, with those variants dark that hold what was dark: see :func:`.stages.dark_sides`."""
    dark = dark_sides(old, new)[1]
    if old is None or dark == dark_variants(new):
        return new
    return msgspec.structs.replace(new, off=None, variants={name: name not in dark for name in new.variants})


def strategies_of(old: Flag | None, new: Flag, policy: Policy) -> tuple[Strategy, ...]:
    """Those that judge a change: what the flag was, and what it becomes where that is another.

    Nobody takes a step into a lane of their own choice, nor leaves out the caution that they ask for themselves.
    """
    risks = [flag.risk for flag in (old, new) if flag is not None]
    found = (policy.strategy_of(risk) for risk in risks)
    return tuple(dict.fromkeys(strategy for strategy in found if strategy is not None))


NO_RISK: Final = Verdict("no risk is declared, so no strategy applies: add risk: {technical: …, business: …}", False)


def stages_of(old: Flag, new: Flag, now: float) -> tuple[Stage, Stage]:
    """The stages of two flags by one measure: see :func:`.stages.stage_pair`."""
    before, after = stage_pair(old, new, now)
    assert before is not None and after is not None  # noqa: S101, PT018 - both are flags
    return before, after


def _judge(old: Flag | None, new: Flag, policy: Policy, now: float, since: float | None) -> Iterator[Verdict]:
    strategies = strategies_of(old, new, policy)
    yield from _kill_value(old, new, strategies)
    was, will = revived(old or Flag(key=new.key)), revived(as_before(old, new))
    step = _Step(was, will, now, since)
    if not step.rises and not step.dated:
        return
    if not strategies:
        yield NO_RISK
    for strategy in strategies:
        for flag in (old, new):
            if flag is not None and (flag.owner or flag is new):
                yield from owned_by(flag, strategy)
        yield from step.judged_by(strategy)


def _kill_value(old: Flag | None, new: Flag, strategies: tuple[Strategy, ...]) -> Iterator[Verdict]:
    """A kill must take the feature away, whatever ``off`` is called."""
    if old is None or new.off in dark_sides(old, new)[1]:
        return
    if new.off == old.default and not old.is_boolean:  # back to what everybody had before the rollout
        return
    staged = any(strategy.stages[0].threshold < BUCKETS for strategy in strategies)
    yield Verdict(f"a kill would serve {new.off!r}, which is not what {old.off!r} was: it takes nothing away", staged)


class _Step:
    """What the public gets before and after, by the flag's own rules."""

    def __init__(self, old: Flag, new: Flag, now: float, since: float | None) -> None:
        self.new, self.now, self.since = new, now, since
        self.before, self.after = stages_of(old, new, now)
        # A stage that stays until the first date has lasted since it was reached, not since today.
        started = now if since is None or self.before.threshold != self.after.threshold else since
        known = set(_rises(old, self.before.threshold, now, started))
        coming = (rise for rise in _rises(new, self.after.threshold, now, started) if rise not in known)
        # What a date only gives back, of what there is now, is no step either.
        had = self.before.threshold
        self.dated = [(at, lasted, max(left, had), right) for at, lasted, left, right in coming if right > had]
        exposed = exposure_of(old, now), exposure_of(new, now)
        # A rollout between two variants hides neither that nor how many come to have one other than `off` at all.
        pairs = dict.fromkeys(((self.before.threshold, self.after.threshold), exposed))
        self.rises = [pair for pair in pairs if pair[1] > pair[0]]

    def judged_by(self, strategy: Strategy) -> Iterator[Verdict]:
        """What a strategy says of it."""
        for was, will in self.rises:
            yield from step_too_far(strategy, was, will)
        if self.after.threshold > self.before.threshold:
            if strategy.cohort and self.before.kind is StageKind.DARK:
                yield cohort_first(self.new, self.now)
            lasted = None if self.since is None or self.before.threshold == 0 else self.now - self.since
            yield from too_soon(strategy, self.before.text, lasted)
        yield from _dated(strategy, self.dated)


def too_soon(strategy: Strategy, stage: str, lasted: float | None) -> Iterator[Verdict]:
    """The verdict on leaving a stage that ``lasted`` some seconds; None where that is not known."""
    if strategy.soak and lasted is not None and lasted < strategy.soak:
        yield Verdict(
            f"{strategy.title}: {stage} has lasted {format_age(lasted)}, a stage lasts at least "
            f"{format_age(strategy.soak)}"
        )


def cohort_first(new: Flag, now: float) -> Verdict:
    """The verdict on going public before an internal cohort was there."""
    if has_cohort(new, now):
        return Verdict("the internal cohort comes first, in a step of its own")
    return Verdict("internal cohort missing: add a rule for it first, such as if: {is_staff: true}")


def owned_by(flag: Flag, strategy: Strategy) -> Iterator[Verdict]:
    """The verdict on a flag that lacks an owner whom its strategy asks for."""
    missing = [owner for owner in strategy.owners if owner not in flag.owner]
    if missing:
        owner = " + ".join(flag.owner) or "nobody"
        yield Verdict(f"{strategy.title} is flipped by {' + '.join(strategy.owners)}; owner is {owner}")


def step_too_far(strategy: Strategy, before: int, after: int, why: str = "") -> list[Verdict]:
    """The verdict on going from so many buckets to so many, where that is further than one stage."""
    allowed = strategy.next_stage(before)
    if allowed is None or after <= allowed.threshold:
        return []
    step = f"may go from {percent(before)} to at most {format_share(allowed)}; this asks for {percent(after)}"
    return [Verdict(f"{why}{strategy.title} {step}")]


def percent(threshold: int) -> str:
    """So many buckets in words."""
    return "100 %" if threshold == BUCKETS else format_share(Share("", threshold))


def coming_dates(flag: Flag, now: float) -> list[float]:
    """The instants to come at which a rule of the flag counts otherwise, in order."""
    return sorted(date for date in dates_of(flag) if date > now)


def climbs_by_date(old: Flag, new: Flag, now: float) -> bool:
    """Whether a change brings dates at which more of everyone get a flag that some of everyone have by then."""
    old, new = revived(old), revived(new)
    before, after = (stage_of(flag, now).threshold for flag in (old, new))
    known = set(_rises(old, before, now, now))
    return any(rise not in known and rise[2] > 0 for rise in _rises(new, after, now, now))


_Rise = tuple[float, float, int, int]


def _rises(flag: Flag, threshold: int, now: float, started: float) -> Iterator[_Rise]:
    """What dated ramps and schedules will let in: when, how long after the step before, from and to which share.

    ``started`` is when the present share, ``threshold``, was reached.
    """
    shares = [(started, threshold), *((at, stage_of(flag, at).threshold) for at in coming_dates(flag, now))]
    yield from ((then, then - at, left, right) for (at, left), (then, right) in pairwise(shares) if right > left)


def _dated(strategy: Strategy, rises: list[_Rise]) -> Iterator[Verdict]:
    for _, lasted, left, right in rises:
        yield from step_too_far(strategy, left, right)
        if left and lasted < strategy.soak:
            yield Verdict(
                f"{strategy.title}: the ramp leaves {percent(left)} after {format_age(lasted)}, a stage "
                f"lasts at least {format_age(strategy.soak)}"
            )
