"""The cases of Unleash's client specification: is it on, and which variant is given."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec

from flagmiddleware import Context, Flags, formats

from .cases import Case

__all__ = ["cases", "served"]


def cases(folder: Path) -> Iterator[Case]:
    """Every case of ``unleash/``."""
    for path in sorted((folder / "unleash").glob("[0-9]*.json")):
        specification = json.loads(path.read_bytes())
        for kind, check in (("tests", _check_enabled), ("variantTests", _check_variant)):
            for place, case in enumerate(specification.get(kind, ())):
                name = f"{kind}[{place}]: {case['description']}"
                yield Case(f"unleash/{path.name}", name, partial(check, path, case))


@cache
def _flags(path: Path) -> Flags:
    # The payload as its API sends it, through the same door as a site's own file.
    state = json.loads(path.read_bytes())["state"]
    return Flags(formats.parse(json.dumps(state).encode(), format="unleash", name=path.name))


def _check_enabled(path: Path, case: Mapping[str, Any]) -> None:
    flags, context = _flags(path), Context(None, case["context"])
    assert flags.is_enabled(case["toggleName"], context) is case["expectedResult"]
    assert flags.bind(context).is_enabled(case["toggleName"]) is case["expectedResult"]
    assert flags.status.fallbacks == 0


def _check_variant(path: Path, case: Mapping[str, Any]) -> None:
    flags, context = _flags(path), Context(None, case["context"])
    expected = dict(case["expectedResult"])
    payload = expected.pop("payload", None)
    evaluation = flags.evaluate(case["toggleName"], context)
    assert served(evaluation) == expected
    if payload is not None:
        parsed = payload["type"] in ("json", "number")
        assert evaluation.value == (msgspec.json.decode(payload["value"]) if parsed else payload["value"])


def served(evaluation: Any) -> dict[str, Any]:
    """An evaluation as Unleash's ``getVariant`` tells it: a flag that is on without a variant is ``True`` here."""
    on = bool(evaluation.is_enabled)
    given = on and evaluation.value is not True
    return {"name": evaluation.variant if given else "disabled", "enabled": given, "feature_enabled": on}
