"""GrowthBook's features JSON (an SDK payload, or its ``features`` alone).

Facts: GrowthBook SDK specification 0.7, and growthbook 4.0 for Python. GrowthBook lets who is outside a rule's
coverage go on to the next rule; here a rollout decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from .documents import load
from .draft import Draft, FlagDraft, ImportProblem, check_values, moved_by_rollout, moved_by_split, percent
from .growthbook_conditions import Unsayable, say
from .logic import every
from .shapes import Shape, Weight, alone, check

__all__ = ["convert"]

_PASSED_OVER: Final = frozenset(
    {"force", "condition", "coverage", "hashAttribute", "variations", "weights", "key", "id", "name", "seed", "meta",
     "hashVersion", "phase", "tracks", "minBucketVersion", "bucketVersion", "disableStickyBucketing",
     "fallbackAttribute"}
)  # fmt: skip


class _Rule(Shape, frozen=True):
    condition: Mapping[str, Any] = msgspec.field(default_factory=dict)
    coverage: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1
    hash_attribute: str = ""
    hash_version: int | None = None
    variations: list[Any] | None = None
    weights: list[Weight] | None = None
    seed: str | None = None


class _Feature(Shape, frozen=True):
    default_value: Any
    rules: list[_Rule] = msgspec.field(default_factory=list)


def convert(data: bytes, name: str, options: Mapping[str, Any]) -> Draft:
    """The native draft of GrowthBook's features."""
    document = load(data, name)
    features = document.get("features", document) if isinstance(document, Mapping) else None
    if not isinstance(features, Mapping):
        raise ImportProblem(f"{name or 'the file'}: expected GrowthBook's features, an object by key")
    if features and not any(isinstance(one, Mapping) and "defaultValue" in one for one in features.values()):
        raise ImportProblem(f"{name or 'the file'}: expected GrowthBook's features, each with its `defaultValue`")
    groups = document.get("savedGroups")
    saved = groups if isinstance(groups, Mapping) else {}
    draft = Draft()
    for key, feature in features.items():
        flag = draft.flag(key)
        with alone(flag, "GrowthBook"):
            check(feature, _Feature)
            _Import(flag, feature, saved).run()
    return draft


class _Import:
    """One feature on its way."""

    def __init__(self, flag: FlagDraft, feature: Mapping[str, Any], groups: Mapping[str, Any]) -> None:
        self.flag = flag
        self.default = feature["defaultValue"]
        self.rules: list[Mapping[str, Any]] = feature.get("rules", [])
        self.groups = groups
        self.has_versions = False

    def run(self) -> None:
        """Fill the flag."""
        problem = check_values([self.default, *self._served()])
        if problem:
            self.flag.lost(f"{problem}: the flag is left out of the rules and off")
            return
        if isinstance(self.default, bool):
            if self.default:
                self.flag.body["default"] = True
        else:
            self.flag.body["variants"] = {}
            default = self.flag.variant(self.default)
            self.flag.body.update(off=default, default=default)
        for place, rule in enumerate(self.rules):
            try:
                self._rule(rule, last=place == len(self.rules) - 1)
            except Unsayable as error:
                self.flag.lost(f"rule {place + 1} is left out: {error}")
        if self.flag.is_exact:
            versions = "; what is compared as a version must be one" if self.has_versions else ""
            self.flag.exact(f"every rule came over{versions}")

    def _served(self) -> list[Any]:
        forced = [rule["force"] for rule in self.rules if "force" in rule]
        return [*forced, *(value for rule in self.rules for value in rule.get("variations") or ())]

    def _rule(self, rule: Mapping[str, Any], *, last: bool) -> None:
        if unknown := sorted(rule.keys() - _PASSED_OVER):
            raise Unsayable(f"it uses {', '.join(unknown)}")
        condition = rule.get("condition")
        said = say(condition, self.groups) if condition else True
        self.has_versions = self.has_versions or "'semver': " in repr(said)
        if said is False:
            return
        sticky, hashes = rule.get("hashAttribute") or "id", "coverage" in rule or "force" not in rule
        if hashes:  # who has nothing to be hashed goes on to the next rule, at a coverage of 1 as well
            said = every([said, {sticky: {"exists": True}}, {"not": {sticky: ""}}])
        coverage = rule.get("coverage", 1)
        if "force" in rule:
            payload = {"serve": self.flag.variant(rule["force"])}
        elif len(rule.get("variations") or ()) == 1:
            return  # GrowthBook passes over an experiment of one
        elif rule.get("variations"):
            payload = self._experiment(rule)
        else:
            raise Unsayable("it neither forces a value nor tries variations")
        partial = coverage < 1
        if partial or "split" in payload:
            self.flag.body["sticky_by"] = sticky
        if partial:
            if not last:
                self.flag.lost("who is outside a rule's coverage went on to the next rule; here a rollout decides")
            self.flag.reshuffles(
                moved_by_rollout(100 * coverage), f"the {percent(100 * coverage)} coverage is hashed anew"
            )
            payload = {"rollout": percent(100 * coverage), **payload}
        self.flag.rule(said, **payload)

    def _experiment(self, rule: Mapping[str, Any]) -> dict[str, Any]:
        variations = rule["variations"]
        weights = rule.get("weights") or []
        if len(weights) != len(variations) or not 0.99 <= sum(weights) <= 1.01:
            weights = [1 / len(variations)] * len(variations)  # as GrowthBook takes weights that are none
        self.flag.reshuffles(moved_by_split(weights), "the experiment's split is hashed anew")
        if isinstance(variations[0], bool):
            return {"split": self._boolean_split(variations, weights)}
        split: dict[Any, Any] = {}
        for value, weight in zip(variations, weights, strict=True):
            name = self.flag.variant(value)
            split[name] = round(split.get(name, 0) + weight * 10_000)
        return {"split": split}

    def _boolean_split(self, variations: list[Any], weights: list[float]) -> dict[str, Any]:
        share: dict[str, Any] = {"on": 0, "off": 0}
        for value, weight in zip(variations, weights, strict=True):
            share["on" if value else "off"] += round(weight * 10_000)
        return share
