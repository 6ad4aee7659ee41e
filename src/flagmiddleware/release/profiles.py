"""What a change serves to users whom its conditions cannot tell apart: ranges of buckets, before and after.

Conditions are decided once a profile, by compiled code, as everywhere; what is left of a flag then is where its
shares cut. Users are counted by the range that their hash falls in.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from operator import attrgetter
from typing import Any, Final

import msgspec

from ..bucketing import BUCKETS, murmur, seed, variants_salt
from ..context import TARGETING_KEY, Context
from ..model import NATIVE, Compute, Flag, Rule, Ruleset, Serve, Split
from ..plan import Plan
from .columns import By, Profiles
from .shares import threshold_at

__all__ = ["Division", "Side", "variants_of"]

_variant: Final = attrgetter("variant")

Salt = tuple[str, By]
Variant = str | None


class Cut(msgspec.Struct, frozen=True):
    """``parts[i]`` up to, not including, bucket ``ends[i]`` under a salt; ``keyless`` where there is no bucket."""

    salt: Salt
    ends: tuple[int, ...]
    parts: tuple[Node, ...]
    keyless: Node


Node = Cut | Variant


def variants_of(plan: Plan, key: str) -> Callable[[Sequence[Context]], list[Variant]]:
    """Gives the variant that each of some users gets."""
    flag = plan.ruleset.flags.get(key)
    if flag is None:
        return lambda users: [None] * len(users)
    compiled = plan.compile(flag)

    def carefully(user: Context) -> Variant:
        try:
            return compiled(user, None).variant
        except Exception as error:  # odd attributes: the interpreter decides, as it does in production
            return plan.recover(flag, user, None, error).variant

    def decide(users: Sequence[Context]) -> list[Variant]:
        try:
            return list(map(_variant, map(compiled, users, repeat(None))))
        except Exception:  # one of them is odd
            return [carefully(user) for user in users]

    return decide


class Side:
    """A ruleset before or after, as far as some flags need it."""

    def __init__(self, ruleset: Ruleset, now: float) -> None:
        self.ruleset, self.now = ruleset, now
        flags = {key: _matching(flag) for key, flag in ruleset.flags.items()}
        self._first = Plan(Ruleset(flags=flags, segments=ruleset.segments, dialect=ruleset.dialect), now)
        self._chains: dict[str, tuple[Flag, ...]] = {}

    @cached_property
    def plan(self) -> Plan:
        """The whole ruleset, compiled as sites do it: for flags that are decided user by user."""
        return Plan(self.ruleset, self.now)

    def chain(self, key: str) -> tuple[Flag, ...]:
        """The flag and all that it requires."""
        if key not in self._chains:
            self._chains[key] = tuple(self._needed(key))
        return self._chains[key]

    def _needed(self, key: str) -> Iterator[Flag]:
        waiting, seen = [key], set[str]()
        while waiting:
            flag = self.ruleset.flags.get(waiting.pop())
            if flag is not None and flag.key not in seen:
                seen.add(flag.key)
                yield flag
                waiting += [requirement.key for requirement in flag.requires if _is_alive(flag)]

    def is_divisible(self, key: str) -> bool:
        """Whether nothing but conditions and hashes decides: a dialect's own functions may do anything."""
        flags = self.chain(key)
        computed = any(isinstance(rule.payload, Compute) for flag in flags for rule in flag.rules)
        labelled = any(flag.labels for flag in flags)
        return self.ruleset.dialect is NATIVE and not computed and not labelled and TARGETING_KEY not in self.reads(key)

    def reads(self, key: str) -> frozenset[str]:
        """The attributes that conditions read."""
        return frozenset().union(*(self._first.reads(flag.key) for flag in self.chain(key)))

    def sticky(self, key: str) -> set[By]:
        """What is hashed."""
        return {flag.sticky_by for flag in self.chain(key) if _is_alive(flag) and any(map(_hashes, flag.rules))}

    def matcher(self, key: str) -> Callable[[Sequence[Context]], Iterable[tuple[Variant, ...]]]:
        """Tells, for each of some users, the first rule that matches: of the flag, and of all that it requires."""
        deciders = [variants_of(self._first, flag.key) for flag in self.chain(key)]
        if not deciders:
            return lambda users: repeat((), len(users))
        return lambda users: zip(*(decide(users) for decide in deciders), strict=True)

    def tree(self, key: str, matched: tuple[Variant, ...]) -> Node:
        """What the flag serves where those rules match."""
        places = {flag.key: place for flag, place in zip(self.chain(key), matched, strict=True)}
        return self._tree(key, places)

    def _tree(self, key: str, places: Mapping[str, Variant]) -> Node:
        flag = self.ruleset.flags.get(key)
        if flag is None:
            return None
        if not _is_alive(flag):
            return flag.off
        node = self._served(flag, int(places[key] or 0))
        for requirement in reversed(flag.requires):
            wanted = requirement.variants if self.ruleset.flags[requirement.key].error is None else ()
            node = _graft(self._tree(requirement.key, places), wanted, node, flag.off)
        return node

    def _served(self, flag: Flag, place: int) -> Node:
        if place == len(flag.rules):
            return flag.default
        rule, salt, by = flag.rules[place], flag.salt, flag.sticky_by
        node: Node = None
        if isinstance(rule.payload, Serve):
            node = rule.payload.variant
        elif isinstance(rule.payload, Split):
            node = Cut((variants_salt(salt), by), rule.payload.cuts, rule.payload.variants, flag.default)
        share = threshold_at(rule.gate, self.now)
        if share >= BUCKETS:
            return node
        return Cut((salt, by), (share, BUCKETS), (node, flag.default), flag.default) if share else flag.default


