"""GO Feature Flag's YAML (or JSON): targeting queries, percentages, progressive rollouts.

Facts: gofeatureflag.org, "Flag format" (v1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .documents import load
from .draft import Draft, FlagDraft, ImportProblem, check_values, moved_by_split, percent
from .gofeatureflag_queries import Unsayable, ignores_case, say
from .shapes import Percentage, Shape, Weight, alone, check

__all__ = ["convert"]


class _Edge(Shape, frozen=True):
    variation: str | None = None
    percentage: Percentage | None = None
    date: str | None = None


class _Progressive(Shape, frozen=True):
    initial: _Edge | None = None
    end: _Edge | None = None


class _Rule(Shape, frozen=True):
    name: str | None = None
    query: str | None = None
    variation: str | None = None
    percentage: dict[str, Weight] | None = None
    progressive_rollout: _Progressive | None = None
    disable: bool | None = None


class _Flag(Shape, frozen=True):
    variations: dict[str, Any]
    targeting: list[_Rule] | None = None
    default_rule: _Rule | None = None
    bucketing_key: str | None = None
    disable: bool | None = None
    metadata: dict[str, Any] | None = None


def convert(data: bytes, name: str, options: Mapping[str, Any]) -> Draft:
    """The native draft of a GO Feature Flag file."""
    document = load(data, name)
    if not isinstance(document, Mapping) or not any(
        isinstance(flag, Mapping) and "variations" in flag for flag in document.values()
    ):
        raise ImportProblem(f"{name or 'the file'}: expected flags by key, each with its `variations`")
    draft = Draft()
    for key, flag in document.items():
        made = draft.flag(key)
        with alone(made, "GO Feature Flag"):
            check(flag, _Flag)
            _Import(made, flag).run()
    return draft


class _Import:
    """One flag on its way."""

    def __init__(self, flag: FlagDraft, source: Mapping[str, Any]) -> None:
        self.flag = flag
        self.source = source
        self.names: dict[str, Any] = {}

    def run(self) -> None:
        """Fill the flag."""
        flag, variations = self.flag, dict(self.source["variations"])
        problem = check_values(variations.values()) if variations else "it has no variations"
        if problem:
            flag.lost(problem)
            return
        flag.describe((self.source.get("metadata") or {}).get("description"))
        self._variations(variations)
        if self.source.get("disable"):
            flag.body["enabled"] = False
            flag.lost("a disabled flag left the value to the caller; here it serves its `off`")
        if self.source.get("bucketingKey"):
            flag.body["sticky_by"] = self.source["bucketingKey"]
        for field in ("scheduledRollout", "experimentation"):
            if self.source.get(field):
                flag.lost(f"{field}: write it as `schedule:` on the rules")
        for rule in self.source.get("targeting") or ():
            self._rule(rule)
        self._default(self.source.get("defaultRule") or {})
        if flag.is_exact:
            flag.exact("every rule came over")

    def _variations(self, variations: Mapping[str, Any]) -> None:
        if all(isinstance(value, bool) for value in variations.values()):
            self.names = dict(variations)
            return
        self.names = {name: self.flag.variant(value, name) for name, value in variations.items()}
        fallback = (self.source.get("defaultRule") or {}).get("variation")
        self.flag.body["off"] = self.names.get(str(fallback), next(iter(self.names.values())))

    def _rule(self, rule: Mapping[str, Any]) -> None:
        name = rule.get("name")
        if rule.get("disable"):
            return
        try:
            condition = say(rule.get("query") or "")
            if condition is None:
                raise Unsayable("it has no query")
            if ignores_case(condition):
                self.flag.lost(
                    f"rule {name or rule['query']!r} compared texts without regard to case; here case counts"
                )
            self.flag.rule(condition, **({"name": name} if name else {}), **self._payload(rule))
        except Unsayable as error:
            self.flag.lost(f"rule {name or rule.get('query')!r} is left out: {error}")

    def _default(self, rule: Mapping[str, Any]) -> None:
        try:
            payload = self._payload(rule)
        except Unsayable as error:
            self.flag.lost(f"the default rule is left out: {error}")
            return
        if payload != {"serve": False} and payload != {"serve": self.flag.body.get("off")}:
            self.flag.rule(None, name="default", **payload)

    def _payload(self, rule: Mapping[str, Any]) -> dict[str, Any]:
        if rule.get("progressiveRollout"):
            return self._progressive(rule["progressiveRollout"])
        if rule.get("percentage"):
            return self._split(rule["percentage"])
        if rule.get("variation") not in self.names:
            raise Unsayable(f"there is no variation {rule.get('variation')!r}")
        return {"serve": self.names[rule["variation"]]}

    def _split(self, weights: Mapping[str, float]) -> dict[str, Any]:
        if not all(name in self.names for name in weights):
            raise Unsayable("its percentage names an unknown variation")
        self.flag.reshuffles(moved_by_split(list(weights.values())), "the percentage is hashed anew")
        split: dict[Any, Any] = {}
        for name, weight in weights.items():
            key = {True: "on", False: "off"}.get(self.names[name], self.names[name])
            split[key] = split.get(key, 0) + weight
        return {"split": split}

    def _progressive(self, rollout: Mapping[str, Any]) -> dict[str, Any]:
        start, end = rollout.get("initial") or {}, rollout.get("end") or {}
        if start.get("variation") not in self.names or end.get("variation") not in self.names:
            raise Unsayable("its progressive rollout names an unknown variation")
        outside = self.names[start["variation"]]
        if outside is not False and outside != self.flag.body.get("off"):
            raise Unsayable("its progressive rollout starts from another variation than the default one")
        steps = [
            {"at": str(edge.get("date")), "to": percent(float(edge.get("percentage", percentage)))}
            for edge, percentage in ((start, 0), (end, 100))
        ]
        self.flag.reshuffles(0.5, "subjects enter the progressive rollout in another order (up to this share)")
        return {"ramp": steps, "linear": True, "serve": self.names[end["variation"]]}
