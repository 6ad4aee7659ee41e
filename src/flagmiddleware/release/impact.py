"""Who is hit, user by user: each changed flag decided before and after, for every user of a population."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from ..context import TARGETING_KEY, Context
from ..errors import ConfigurationError
from ..model import Ruleset
from ..plan import Plan
from .matching import Membership

if TYPE_CHECKING:
    from .tally import FlagTally, Found

__all__ = ["FlagImpact", "Readings", "SegmentImpact", "measure", "reads"]

Each = Callable[[str, str, str, "str | None", "str | None"], None]
"""Is told of every user hit: flag, key, what happens, the variant before and after."""


class SegmentImpact(msgspec.Struct):
    """Counts over the users of one segment (or over all)."""

    users: int = 0
    before: int = 0
    after: int = 0
    gains: int = 0
    loses: int = 0
    flips: int = 0


class FlagImpact(msgspec.Struct):
    """What a change does to a population; ``who`` lists the first users hit, with what they had and will have."""

    total: SegmentImpact
    segments: dict[str, SegmentImpact]
    who: list[tuple[str, str, str | None, str | None]]


def measure(
    keys: Sequence[str],
    before: Ruleset,
    after: Ruleset,
    users: Iterable[Context],
    *,
    now: float,
    who: int = 20,
    each: Each | None = None,
    processes: int = 1,
) -> dict[str, FlagImpact]:
    """Decide the flags ``keys``, and no others, for every user under both rulesets; ``who`` of those hit are listed.

    ``processes`` above 1 starts as many interpreters, where the first users show that it is worth it.
    Raises ConfigurationError where NumPy is not installed.
    """
    try:
        from .counting import Counter, Job, counted
        from .tally import Found
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "numpy":
            raise
        raise ConfigurationError("counting a population needs NumPy: pip install 'flagmiddleware[release]'") from error
    wanted = tuple(sorted(reads(keys, before, after, now=now) - {TARGETING_KEY}))
    counter = Counter(Job(tuple(keys), before, after, now, None if each is not None else who, wanted))
    found = [Found({}, []) for _ in keys]
    for part in counted(counter, users, processes, found):
        for key, one, more in zip(keys, found, part, strict=True):
            _add(key, one, more, who, each)
    names = counter.membership.names
    return {key: _impact(flag, one, names) for key, flag, one in zip(keys, counter.flags, found, strict=True)}


def reads(keys: Iterable[str], before: Ruleset, after: Ruleset, *, now: float) -> frozenset[str]:
    """Every attribute that deciding ``keys``, and telling who is in which segment, may read."""
    decided = Readings(before, after, now=now).of(keys)
    return _with_sources({*Membership(before, after, now).reads(), *decided})


class Readings:
    """Tells which attributes decide flags, before or after a change."""

    def __init__(self, before: Ruleset, after: Ruleset, *, now: float) -> None:
        self._plans = Plan(before, now), Plan(after, now)

    def of(self, keys: Iterable[str]) -> frozenset[str]:
        """The attributes that deciding ``keys`` may read."""
        wanted = tuple(keys)
        read = (plan.reads(key) for plan in self._plans for key in wanted if key in plan.ruleset.flags)
        return _with_sources(frozenset().union(*read))


def _with_sources(found: Collection[str]) -> frozenset[str]:
    """With what an attribute is derived from."""
    return frozenset({*found, "email"} if "email_domain" in found else found)


def _add(key: str, one: Found, more: Found, who: int, each: Each | None) -> None:
    for group, count in more.tally.items():
        one.tally[group] = one.tally.get(group, 0) + count
    one.who.extend(more.who[: max(who - len(one.who), 0)])
    if each is not None:
        for hit in more.who:
            each(key, *hit)


def _impact(flag: FlagTally, seen: Found, segments: Sequence[str]) -> FlagImpact:
    found = FlagImpact(SegmentImpact(), {name: SegmentImpact() for name in segments}, seen.who)
    for (inside, was, will), count in seen.tally.items():
        kind = flag.kind(was, will)
        for counts in (found.total, *(found.segments[name] for name in inside)):
            counts.users += count
            counts.before += count * (was not in flag.off[0])
            counts.after += count * (will not in flag.off[1])
            if kind:
                setattr(counts, kind, getattr(counts, kind) + count)
    return found
