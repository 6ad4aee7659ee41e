"""One changed flag over some users: how many have what before and after, and who is hit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

import msgspec

from ..model import NATIVE, Flag, InSegment, Rule, Ruleset, Serve
from ..plan import Plan
from .columns import Profiles, Users
from .profiles import Division, Side, variants_of
from .stages import dark_variants

__all__ = ["FlagTally", "Found", "Hit", "Membership"]

Hit = tuple[str, str, "str | None", "str | None"]
"""A user's key, what happens, the variants before and after."""

_Pair = tuple["str | None", "str | None"]


class Found(msgspec.Struct):
    """How many users have which segments and variants, and those who are hit."""

    tally: dict[tuple[tuple[str, ...], str | None, str | None], int]
    who: list[Hit]


class FlagTally:
    """Counts users of one flag under two rulesets."""

    def __init__(self, key: str, old: Side, new: Side) -> None:
        self.key, self.sides = key, (old, new)
        self.off = tuple(dark_variants(side.ruleset.flags.get(key)) for side in self.sides)
        self.is_divisible = old.is_divisible(key) and new.is_divisible(key)
        self._by = tuple(sorted(old.sticky(key) | new.sticky(key), key=str))
        self._attributes = tuple(sorted(old.reads(key) | new.reads(key)))
        self._matchers = [side.matcher(key) for side in self.sides] if self.is_divisible else []
        self._divisions: dict[Any, Division] = {}
        self._deciders = [variants_of(side.plan, key) for side in self.sides if not self._matchers]

    def kind(self, was: str | None, will: str | None) -> str:
        """What happens to who goes from a variant to another: ``gains``, ``loses``, ``flips`` or nothing."""
        had, has = was not in self.off[0], will not in self.off[1]
        if had != has:
            return "gains" if has else "loses"
        return "flips" if had and was != will else ""

    def count(self, users: Users, who: int | None) -> Found:
        """Count the users; list the first ``who`` of those hit, all of them with None."""
        found = Found({}, [])
        hits = self._by_profile(users, found, who) if self.is_divisible else self._by_user(users, found, who)
        first = sorted(hits, key=itemgetter(0))[:who]
        found.who = [(str(users.keys[place]), self.kind(*pair), *pair) for place, pair in first]
        return found

    def _by_profile(self, users: Users, found: Found, who: int | None) -> list[tuple[int, _Pair]]:
        profiles = users.profiles(self._attributes, self._by)
        alike: dict[Any, list[int]] = {}
        matched = zip(*(matcher(profiles.samples) for matcher in self._matchers), strict=True)
        for number, kind in enumerate(zip(profiles.kinds, matched, strict=True)):
            alike.setdefault(kind, []).append(number)
        hits: list[tuple[int, _Pair]] = []
        for ((segments, lacking), rules), numbers in alike.items():
            division = self._division(lacking, *rules)
            cells = Counter(division.cells(profiles, numbers))
            for cell, count in cells.items():
                group = (segments, *division.pair(cell))
                found.tally[group] = found.tally.get(group, 0) + count
            hitting = {cell for cell in cells if self.kind(*division.pair(cell))}
            if hitting and who != 0:
                hits += _hit(profiles, numbers, division, hitting, who)
        return hits

    def _division(self, lacking: frozenset[str | None], *rules: tuple[Any, ...]) -> Division:
        known = (lacking, rules)
        if known not in self._divisions:
            trees = [side.tree(self.key, places) for side, places in zip(self.sides, rules, strict=True)]
            self._divisions[known] = Division(trees[0], trees[1], lacking)
        return self._divisions[known]

    def _by_user(self, users: Users, found: Found, who: int | None) -> list[tuple[int, _Pair]]:
        """Dialects with functions of their own are decided one by one."""
        was, will = (decide(users.contexts) for decide in self._deciders)
        found.tally.update(Counter(zip(users.segments, was, will, strict=True)))
        if who == 0 or not any(self.kind(*group[1:]) for group in found.tally):
            return []
        pairs = enumerate(zip(was, will, strict=True))
        return list(islice(((place, pair) for place, pair in pairs if self.kind(*pair)), who))


def _hit(
    profiles: Profiles, numbers: Sequence[int], division: Division, hitting: set[Any], who: int | None
) -> Iterator[tuple[int, _Pair]]:
    """The first of those who are hit of each group, with their places."""
    for number in numbers:
        cells = zip(profiles.members[number], division.cells(profiles, (number,)), strict=True)
        hit = ((place, division.pair(cell)) for place, cell in cells if cell in hitting)
        yield from islice(hit, who)


class Membership:
    """Tells the segments of either ruleset that users are in."""

    def __init__(self, before: Ruleset, after: Ruleset, now: float) -> None:
        # A flag for each segment, on for its members: segments are then decided by compiled code, too.
        self.names = sorted({*before.segments, *after.segments})
        flags = {name: Flag(key=name, rules=(Rule(Serve("on"), condition=InSegment(name)),)) for name in self.names}
        segments = {**before.segments, **after.segments}
        self._plan = Plan(Ruleset(flags=flags, segments=segments, dialect=after.dialect), now)

    def reads(self) -> frozenset[str]:
        """The attributes that segments read."""
        return frozenset().union(*(self._plan.reads(name) for name in self.names))

    def mark(self, users: Users) -> None:
        """Note each user's segments on ``users``."""
        if not self.names:
            return
        known: dict[tuple[bool, ...], tuple[str, ...]] = {}
        marks = []
        for row in zip(*(self._column(users, name) for name in self.names), strict=True):
            if row not in known:
                known[row] = tuple(name for name, inside in zip(self.names, row, strict=True) if inside)
            marks.append(known[row])
        users.mark(marks)

    def _column(self, users: Users, name: str) -> list[bool]:
        decide = variants_of(self._plan, name)
        if self._plan.ruleset.dialect is not NATIVE:
            return [variant == "on" for variant in decide(users.contexts)]
        profiles = users.profiles(tuple(sorted(self._plan.reads(name))))
        column = [False] * len(users)
        for places, variant in zip(profiles.members, decide(profiles.samples), strict=True):
            if variant == "on":
                for place in places:
                    column[place] = True
        return column
