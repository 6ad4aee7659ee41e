"""What a flag serves once it is known which of its rules matches: cuts of buckets, its own and those of the flags that
it requires, down to a variant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Final

import msgspec

from ..bucketing import BUCKETS, variants_salt
from ..model import Flag, Serve, Split
from .shares import threshold_at

__all__ = ["COMPUTED", "By", "Cut", "Node", "Salt", "Variant", "chain", "is_alive", "measure", "tree"]

COMPUTED: Final = "(computed)"
"""Stands for whatever a dialect's own function decides."""

By = str | None
"""The attribute that a flag hashes; None is the targeting key."""

Salt = tuple[str, By]
Variant = str | None


class Cut(msgspec.Struct, frozen=True):
    """``parts[i]`` up to, not including, bucket ``ends[i]`` under a salt; ``keyless`` where there is no bucket."""

    salt: Salt
    ends: tuple[int, ...]
    parts: tuple[Node, ...]
    keyless: Node


Node = Cut | Variant


def is_alive(flag: Flag) -> bool:
    """Whether rules decide at all."""
    return flag.enabled and flag.error is None


def chain(key: str, flags: Mapping[str, Flag], *, past_kills: bool = False) -> tuple[Flag, ...]:
    """The flag and all that it requires, itself first; what a killed flag requires only with ``past_kills``."""
    return tuple(_needed(key, flags, past_kills))


def _needed(key: str, flags: Mapping[str, Flag], past_kills: bool) -> Iterator[Flag]:
    waiting, seen = [key], set[str]()
    while waiting:
        flag = flags.get(waiting.pop())
        if flag is not None and flag.key not in seen:
            seen.add(flag.key)
            yield flag
            if is_alive(flag) or (past_kills and flag.error is None):
                waiting += [requirement.key for requirement in flag.requires]


def tree(key: str, flags: Mapping[str, Flag], places: Mapping[str, int], now: float) -> Node:
    """What the flag serves where the rules at ``places`` match: its own, and those of all that it requires."""
    flag = flags.get(key)
    if flag is None:
        return None
    if not is_alive(flag):
        return flag.off
    node = _served(flag, places[key], now)
    for requirement in reversed(flag.requires):
        wanted = requirement.variants if flags[requirement.key].error is None else ()
        node = _graft(tree(requirement.key, flags, places, now), wanted, node, flag.off)
    return node


def _served(flag: Flag, place: int, now: float) -> Node:
    if place == len(flag.rules):
        return flag.default
    rule, salt, by = flag.rules[place], flag.salt, flag.sticky_by
    node: Node = COMPUTED
    if isinstance(rule.payload, Serve):
        node = rule.payload.variant
    elif isinstance(rule.payload, Split):
        node = Cut((variants_salt(salt), by), rule.payload.cuts, rule.payload.variants, flag.default)
    share = threshold_at(rule.gate, now)
    if share >= BUCKETS:
        return node
    return Cut((salt, by), (share, BUCKETS), (node, flag.default), flag.default) if share else flag.default


def _graft(node: Node, wanted: tuple[str, ...], met: Node, unmet: Node) -> Node:
    """``node`` with ``met`` in place of each variant that is wanted, and ``unmet`` of each other."""
    if not isinstance(node, Cut):
        return met if node in wanted or node == COMPUTED else unmet
    parts = tuple(_graft(part, wanted, met, unmet) for part in node.parts)
    return Cut(node.salt, node.ends, parts, _graft(node.keyless, wanted, met, unmet))


def measure(node: Node, counts: Callable[[Variant], bool]) -> Fraction:
    """The share of all buckets that leads to a variant that ``counts``: hashes under different salts are independent.

    >>> half = Cut(("a", None), (2**31, 2**32), ("on", "off"), "off")
    >>> measure(Cut(("b", None), (2**31, 2**32), (half, "off"), "off"), lambda variant: variant == "on")
    Fraction(1, 4)
    """
    return _measure(node, counts, {})


def _measure(node: Node, counts: Callable[[Variant], bool], inside: Mapping[Salt, tuple[int, int]]) -> Fraction:
    if not isinstance(node, Cut):
        return Fraction(counts(node))
    low, high = inside.get(node.salt, (0, BUCKETS))
    share = Fraction(0)
    for (start, end), part in zip(pairwise((0, *node.ends)), node.parts, strict=True):
        first, last = max(low, start), min(high, end)
        if first < last:
            narrower = {**inside, node.salt: (first, last)}
            share += Fraction(last - first, high - low) * _measure(part, counts, narrower)
    return share
