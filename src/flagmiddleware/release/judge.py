"""Whether a step of a release keeps to the policy: how far, how soon, whose, and after which cohort."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import msgspec

from ..bucketing import BUCKETS
from ..model import Flag, Ramp, Share
from .matrix import format_age
from .policy import Policy, Strategy
from .shares import format_share
from .stages import StageKind, exposure_of, has_cohort, stage_of

__all__ = ["Verdict", "judge"]


class Verdict(msgspec.Struct, frozen=True):
    """One finding on a step; ``breaks`` where the policy forbids it, else it is worth knowing."""

    text: str
    breaks: bool = True


def judge(
    old: Flag | None, new: Flag | None, policy: Policy, *, now: float, since: float | None = None
) -> tuple[Verdict, ...]:
    """What the policy says of going from ``old`` to ``new``; ``since`` is when the present stage was reached.

    Going back is always allowed: a kill, a removal or a smaller share has no verdict.
    """
    if new is None:
        return ()
    return tuple(_judge(_revived(old or Flag(key=new.key)), _revived(new), policy, now, since))


def _revived(flag: Flag) -> Flag:
    # A kill is no way around the stages, and no way back down them: what counts is the share that it hides, which
    # a restore gives back unasked.
    return flag if flag.enabled else msgspec.structs.replace(flag, enabled=True)


def _judge(old: Flag, new: Flag, policy: Policy, now: float, since: float | None) -> Iterator[Verdict]:
    before, after = stage_of(old, now), stage_of(new, now)
    # What the flag was, not what the change makes of it: nobody takes a step into a lane of their own choice.
    strategy = policy.strategy_of(old.risk or new.risk)
    dated = [] if old.rules == new.rules else list(_rises(new, after.threshold, now))
    exposed = exposure_of(old, now), exposure_of(new, now)
    # A rollout between two variants hides neither that nor how many come to have one other than `off` at all.
    rises = [pair for pair in dict.fromkeys(((before.threshold, after.threshold), exposed)) if pair[1] > pair[0]]
    if not rises and not dated:
        return
    if strategy is None:
        yield Verdict("no risk is declared, so no strategy applies: add risk: {technical: …, business: …}", False)
        return
    yield from _owners(new, strategy)
    for was, will in rises:
        yield from _step(strategy, was, will)
    if after.threshold > before.threshold:
        if strategy.cohort and before.kind is StageKind.DARK:
            yield _cohort(new, now)
        lasted = None if since is None or before.threshold == 0 else now - since
        if strategy.soak and lasted is not None and lasted < strategy.soak:
            yield Verdict(
                f"{strategy.title}: {before.text} has lasted {format_age(lasted)}, a stage lasts at least "
                f"{format_age(strategy.soak)}"
            )
    yield from _dated(strategy, dated)


def _cohort(new: Flag, now: float) -> Verdict:
    if has_cohort(new, now):
        return Verdict("the internal cohort comes first, in a step of its own")
    return Verdict("internal cohort missing: add a rule for it first, such as if: {is_staff: true}")


def _owners(flag: Flag, strategy: Strategy) -> Iterator[Verdict]:
    missing = [owner for owner in strategy.owners if owner not in flag.owner]
    if missing:
        owner = " + ".join(flag.owner) or "nobody"
        yield Verdict(f"{strategy.title} is flipped by {' + '.join(strategy.owners)}; owner is {owner}")


def _step(strategy: Strategy, before: int, after: int) -> Iterator[Verdict]:
    allowed = strategy.next_stage(before)
    if allowed is not None and after > allowed.threshold:
        yield Verdict(
            f"{strategy.title} may go from {_percent(before)} to at most {format_share(allowed)}; "
            f"this asks for {_percent(after)}"
        )


def _percent(threshold: int) -> str:
    return "100 %" if threshold == BUCKETS else format_share(Share("", threshold))


_Rise = tuple[float, int, int]


def _rises(flag: Flag, threshold: int, now: float) -> Iterator[_Rise]:
    """What dated ramps and schedules will let in: how long after the step before, from and to which share."""
    dates: set[float | None] = set()
    for rule in flag.rules:
        if isinstance(rule.gate, Ramp):
            dates |= {step.at for step in rule.gate.steps}
        if rule.schedule is not None:
            dates |= {rule.schedule.start, rule.schedule.until}
    coming = sorted(date for date in dates if date is not None and date > now)
    shares = [(now, threshold), *((at, stage_of(flag, at).threshold) for at in coming)]
    yield from ((then - at, left, right) for (at, left), (then, right) in pairwise(shares) if right > left)


def _dated(strategy: Strategy, rises: list[_Rise]) -> Iterator[Verdict]:
    for lasted, left, right in rises:
        yield from _step(strategy, left, right)
        if left and lasted < strategy.soak:
            yield Verdict(
                f"{strategy.title}: the ramp leaves {_percent(left)} after {format_age(lasted)}, a stage "
                f"lasts at least {format_age(strategy.soak)}"
            )