def _is_alive(flag: Flag) -> bool:
    return flag.enabled and flag.error is None


def _hashes(rule: Rule) -> bool:
    return rule.gate is not None or isinstance(rule.payload, Split)


def _matching(flag: Flag) -> Flag:
    """A flag that serves the place of the rule of ``flag`` that matches first; one more where none does."""
    asked = flag.rules if _is_alive(flag) else ()
    places = [str(place) for place in range(len(asked) + 1)]
    rules = tuple(
        Rule(Serve(place), condition=rule.condition, schedule=rule.schedule)
        for place, rule in zip(places, asked, strict=False)
    )
    numbers = {place: int(place) for place in places}
    return Flag(key=flag.key, variants=numbers, off=places[-1], default=places[-1], rules=rules)


def _graft(node: Node, wanted: tuple[str, ...], met: Node, unmet: Node) -> Node:
    """``node`` with ``met`` in place of each variant that is wanted, and ``unmet`` of each other."""
    if not isinstance(node, Cut):
        return met if node in wanted else unmet
    parts = tuple(_graft(part, wanted, met, unmet) for part in node.parts)
    return Cut(node.salt, node.ends, parts, _graft(node.keyless, wanted, met, unmet))


class Division:
    """How users of one kind divide: cells of buckets, and what each cell gets before and after."""

    def __init__(self, old: Node, new: Node, lacking: frozenset[By]) -> None:
        self._sides, self._lacking = (old, new), lacking
        ends: dict[Salt, set[int]] = {}
        for node in self._sides:
            self._collect(node, ends)
        self._ends = {salt: sorted(found - {BUCKETS}) for salt, found in ends.items()}
        self._known: dict[Any, tuple[Variant, Variant]] = {}

    def _collect(self, node: Node, ends: dict[Salt, set[int]]) -> None:
        if isinstance(node, Cut):
            if node.salt[1] in self._lacking:
                return self._collect(node.keyless, ends)
            ends.setdefault(node.salt, set()).update(node.ends)
            for part in node.parts:
                self._collect(part, ends)
        return None

    def cells(self, profiles: Profiles, numbers: Sequence[int]) -> Iterator[Any]:
        """The cell of each user of some groups, group after group: for :meth:`pair`."""
        columns = [
            map(bisect_right, repeat(ends), map(murmur, profiles.encoded(numbers, by), repeat(seed(salt))))
            for (salt, by), ends in self._ends.items()
        ]
        if len(columns) == 1:
            return columns[0]
        size = sum(len(profiles.members[number]) for number in numbers)
        return zip(*columns, strict=True) if columns else repeat((), size)

    def pair(self, cell: Any) -> tuple[Variant, Variant]:
        """What a cell gets, before and after."""
        if cell not in self._known:
            places = (cell,) if isinstance(cell, int) else cell
            lows = ((salt, (0, *ends)[place]) for (salt, ends), place in zip(self._ends.items(), places, strict=True))
            at = dict(lows)
            self._known[cell] = (self._leaf(self._sides[0], at), self._leaf(self._sides[1], at))
        return self._known[cell]

    def _leaf(self, node: Node, at: Mapping[Salt, int]) -> Variant:
        while isinstance(node, Cut):
            lacks = node.salt[1] in self._lacking
            node = node.keyless if lacks else node.parts[bisect_right(node.ends, at[node.salt])]
        return node
