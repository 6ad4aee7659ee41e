"""What a change serves to users whom its conditions cannot tell apart: ranges of buckets, before and after.

Which rule matches is decided by columns of conditions; what is left of a flag then is where its shares cut. Users are
counted by the range that their hash falls in.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bucketing import BUCKETS
from ..clock import holds
from ..context import TARGETING_KEY
from ..model import NATIVE, Compute, Flag, Rule, Ruleset, Split
from ..plan import Plan
from .bulk import Hashes
from .columns import Numbers, Users
from .matching import Conditions
from .trees import By, Cut, Node, Salt, Variant, chain, is_alive, tree

__all__ = ["Division", "Places", "Side"]

Places = tuple[int, ...]
"""The rule that matches first, by its place: of a flag, and of each that it requires; one more where none does."""


class Side:
    """A ruleset before or after, as far as the flags ``keys`` need it."""

    def __init__(self, ruleset: Ruleset, now: float, keys: Iterable[str]) -> None:
        self.ruleset, self.now = ruleset, now
        self._chains = {key: chain(key, ruleset.flags) for key in keys}
        needed = {flag.key: flag for flags in self._chains.values() for flag in flags if is_alive(flag)}
        self._conditions = Conditions(needed.values(), ruleset, now)
        self._asked = {key: tuple(self._steps(flag)) for key, flag in needed.items()}

    @cached_property
    def plan(self) -> Plan:
        """The whole ruleset, compiled as sites do it: for flags that are decided user by user."""
        return Plan(self.ruleset, self.now)

    def _steps(self, flag: Flag) -> Iterator[tuple[int, str | None]]:
        """The places of the rules that count at this time, each with the name of its condition."""
        for place, rule in enumerate(flag.rules):
            if holds(rule.schedule, self.now):
                yield place, None if rule.condition is None else self._conditions.name(rule)

    def is_divisible(self, key: str) -> bool:
        """Whether nothing but conditions and hashes decides: a dialect's own functions may do anything."""
        flags = self._chains[key]
        computed = any(isinstance(rule.payload, Compute) for flag in flags for rule in flag.rules)
        labelled = any(flag.labels for flag in flags)
        return (
            self.ruleset.dialect is NATIVE and not computed and not labelled and TARGETING_KEY not in self._reads(key)
        )

    def _reads(self, key: str) -> frozenset[str]:
        steps = (step for flag in self._chains[key] for step in self._asked.get(flag.key, ()))
        return self._conditions.reads({name for _, name in steps if name is not None})

    def sticky(self, key: str) -> set[By]:
        """What is hashed."""
        return {flag.sticky_by for flag in self._chains[key] if is_alive(flag) and any(map(_hashes, flag.rules))}

    def matched(self, key: str, users: Users) -> list[NDArray[np.uint16]]:
        """The :data:`Places` of each user, as a column for the flag and each that it requires."""
        return [self._first(flag, users) for flag in self._chains[key]]

    def _first(self, flag: Flag, users: Users) -> NDArray[np.uint16]:
        found = np.full(len(users), len(flag.rules), np.uint16)
        for place, condition in reversed(self._asked.get(flag.key, ())):
            if condition is None:
                found[:] = place
            else:
                np.putmask(found, self._conditions.column(users, condition), place)
        return found

    def tree(self, key: str, matched: Places) -> Node:
        """What the flag serves where those rules match."""
        places = {flag.key: place for flag, place in zip(self._chains[key], matched, strict=True)}
        return tree(key, self.ruleset.flags, places, self.now)


def _hashes(rule: Rule) -> bool:
    return rule.gate is not None or isinstance(rule.payload, Split)


class Division:
    """How users of one kind divide: ranges of buckets, and what each range gets before and after."""

    def __init__(self, old: Node, new: Node, lacking: frozenset[By]) -> None:
        self._sides, self._lacking = (old, new), lacking
        ends: dict[Salt, set[int]] = {}
        for node in self._sides:
            self._collect(node, ends)
        self._ends = {salt: sorted(found - {BUCKETS}) for salt, found in ends.items()}
        self._known: dict[Places, tuple[Variant, Variant]] = {}

    def _collect(self, node: Node, ends: dict[Salt, set[int]]) -> None:
        if isinstance(node, Cut):
            if node.salt[1] in self._lacking:
                return self._collect(node.keyless, ends)
            ends.setdefault(node.salt, set()).update(node.ends)
            for part in node.parts:
                self._collect(part, ends)
        return None

    def ranges(self, users: Users, members: Numbers | None) -> list[NDArray[Any]]:
        """Which range of each salt's buckets each of some users (None: all of them) is in."""
        columns = ((users.hashes(salt), ends) for salt, ends in self._ends.items())
        return [_ranged(hashes if members is None else hashes[members], ends) for hashes, ends in columns]

    def pair(self, ranges: Places) -> tuple[Variant, Variant]:
        """What the users of a range of each salt get, before and after."""
        if ranges not in self._known:
            at = {salt: (0, *ends)[place] for (salt, ends), place in zip(self._ends.items(), ranges, strict=True)}
            self._known[ranges] = (self._leaf(self._sides[0], at), self._leaf(self._sides[1], at))
        return self._known[ranges]

    def _leaf(self, node: Node, at: Mapping[Salt, int]) -> Variant:
        while isinstance(node, Cut):
            lacks = node.salt[1] in self._lacking
            node = node.keyless if lacks else node.parts[bisect_right(node.ends, at[node.salt])]
        return node


def _ranged(hashes: Hashes, ends: list[int]) -> NDArray[Any]:
    """How many of ``ends`` are not above each hash: a comparison for each end is quicker than looking one up."""
    if len(ends) > 16:
        return np.searchsorted(np.array(ends, np.uint32), hashes, side="right")
    found = np.zeros(len(hashes), np.uint8)
    for end in ends:
        found += hashes >= np.uint32(end)
    return found
