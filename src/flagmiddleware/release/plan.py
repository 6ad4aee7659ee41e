"""What a change would do: each flag in words, its exact blast radius, and what the policy says of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from operator import attrgetter
from typing import Any

import msgspec

from ..bucketing import BUCKETS
from ..context import Context
from ..model import Flag, Ruleset, Split
from .exposure import Cohort, compare
from .impact import FlagImpact, Readings, SegmentImpact, measure
from .judge import Verdict, as_before
from .policy import Policy, Strategy
from .reach import governed, reached_flags
from .renames import aligned, renames
from .shares import format_fraction
from .stages import dark_sides, is_beside, stage_pair
from .verdicts import Judgement, judge_flag, measured
from .words import describe

__all__ = ["PlannedFlag", "ReleasePlan", "make_plan", "merged", "with_population", "without_columns"]


class PlannedFlag(msgspec.Struct, frozen=True):
    """One flag of a plan.

    ``reshuffles`` tells why subjects change sides at random; ``because`` names the flag or segment whose change
    reaches this one, where its own definition is the same. ``environment`` is None for what all environments share.
    ``behind`` are the flags that it requires: shares are of those whom these let through. ``exposure`` is the public's
    stage before and after, in buckets, as the matrix and the change log have it; ``beside`` the variant that everyone
    else has where that is not ``off``. ``strategies`` are those that judged it.
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
    exposure: tuple[int, int] = (0, 0)
    beside: str = ""
    strategies: tuple[Strategy, ...] = ()

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
            "exposure_before": self.exposure[0] / BUCKETS,
            "exposure_after": self.exposure[1] / BUCKETS,
            "reshuffles": list(self.reshuffles),
            "cohorts": [_cohort_dict(cohort) for cohort in self.cohorts],
            "verdicts": _verdict_dicts(self.verdicts),
            "population": None if self.impact is None else _impact_dict(self.impact),
        }


