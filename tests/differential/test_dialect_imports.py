"""Random definitions of Unleash and flagd, decided by their dialect and by the native file that the import writes.

The dialects themselves are held against the vendors' libraries beside this file.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from flagmiddleware import Context, Flags
from flagmiddleware.formats import parse
from flagmiddleware.imports import Imported, Kept, convert
from tests.differential import flagd_strategies, unleash_strategies
from tests.differential.amount import MARKS, examples

pytestmark = MARKS

SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck)}
OURS = {"userId": "user", "sessionId": "visitor", "remoteAddress": "ip"}


@pytest.fixture(scope="module")
def tally() -> dict[str, int]:
    """How many decisions were compared, by system."""
    return {"unleash": 0, "flagd": 0}


def exact(result: Imported) -> set[str]:
    """The flags of which nothing was said but that they came over, whatever the types of the attributes."""
    other = {note.flag for note in result.notes if note.kept is not Kept.EXACT}
    typed = {note.flag for note in result.notes if "versions must be" in note.text or "as IPv6" in note.text}
    return result.document["flags"].keys() - other - typed


@settings(max_examples=examples(10), **SETTINGS)
@given(payload=unleash_strategies.payloads(), asked=unleash_strategies.contexts())
def test_an_exact_unleash_feature_serves_what_it_served(
    tally: dict[str, int], payload: dict[str, Any], asked: dict[str, Any]
) -> None:
    """Every strategy, constraint, segment and parent that the import calls exact, under missing and empty fields."""
    data = json.dumps(payload).encode()
    result = convert("unleash", data)
    old, new = Flags(parse(data, format="unleash")), Flags(result.document)
    fields = {**asked["properties"], **{name: value for name, value in asked.items() if name != "properties"}}
    subject = Context(None, {OURS.get(name, name): value for name, value in fields.items()})
    features = {feature["name"]: json.dumps(feature) for feature in payload["features"]}
    numbers = "NUM_" in json.dumps(payload["segments"])  # the attributes here are texts
    for key, name in zip(result.document["flags"], features, strict=True):
        if key not in exact(result) or "NUM_" in features[name] or (numbers and '"segments": [' in features[name]):
            continue
        one, other = old.evaluate(name, subject), new.evaluate(key, subject)
        assert (one.is_enabled, one.is_enabled and one.value) == (other.is_enabled, other.is_enabled and other.value)
        tally["unleash"] += 1


@settings(max_examples=examples(2), **SETTINGS)  # one in ten is exact
@given(document=flagd_strategies.documents, asked=flagd_strategies.contexts)
def test_an_exact_flagd_flag_serves_what_it_served(tally: dict[str, int], document: Any, asked: Any) -> None:
    """Every comparison that the import calls exact, under missing attributes; a fault is not served in either."""
    data = json.dumps(document).encode()
    result = convert("flagd", data)
    old, new = Flags(parse(data, format="flagd")), Flags(result.document)
    subject = Context(*asked)
    for key in exact(result):
        one = old.evaluate(key, subject)
        if one.error_code is None:
            assert new.evaluate(key, subject).value == one.value
            tally["flagd"] += 1


def test_exact_imports_were_compared(tally: dict[str, int]) -> None:
    """A run in which hardly anything is exact proves nothing."""
    print(f"\nImports that are exact: {tally['unleash']} decisions of Unleash's and {tally['flagd']} of flagd's")
    assert tally["unleash"] > 100
    assert tally["flagd"] > 10
