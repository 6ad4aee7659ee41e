"""Laws of the native format, over generated documents."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
import tomli_w
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from flagmiddleware.errors import Problem, RulesetError
from flagmiddleware.formats import parse, parse_document, parse_files
from flagmiddleware.formats.syntax import read
from flagmiddleware.model import Flag, Ruleset
from tests.core.strategies import documents, json_values
from tests.formats.mutations import places, spoilt

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def accepted(tree: Any, **how: Any) -> Ruleset | None:
    try:
        return parse(json.dumps(tree).encode(), name="flags.json", **how)
    except RulesetError:
        return None


def told(data: bytes) -> tuple[Problem, ...]:
    try:
        parse(data, format="json")
    except RulesetError as error:
        return error.problems
    return ()


@given(documents())
def test_a_ruleset_is_the_same_in_every_syntax(tree: dict[str, Any]) -> None:
    """YAML (block and flow), JSON, TOML and plain data of one document make equal rulesets."""
    tree = json.loads(json.dumps(tree))  # nothing in it twice, which YAML would write as an alias
    wanted = parse(json.dumps(tree).encode(), format="json")
    assert parse(json.dumps(tree).encode(), format="yaml") == wanted
    assert parse(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).encode(), format="yaml") == wanted
    assert parse_document(tree) == wanted
    assert repr(parse_document(tree)) == repr(wanted)


@given(documents())
def test_toml_makes_the_same_ruleset(tree: dict[str, Any]) -> None:
    """TOML agrees with JSON, once the JSON has its keys in the order that TOML needs (values before tables)."""
    text = tomli_w.dumps(tree)
    same = json.dumps(tomllib.loads(text))
    assert json.loads(same) == tree
    assert parse(text.encode(), format="toml") == parse(same.encode(), format="json")


@settings(max_examples=300)
@given(st.one_of(json_values, st.dictionaries(st.sampled_from(["version", "flags", "segments"]), json_values)))
def test_no_json_value_raises_anything_but_a_ruleset_error(value: Any) -> None:
    """Whatever JSON holds, NaN and lone surrogates included, is read or refused by RulesetError."""
    for format_ in (None, "native", "json", "yaml"):
        with suppress(RulesetError):
            parse(json.dumps(value).encode(), format=format_)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_ruleset_error(data: bytes) -> None:
    """Random bytes are read or refused by RulesetError in every syntax."""
    for format_ in ("json", "yaml", "toml"):
        with pytest.raises(RulesetError):
            parse(data, format=format_)


@settings(max_examples=500)
@given(spoilt())
def test_every_problem_has_a_place(tree: dict[str, Any]) -> None:
    """A spoilt document is refused with problems that name a line and a path which is in the document."""
    data = json.dumps(tree, indent=1).encode()
    lines = read(data, syntax="json").lines()
    problems = told(data)
    for problem in problems:
        assert problem.line > 0
        assert "\n" not in str(problem)
        assert problem.flag is None or ("flags", problem.flag) in lines
    assert len(set(problems)) == len(problems)


@settings(max_examples=500)
@given(spoilt())
def test_strict_refuses_exactly_what_lenient_marks(tree: dict[str, Any]) -> None:
    """What strict accepts loads the same under lenient; what it refuses has marked flags, or is refused."""
    strict, lenient = accepted(tree), accepted(tree, strict=False)
    if strict is not None:
        assert lenient == strict
    elif lenient is not None:
        assert set(lenient.flags) == set(tree["flags"])
        top = {name: value for name, value in tree.items() if name not in ("flags", "segments")}
        wrong_beside = bool(told(json.dumps({**top, "flags": {}, "segments": tree.get("segments", {})}).encode()))
        assert wrong_beside or any(flag.error for flag in lenient.flags.values())


@settings(max_examples=200)
@given(documents(), st.data())
def test_a_bad_flag_leaves_the_others_as_they_are(tree: dict[str, Any], data: st.DataObject) -> None:
    """Under lenient, spoiling one flag changes no other flag, but for those that require what is gone."""
    before = parse_document(tree)
    key = data.draw(st.sampled_from(sorted(tree["flags"])))
    tree["flags"][key] = {"rools": []}
    after = parse_document(tree, strict=False)
    assert "rools" in (after.flags[key].error or "")
    for other, flag in before.flags.items():
        assert other == key or after.flags[other] == flag


@given(documents(), st.sampled_from(["x-note", "$schema", "x-"]))
def test_marginalia_change_nothing(tree: dict[str, Any], name: str) -> None:
    """Fields `x-…` and `$schema` may be added to the document, its flags and its rules, and change nothing."""
    before = parse_document(tree)
    for holder in (tree, *tree["flags"].values(), *(rule for flag in tree["flags"].values() for rule in flag["rules"])):
        holder[name] = {"anything": [None, 1]}
    assert parse_document(tree) == before


@given(documents())
def test_a_folder_of_single_flags_is_the_file(tree: dict[str, Any]) -> None:
    """Each flag in a file of its own, and the segments in another, make the same flags and segments."""
    files = {
        f"{key}.json": json.dumps({"version": 1, "flags": {key: flag}}).encode() for key, flag in tree["flags"].items()
    }
    files["segments.json"] = json.dumps({"version": 1, "segments": tree["segments"], "flags": {}}).encode()
    whole, parts = parse_document(tree), parse_files(files)
    assert dict(parts.flags) == dict(whole.flags)
    assert parts.segments == whole.segments
    assert parts.sources == {key: f"{key}.json" for key in tree["flags"]}


@given(documents(), st.data())
def test_duplicate_keys_never_pass(tree: dict[str, Any], data: st.DataObject) -> None:
    """A key that is written twice in one mapping of JSON is refused wherever it is, also if both values are equal."""
    tree = deepcopy(tree)
    holder, key = data.draw(st.sampled_from([place for place in places(tree) if isinstance(place[0], dict)]))
    holder[f"{key}\0twin"] = holder[key]
    text = json.dumps(tree).replace("\\u0000twin", "")
    with pytest.raises(RulesetError, match="is here twice"):
        parse(text.encode(), format="json")


@given(documents())
def test_a_flag_is_what_its_only_environment_says(tree: dict[str, Any]) -> None:
    """Moving a flag's fields into an environment gives that flag in the environment, and the empty flag without."""
    moved = {key: {"environments": {"staging": flag}} for key, flag in tree["flags"].items()}
    if any("requires" in flag or "variants" in flag for flag in tree["flags"].values()):
        return  # prerequisites and variants are checked for each environment by itself
    there = parse_document({**tree, "flags": moved}, environment="staging")
    assert dict(there.flags) == dict(parse_document(tree).flags)
    assert all(flag == Flag(key=key, salt=key) for key, flag in parse_document({**tree, "flags": moved}).flags.items())
