"""Unleash's client features payload.

Unleash lets who is outside a rollout go on to the next strategy; here a rollout decides. Only a rollout that comes
last keeps its meaning. To move nobody keep the payload: ``Flags("unleash.json", format="unleash")`` answers alike.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from ..formats.unleash import apply_events, recognises
from ..formats.unleash_document import Constraint, Dependency, Feature, Segment, Strategy, Variant
from ..formats.unleash_document import convert as shape
from ..formats.unleash_variants import payload_value
from .documents import load
from .draft import Draft, FlagDraft, ImportProblem, check_values, moved_by_rollout, moved_by_split, percent
from .logic import every
from .shapes import alone

__all__ = ["convert"]

_FIELDS: Final[Mapping[str, str]] = MappingProxyType({"userId": "user", "sessionId": "visitor", "remoteAddress": "ip"})
_ORDER: Final[Mapping[str, str]] = MappingProxyType(
    {"NUM_EQ": "eq", "NUM_GT": "gt", "NUM_GTE": "gte", "NUM_LT": "lt", "NUM_LTE": "lte"}
)
_TEXT: Final[Mapping[str, str]] = MappingProxyType(
    {"STR_STARTS_WITH": "starts_with", "STR_ENDS_WITH": "ends_with", "STR_CONTAINS": "contains"}
)
_SEMVER: Final[Mapping[str, str]] = MappingProxyType(
    {"SEMVER_EQ": "=", "SEMVER_GT": ">", "SEMVER_GTE": ">=", "SEMVER_LT": "<", "SEMVER_LTE": "<="}
)
_PERCENTAGES: Final[Mapping[str, tuple[str, str | None]]] = MappingProxyType(
    {
        "flexibleRollout": ("rollout", None),
        "gradualRolloutUserId": ("percentage", "userId"),
        "gradualRolloutSessionId": ("percentage", "sessionId"),
        "gradualRolloutRandom": ("percentage", "random"),
    }
)


class _Unsayable(Exception):
    """A part that the native grammar has no words for."""


class _Never(Exception):
    """A strategy that holds for nobody: a rule less."""


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
    imports: dict[str, _Import] = {}
    for key, feature in features.items():
        imports[key] = _Import(draft.flag(key), feature, segments, imports)
    for one in imports.values():
        one.begin()
    for one in imports.values():
        with alone(one.flag, "Unleash"):
            if unread := sorted({need.feature for need in one.feature.dependencies or ()} & bad.keys()):
                raise ImportProblem(f"its parent {unread[0]!r} has a shape that Unleash does not write")
            one.finish()
    for key, problem in bad.items():
        draft.flag(key).abandon(f"it has a shape that Unleash does not write: {problem}")
    for place, item in enumerate(document.get("features") or ()):
        if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
            draft.flag(f"features[{place}]").abandon("it has no name")
    return draft


class _Import:
    """One feature on its way."""

    def __init__(
        self, flag: FlagDraft, feature: Feature, segments: Mapping[int, Segment], imports: Mapping[str, _Import]
    ) -> None:
        self.flag = flag
        self.feature = feature
        self.segments = segments
        self.imports = imports

    def begin(self) -> None:
        """Fill in what needs no other feature."""
        self.flag.describe(self.feature.description)
        if not self.feature.enabled:
            self.flag.body["enabled"] = False
        self._multivariate()

    def finish(self) -> None:
        """Fill in the rest."""
        flag, feature = self.flag, self.feature
        for dependency in feature.dependencies or ():
            self._dependency(dependency)
        strategies = feature.strategies or []
        for place, strategy in enumerate(strategies):
            try:
                self._strategy(strategy, last=place == len(strategies) - 1)
            except _Never:
                continue
            except _Unsayable as error:
                flag.lost(f"strategy {place + 1} ({strategy.name}) is left out: {error}")
        if not strategies:
            flag.rule(**self._payload(feature.variants or []))
        if not any(note.flag == flag.key and note.kept != "exact" for note in flag.notes):
            flag.exact("every strategy came over; attributes must be given as the types that the file shows")

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

    def _payload(self, variants: list[Variant]) -> dict[str, Any]:
        if not self.variants:
            return {"serve": True}
        if not variants:
            raise _Unsayable("it gives no variant, and a flag with variants must serve one")
        if any(variant.overrides for variant in variants):
            self.flag.lost("a variant's overrides: write them as rules before the split")
        weights = [max(variant.weight, 0) for variant in variants]
        if sum(map(bool, weights)) <= 1:
            heaviest = max(range(len(weights)), key=weights.__getitem__)
            return {"serve": self._name(variants[heaviest])}
        self.flag.reshuffles(moved_by_split(weights), "the split between variants is hashed anew")
        return {"split": {self._name(variant): weight for variant, weight in zip(variants, weights, strict=True)}}

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
        if answer == []:
            self._never(f"parent {parent.feature.name!r} has none of the variants that are asked for")
        else:
            self.flag.body.setdefault("requires", {})[parent.flag.key] = answer

    def _never(self, why: str) -> None:
        self.flag.body["enabled"] = False
        self.flag.exact(f"{why}, so that nobody ever got it: it is switched off")

    def names(self, listed: Collection[str]) -> list[str]:
        """What the feature's variants are called here: those of these names, or all."""
        return list(dict.fromkeys(self._name(one) for one in self._written() if not listed or one.name in listed))

    def _strategy(self, strategy: Strategy, *, last: bool) -> None:
        constraints = [*(strategy.constraints or ())]
        for number in strategy.segments or ():
            if number not in self.segments:
                raise _Unsayable(f"there is no segment {number}")
            constraints += self.segments[number].constraints
        parts = [part for part in (*self._function(strategy), *map(self._constraint, constraints)) if part is not None]
        condition = every(parts)
        payload = self._payload(strategy.variants or self.feature.variants or [])
        percentage = self._percentage(strategy)
        if percentage is not None and percentage < 100:
            if not last:
                name, rest = strategy.title or strategy.name, "here a rollout that matches decides"
                self.flag.lost(f"strategy {name!r}: who is outside its rollout went on to the next strategy; {rest}")
            payload = {"rollout": percent(percentage), **payload}
        self.flag.rule(condition, **({"name": strategy.title} if strategy.title else {}), **payload)

    def _percentage(self, strategy: Strategy) -> float | None:
        if strategy.name not in _PERCENTAGES:
            return None
        parameter, sticky = _PERCENTAGES[strategy.name]
        text = strategy.parameter(parameter) or ""
        if not text.isdecimal() or int(text) > 100:
            raise _Unsayable(f"its percentage is {text!r}")
        sticky = sticky or strategy.parameter("stickiness") or "default"
        if sticky not in ("default", "userId", "random"):
            self.flag.body["sticky_by"] = _FIELDS.get(sticky, sticky)
        if sticky == "random":
            self.flag.lost("a random rollout drew anew at each call; now a subject stays on one side")
        self.flag.reshuffles(moved_by_rollout(int(text)), f"the {text}% rollout is hashed anew")
        return float(text)

    def _function(self, strategy: Strategy) -> list[Any]:
        if strategy.name == "userWithId":
            return [{"user": _listed(strategy, "userIds")}]
        if strategy.name == "remoteAddress":
            return [{"ip": {"cidr": _listed(strategy, "IPs")}}]
        if strategy.name != "default" and strategy.name not in _PERCENTAGES:
            raise _Unsayable("it is no built-in strategy that can be said here")
        return []

    def _constraint(self, constraint: Constraint) -> Any:
        name = _FIELDS.get(constraint.context_name, constraint.context_name)
        if constraint.operator in ("IN", "NOT_IN") and not constraint.values:
            if (constraint.operator == "IN") is not constraint.inverted:
                raise _Never
            return None
        say: Callable[[Constraint, str], Any] = _schedule if name == "currentTime" else _say
        said = say(constraint, name)
        return {"not": said} if constraint.inverted else said


