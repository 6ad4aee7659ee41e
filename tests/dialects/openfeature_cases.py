"""The evaluation rows of OpenFeature's specification, decided through our provider."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from flagmiddleware import Flags
from flagmiddleware.formats import flagd
from flagmiddleware.model import Ruleset

from .cases import Case
from .gherkin_steps import Scenario, World, scenarios

__all__ = ["cases"]

FILES = ("evaluation_v2.feature", "metadata.feature")
SKIPPED = {
    "@reason-codes-cached": "a provider may say CACHED, none must; ours asks the plan in force at each reading"
    " and keeps no value that could outlive it, so that both say STATIC"
}
BALLMER = {"==": [{"var": "email"}, "ballmer@macrosoft.com"]}
# The specification's flags carry CEL, which no dialect of ours speaks: these two expressions are all there are.
CEL: Mapping[str, Any] = {
    "email == 'ballmer@macrosoft.com' ? 'zero' : ''": {"if": [BALLMER, "zero", None]},
    "!customer && email == 'ballmer@macrosoft.com' && age > 10 ? 'internal' : ''": {
        "if": [{"and": [{"!": {"var": "customer"}}, BALLMER, {">": [{"var": "age"}, 10]}]}, "internal", None]
    },
}


def cases(folder: Path) -> Iterator[Case]:
    """Every evaluation row; ``evaluation.feature`` is deprecated as a whole and stays out."""
    flags = partial(_flags, folder / "openfeature" / "test-flags.json")
    for file in FILES:
        for scenario in scenarios(folder / "openfeature" / file):
            reasons = [reason for tag, reason in SKIPPED.items() if tag in scenario.tags]
            yield Case(f"openfeature/{file}", scenario.name, partial(_play, flags, scenario), "".join(reasons))


def _play(flags: Any, scenario: Scenario) -> None:
    World(flags).play(scenario)


@cache
def _flags(path: Path) -> Flags:
    return Flags(_ruleset(json.loads(path.read_text(encoding="utf-8"))))


def _ruleset(flags: Mapping[str, Any]) -> Ruleset:
    return flagd.parse(json.dumps({"flags": {key: _flag(flag) for key, flag in flags.items()}}).encode())


def _flag(flag: Mapping[str, Any]) -> dict[str, Any]:
    written = {
        "state": "DISABLED" if flag.get("disabled") else "ENABLED",
        "variants": flag["variants"],
        "defaultVariant": flag.get("defaultVariant"),
        "metadata": flag.get("flagMetadata") or {},
    }
    if "contextEvaluator" in flag:
        written["targeting"] = CEL[flag["contextEvaluator"]]
    return written
