"""Random JsonLogic rules and data that reach every operator, every type and missing attributes."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

__all__ = ["NAMES", "data", "rules", "scalars"]

NAMES = (
    "a",
    "b",
    "n",
    "s",
    "list",
    "deep.x",
    "deep.y.z",
    "list.0",
    "list.-1",
    "list.length",
    "missing",
    "s.length",
    "deep",
)

scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-20, 20),
    st.sampled_from([0.5, -2.5, 1e21, 1e-7, 123456789.125, 2**53, 0.1]),
    st.sampled_from(
        [
            "",
            " ",
            "0",
            "1",
            "abc",
            "ABC",
            "10",
            "9",
            " 7 ",
            "0x10",
            "1e3",
            "true",
            "null",
            "zoë",
            "𝒜b",
            "-5",
            "3.5x",
            "Infinity",
        ]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y", "z"]), inner, max_size=2),
    max_leaves=6,
)

data = st.fixed_dictionaries(
    {},
    optional={
        "a": values,
        "b": scalars,
        "n": st.integers(-5, 5) | st.sampled_from([1.5, -0.5]),
        "s": st.sampled_from(["", "abc", "12", "𝒜bc"]),
        "list": st.lists(scalars, max_size=4),
        "deep": st.dictionaries(st.sampled_from(["x", "y"]), values, max_size=2),
    },
)

names = st.sampled_from(NAMES)
paths = st.builds(lambda name: {"var": name}, names) | st.builds(
    lambda name, other: {"var": [name, other]}, names, scalars
)


def _binary(rules: Any) -> Any:
    operators = [
        "==",
        "!=",
        "===",
        "!==",
        ">",
        ">=",
        "<",
        "<=",
        "%",
        "/",
        "-",
        "in",
        "max",
        "min",
        "+",
        "*",
        "cat",
        "and",
        "or",
        "merge",
    ]
    return st.builds(lambda name, a, b: {name: [a, b]}, st.sampled_from(operators), rules, rules)


def _many(rules: Any) -> Any:
    operators = ["<", "<=", "max", "min", "+", "*", "cat", "and", "or", "merge", "if", "substr", "?:"]
    return st.builds(
        lambda name, items: {name: items}, st.sampled_from(operators), st.lists(rules, min_size=3, max_size=5)
    )


def _unary(rules: Any) -> Any:
    operators = ["!", "!!", "-", "+", "*", "max", "cat", "if", "and", "var", "missing"]
    return st.builds(lambda name, a: {name: [a]}, st.sampled_from(operators), rules)


def _over(rules: Any) -> Any:
    inner = st.sampled_from(
        [{"var": ""}, {">": [{"var": ""}, 0]}, {"var": "x"}, {"==": [{"var": ""}, "1"]}, {"!": [{"var": ""}]}]
    )
    array = st.just({"var": "list"}) | st.lists(scalars, max_size=4) | rules
    over = st.builds(
        lambda name, a, b: {name: [a, b]}, st.sampled_from(["map", "filter", "all", "none", "some"]), array, inner
    )
    step = st.sampled_from(
        [{"+": [{"var": "current"}, {"var": "accumulator"}]}, {"cat": [{"var": "accumulator"}, {"var": "current"}]}]
    )
    return over | st.builds(lambda a, b, start: {"reduce": [a, b, start]}, array, step, scalars)


def _other(rules: Any) -> Any:
    missing = st.builds(lambda found: {"missing": found}, st.lists(names, max_size=3))
    some = st.builds(
        lambda need, found: {"missing_some": [need, found]}, st.integers(0, 3), st.lists(names, max_size=3)
    )
    substr = st.builds(lambda s, i: {"substr": [s, *i]}, rules, st.lists(st.integers(-4, 4), min_size=1, max_size=2))
    return missing | some | substr


rules: st.SearchStrategy[Any] = st.recursive(
    scalars | paths,
    lambda inner: st.one_of(_binary(inner), _unary(inner), _many(inner), _over(inner), _other(inner)),
    max_leaves=8,
)
