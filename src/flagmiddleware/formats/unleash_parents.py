"""Unleash's dependencies: a child is off unless each parent is what the child expects.

Most are plain prerequisites. Where the parent answers a child differently than it answers anybody else (its rollout
names no group, so the child's name is hashed; or the child asks which variant a parent that is off would give), the
parent's strategies are decided once more, for the child.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..model import Condition, Predicate, Requirement
from .unleash_document import Dependency, Feature, Strategy
from .unleash_features import Built
from .unleash_strategies import Strategies, fields, holds
from .unleash_variants import Choose, Names, chooser

__all__ = ["Parents"]

Decide = Callable[[Any, Any], bool]


class Parents:
    """What the dependencies of features come to."""

    def __init__(self, features: Mapping[str, Feature], built: Mapping[str, Built], strategies: Strategies) -> None:
        self.features = features
        self.built = built
        self.strategies = strategies
        self._accepting: dict[str, tuple[tuple[str, ...], frozenset[str]]] = {}
        self._reads: dict[str, tuple[str, ...]] = {}

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
        every, shown = self._shown(parent.name, names)
        if not dependency.variants:
            return every
        return (names.on, *(name for name in dict.fromkeys(dependency.variants) if name in shown))

    def _shown(self, parent: str, names: Names) -> tuple[tuple[str, ...], frozenset[str]]:
        """What evaluations of a parent call its variants, ``on`` first; made once for all of its children."""
        if parent not in self._accepting:
            plain = (names.on, names.off)
            shown = dict.fromkeys(names.labels.get(key, key) for key in names.values if key not in plain)
            self._accepting[parent] = (names.on, *shown), frozenset(shown)
        return self._accepting[parent]

    def _decided(self, child: str, parent: Feature, dependency: Dependency, wanted: bool) -> Predicate:
        listed = frozenset(dependency.variants or ())
        again = _Again(self.strategies, self.built[parent.name], child)

        def satisfied(context: Any, here: Any) -> bool:
            is_on, chosen = again(context, here)
            return is_on is wanted and (not listed or chosen is None or chosen in listed)

        if parent.name not in self._reads:
            self._reads[parent.name] = again.reads()
        return Predicate(satisfied, self._reads[parent.name], f"parent {parent.name!r} is satisfied")


class _Again:
    """A parent decided once more, for one child; made ready when it is first asked, for there may be many children.

    Gives whether the parent is on, and the variant that it has or would have; None where that is none.
    """

    def __init__(self, strategies: Strategies, built: Built, child: str) -> None:
        self._strategies = strategies
        self._built = built
        self._child = child
        self._ready: tuple[list[Decide], list[Choose], Choose] | None = None

    def __call__(self, context: Any, here: Any) -> tuple[bool, str | None]:
        built = self._built
        self._ready = decides, chosen, plain = self._ready or self._made_ready()
        first = next((place for place, decide in enumerate(decides) if decide(context, here)), None)
        bare = not built.feature.strategies
        is_on = built.feature.enabled and built.malformed is None and (bare or first is not None)
        key = (plain if first is None else chosen[first])(context, here)
        return is_on, None if key == built.names.on else built.names.labels.get(key, key)

    def _conditions(self) -> list[Condition]:
        built = self._built
        if built.malformed is not None:
            return built.conditions
        return [self._strategies.condition(strategy, self._child) for strategy in built.feature.strategies or ()]

    def _made_ready(self) -> tuple[list[Decide], list[Choose], Choose]:
        built, strategies = self._built, self._strategies
        decides = [holds(part, strategies) for part in self._conditions()]
        draws = [built.draw(strategy) for strategy in (*(built.feature.strategies or ()), None)]
        *chosen, plain = [chooser(*draw, built.names, strategies.read) for draw in draws]
        return decides, chosen, plain

    def reads(self) -> tuple[str, ...]:
        """The context attributes that may be read; the same for every child of the parent."""
        found = {name for part in self._conditions() for name in fields(part, self._strategies)}
        return tuple(sorted(found | set(self._built.reads)))


def _needs_name(parent: Feature) -> bool:
    return any(map(_hashes_name, parent.strategies or ()))


def _hashes_name(strategy: Strategy) -> bool:
    return strategy.name in ("flexibleRollout", "gradualRolloutRandom") and strategy.parameter("groupId") is None
