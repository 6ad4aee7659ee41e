"""Who gets what before and after a change, computed from the hash ranges: nothing is sampled.

A subject matters by two things only: which rule of the old and which of the new flag is the first to match it (its
*cohort*), and where its key hashes. Within a cohort the variants take ranges of buckets, so shares are exact
fractions of 2**32. Hashes under different salts are independent, so their ranges multiply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import pairwise, product
from math import prod
from typing import Final

import msgspec

from ..bucketing import BUCKETS, variants_salt
from ..clock import holds
from ..model import Compute, Condition, Flag, Not, Predicate, Rule, Ruleset, Serve, Split
from .logic import expand, satisfiable
from .shares import threshold_at
from .stages import dark_sides
from .trees import COMPUTED, Salt
from .words import describe_condition, describe_requirement

__all__ = ["Branch", "Cohort", "branches", "compare"]


class Branch(msgspec.Struct, frozen=True):
    """What subjects get whose first match this is: ``ranges`` inside the gate, ``outside`` beyond it."""

    condition: Condition | None
    words: str
    threshold: int
    ranges: tuple[tuple[str | None, int], ...]
    outside: str | None


class Cohort(msgspec.Struct, frozen=True):
    """Subjects who match alike; ``flows`` is the share of them for each pair of variants, before and after.

    ``who`` are the conditions that they meet, of the old flag and of the new; None: none of its rules asked.
    """

    words: str
    flows: dict[tuple[str | None, str | None], Fraction]
    off: tuple[frozenset[str | None], frozenset[str | None]]
    who: tuple[Condition | None, Condition | None] = (None, None)

    def _sum(self, *, before: bool | None = None, after: bool | None = None) -> Fraction:
        return sum(
            (
                share
                for (old, new), share in self.flows.items()
                if before in (None, old not in self.off[0]) and after in (None, new not in self.off[1])
            ),
            Fraction(0),
        )

    @property
    def before(self) -> Fraction:
        """The share that had a variant other than ``off``."""
        return self._sum(before=True)

    @property
    def after(self) -> Fraction:
        """The share that will have one."""
        return self._sum(after=True)

    @property
    def gains(self) -> Fraction:
        """The share that had ``off`` and will not."""
        return self._sum(before=False, after=True)

    @property
    def loses(self) -> Fraction:
        """The share that will have ``off`` and had not."""
        return self._sum(before=True, after=False)

    @property
    def flips(self) -> Fraction:
        """The share that goes from one variant to another, neither being ``off``."""
        return sum(
            (
                share
                for (old, new), share in self.flows.items()
                if old != new and old not in self.off[0] and new not in self.off[1]
            ),
            Fraction(0),
        )

    @property
    def is_computed(self) -> bool:
        """Whether a dialect's own function decides here, so that no share can be told without a population."""
        return any(COMPUTED in pair for pair in self.flows)


def branches(flag: Flag | None, ruleset: Ruleset, now: float) -> list[Branch]:
    """The ways through a flag, in order; the last has no condition."""
    if flag is None:
        return [_always(None)]
    if flag.error is not None or not flag.enabled:
        return [_always(flag.off)]
    found = [_unmet(flag, key, variants, ruleset) for key, variants in _requirements(flag)]
    for rule in flag.rules:
        if holds(rule.schedule, now):
            found.append(_branch(flag, rule, ruleset, now))
            if rule.condition is None:
                return found
    return [*found, _always(flag.default)]


def _always(variant: str | None) -> Branch:
    return Branch(None, "", BUCKETS, ((variant, BUCKETS),), variant)


def _requirements(flag: Flag) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield from ((requirement.key, requirement.variants) for requirement in flag.requires)


def _unmet(flag: Flag, key: str, variants: tuple[str, ...], ruleset: Ruleset) -> Branch:
    # What another flag serves is a condition like any other, told apart by its words.
    words = describe_requirement(key, variants)
    condition = Not(Predicate(_never, (), words, definition=words))
    return msgspec.structs.replace(_always(flag.off), condition=condition, words=f"where not {words}")


def _never(context: object, here: object) -> bool:
    return False


def _branch(flag: Flag, rule: Rule, ruleset: Ruleset, now: float) -> Branch:
    words = "" if rule.condition is None else describe_condition(rule.condition)
    condition = expand(rule.condition, ruleset.segments)
    return Branch(condition, words, threshold_at(rule.gate, now), _ranges(rule), flag.default)


def _ranges(rule: Rule) -> tuple[tuple[str | None, int], ...]:
    payload = rule.payload
    if isinstance(payload, Split):
        return tuple(zip(payload.variants, payload.cuts, strict=True))
    return ((payload.variant if isinstance(payload, Serve) else COMPUTED, BUCKETS),)


def compare(old: Flag | None, new: Flag | None, before: Ruleset, after: Ruleset, now: float) -> list[Cohort]:
    """The cohorts of a change, in the order of the new flag's rules; those that cannot exist are left out."""
    movers = _movers(old, new, before, after, now)
    left, right = (
        _told_apart(found, movers, n) for n, found in enumerate((branches(old, before, now), branches(new, after, now)))
    )
    off = dark_sides(old, new)
    cohorts = []
    for i, j in _possible(left, right):
        mine, theirs = left[i], right[j]
        moved = _moved(left[: i + 1], right[: j + 1], movers)
        if moved is not None:
            words = moved or _name(mine, theirs, left, right)
            flows, who = _flows(old, new, mine, theirs), (mine.condition, theirs.condition)
            cohorts.append(Cohort(words, flows, off, who))
    return cohorts


