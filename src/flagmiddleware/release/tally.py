"""One changed flag over some users: how many have what before and after, and who is hit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np

from .columns import Numbers, Users, grouped
from .matching import variants_of
from .profiles import Division, Places, Side
from .stages import dark_sides

__all__ = ["FlagTally", "Found", "Hit"]

Hit = tuple[str, str, "str | None", "str | None"]
"""A user's key, what happens, the variants before and after."""

_Pair = tuple["str | None", "str | None"]
_Placed = tuple[int, _Pair]


class Found(msgspec.Struct):
    """How many users have which segments and variants, and those who are hit."""

    tally: dict[tuple[tuple[str, ...], str | None, str | None], int]
    who: list[Hit]


class FlagTally:
    """Counts users of one flag under two rulesets."""

    def __init__(self, key: str, old: Side, new: Side) -> None:
        self.key, self.sides = key, (old, new)
        self.off = dark_sides(old.ruleset.flags.get(key), new.ruleset.flags.get(key))
        self.is_divisible = old.is_divisible(key) and new.is_divisible(key)
        self._by = tuple(sorted(old.sticky(key) | new.sticky(key), key=str))
        self._divisions: dict[Any, Division] = {}
        self._deciders = [] if self.is_divisible else [variants_of(side.plan, key) for side in self.sides]

    def kind(self, was: str | None, will: str | None) -> str:
        """What happens to who goes from a variant to another: ``gains``, ``loses``, ``flips`` or nothing."""
        had, has = was not in self.off[0], will not in self.off[1]
        if had != has:
            return "gains" if has else "loses"
        return "flips" if had and was != will else ""

    def count(self, users: Users, who: int | None) -> Found:
        """Count the users; list the first ``who`` of those hit, all of them with None."""
        found = Found({}, [])
        hits = self._by_range(users, found, who) if self.is_divisible else self._by_user(users, found, who)
        first = sorted(hits, key=itemgetter(0))[:who]
        found.who = [(str(users.keys[place]), self.kind(*pair), *pair) for place, pair in first]
        return found

    def _by_range(self, users: Users, found: Found, who: int | None) -> list[_Placed]:
        old, new = (side.matched(self.key, users) for side in self.sides)
        lacking = [(by, column) for by in self._by if (column := users.lacks(by)) is not None]
        groups = grouped([*old, *new, *(column for _, column in lacking)], len(users))
        hits: list[_Placed] = []
        for number in groups.present:
            one = groups.samples[number]
            lacks = frozenset(by for by, column in lacking if column[one])
            division = self._division(lacks, *(tuple(int(column[one]) for column in side) for side in (old, new)))
            members = groups.members(number) if len(groups.present) > 1 else None
            hits += self._divided(users, members, division, found, who)
        return hits

    def _division(self, lacking: frozenset[str | None], *rules: Places) -> Division:
        known = (lacking, rules)
        if known not in self._divisions:
            trees = [side.tree(self.key, places) for side, places in zip(self.sides, rules, strict=True)]
            self._divisions[known] = Division(trees[0], trees[1], lacking)
        return self._divisions[known]

    def _divided(
        self, users: Users, members: Numbers | None, division: Division, found: Found, who: int | None
    ) -> Iterator[_Placed]:
        """Count users of one kind by range and segment; gives those who are hit."""
        segments = users.segments if members is None else users.segments[members]
        ranges = division.ranges(users, members)
        groups = grouped([segments, *ranges], len(segments))
        hitting = {}
        for number in groups.present:
            one = groups.samples[number]
            pair = division.pair(tuple(int(column[one]) for column in ranges))
            group = (users.memberships[int(segments[one])], *pair)
            found.tally[group] = found.tally.get(group, 0) + int(groups.counts[number])
            if self.kind(*pair):
                hitting[number] = pair
        if hitting and who != 0:
            found_at = np.flatnonzero(np.isin(groups.numbers, list(hitting)))[:who]
            places = found_at if members is None else members[found_at]
            pairs = map(hitting.__getitem__, groups.numbers[found_at].tolist())
            yield from zip(places.tolist(), pairs, strict=True)

    def _by_user(self, users: Users, found: Found, who: int | None) -> list[_Placed]:
        """Dialects with functions of their own are decided one by one."""
        was, will = (decide(users.contexts) for decide in self._deciders)
        segments = (users.memberships[number] for number in users.segments.tolist())
        found.tally.update(Counter(zip(segments, was, will, strict=True)))
        if who == 0 or not any(self.kind(*group[1:]) for group in found.tally):
            return []
        pairs = enumerate(zip(was, will, strict=True))
        return list(islice(((place, pair) for place, pair in pairs if self.kind(*pair)), who))
