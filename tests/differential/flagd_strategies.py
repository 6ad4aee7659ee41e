"""Random flagd documents and contexts, typed so that JavaScript and flagd's Python core have to agree on them.

What the two disagree about by nature is not generated here: tests/differential/test_flagd_core.py names each such
behaviour, with both answers.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

__all__ = ["contexts", "documents"]

VARIANTS = ("on", "off", "true", "false", "blue", "red")
WORDS = ("", "abc", "abcdef", "xyz", "uvwxyz", "zoë", "𝒜", "ann@example.com", "AU", "NZ")
VERSIONS = (
    "1.0.0",
    "v1.2.3",
    "V2.0.0",
    "1",
    "1.2",
    "2.0.0-rc.1",
    "2.0.0-rc.2",
    "2.0.0+b",
    "x",
    "2.0.0.0",
    "1.0.0-01",
    "01.0.0",
    "",
)

texts = st.sampled_from(WORDS)
numbers = st.integers(-3, 40) | st.sampled_from([0.5, 1.5, 17.5])
text_paths = st.sampled_from([{"var": "email"}, {"var": "country"}, {"var": "user.name"}, {"var": ["nothing", "x"]}])
number_paths = st.sampled_from([{"var": "age"}, {"var": "deep.size"}, {"var": "missing"}])
keys = st.just({"var": "targetingKey"})
constants = st.sampled_from(VARIANTS)


def _op(names: list[str], *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(lambda name, *found: {name: list(found)}, st.sampled_from(names), *arguments)


some_text = texts | text_paths
some_number = numbers | number_paths
conditions = st.recursive(
    st.one_of(
        _op(["==", "!=", "===", "!=="], text_paths, texts),
        _op(["==", "!="], keys | text_paths, some_text),
        _op(["<", "<=", ">", ">="], some_number, some_number),
        _op(["<", "<="], some_number, some_number, numbers),
        _op(["<", ">", "<=", ">="], st.sampled_from(WORDS[:6]), st.sampled_from(WORDS[:6])),
        _op(["in"], text_paths, st.lists(texts, max_size=4)),
        _op(["in"], texts.filter(bool), text_paths),
        _op(["starts_with", "ends_with"], some_text | some_number, some_text | some_number),
        _op(
            ["sem_ver"],
            st.just({"var": "version"}) | st.sampled_from(VERSIONS),
            st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "^", "~", "=="]),
            st.sampled_from(VERSIONS),
        ),
        _op(
            ["some", "all", "none"],
            st.just({"var": "tags"}),
            st.builds(lambda word: {"==": [{"var": ""}, word]}, texts),
        ),
        st.builds(
            lambda found: {"!": [{"missing": found}]},
            st.lists(st.sampled_from(["email", "age", "user.name", "nothing"]), max_size=3),
        ),
        st.builds(lambda name: {"$ref": name}, st.sampled_from(["one", "two"])),
        st.booleans(),
    ),
    lambda inner: st.one_of(
        _op(["and", "or"], inner, inner),
        st.builds(lambda one: {"!": [one]}, inner),
        st.builds(lambda one: {"!!": [one]}, inner),
    ),
    max_leaves=5,
)

weights = st.sampled_from([0, 1, 1, 25, 50, 99, 1000, -5, 2**31 - 1, 2**30]) | st.builds(
    lambda condition: {"if": [condition, 10, 0]}, conditions
)
buckets = st.lists(
    st.builds(lambda variant: [variant], constants)
    | st.builds(lambda variant, weight: [variant, weight], constants | st.none(), weights),
    min_size=1,
    max_size=4,
)
bucket_values = st.one_of(
    keys,
    text_paths,
    st.just({"var": "age"}),
    st.just({"var": "tags"}),
    st.just({"var": "deep"}),
    st.just({"var": "user"}),
    st.just({"var": "flag"}),
    _op(["cat"], st.just({"var": "$flagd.flagKey"}), texts),
)
fractionals = st.builds(lambda found: {"fractional": found}, buckets) | st.builds(
    lambda value, found: {"fractional": [value, *found]}, bucket_values, buckets
)
outcomes = st.recursive(
    constants | st.none() | st.booleans() | fractionals | st.just("unknown"),
    lambda inner: (
        st.builds(lambda a, b, c: {"if": [a, b, c]}, conditions, inner, inner)
        | st.builds(lambda a, b, c, d: {"if": [a, b, c, d]}, conditions, inner, conditions, inner)
    ),
    max_leaves=6,
)
targetings = (
    outcomes.filter(lambda found: isinstance(found, dict))
    | conditions.filter(lambda found: isinstance(found, dict))
    | st.just({})
)

flags = st.fixed_dictionaries(
    {
        "state": st.sampled_from(["ENABLED", "ENABLED", "ENABLED", "DISABLED"]),
        "variants": st.just({name: f"value of {name}" for name in VARIANTS}),
        "defaultVariant": st.sampled_from(["off", "on", None, "", "nobody"]),
        "targeting": targetings,
    },
    optional={"metadata": st.dictionaries(st.sampled_from(["team", "n"]), st.booleans() | numbers | texts, max_size=2)},
)
# The core pastes the rules of $evaluators into the text of the flags by a regular expression: a backslash in them, and
# so any letter beyond ASCII, is read as an escape of the template and raises; a reference in a rule may stay as it is.
shared = conditions.filter(lambda found: "$ref" not in str(found) and "\\" not in json.dumps(found))
documents = st.builds(
    lambda found, one, two, metadata: {
        "flags": {"new-checkout": found},
        "$evaluators": {"one": one, "two": two},
        "metadata": metadata,
    },
    flags,
    shared,
    shared,
    st.dictionaries(st.sampled_from(["set", "team"]), texts, max_size=2),
)

contexts = st.tuples(
    st.sampled_from([None, "", "user-1", "user-42", "zoë", "𝒜", "u" * 300]),
    st.fixed_dictionaries(
        {},
        optional={
            "email": texts,
            "country": texts,
            "version": st.sampled_from(VERSIONS) | st.sampled_from([1, 2, 1.2, 2.5]),
            "age": numbers | st.sampled_from([2.0, -0.0, 1e19, 2.0**64, -(2.0**63), 70000, -1, -500, 2**40]),
            "user": st.fixed_dictionaries({}, optional={"name": texts}),
            "deep": st.fixed_dictionaries({}, optional={"size": numbers, "ratio": st.sampled_from([2.0, 2.5])}),
            "tags": st.lists(texts, max_size=3),
            "flag": st.booleans(),
        },
    ),
)
