"""Unleash's client features payload.

Unleash lets who is outside a rollout go on to the next strategy; here a rollout decides. Only a rollout that comes
last keeps its meaning. To move nobody keep the payload: ``Flags("unleash.json", format="unleash")`` answers alike.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from ..errors import RulesetError
from ..formats.unleash import apply_events, parse, recognises
from ..formats.unleash_document import Dependency, Feature, Segment, Strategy, Variant
from ..formats.unleash_document import convert as shape
from ..formats.unleash_variants import payload_value
from .documents import load
from .draft import Draft, FlagDraft, ImportProblem, Kept, check_values, moved_by_rollout, moved_by_split, percent
from .logic import every
from .shapes import alone
from .unleash_constraints import FIELDS, UNLESS, Never, Segments, Unsayable, addresses, people, say, words

__all__ = ["convert"]

_PERCENTAGES: Final[Mapping[str, tuple[str, str | None]]] = MappingProxyType(
    {
        "flexibleRollout": ("rollout", None),
        "gradualRolloutUserId": ("percentage", "userId"),
        "gradualRolloutSessionId": ("percentage", "sessionId"),
        "gradualRolloutRandom": ("percentage", "random"),
    }
)


def convert(data: bytes, name: str, options: Mapping[str, Any]) -> Draft:
    """The native draft of an Unleash payload."""
    document = load(data, name)
    if not recognises(document):
        raise ImportProblem(f'{name or "the file"}: expected Unleash\'s client features (a list under "features")')
    if isinstance(document.get("events"), list):
        document = apply_events(document, document["events"])
    draft = Draft()
    segments, _ = shape(document.get("segments"), Segment, "id", int)
    features, bad = shape(document.get("features"), Feature, "name", str)
    shared, malformed = Segments(draft, segments), _malformed(document, name)
    imports: dict[str, _Import] = {}
    for key, feature in features.items():
        imports[key] = _Import(draft.flag(key), feature, shared, imports)
    for one in imports.values():
        one.begin()
    for one in sorted(imports.values(), key=lambda each: bool(each.feature.dependencies)):  # parents first
        with alone(one.flag, "Unleash"):
            if unread := sorted({need.feature for need in one.feature.dependencies or ()} & bad.keys()):
                raise ImportProblem(f"its parent {unread[0]!r} has a shape that Unleash does not write")
            one.finish(malformed.get(one.feature.name))
    for key, problem in bad.items():
        draft.flag(key).abandon(f"it has a shape that Unleash does not write: {problem}")
    for place, item in enumerate(document.get("features") or ()):
        if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
            draft.flag(f"features[{place}]").abandon("it has no name")
    return draft


def _malformed(document: Mapping[str, Any], name: str) -> dict[str, str]:
    """What turns a feature off as a whole in Unleash, by the feature's name."""
    try:
        ruleset = parse(msgspec.json.encode(document))
    except (RulesetError, TypeError, ValueError, RecursionError) as error:
        raise ImportProblem(f"{name or 'the file'}: {error}") from error
    return {key: flag.metadata["malformed"] for key, flag in ruleset.flags.items() if "malformed" in flag.metadata}