def _verdict_dicts(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    return [{"text": verdict.text, "breaks": verdict.breaks} for verdict in verdicts]


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
    """Every flag that a change reaches, and what is said of the ``policy`` where that changes."""

    flags: tuple[PlannedFlag, ...]
    environment: str | None = None
    policy: tuple[Verdict, ...] = ()

    @property
    def breaks(self) -> bool:
        """Whether some step breaks the policy."""
        return any(flag.breaks for flag in self.flags) or any(verdict.breaks for verdict in self.policy)

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain data."""
        flags = [flag.to_dict() for flag in self.flags]
        told = _verdict_dicts(self.policy)
        return {"environment": self.environment, "breaks_policy": self.breaks, "policy": told, "flags": flags}


Watch = Callable[[Iterable[Context]], Iterable[Context]]


Author = Callable[[Flag], "Verdict | None"]


def make_plan(
    before: Ruleset,
    after: Ruleset,
    policy: Policy,
    *,
    now: float,
    since: Mapping[str, float] | None = None,
    author: Author = lambda flag: None,
) -> ReleasePlan:
    """Compare two rulesets; ``since`` tells when each flag came to its stage, ``author`` judges who is asking.

    A flag that only got another name is compared with itself.
    """
    names = renames(before, after)
    before = aligned(before, names)
    words = "it was called {} before: code that still asks for that gets its own default"
    reached = {**{key: words.format(was) for key, was in names.items()}, **reached_flags(before, after)}
    planned = []
    for key in sorted(reached):
        found = judge_flag(key, before, after, policy, now=now, since=since)
        planned.append(_planned(key, before, after, now, reached[key], found, author))
    return ReleasePlan(tuple(planned), after.environment)


def _planned(
    key: str, before: Ruleset, after: Ruleset, now: float, because: str, found: Judgement, author: Author
) -> PlannedFlag:
    old, new = before.flags.get(key), after.flags.get(key)
    cohorts = tuple(compare(old, new, before, after, now))
    asked = _asked(old, new, found, author) if _is_asked(old, new, because, found, now) else ()
    reshuffles = tuple(_reshuffles(old, new))
    verdicts = (*found.verdicts, *asked, *_values(old, new), *(() if reshuffles else _flips(cohorts[-1])))
    return PlannedFlag(
        key,
        "added" if old is None else "removed" if new is None else "changed",
        "absent" if old is None else describe(old, before, now=now),
        "absent" if new is None else describe(new, after, now=now),
        cohorts,
        tuple(dict.fromkeys(verdicts)),
        reshuffles,
        because,
        environment=after.environment,
        behind=tuple(requirement.key for requirement in (new or old or Flag(key=key)).requires),
        exposure=_exposure(old, new, now),
        beside=next((one.default or "" for one in (new, old) if one is not None and is_beside(one, now)), ""),
        strategies=found.strategies,
    )


def _exposure(old: Flag | None, new: Flag | None, now: float) -> tuple[int, int]:
    before, after = stage_pair(old, None if new is None else as_before(old, new), now)
    return (before.threshold if before is not None else 0), (after.threshold if after is not None else 0)


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


def _flips(everyone: Cohort) -> Iterable[Verdict]:
    """Who goes from one variant to another is in no stage: a split with other weights moves people all the same."""
    if everyone.flips and not everyone.is_computed:
        yield Verdict(f"{format_fraction(everyone.flips)} of everyone go from one variant to another", False)


def _asked(old: Flag | None, new: Flag | None, found: Judgement, author: Author) -> tuple[Verdict, ...]:
    """What is said of who asks: by the owners that the flag has, and by those that it gets with more of it.

    Nobody makes themselves the owner of what they raise.
    """
    sides = [old if old is not None and old.owner else new, new if found.rises else None]
    told = (author(flag) for flag in sides if flag is not None)
    return tuple(verdict for verdict in told if verdict is not None)


def _is_asked(old: Flag | None, new: Flag | None, because: str, found: Judgement, now: float) -> bool:
    """Whether the owners have a word in it: everybody may take away, and nothing else may go with that."""
    if new is None:
        return False
    if found.rises or (old is not None and governed(old, new)):
        return True
    return not because and not _is_step_back(old, new, now)


def _is_step_back(old: Flag | None, new: Flag, now: float) -> bool:
    if not new.enabled:
        return old is None or new.off in dark_sides(old, new)[1]
    if old is None:
        return False
    before, after = _exposure(old, new, now)
    return after < before


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
    before = aligned(before, renames(before, after))
    found = measure(keys, before, after, users, now=now, who=who, each=each, processes=processes)
    flags = tuple(_measured(flag, found[flag.key]) for flag in plan.flags)
    return msgspec.structs.replace(plan, flags=flags)


def without_columns(
    plan: ReleasePlan, before: Ruleset, after: Ruleset, missing: Collection[str], *, now: float
) -> ReleasePlan:
    """The plan for a population that lacks the attributes ``missing``: it takes back no verdict that hangs on them.

    Whoever is known by such an attribute is not in that population, or not known in it: none of them would be counted.
    """
    readings = Readings(before, after, now=now)
    return msgspec.structs.replace(plan, flags=tuple(_unmeasured(flag, readings, missing) for flag in plan.flags))


def _unmeasured(flag: PlannedFlag, readings: Readings, missing: Collection[str]) -> PlannedFlag:
    if not any(verdict.unmeasured for verdict in flag.verdicts):
        return flag
    lacking = sorted(readings.of([flag.key]) & set(missing))
    if not lacking:
        return flag
    why = f"; the population has no column {', '.join(lacking)}"
    verdicts = tuple(
        Verdict(verdict.text + why, verdict.breaks) if verdict.unmeasured else verdict for verdict in flag.verdicts
    )
    return msgspec.structs.replace(flag, verdicts=verdicts)


def _measured(flag: PlannedFlag, impact: FlagImpact) -> PlannedFlag:
    nominal = {"exposure": flag.exposure[0], "flips": flag.exposure[0] if flag.beside else 0}
    verdicts = measured(flag.verdicts, flag.strategies, impact, nominal)
    return msgspec.structs.replace(flag, impact=impact, verdicts=verdicts)


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