def _listed(strategy: Strategy, parameter: str) -> list[str]:
    """The parts of a parameter that is a list; without one nobody is meant."""
    found = [one.strip() for one in (strategy.parameter(parameter) or "").split(",") if one.strip()]
    if not found:
        raise _Never
    return found


def _schedule(constraint: Constraint, name: str) -> Any:
    raise _Unsayable("a date on currentTime is a `schedule:` here; write it on the rule")


def _say(constraint: Constraint, name: str) -> Any:
    operator, value, values = constraint.operator, constraint.value or "", constraint.values or []
    if constraint.case_insensitive and operator in _TEXT:
        raise _Unsayable(f"{operator} ignoring case")
    if operator in ("IN", "NOT_IN"):
        # A missing attribute is "not in" there, and under `not:` here.
        return {"not": {name: {"in": values}}} if operator == "NOT_IN" else {name: {"in": values}}
    if operator in _TEXT:
        return {name: {_TEXT[operator]: values}}
    if operator in _ORDER:
        try:
            return {name: {_ORDER[operator]: msgspec.json.decode(value, type=int | float)}}
        except msgspec.DecodeError as error:
            raise _Unsayable(f"{value!r} is no number") from error
    if operator in _SEMVER:
        return {name: {"semver": f"{_SEMVER[operator]}{value}"}}
    if operator == "REGEX":
        return {name: {"matches": value}}
    if operator == "IN_CIDR":
        return {name: {"cidr": values}}
    if operator in ("DATE_AFTER", "DATE_BEFORE"):
        return {name: {"after" if operator == "DATE_AFTER" else "before": value}}
    raise _Unsayable(f"operator {operator!r}")
