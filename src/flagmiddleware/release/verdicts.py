"""All that the policy says of a flag in a change: its own step, for those who meet a condition, behind another flag."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from ..bucketing import BUCKETS
from ..model import Flag, Ruleset
from .behind import Lift, lifts
from .conditional import Internal, Rise, is_wide_rise, judge_rise, lifted, rises
from .dated import dates_of
from .history import Since
from .impact import FlagImpact
from .judge import (
    NO_RISK,
    Verdict,
    as_before,
    cohort_first,
    judge,
    owned_by,
    percent,
    revived,
    stages_of,
    step_too_far,
    strategies_of,
    too_soon,
)
from .logic import expand
from .policy import Policy, Strategy
from .reach import governed
from .stages import has_cohort
from .trees import chain

__all__ = ["Judgement", "judge_flag", "measured"]

Author = Callable[[Flag], "Verdict | None"]


class Judgement(msgspec.Struct, frozen=True):
    """The verdicts on one flag, and the strategies that they are by.

    ``rises`` tells whether somebody gets more of the flag than before, however few they are.
    """

    verdicts: tuple[Verdict, ...] = ()
    rises: bool = False
    strategies: tuple[Strategy, ...] = ()


def judge_flag(
    key: str, before: Ruleset, after: Ruleset, policy: Policy, *, now: float, since: Mapping[str, float] | None = None
) -> Judgement:
    """What the policy says of what becomes of a flag; ``since`` tells when each flag came to its stage."""
    old, new = before.flags.get(key), after.flags.get(key)
    if new is None:
        return Judgement()
    reached_at = since or {}
    found = _Found(old, new, before, after, policy, now)
    verdicts = [
        *judge(old, new, policy, now=now, since=reached_at.get(key)),
        *found.verdicts(_since_all(new, before, reached_at), _since_some(old, new, before, reached_at, now)),
        *(Verdict(text, False) for text in (governed(old, new) if old is not None else ())),
    ]
    return Judgement(tuple(dict.fromkeys(verdicts)), found.rises, found.strategies)


def _since_all(flag: Flag, before: Ruleset, since: Mapping[str, float]) -> float | None:
    """When the last of the flags that are required came to its stage: that is when this one came to what it has."""
    return max((since[one.key] for one in chain(flag.key, before.flags) if one.key in since), default=None)


def _since_some(old: Flag | None, new: Flag, before: Ruleset, since: Mapping[str, float], now: float) -> float | None:
    """Since when those who meet a condition have had what they have; None where that is not known.

    Any change of the flag counts. What a segment or another flag did to them is in no record of this one.
    """
    changed = since.touched.get(new.key) if isinstance(since, Since) else None
    if old is None or changed is None or old.requires or new.requires:
        return None
    conditions = [rule.condition for rule in old.rules if rule.condition is not None]
    if any(repr(expand(one, before.segments)) != repr(one) for one in conditions):
        return None
    return max([changed, *(date for date in dates_of(old) if date <= now)])


class _Found:
    """What a flag gains otherwise than by its own rules for everyone."""

    def __init__(
        self, old: Flag | None, new: Flag, before: Ruleset, after: Ruleset, policy: Policy, now: float
    ) -> None:
        self.old, self.new, self.now = old, new, now
        self.strategies = strategies_of(old, new, policy)
        found = lifts(old, new, before, after, now)
        internal = Internal(policy, before, after)
        some = [*rises(old, new, before, after, now), *lifted(found, after)]
        self.lifts: list[Lift] = [lift for lift in found if lift.condition is None]
        self.some: list[Rise] = [rise for rise in some if not internal(rise.who)]
        self.rises = bool(found or some or _is_raised(old, new, now))

    def verdicts(self, since: float | None, since_some: float | None) -> Iterator[Verdict]:
        """What each strategy says of it."""
        lasted = None if since_some is None else self.now - since_some
        if (self.lifts or self.some) and not self.strategies:
            yield NO_RISK
        for strategy in self.strategies:
            if self.lifts or self.some:
                for flag in (self.old, self.new):
                    yield from owned_by(flag, strategy) if flag is not None and flag.owner else ()
            for lift in self.lifts:
                yield from self._lifted(lift, strategy, since)
            for rise in self.some:
                yield from judge_rise(rise, strategy, lasted)
            was = revived(self.old or Flag(key=self.new.key))
            if strategy.cohort and any(map(is_wide_rise, self.some)) and not has_cohort(was, self.now):
                yield cohort_first(self.new, self.now)

    def _lifted(self, lift: Lift, strategy: Strategy, since: float | None) -> Iterator[Verdict]:
        yield from step_too_far(strategy, lift.before, lift.after, f"by way of {' and '.join(lift.by)}: ")
        lasted = None if since is None or lift.before == 0 else self.now - since
        yield from too_soon(strategy, f"{percent(lift.before)} by way of {' and '.join(lift.by)}", lasted)


def _is_raised(old: Flag | None, new: Flag, now: float) -> bool:
    was, will = stages_of(revived(old or Flag(key=new.key)), revived(as_before(old, new)), now)
    return will.threshold > was.threshold


def measured(
    verdicts: tuple[Verdict, ...], strategies: tuple[Strategy, ...], impact: FlagImpact, nominal: Mapping[str, int]
) -> tuple[Verdict, ...]:
    """The verdicts with what was counted in the place of what was unknown.

    ``nominal`` is the public's share before, in buckets, for each thing that can be counted, as the rules state it: the
    count of a rollout scatters around that, and must not pass for a smaller stage.
    """
    users = impact.total.users
    kinds = dict.fromkeys(verdict.unmeasured for verdict in verdicts if verdict.unmeasured)
    if not users or not kinds:
        return verdicts
    found = [verdict for verdict in verdicts if not verdict.unmeasured]
    for kind in kinds:
        before, after = _counted(kind, impact, nominal[kind])
        what = "have it" if kind == "exposure" else "go from one variant to another"
        told = f"measured, {percent(before)} → {percent(after)} of {users:,} users {what}"
        start = _as_stated(before, nominal[kind], users)
        for strategy in strategies:
            found += step_too_far(strategy, start, after, f"{told}: ") or [Verdict(told, False)]
    return tuple(dict.fromkeys(found))


def _counted(kind: str, impact: FlagImpact, nominal: int) -> tuple[int, int]:
    total = impact.total
    if kind == "flips":
        return nominal, nominal + (total.gains + total.flips) * BUCKETS // total.users
    # Rounded down, as percentages are: ten of a thousand are no more than 1 %.
    return total.before * BUCKETS // total.users, total.after * BUCKETS // total.users


def _as_stated(counted: int, nominal: int, users: int) -> int:
    """What was counted, or what the rules state where it is more and the two differ by no more than chance."""
    share = nominal / BUCKETS
    chance = 3 * (share * (1 - share) / users) ** 0.5
    return max(counted, nominal) if abs(counted / BUCKETS - share) <= chance else counted
