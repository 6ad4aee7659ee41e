"""A change in each environment that it reaches: what it is there, and what the policy says of it there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from ..errors import RulesetError
from ..model import Flag, Ruleset
from .changes import changed_keys
from .documents import Documents
from .judge import Verdict, judge
from .permissions import Actor, may
from .policy import Policy

__all__ = ["Judged", "Reached", "environments_of", "judge_everywhere", "reached", "refusals"]


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
    """One finding on one flag in one environment."""

    key: str
    environment: str | None
    verdict: Verdict

    @property
    def text(self) -> str:
        """The finding, with the environment where it is not that of all."""
        place = f" (in {self.environment})" if self.environment else ""
        return f"{self.verdict.text}{place}"


def environments_of(*documents: Documents, policy: Policy) -> tuple[str | None, ...]:
    """What all environments share (None), then each one that some flag or the policy names."""
    named = [name for one in documents for name in one.environments()]
    return (None, *dict.fromkeys([*named, *policy.environments]))


def reached(old: Documents, new: Documents, policy: Policy, *, only: str | None = None) -> list[Reached]:
    """The environments in which some flag is defined otherwise; raises RulesetError where ``new`` is broken."""
    found = []
    for name in (only,) if only is not None else environments_of(old, new, policy=policy):
        before, after = _ruleset(old, name), new.parse(name)
        keys = tuple(changed_keys(before, after))
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
        for key in place.keys:
            for verdict in judge(*place.sides(key), policy, now=now, since=reached_at.get(key)):
                if place.environment is None:
                    shared.add((key, verdict))
                elif (key, verdict) in shared:
                    continue
                yield Judged(key, place.environment, verdict)


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