def _possible(left: list[Branch], right: list[Branch]) -> Iterator[tuple[int, int]]:
    """The pairs of branches that some subject may take, before and after: nobody takes one who met an earlier one.

    What is asked alike on both sides, as most of it is in a small change, is told by its name: with hundreds of rules
    there are too many pairs to think about each.
    """
    names = [[repr(branch.condition) for branch in side] for side in (left, right)]
    first = [{name: place for place, name in reversed(list(enumerate(side)))} for side in names]
    for j, theirs in enumerate(right):
        # From where on somebody who is asked the same on the other side was caught there before.
        end = len(left) if theirs.condition is None else first[0].get(names[1][j], len(left)) + 1
        for i, mine in enumerate(left[:end]):
            if mine.condition is not None and first[1].get(names[0][i], j) < j:
                continue
            earlier = {**dict(zip(names[0][:i], left, strict=False)), **dict(zip(names[1][:j], right, strict=False))}
            if satisfiable((mine.condition, theirs.condition), (branch.condition for branch in earlier.values())):
                yield i, j


_Requirement = tuple[str, tuple[str, ...]]
_ANYHOW: Final = frozenset({(True, True), (True, False), (False, True), (False, False)})


def _movers(
    old: Flag | None, new: Flag | None, before: Ruleset, after: Ruleset, now: float
) -> dict[_Requirement, set[tuple[bool, bool]]]:
    """The requirements on either side that a change makes some meet, or no longer meet; what it does to anybody."""
    found = {}
    wanted = {*(_requirements(old) if old else ()), *(_requirements(new) if new else ())}
    for key, variants in sorted(wanted):
        one, other = before.flags.get(key), after.flags.get(key)
        if one is None or other is None:  # one side does not ask
            continue
        moves: set[tuple[bool, bool]] = set()
        for cohort in compare(one, other, before, after, now):
            flows = ((was in variants, will in variants) for (was, will), share in cohort.flows.items() if share)
            moves.update(_ANYHOW if cohort.is_computed else flows)
        if any(was != will for was, will in moves):
            found[key, variants] = moves
    return found


def _told_apart(found: list[Branch], movers: Iterable[_Requirement], side: int) -> list[Branch]:
    """Branches in which meeting a requirement that moves is one thing before, and another after."""
    words = {f"where not {describe_requirement(*one)}" for one in movers}
    return [
        msgspec.structs.replace(
            branch, condition=Not(Predicate(_never, (), branch.words, definition=(branch.words, side)))
        )
        if branch.words in words and isinstance(branch.condition, Not)
        else branch
        for branch in found
    ]


def _moved(
    left: list[Branch], right: list[Branch], movers: Mapping[_Requirement, set[tuple[bool, bool]]]
) -> str | None:
    """Who two branches are for, where a requirement moved them from one to the other; None where nobody moved so."""
    told = []
    for (key, variants), moves in movers.items():
        words = f"where not {describe_requirement(key, variants)}"
        was, will = (_is_met(words, way) for way in (left, right))
        if was is None or will is None:
            continue
        if (was, will) not in moves:
            return None
        if was != will:
            told.append(f"whom {key} {'reaches' if will else 'leaves'} now")
    return " and ".join(told)


def _is_met(words: str, way: list[Branch]) -> bool | None:
    """Whether those who took a way met a requirement; None where it was not asked."""
    places = [place for place, branch in enumerate(way) if branch.words == words]
    return places[0] < len(way) - 1 if places else None


def _name(mine: Branch, theirs: Branch, left: list[Branch], right: list[Branch]) -> str:
    words = list(dict.fromkeys(branch.words for branch in (theirs, mine) if branch.condition is not None))
    if words:
        return " and ".join(words)
    return "everyone" if len(left) == len(right) == 1 else "everyone else"


def _salts(flag: Flag | None) -> tuple[Salt, Salt]:
    salt, by = ("", None) if flag is None else (flag.salt or flag.key, flag.sticky_by)
    return (salt, by), (variants_salt(salt), by)


def _flows(
    old: Flag | None, new: Flag | None, mine: Branch, theirs: Branch
) -> dict[tuple[str | None, str | None], Fraction]:
    """The share of the cohort for each pair of variants: one cell of hash ranges after the other."""
    salts = (*_salts(old), *_salts(new))
    cuts: dict[Salt, set[int]] = {salt: {0, BUCKETS} for salt in salts}
    for branch, (gate, split) in ((mine, salts[:2]), (theirs, salts[2:])):
        cuts[gate].add(branch.threshold)
        cuts[split].update(cut for _, cut in branch.ranges)
    ranges = [list(pairwise(sorted(points))) for points in cuts.values()]
    sizes: dict[tuple[str | None, str | None], int] = {}
    for cell in product(*ranges):
        at = {salt: low for salt, (low, _) in zip(cuts, cell, strict=True)}
        pair = _served(mine, at[salts[0]], at[salts[1]]), _served(theirs, at[salts[2]], at[salts[3]])
        sizes[pair] = sizes.get(pair, 0) + prod(high - low for low, high in cell)
    return {pair: Fraction(size, BUCKETS ** len(cuts)) for pair, size in sizes.items()}


def _served(branch: Branch, gate: int, split: int) -> str | None:
    if gate >= branch.threshold:
        return branch.outside
    return next(variant for variant, cut in branch.ranges if split < cut)


def is_computed(flag: Flag | None) -> bool:
    """Whether some rule of the flag is decided by a dialect's own function."""
    return flag is not None and any(isinstance(rule.payload, Compute) for rule in flag.rules)
