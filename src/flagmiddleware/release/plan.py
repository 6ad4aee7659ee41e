"""What a change would do: each flag in words, its exact blast radius, and what the policy says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from operator import attrgetter
from typing import Any

import msgspec

from ..context import Context
from ..model import Flag, Ruleset, Split
from ..plan import is_same
from .exposure import Cohort, compare
from .impact import FlagImpact, SegmentImpact, measure
from .judge import Verdict, judge
from .logic import expand
from .policy import Policy
from .stages import stage_of
from .words import describe

__all__ = ["PlannedFlag", "ReleasePlan", "make_plan", "merged", "with_population"]


class PlannedFlag(msgspec.Struct, frozen=True):
    """One flag of a plan.

    ``reshuffles`` tells why subjects change sides at random; ``because`` names the flag or segment whose change
    reaches this one, where its own definition is the same. ``environment`` is None for what all environments share.
    ``behind`` are the flags that it requires: shares are of those whom these let through.
    """

    key: str
    kind: str
    old: str
    new: str
    cohorts: tuple[Cohort, ...]
    verdicts: tuple[Verdict, ...] = ()
    reshuffles: tuple[str, ...] = ()
    because: str = ""
    impact: FlagImpact | None = None
    environment: str | None = None
    behind: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The key, and the environment where it is not what all share."""
        return f"{self.key} in {self.environment}" if self.environment else self.key

    @property
    def everyone(self) -> Cohort:
        """Those who match no condition: the public at large."""
        return self.cohorts[-1]

    @property
    def breaks(self) -> bool:
        """Whether the policy forbids it."""
        return any(verdict.breaks for verdict in self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        """The flag's part of the plan as plain data."""
        return {
            "key": self.key,
            "environment": self.environment,
            "kind": self.kind,
            "from": self.old,
            "to": self.new,
            "because": self.because,
            "behind": list(self.behind),
            "exposure_before": float(self.everyone.before),
            "exposure_after": float(self.everyone.after),
            "reshuffles": list(self.reshuffles),
            "cohorts": [_cohort_dict(cohort) for cohort in self.cohorts],
            "verdicts": [{"text": verdict.text, "breaks": verdict.breaks} for verdict in self.verdicts],
            "population": None if self.impact is None else _impact_dict(self.impact),
        }


def _cohort_dict(cohort: Cohort) -> dict[str, Any]:
    names = ("before", "after", "gains", "loses", "flips")
    shares: dict[str, Any] = {name: float(getattr(cohort, name)) for name in names}
    return {"who": cohort.words, "computed": cohort.is_computed, **shares}


def _impact_dict(impact: FlagImpact) -> dict[str, Any]:
    counts: Callable[[SegmentImpact], Any] = msgspec.to_builtins
    return {
        "total": counts(impact.total),
        "segments": {name: counts(found) for name, found in impact.segments.items()},
        "who": [{"user": user, "what": kind, "from": was, "to": will} for user, kind, was, will in impact.who],
    }


class ReleasePlan(msgspec.Struct, frozen=True):
    """Every flag that a change reaches."""

    flags: tuple[PlannedFlag, ...]
    environment: str | None = None

    @property
    def breaks(self) -> bool:
        """Whether some step breaks the policy."""
        return any(flag.breaks for flag in self.flags)

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain data."""
        flags = [flag.to_dict() for flag in self.flags]
        return {"environment": self.environment, "breaks_policy": self.breaks, "flags": flags}


Watch = Callable[[Iterable[Context]], Iterable[Context]]


def make_plan(
    before: Ruleset,
    after: Ruleset,
    policy: Policy,
    *,
    now: float,
    since: Mapping[str, float] | None = None,
    author: Callable[[Flag], Verdict | None] = lambda flag: None,
) -> ReleasePlan:
    """Compare two rulesets; ``since`` tells when each flag came to its stage, ``author`` judges who is asking."""
    reached = _reached(before, after)
    planned = []
    for key in sorted(reached):
        old, new = before.flags.get(key), after.flags.get(key)
        cohorts = tuple(compare(old, new, before, after, now))
        verdicts = () if reached[key] else judge(old, new, policy, now=now, since=(since or {}).get(key))
        asked = (
            author(old or new) if new is not None and not reached[key] and not _is_step_back(old, new, now) else None
        )
        verdicts = (*verdicts, *([asked] if asked is not None else []), *_values(old, new))
        planned.append(
            PlannedFlag(
                key,
                "added" if old is None else "removed" if new is None else "changed",
                "absent" if old is None else describe(old, before, now=now),
                "absent" if new is None else describe(new, after, now=now),
                cohorts,
                verdicts,
                tuple(_reshuffles(old, new)),
                reached[key],
                environment=after.environment,
                behind=tuple(requirement.key for requirement in (new or old or Flag(key=key)).requires),
            )
        )
    return ReleasePlan(tuple(planned), after.environment)


def merged(plans: list[ReleasePlan]) -> ReleasePlan:
    """The plans for several environments as one: the first whole, of the others what differs from it."""
    first, *others = plans
    shared = {flag.key: _anywhere(flag) for flag in first.flags}
    differing = (flag for plan in others for flag in plan.flags if shared.get(flag.key) != _anywhere(flag))
    return ReleasePlan(tuple(sorted([*first.flags, *differing], key=attrgetter("key"))), first.environment)


def _anywhere(flag: PlannedFlag) -> PlannedFlag:
    return msgspec.structs.replace(flag, environment=None, impact=None)


def _values(old: Flag | None, new: Flag | None) -> Iterable[Verdict]:
    """Variants that keep their name and change what they hold: nobody moves, and yet everybody on them sees it."""
    if old is None or new is None:
        return
    for name, value in old.variants.items():
        if name in new.variants and repr(new.variants[name]) != repr(value):
            text = f"the value of variant {name!r} goes from {value!r:.60} to {new.variants[name]!r:.60}"
            yield Verdict(f"{text}, for everyone who gets it", False)


def _owned(old: Flag | None, new: Flag) -> Flag:
    """The side whose owners are asked: nobody makes themselves the owner of what they raise."""
    return old if old is not None and old.owner else new


def _is_step_back(old: Flag | None, new: Flag, now: float) -> bool:
    """Whether the change only takes away: everybody may do that."""
    if not new.enabled:
        return True
    return old is not None and stage_of(new, now).threshold < stage_of(old, now).threshold


def with_population(
    plan: ReleasePlan,
    before: Ruleset,
    after: Ruleset,
    users: Iterable[Context],
    *,
    now: float,
    who: int = 20,
    each: Callable[[str, str, str, str | None, str | None], None] | None = None,
    processes: int = 1,
) -> ReleasePlan:
    """The plan with each flag's impact on real users."""
    keys = [flag.key for flag in plan.flags]
    found = measure(keys, before, after, users, now=now, who=who, each=each, processes=processes)
    flags = tuple(msgspec.structs.replace(flag, impact=found[flag.key]) for flag in plan.flags)
    return msgspec.structs.replace(plan, flags=flags)


def _reached(before: Ruleset, after: Ruleset) -> dict[str, str]:
    """Every flag whose decisions may differ: its own definition (empty text), or the name of what reaches it."""
    reached: dict[str, str] = {}
    for key in {**before.flags, **after.flags}:
        old, new = before.flags.get(key), after.flags.get(key)
        if not is_same(_core(old), _core(new)):
            reached[key] = ""
        elif old is not None and new is not None and repr(_expanded(old, before)) != repr(_expanded(new, after)):
            reached[key] = "a segment that it uses has changed"
    waiting = list(reached)
    while waiting:
        key = waiting.pop()
        for other in after.flags.values():
            if other.key not in reached and any(requirement.key == key for requirement in other.requires):
                reached[other.key] = f"it requires {key}, which changes"
                waiting.append(other.key)
    return reached


def _core(flag: Flag | None) -> Flag | None:
    """The flag without what decides nothing."""
    if flag is None:
        return None
    return msgspec.structs.replace(
        flag, description="", owner=(), risk=None, expires=None, metadata={}, tests=(), qa=False, public=False
    )


def _expanded(flag: Flag, ruleset: Ruleset) -> list[Any]:
    return [expand(rule.condition, ruleset.segments) for rule in flag.rules]


def _reshuffles(old: Flag | None, new: Flag | None) -> Iterable[str]:
    if old is None or new is None:
        return
    if (old.salt or old.key) != (new.salt or new.key):
        yield f"the salt goes from {old.salt or old.key!r} to {new.salt or new.key!r}: every subject is dealt anew"
    if old.sticky_by != new.sticky_by:
        was, will = old.sticky_by or "the targeting key", new.sticky_by or "the targeting key"
        yield f"sticky_by goes from {was} to {will}: every subject is dealt anew"
    was_order, will_order = _orders(old), _orders(new)
    for place in was_order.keys() & will_order.keys():
        common = [name for name in was_order[place] if name in will_order[place]]
        if common != [name for name in will_order[place] if name in was_order[place]]:
            yield "a split lists its variants in another order: subjects flip between them"


def _orders(flag: Flag) -> dict[int, tuple[str, ...]]:
    return {n: rule.payload.variants for n, rule in enumerate(flag.rules) if isinstance(rule.payload, Split)}


def total_share(flag: PlannedFlag) -> Fraction:
    """The share of the public that is hit."""
    return flag.everyone.gains + flag.everyone.loses + flag.everyone.flips