class _Import:
    """One feature on its way."""

    def __init__(self, flag: FlagDraft, feature: Feature, segments: Segments, imports: Mapping[str, _Import]) -> None:
        self.flag = flag
        self.feature = feature
        self.segments = segments
        self.imports = imports
        self.sticky: str | None = None
        self.words: frozenset[str] = frozenset()

    def begin(self) -> None:
        """Fill in what needs no other feature."""
        self.flag.describe(self.feature.description)
        if not self.feature.enabled:
            self.flag.body["enabled"] = False
        self._multivariate()

    def finish(self, malformed: str | None) -> None:
        """Fill in the rest; ``malformed`` is what turned the whole feature off in Unleash."""
        flag, feature = self.flag, self.feature
        if malformed is not None:
            flag.body["enabled"] = False
            flag.lost(f"it is off, as Unleash kept it off: a part of it is malformed ({malformed})")
            return
        for dependency in feature.dependencies or ():
            self._dependency(dependency)
        strategies = feature.strategies or []
        for place, strategy in enumerate(strategies):
            try:
                self._strategy(strategy, last=place == len(strategies) - 1)
            except Never:
                continue
            except Unsayable as error:
                flag.lost(f"strategy {place + 1} ({strategy.name}) is left out: {error}")
        if not strategies:
            self._unconditional()
        self._follow_parents()
        if flag.is_exact:
            unless = [told for word, told in UNLESS.items() if word in self.words]
            shown = "attributes must be given as the types that the file shows"
            flag.exact("; ".join(["every strategy came over", shown, *unless]))

    def _unconditional(self) -> None:
        try:
            self.flag.rule(**self._payload(self.feature.variants or [], None))
        except Unsayable as error:
            self.flag.lost(f"it has no strategies, and is off: {error}")

    def _follow_parents(self) -> None:
        """Say of a child what was said of the flags that it asks."""
        if self.flag.body.get("enabled") is False:
            return
        for need in self.feature.dependencies or ():
            for note in self.imports[need.feature].flag.notes:
                told = f"it follows its parent {need.feature!r}, of which was said: {note.text}"
                if note.kept is Kept.RESHUFFLES:
                    self.flag.reshuffles(note.share or 0, told)
                elif note.kept is Kept.LOST:
                    self.flag.lost(told)

    def _multivariate(self) -> None:
        every = self._written()
        self.variants = bool(every)
        if not every:
            return
        problem = check_values(payload_value(variant) for variant in every)
        self.texts = problem is not None
        if problem:
            self.flag.lost(f"{problem}, so each variant's value is its name")
        self.off = self.flag.variant("", "off") if not problem else self.flag.variant("off", "off")
        kinds = payload_value(every[0])
        if not problem and not isinstance(kinds, str):
            self.flag.body["variants"]["off"] = type(kinds)() if isinstance(kinds, int | float) else {}
        self.flag.body["off"] = "off"

    def _written(self) -> list[Variant]:
        feature = self.feature
        return [*(feature.variants or ()), *(v for s in feature.strategies or () for v in s.variants or ())]

    def _name(self, variant: Variant) -> Any:
        return self.flag.variant(variant.name if self.texts else payload_value(variant), variant.name)

    def _payload(self, variants: list[Variant], strategy: Strategy | None) -> dict[str, Any]:
        if not self.variants:
            return {"serve": True}
        weights = [max(variant.weight, 0) for variant in variants]
        if not sum(weights):
            raise Unsayable("it gives no variant, and a flag with variants must serve one")
        if any(variant.overrides for variant in variants):
            self.flag.lost("a variant's overrides: write them as rules before the split")
        if sum(map(bool, weights)) == 1:
            return {"serve": self._name(variants[weights.index(max(weights))])}
        own = strategy is not None and strategy.variants
        self._stick(strategy.parameter("stickiness") if strategy and own else variants[0].stickiness)
        self.flag.reshuffles(moved_by_split(weights), "the split between variants is hashed anew")
        return {"split": {self._name(variant): weight for variant, weight in zip(variants, weights, strict=True)}}

    def _stick(self, stickiness: str | None) -> None:
        """Hash what Unleash hashed; one flag hashes one attribute here."""
        field = "default" if stickiness in (None, "random") else stickiness
        if self.sticky not in (None, field):
            self.flag.lost(f"it hashed {self.sticky} and {field}; here a flag hashes one attribute, {self.sticky}")
            return
        self.sticky = field
        if field is not None and field != "default":
            self.flag.body["sticky_by"] = FIELDS.get(field, field)

    def _dependency(self, dependency: Dependency) -> None:
        parent = self.imports.get(dependency.feature)
        if parent is None or parent.feature.dependencies:
            self._never(f"parent {dependency.feature!r} does not exist, or has parents of its own")
        elif not parent.variants:  # such a parent satisfies any list of variants
            self._require(parent, dependency.enabled is not False)
        elif dependency.enabled is not False:
            self._require(parent, parent.names(dependency.variants or ()))
        elif dependency.variants:
            self._never(f"parent {dependency.feature!r} is to be off and to have a variant")
            self.flag.lost(f"variants of the parent {dependency.feature!r} while it is off: here it serves `off` then")
        else:
            self._require(parent, ["off"])

    def _require(self, parent: _Import, answer: bool | list[str]) -> None:
        needed = self.flag.body.get("requires", {})
        before = needed.get(parent.flag.key, answer)  # a parent may be named twice, and must then be both
        if isinstance(answer, list) and isinstance(before, list):
            answer = [name for name in answer if name in before]
        if answer == [] or type(answer) is not type(before) or (isinstance(answer, bool) and answer is not before):
            self._never(f"parent {parent.feature.name!r} cannot be what is asked of it")
            return
        self.flag.body["requires"] = {**needed, parent.flag.key: answer}

    def _never(self, why: str) -> None:
        self.flag.body["enabled"] = False
        self.flag.exact(f"{why}, so that nobody ever got it: it is switched off")

    def names(self, listed: Collection[str]) -> list[str]:
        """What the feature's variants are called here: those of these names, or all."""
        return list(dict.fromkeys(self._name(one) for one in self._written() if not listed or one.name in listed))

    def _strategy(self, strategy: Strategy, *, last: bool) -> None:
        percentage, sticky = self._percentage(strategy)
        own = [*self._function(strategy), *map(say, strategy.constraints or ())]
        segments = [self.segments.say(number) for number in strategy.segments or ()]
        parts = [part for part in (*own, *(named for named, _ in segments)) if part is not None]
        self.words = self.words.union(words(own), *(used for _, used in segments))
        if percentage == 100 and sticky not in ("default", "random"):
            parts.append({FIELDS.get(sticky, sticky): {"exists": True}})  # who has none is outside, even at 100 %
        condition = every(parts)
        payload = self._payload(strategy.variants or self.feature.variants or [], strategy)
        if percentage is not None and percentage < 100:
            self._stick(sticky)
            if not last:
                name, rest = strategy.title or strategy.name, "here a rollout that matches decides"
                self.flag.lost(f"strategy {name!r}: who is outside its rollout went on to the next strategy; {rest}")
            if sticky == "random":
                self.flag.lost("a random rollout drew anew at each call; now a subject stays on one side")
            self.flag.reshuffles(moved_by_rollout(percentage), f"the {percentage}% rollout is hashed anew")
            payload = {"rollout": percent(percentage), **payload}
        self.flag.rule(condition, **({"name": strategy.title} if strategy.title else {}), **payload)

    def _percentage(self, strategy: Strategy) -> tuple[int | None, str]:
        """The percentage, None where the strategy has none, and the field that is hashed; Never where it is nobody."""
        if strategy.name not in _PERCENTAGES:
            return None, "default"
        parameter, sticky = _PERCENTAGES[strategy.name]
        text = (strategy.parameter(parameter) or "").removeprefix("+")
        groupless = sticky in FIELDS and strategy.parameter("groupId") is None
        if groupless or not text.isdecimal() or not int(text):
            raise Never
        own = strategy.parameter("stickiness")
        if sticky is None and own == "":
            raise Never  # a field without a name is missing
        return int(text), sticky or own or "default"

    def _function(self, strategy: Strategy) -> list[Any]:
        if strategy.name == "userWithId":
            return [{"user": people(_listed(strategy, "userIds"))}]
        if strategy.name == "remoteAddress":
            return [{"ip": {"cidr": addresses(_listed(strategy, "IPs"))}}]
        if strategy.name != "default" and strategy.name not in _PERCENTAGES:
            raise Unsayable("it is no built-in strategy that can be said here")
        return []


def _listed(strategy: Strategy, parameter: str) -> list[str]:
    """The parts of a parameter that is a list; without one nobody is meant."""
    written = strategy.parameter(parameter)
    if written is None:
        raise Never
    return [one.strip() for one in written.split(",")]  # of an empty one the empty text, whom Unleash takes for a user
