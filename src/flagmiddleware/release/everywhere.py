"""A change in each environment that it reaches: what it is there, and what the policy says of it there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from ..errors import RulesetError
from ..model import Flag, Ruleset
from .behind import lifts
from .changes import changed_keys
from .documents import Documents
from .judge import Verdict, climbs_by_date, stages_of
from .permissions import Actor, may
from .policy import Policy
from .reach import SEGMENT, reached_flags
from .renames import aligned, renames
from .verdicts import judge_flag

__all__ = ["Judged", "Reached", "environments_of", "judge_everywhere", "leaving", "reached", "refusals"]


class Reached(msgspec.Struct, frozen=True):
    """The definitions before and after in one environment (None: in those that say nothing else), and what differs."""

    environment: str | None
    old: Ruleset
    new: Ruleset
    keys: tuple[str, ...]

    def sides(self, key: str) -> tuple[Flag | None, Flag | None]:
        """A flag before and after."""
        return self.old.flags.get(key), self.new.flags.get(key)


class Judged(msgspec.Struct, frozen=True):
    """One finding on one flag in one environment; ``because`` tells what reaches a flag that is defined as it was."""

    key: str
    environment: str | None
    verdict: Verdict
    because: str = ""

    @property
    def text(self) -> str:
        """The finding, with the environment where it is not that of all, and the flag where another edit reaches it."""
        place = f" (in {self.environment})" if self.environment else ""
        return f"{f'{self.key}: ' if self.because else ''}{self.verdict.text}{place}"


def environments_of(*documents: Documents, policy: Policy) -> tuple[str | None, ...]:
    """What all environments share (None), then each one that some flag or the policy names."""
    named = [name for one in documents for name in one.environments()]
    return (None, *dict.fromkeys([*named, *policy.environments]))


def reached(old: Documents, new: Documents, policy: Policy, *, only: str | None = None) -> list[Reached]:
    """The environments in which some flag, or a segment that it uses, is defined otherwise.

    Raises RulesetError where ``new`` is broken.
    """
    found = []
    for name in (only,) if only is not None else environments_of(old, new, policy=policy):
        before, after = _ruleset(old, name), new.parse(name)
        names = renames(before, after)
        before = aligned(before, names)
        moved = (key for key, why in reached_flags(before, after).items() if why.startswith(SEGMENT))
        keys = tuple(dict.fromkeys([*changed_keys(before, after), *moved, *names]))
        if keys:
            found.append(Reached(name, before, after, keys))
    return found


def _ruleset(old: Documents, environment: str | None) -> Ruleset:
    """What was; nothing where there was nothing that could be read."""
    try:
        return old.parse(environment) if old.files else Ruleset(flags={}, environment=environment)
    except RulesetError:
        return Ruleset(flags={}, environment=environment)


def judge_everywhere(
    places: list[Reached],
    policy: Policy,
    *,
    now: float,
    since: Callable[[str | None], Mapping[str, float]] = lambda environment: {},
) -> Iterator[Judged]:
    """What the policy says of each flag in each environment; what it says of them all is said once."""
    shared: set[tuple[str, Verdict]] = set()
    for place in places:
        reached_at = since(place.environment)
        for key, because in reached_flags(place.old, place.new).items():
            for verdict in judge_flag(key, place.old, place.new, policy, now=now, since=reached_at).verdicts:
                if place.environment is None:
                    shared.add((key, verdict))
                elif (key, verdict) in shared:
                    continue
                yield Judged(key, place.environment, verdict, because)


def leaving(place: Reached, *, now: float) -> Iterator[Flag]:
    """The flags that leave a stage for a later one, now or by date, as they were: gates stand before that.

    The first stage has none.
    """
    for key in reached_flags(place.old, place.new):
        old, new = place.sides(key)
        if old is None or new is None:
            continue
        before, after = stages_of(old, new, now)
        lifted = (one.before for one in lifts(old, new, place.old, place.new, now) if one.condition is None)
        if after.threshold > before.threshold > 0 or any(lifted) or climbs_by_date(old, new, now):
            yield old


def refusals(places: list[Reached], actor: Actor, policy: Policy, action: str = "ramp") -> Iterator[str]:
    """Why somebody may not do this to the flags where they differ; the owners in force decide, and a kill is free."""
    for place in places:
        for key in place.keys:
            old, new = place.sides(key)
            if new is not None and not new.enabled:
                continue
            permission = may(actor, action, policy, flag=old or new, environment=place.environment)
            if not permission:
                yield f"{key}: {permission.why}"
