"""JsonLogic is JavaScript's: random rules, decided by us and by json-logic-js under Node."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings

from flagmiddleware import Context
from flagmiddleware.formats.flagd_context import FlagdScope
from flagmiddleware.formats.javascript import UNDEFINED
from flagmiddleware.formats.jsonlogic import Compiler, Expression
from tests.dialects.javascript import Evaluator, evaluator
from tests.differential.amount import MARKS, examples
from tests.differential.jsonlogic_strategies import data, rules

pytestmark = MARKS


@pytest.fixture(scope="module")
def javascript() -> Iterator[Evaluator]:
    """json-logic-js, running."""
    with evaluator() as running:
        yield running


class Scope(FlagdScope):
    """The context alone, as json-logic-js is given it: without what flagd adds."""

    def everything(self) -> Expression:
        return Expression(lambda context: context)


def ours(rule: Any, attributes: Any) -> Any:
    """Our answer in the form that the Node script gives."""
    try:
        return {"value": shown(Compiler(Scope("flag")).compile(rule).run(Context(None, attributes)))}
    except Exception as error:
        return {"error": str(error)}


def shown(value: Any) -> Any:
    """Numbers that JSON cannot say as text, undefined as null."""
    if isinstance(value, list):
        return [shown(item) for item in value]
    if isinstance(value, dict):
        return {name: shown(item) for name, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return None if value is UNDEFINED else value


def same(ours: Any, theirs: Any) -> bool:
    """Whether two answers are the same JSON: true is not 1, 1.0 is 1."""
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[name], theirs[name]) for name in ours)
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, float) and isinstance(theirs, int):
        return ours == float(theirs)  # written out in full by JavaScript, and the same double
    return bool(ours == theirs)


@settings(max_examples=examples(), suppress_health_check=list(HealthCheck))
@given(rule=rules, attributes=data)
@example(rule={"==": [None, 0]}, attributes={})
@example(rule={"==": ["", 0]}, attributes={})
@example(rule={"===": [1, True]}, attributes={})
@example(rule={"cat": [None, True, 1.0]}, attributes={})
@example(rule={"max": [{"var": "s"}, True]}, attributes={"s": "x"})
@example(rule={"%": [-5, 3]}, attributes={})
@example(rule={"substr": [None, None, -0.5]}, attributes={})
@example(rule={"substr": ["abc", 5, -1]}, attributes={})
@example(rule={">": [3, 2, 5]}, attributes={})
@example(rule={"<": [{"var": "age"}, 18]}, attributes={})
@example(rule={">=": [{"var": "age"}, 0]}, attributes={})
def test_rules_come_out_as_in_javascript(javascript: Evaluator, rule: Any, attributes: Any) -> None:
    """Whatever the rule and the data, we answer what JsonLogic's JavaScript answers."""
    theirs, mine = javascript.apply(rule, attributes), ours(rule, attributes)
    # json-logic-js takes an object among the names of `missing` for a rule and runs it. Data is no code here.
    assume("Unrecognized operation" not in theirs.get("error", ""))
    if "error" in theirs or "error" in mine:
        assert ("error" in theirs) == ("error" in mine), (rule, attributes, mine, theirs)
    else:
        assert same(mine["value"], theirs["value"]), (rule, attributes, mine, theirs)
