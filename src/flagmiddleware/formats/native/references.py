"""What only the whole ruleset shows: dangling prerequisites, cycles, chains without end, work that doubles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from ...model import AllOf, AnyOf, Condition, Flag, InSegment, Not
from ..words import listed, nearest, show
from .scope import Scope

__all__ = ["LONGEST_CHAIN", "MOST_STEPS", "check_requirements", "check_segments", "segments_in"]

LONGEST_CHAIN: Final = 64
"""How long a chain of prerequisites, or of segments that name segments, may be."""

MOST_STEPS: Final = 10_000
"""How many flags, or segments, may be decided for one: two at each step of a chain double with every step."""

_MOST_CYCLES: Final = 20  # a file with more of them has one cause


def segments_in(condition: Condition) -> Iterator[str]:
    """The segments that a condition names."""
    if isinstance(condition, InSegment):
        yield condition.segment
    elif isinstance(condition, Not):
        yield from segments_in(condition.condition)
    elif isinstance(condition, AllOf | AnyOf):
        for part in condition.conditions:
            yield from segments_in(part)


def check_segments(scope: Scope, segments: Mapping[str, Condition], holders: Mapping[str, Any]) -> None:
    """Report segments that come back to themselves, and chains that are too long."""
    graph = {name: [n for n in segments_in(condition) if n in segments] for name, condition in segments.items()}
    graph = {name: named for name, named in graph.items() if named}
    _check(graph, lambda name, message: scope.report(holders[name], name, f"segments {message}"))


def check_requirements(
    scope: Scope, flags: Mapping[str, Flag], demanding: Iterable[tuple[str, dict[str, Any]]]
) -> None:
    """Report prerequisites that do not exist, cannot be met, or come back to their flag.

    ``demanding`` names each flag with prerequisites beside the mapping that its ``requires`` stands in.
    """
    graph: dict[str, list[str]] = {}
    holders = {}
    for key, document in demanding:
        holders[key] = document
        graph[key] = []
        for requirement in flags[key].requires:
            target = flags.get(requirement.key)
            if target is None:
                scope.missing(document["requires"], requirement.key, "flag", requirement.key, flags)
                continue
            graph[key].append(requirement.key)
            for variant in requirement.variants:
                if variant not in target.variants:
                    near = nearest(variant, target.variants) or f"; variants: {listed(target.variants)}"
                    message = f'"{requirement.key}" has no variant {show(variant)}{near}'
                    scope.report(document["requires"], requirement.key, message)
    _check(graph, lambda key, message: scope.report(holders[key], "requires", f"prerequisites {message}"))


def _check(graph: Mapping[str, list[str]], report: Callable[[str, str], None]) -> None:
    edges = {name: list(named) for name, named in graph.items()}
    for _ in range(_MOST_CYCLES):
        try:
            order = list(TopologicalSorter(edges).static_order())
        except CycleError as error:
            # graphlib lists each node before the one that depends on it, and the first one again at the end.
            cycle = list(reversed(error.args[1]))
            start = min(range(len(cycle) - 1), key=cycle.__getitem__)
            shown = [*cycle[start:-1], *cycle[:start], cycle[start]]
            path = " → ".join(shown if len(shown) <= 12 else [*shown[:11], f"… {len(shown) - 12} more …", shown[-1]])
            report(shown[0], f"form a cycle: {path}")
            edges[shown[0]].remove(shown[1])
        else:
            _check_lengths(edges, order, report)
            _check_steps(edges, order, report)
            return


def _check_lengths(edges: Mapping[str, list[str]], order: list[str], report: Callable[[str, str], None]) -> None:
    lengths: dict[str, int] = {}
    for name in order:
        lengths[name] = 1 + max((lengths[named] for named in edges.get(name, ())), default=0)
        if lengths[name] == LONGEST_CHAIN + 1:
            report(name, f"form a chain of more than {LONGEST_CHAIN}; shorten it")


def _check_steps(edges: Mapping[str, list[str]], order: list[str], report: Callable[[str, str], None]) -> None:
    steps: dict[str, int] = {}
    for name in order:
        below = [steps[named] for named in edges.get(name, ())]
        steps[name] = 1 + sum(below)
        if steps[name] > MOST_STEPS and all(one <= MOST_STEPS for one in below):
            report(name, f"fork so often that one decision would take more than {MOST_STEPS:,} steps; name fewer")
