"""The cases of flagd's testbed (both bucketings) and of flagd's schemas."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from flagmiddleware import Flags
from flagmiddleware.errors import RulesetError
from flagmiddleware.formats import flagd
from flagmiddleware.formats.flagd_schema import targeting_problems

from .cases import Case
from .gherkin_steps import Scenario, World, scenarios

__all__ = ["cases"]


def cases(folder: Path) -> Iterator[Case]:
    """Every case of ``flagd/`` and ``flagd-schemas/``."""
    for mode in ("v2", "v3"):
        flags = partial(_flags, folder / "flagd" / "flags" / "testkit-flags.json", mode)
        for path in sorted((folder / "flagd" / "gherkin").glob("*.feature")):
            for scenario in scenarios(path):
                if _belongs(scenario, mode):
                    run = partial(_play, flags, scenario)
                    yield Case(f"flagd/gherkin/{path.name}", scenario.name, run, mode=mode)
    yield from _schema_cases(folder / "flagd-schemas" / "json")


@cache
def _flags(path: Path, mode: str) -> Flags:
    return Flags(path, format="flagd", options={"bucketing": mode})


def _play(flags: Callable[[], Flags], scenario: Scenario) -> None:
    World(flags).play(scenario)


def _belongs(scenario: Scenario, mode: str) -> bool:
    versions = {tag for tag in scenario.tags if tag.startswith("@fractional-v")}
    return "@deprecated" not in scenario.tags and (not versions or f"@fractional-{mode}" in versions)


def _schema_cases(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("test/*/*/*.json")):
        check = _targeting if path.parts[-3] == "targeting" else _document
        name = f"flagd-schemas/json/{path.relative_to(folder).parent}"
        yield Case(name, path.name, partial(check, path, path.parts[-2] == "positive"))
    for path in sorted(folder.glob("examples/*.json")):
        yield Case("flagd-schemas/json/examples", path.name, partial(_example, path))


def _targeting(path: Path, accepted: bool) -> None:
    problems = targeting_problems(json.loads(path.read_text(encoding="utf-8")))
    assert (not problems) is accepted, [str(problem) for problem in problems]


def _document(path: Path, accepted: bool) -> None:
    problems: Any = ()
    try:
        flagd.parse(path.read_bytes(), name=path.name, options={"validate": True})
    except RulesetError as error:
        problems = error.problems
    assert (not problems) is accepted, [str(problem) for problem in problems]


def _example(path: Path) -> None:
    # full.json breaks the schema on purpose in two flags (they must fall back), so an example has to load, no more.
    flags = flagd.parse(path.read_bytes(), name=path.name).flags
    assert flags
    assert not any(flag.error for flag in flags.values())
