"""GrowthBook's features, decided by growthbook itself and by the native file that the import writes.

Only what does not hash can be compared: who is in a coverage or an experiment is reshuffled, as the import says.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flagmiddleware import Context, Flags
from flagmiddleware.imports import Kept, convert
from tests.differential.amount import DECISIONS, MARKS, examples

growthbook = pytest.importorskip("growthbook", reason="the vendor's library: pip install growthbook")
pytestmark = MARKS

CONTEXTS = 6
EXAMPLES = examples(16)  # one makes about 20 decisions that can be compared

NAMES = ["country", "plan", "age", "beta", "version"]
VALUES: dict[str, list[Any]] = {
    "country": ["AU", "NZ", "au", "", "é"],
    "plan": ["pro", "free", "5", "true"],
    "age": [0, 1, 17, 18, 18.0, 18.5, -1],
    "beta": [True, False],
    "version": ["1.2.3", "1.10.0", "1.2.3-alpha", "2.0.0"],
}
ANY = [value for values in VALUES.values() for value in values]
MEMBERS = st.lists(st.sampled_from(ANY), max_size=3)
VERSIONS = st.sampled_from([*VALUES["version"][:2], "2.0.0"])


def _one(operator: str, operand: Any) -> dict[str, Any]:
    return {operator: operand}


OPERATORS = st.one_of(
    st.builds(_one, st.sampled_from(["$eq", "$ne"]), st.sampled_from([*ANY, None])),
    st.builds(_one, st.sampled_from(["$in", "$nin"]), MEMBERS),
    st.builds(_one, st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), st.sampled_from([0, 17, 18, 18.0, 17.5])),
    st.builds(_one, st.just("$exists"), st.booleans()),
    st.builds(_one, st.sampled_from(["$regex", "$notRegex"]), st.sampled_from(["^A", "r", "e$", "^$", "5|U"])),
    st.builds(_one, st.sampled_from(["$inGroup", "$notInGroup"]), st.sampled_from(["friends"])),
    st.builds(_one, st.just("$size"), st.just(1)),
)
TESTS = st.sampled_from([*ANY, None]) | OPERATORS | st.builds(_one, st.just("$not"), OPERATORS)
# A version is compared with versions only: GrowthBook pads what is none, and "1.2" is not "1.2.0" there.
VERSION_TESTS = st.builds(_one, st.sampled_from(["$veq", "$vne", "$vgt", "$vgte", "$vlt", "$vlte"]), VERSIONS)
LEAVES = st.dictionaries(st.sampled_from(NAMES[:4]), TESTS, max_size=2) | st.builds(
    lambda test: {"version": test}, VERSION_TESTS
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(_one, st.sampled_from(["$or", "$and", "$nor"]), st.lists(inner, max_size=2))
        | st.builds(_one, st.just("$not"), inner)
    ),
    max_leaves=4,
)


def _feature(default: Any, values: list[Any]) -> st.SearchStrategy[dict[str, Any]]:
    rule = st.builds(
        lambda condition, force: {"condition": condition, "force": force}, CONDITIONS, st.sampled_from(values)
    )
    return st.builds(lambda rules: {"defaultValue": default, "rules": rules}, st.lists(rule, max_size=3))


FEATURES = st.fixed_dictionaries(
    {
        "on-off": _feature(False, [True, False]),
        "off-on": _feature(True, [True, False]),
        "colour": _feature("red", ["red", "blue", ""]),
        "limit": _feature(10, [10, 20, 0.5]),
    }
)
ATTRIBUTES = st.fixed_dictionaries(
    {"version": st.sampled_from(VALUES["version"])},
    optional={name: st.sampled_from([*VALUES[name], *VALUES[name], None]) for name in NAMES[:4]},
)


@pytest.fixture(scope="module")
def tally() -> dict[str, int]:
    """How many decisions were compared, and how many features the import said it could not carry over."""
    return {"compared": 0, "lost": 0}


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(features=FEATURES, asked=st.lists(ATTRIBUTES, min_size=CONTEXTS, max_size=CONTEXTS))
def test_the_imported_file_decides_as_growthbook(
    tally: dict[str, int], features: dict[str, Any], asked: list[dict[str, Any]]
) -> None:
    """A feature that the import reports as exact serves growthbook's own values."""
    groups = {"friends": ["AU", "pro", 18]}
    imported = convert("growthbook", json.dumps({"features": features, "savedGroups": groups}).encode())
    flags = Flags(imported.document)
    lost = {note.flag for note in imported.notes if note.kept is Kept.LOST}
    for attributes in asked:
        theirs = growthbook.GrowthBook(attributes=attributes, features=features, savedGroups=groups)
        for key in features:
            if key in lost:
                tally["lost"] += 1
                continue
            value = flags.value(key, Context(None, attributes))
            expected = theirs.eval_feature(key).value
            assert (value, type(value)) == (expected, type(expected)), (key, attributes, features[key])
            tally["compared"] += 1


def test_enough_decisions_were_compared(tally: dict[str, int]) -> None:
    """A run that compared less than the issue asks for proves too little."""
    print(f"\nGrowthBook: {tally['compared']} decisions compared, {tally['lost']} reported as not expressible")
    assert tally["compared"] >= DECISIONS
