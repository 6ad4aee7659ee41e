"""One feature of Unleash as one flag: strategies become rules, what they draw becomes the rules' payloads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from time import time
from typing import Any, Final

from ..model import BOOLEAN, Compute, Condition, Flag, Not, Predicate, Reason, Requirement, Rule, Schedule, Serve
from .unleash_document import Feature, Strategy, Variant
from .unleash_operators import NEVER
from .unleash_strategies import ALWAYS, Strategies
from .unleash_variants import Names, choice_reads, chooser

__all__ = ["Built", "make_flag"]

_AHEAD: Final = 64  # instants to come that a plan is told of; a segment with thousands of them has as many flags


class Built:
    """What a feature's flag is made of; ``malformed`` says what turns the feature off."""

    def __init__(self, feature: Feature, strategies: Strategies) -> None:
        self.feature = feature
        self.strategies = strategies
        every = [*(feature.variants or ()), *(one for part in feature.strategies or () for one in part.variants or ())]
        self.names = Names(every)
        self.malformed: str | None = None
        self.conditions: list[Condition] = []
        try:
            self.conditions = [strategies.condition(strategy, feature.name) for strategy in feature.strategies or ()]
        except ValueError as error:
            self.malformed = str(error)

    def draw(self, strategy: Strategy | None) -> tuple[Sequence[Variant], str, str | None]:
        """The variants to choose from once ``strategy`` held, the group and the stickiness of the choice."""
        if strategy is not None and strategy.variants:
            group = strategy.parameter("groupId")
            return strategy.variants, self.feature.name if group is None else group, strategy.parameter("stickiness")
        variants = self.feature.variants or ()
        return variants, self.feature.name, variants[0].stickiness if variants else None

    @property
    def reads(self) -> tuple[str, ...]:
        """The context attributes that choosing a variant may read."""
        names: set[str] = set()
        for strategy in (*(self.feature.strategies or ()), None):
            variants, _, stickiness = self.draw(strategy)
            names |= choice_reads(variants, stickiness) if variants else set()
        return self.strategies.named(names)

    def payload(self, strategy: Strategy | None) -> Serve | Compute:
        """What is served once ``strategy`` held (None: the feature has no strategies)."""
        variants, group, stickiness = self.draw(strategy)
        alone = variants[0] if len(variants) == 1 and not variants[0].overrides and variants[0].weight else None
        if variants and alone is None:
            choose = chooser(variants, group, stickiness, self.names, self.strategies.read)
            reads = self.strategies.named(choice_reads(variants, stickiness))
            return Compute(choose, reads, Reason.SPLIT, "one of " + ", ".join(one.name for one in variants))
        variant = self.names.on if alone is None else self.names.key(alone)
        if strategy is not None and _is_partial(strategy):
            # The rollout itself is the rule's condition, because who is outside goes on to the next strategy.
            return Compute(lambda context, here: variant, (), Reason.SPLIT, variant)
        return Serve(variant)

    def clock(self) -> Iterator[Rule]:
        """A rule for each instant to come that a constraint waits for. It serves nobody: it tells the plan when this
        feature may next change, so that no cache keeps an answer beyond it.
        """
        found = {instant for one in self.conditions for instant in self.strategies.instants(one)}
        for instant in sorted(instant for instant in found if instant > time())[:_AHEAD]:
            yield Rule(Serve(self.names.off), NEVER, Schedule(start=instant), name="the clock")

    def rules(self) -> Iterator[Rule]:
        """The strategies that can hold, in their order."""
        for place, strategy in enumerate(self.feature.strategies or (), 1):
            condition = self.conditions[place - 1]
            if condition != NEVER:
                name = strategy.title or f"strategy {place}: {strategy.name}"
                yield Rule(self.payload(strategy), None if condition == ALWAYS else condition, name=name)


def _is_partial(strategy: Strategy) -> bool:
    return (strategy.parameter("rollout") or strategy.parameter("percentage") or "100") != "100"


def make_flag(built: Built, parents: Sequence[tuple[str, Requirement | Predicate | bool]]) -> Flag:
    """The flag of one feature; ``parents`` is what each of its dependencies comes to."""
    feature, names = built.feature, built.names
    requires = tuple(need for _, need in parents if isinstance(need, Requirement))
    shut: list[Rule] = []
    for key, need in parents:
        if need is False:
            shut.append(Rule(Serve(names.off), name=f"requires:{key}"))
        elif isinstance(need, Predicate):
            shut.append(Rule(Serve(names.off), Not(need), name=f"requires:{key}"))
    default = names.off
    if built.malformed is not None:
        shut.append(Rule(Serve(names.off), name=f"malformed: {built.malformed}"))
    elif not feature.strategies:
        payload = built.payload(None)
        if isinstance(payload, Serve):
            default = payload.variant
        else:
            shut.append(Rule(payload, name="no strategies"))
    return Flag(
        key=feature.name,
        variants=names.values if len(names.values) > 2 else BOOLEAN,
        labels=names.labels,
        off=names.off,
        default=default,
        enabled=feature.enabled,
        requires=requires,
        rules=(*shut, *(() if built.malformed is not None else (*built.rules(), *built.clock()))),
        description=feature.description or "",
        metadata=_metadata(feature, built.malformed),
    )


def _metadata(feature: Feature, malformed: str | None) -> Mapping[str, Any]:
    found = {"project": feature.project, "type": feature.type, "stale": feature.stale, "malformed": malformed}
    return {name: value for name, value in found.items() if value is not None}
