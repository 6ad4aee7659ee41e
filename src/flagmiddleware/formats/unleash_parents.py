"""Unleash's dependencies: a child is off unless each parent is what the child expects.

Most are plain prerequisites. Where the parent answers a child differently than it answers anybody else (its rollout
names no group, so the child's name is hashed; or the child asks which variant a parent that is off would give), the
parent's strategies are decided once more, for the child.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..model import Predicate, Requirement
from .unleash_document import Dependency, Feature, Strategy
from .unleash_features import Built
from .unleash_strategies import Strategies, fields, holds
from .unleash_variants import chooser

__all__ = ["Parents"]

Decide = Callable[[Any, Any], bool]


class Parents:
    """What the dependencies of features come to."""

    def __init__(self, features: Mapping[str, Feature], built: Mapping[str, Built], strategies: Strategies) -> None:
        self.features = features
        self.built = built
        self.strategies = strategies

    def of(self, feature: Feature) -> list[tuple[str, Requirement | Predicate | bool]]:
        """Each of a feature's parents, and what must hold for it."""
        return [(need.feature, self.satisfied(feature.name, need)) for need in feature.dependencies or ()]

    def satisfied(self, child: str, dependency: Dependency) -> Requirement | Predicate | bool:
        """What must hold for one dependency: a prerequisite, a condition, or a constant."""
        parent, wanted = self.features.get(dependency.feature), dependency.enabled is not False
        if parent is None or parent.dependencies:
            return False
        if self.built[parent.name].malformed is not None or _needs_name(parent) or (not wanted and dependency.variants):
            return self._decided(child, parent, dependency, wanted)
        return Requirement(parent.name, self._accepted(parent, dependency, wanted))

    def _accepted(self, parent: Feature, dependency: Dependency, wanted: bool) -> tuple[str, ...]:
        names = self.built[parent.name].names
        if not wanted:
            return (names.off,)
        listed = dependency.variants
        shown = [names.labels.get(key, key) for key in names.values if key not in (names.on, names.off)]
        return names.on, *dict.fromkeys(name for name in shown if not listed or name in listed)

    def _decided(self, child: str, parent: Feature, dependency: Dependency, wanted: bool) -> Predicate:
        built = self.built[parent.name]
        strategies, read = self.strategies, self.strategies.read
        parts = (
            built.conditions
            if built.malformed is not None
            else [strategies.condition(strategy, child) for strategy in parent.strategies or ()]
        )
        decides = [holds(part, strategies) for part in parts]
        chosen = [chooser(*built.draw(strategy), built.names, read) for strategy in parent.strategies or ()]
        plain = chooser(*built.draw(None), built.names, read)
        listed, enabled, bare = frozenset(dependency.variants or ()), parent.enabled, not parent.strategies
        label, on, malformed = built.names.labels, built.names.on, built.malformed is not None

        def satisfied(context: Any, here: Any) -> bool:
            first = next((place for place, decide in enumerate(decides) if decide(context, here)), None)
            if (enabled and not malformed and (bare or first is not None)) is not wanted:
                return False
            if not listed:
                return True
            key = (plain if first is None else chosen[first])(context, here)
            return key == on or label.get(key, key) in listed

        reads = {name for part in parts for name in fields(part, strategies)}
        return Predicate(satisfied, tuple(sorted(reads | set(built.reads))), f"parent {parent.name!r} is satisfied")


def _needs_name(parent: Feature) -> bool:
    return any(map(_hashes_name, parent.strategies or ()))


def _hashes_name(strategy: Strategy) -> bool:
    return strategy.name in ("flexibleRollout", "gradualRolloutRandom") and strategy.parameter("groupId") is None
