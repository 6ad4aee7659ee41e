"""The shipped JSON Schema against its generator, and against the parser."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_jsonschema import from_schema
from jsonschema import Draft202012Validator

from flagmiddleware.errors import Problem, RulesetError
from flagmiddleware.formats import parse
from flagmiddleware.formats.native import flags, rules, ruleset, shape
from flagmiddleware.formats.native.schema import generate
from tests.core.strategies import documents
from tests.formats.mutations import spoilt

SCHEMA = json.loads((files("flagmiddleware.formats") / "schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)

PARSER_ONLY = (
    r"there is no (segment|flag|variant)",  # names that stand for nothing
    r"has no variant",
    r"is a value; write the name of its variant",
    r"expected (true or false|a variant's name)",  # true or false where the variants have names, and the reverse
    r"form a (cycle|chain)",
    r"nested deeper",
    r"each step of a ramp must be later",
    r"ends before it starts",
    r"all weights are zero",
    r"`(matches|semver|cidr)`",  # operands with a grammar of their own
    r"a day, such as|a date and time with an offset",  # no day or time of the calendar
    r"a percentage from|can be read as",  # 25.0, a whole number to JSON Schema
    r"is here twice",
    r"a flag's key is",  # a key that ends in a line break, which `$` lets through in Python
    r"a flag with variants needs `off`|a rule of this flag needs|`off` out",  # what an environment makes of a flag
)
"""Why the parser may refuse what the schema accepts; listed in docs/reference/flag-file.md."""


def problems(tree: Any) -> tuple[Problem, ...]:
    try:
        parse(json.dumps(tree).encode(), format="json")
    except RulesetError as error:
        return error.problems
    return ()


def test_the_shipped_schema_is_the_generated_one() -> None:
    """schema.json is what the generator makes of the shape; regenerate it with `make schema`."""
    assert generate() == SCHEMA
    Draft202012Validator.check_schema(SCHEMA)


def test_the_parser_knows_the_fields_of_the_shape() -> None:
    """A field that is added to the shape is known to the parser, and the reverse."""
    assert ruleset.TOP_FIELDS == set(shape.DocumentShape.__struct_encode_fields__)
    assert flags.FLAG_FIELDS == set(shape.FlagShape.__struct_encode_fields__)
    assert flags.PER_ENVIRONMENT | {"clear"} == set(shape.EnvironmentShape.__struct_encode_fields__)
    assert rules.RULE_FIELDS == set(shape.RuleShape.__struct_encode_fields__)


@settings(max_examples=300)
@given(st.one_of(documents(), spoilt()))
def test_what_the_parser_accepts_the_schema_accepts(tree: dict[str, Any]) -> None:
    """No editor marks a file that loads."""
    if not problems(tree):
        assert not list(VALIDATOR.iter_errors(json.loads(json.dumps(tree))))


@settings(max_examples=300)
@given(spoilt())
def test_the_parser_alone_refuses_only_what_is_listed(tree: dict[str, Any]) -> None:
    """A spoilt document that the schema accepts is accepted, or refused for a listed reason only."""
    if VALIDATOR.is_valid(tree):
        for problem in problems(tree):
            assert re.search("|".join(PARSER_ONLY), problem.message), problem


def unrolled(schema: Any, depth: int) -> Any:
    """The schema without references: hypothesis-jsonschema follows no recursive ones. Conditions end at a depth."""
    if isinstance(schema, list):
        return [unrolled(item, depth) for item in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if reference == "#/$defs/Condition" and depth == 0:
        return {"const": {"country": "AU"}}
    if reference:
        name = reference.rpartition("/")[2]
        return unrolled(SCHEMA["$defs"][name], depth - (name == "Condition"))
    return {key: unrolled(item, depth) for key, item in schema.items() if key not in ("$defs", "$schema")}


@settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)
@given(from_schema(unrolled(SCHEMA, 2)))
def test_documents_made_from_the_schema_are_refused_only_for_what_is_listed(tree: dict[str, Any]) -> None:
    """What the schema generates is accepted, or refused for a listed reason only."""
    for problem in problems(tree):
        assert re.search("|".join(PARSER_ONLY), problem.message), problem


FLAG: dict[str, Any] = {"rules": [{"if": {"country": "AU"}, "rollout": "25%"}]}


@pytest.mark.parametrize(
    "change",
    [
        {"rools": []},
        {"enabled": "yes"},
        {"risk": {"technical": "high"}},
        {"risk": {"technical": "high", "business": "medium"}},
        {"owner": []},
        {"expires": "tomorrow"},
        {"off": True},
        {"variants": {}},
        {"variants": {"blue": "#00f"}},
        {"variants": {"blue": None}, "off": "blue"},
        {"variants": {"blue": "#00f", "green": 1}, "off": "blue"},
        {"variants": {"blue": "#00f"}, "off": "blue", "rules": [{}]},
        {"rules": {}},
        {"rules": [{"serve": True, "split": {"on": 1}}]},
        {"rules": [{"rollout": 1, "ramp": [{"at": "2026-12-01T00:00:00Z", "to": 1}]}]},
        {"rules": [{"linear": True}]},
        {"rules": [{"ramp": []}]},
        {"rules": [{"ramp": [{"at": "2026-12-01T00:00:00Z"}]}]},
        {"rules": [{"schedule": {}}]},
        {"rules": [{"schedule": {"from": "2026-12-01"}}]},
        {"rules": [{"rollout": "25"}]},
        {"rules": [{"rollout": 0.25}]},
        {"rules": [{"rollout": "100.1%"}]},
        {"rules": [{"rollout": 101}]},
        {"rules": [{"rollout": True}]},
        {"rules": [{"split": {"on": -1}}]},
        {"rules": [{"split": {}}]},
        {"rules": [{"if": {}}]},
        {"rules": [{"if": {"country": None}}]},
        {"rules": [{"if": {"country": []}}]},
        {"rules": [{"if": {"country": [["AU"]]}}]},
        {"rules": [{"if": {"country": {}}}]},
        {"rules": [{"if": {"country": {"x-why": 1}}}]},
        {"rules": [{"if": {"country": {"is": "AU"}}}]},
        {"rules": [{"if": {"country": {"in": "AU"}}}]},
        {"rules": [{"if": {"age": {"gt": "18"}}}]},
        {"rules": [{"if": {"born": {"before": "2000-01-01"}}}]},
        {"rules": [{"if": {"email": {"exists": 1}}}]},
        {"rules": [{"if": {"all": []}}]},
        {"rules": [{"if": {"any": {"country": "AU"}}}]},
        {"rules": [{"if": {"not": []}}]},
        {"rules": [{"if": {"segment": 1}}]},
        {"rules": [{"if": {"targeting_key": "user-1"}}]},
        {"rules": [{"if": {"": "AU"}}]},
        {"rules": [{"name": ""}]},
        {"requires": {"beta": None}},
        {"requires": {"beta": []}},
        {"sticky_by": "segment"},
        {"salt": ""},
        {"tests": [{"given": {"user": 1}}]},
        {"tests": [{"given": {"all": 1}, "expect": True}]},
        {"tests": [{"given": {"environment": ""}, "expect": True}]},
        {"environments": {"staging": {"rools": []}}},
        {"environments": {"staging": {"tests": []}}},
        {"environments": {"staging": {"clear": "rools"}}},
        {"environments": {"": {}}},
        {"metadata": []},
    ],
    ids=lambda change: json.dumps(change)[:70],
)
def test_the_schema_refuses_what_the_parser_refuses(change: dict[str, Any]) -> None:
    """For each wrong field an editor already says so: both refuse it."""
    tree = {"version": 1, "flags": {"beta": {**deepcopy(FLAG), **change}}}
    assert problems(tree)
    assert not VALIDATOR.is_valid(tree)
