"""flagd: random documents and contexts, decided by us and by OpenFeature's own Python core."""

from __future__ import annotations

import copy
import json
import logging
from importlib.metadata import version
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError

from flagmiddleware import Flags
from flagmiddleware.formats import flagd
from flagmiddleware.openfeature import FlagMiddlewareProvider
from tests.differential.amount import MARKS, examples
from tests.differential.flagd_strategies import contexts, documents

pytestmark = MARKS

KEY = "new-checkout"
# Core 1.x is bucketing v2, core 2.x is v3: whichever is installed is asked (tox: differential, differential-flagd1).
BUCKETING = "v2" if version("openfeature-flagd-core").startswith("1.") else "v3"


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    """The core logs an error for every null."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def theirs(document: dict[str, Any], context: EvaluationContext) -> tuple[Any, ...]:
    """What the core answers: value, variant, reason, error code, metadata."""
    core = FlagdCore()
    core.set_flags(copy.deepcopy(document))
    try:
        found = core.resolve_string_value(KEY, "caller's", context)
    except OpenFeatureError as error:
        return "caller's", None, "ERROR", error.error_code.value, None
    code = found.error_code and found.error_code.value
    return found.value, found.variant, str(found.reason), code, dict(found.flag_metadata)


def ours(document: dict[str, Any], context: EvaluationContext) -> tuple[Any, ...]:
    """What we answer, through the provider."""
    provider = FlagMiddlewareProvider(
        Flags(flagd.parse(json.dumps(document).encode(), options={"bucketing": BUCKETING}))
    )
    found = provider.resolve_string_details(KEY, "caller's", context)
    code = found.error_code and found.error_code.value
    return found.value, found.variant, str(found.reason), code, None if code else dict(found.flag_metadata)


def flag(targeting: Any) -> dict[str, Any]:
    """A document of one flag."""
    variants = {name: name for name in ("on", "off", "true", "false", "0", "2", "1")}
    return {"flags": {KEY: {"state": "ENABLED", "variants": variants, "defaultVariant": "off", "targeting": targeting}}}


@settings(max_examples=examples(), suppress_health_check=list(HealthCheck))
@given(document=documents, context=contexts)
@example(document=flag({"fractional": [["on", 1], ["off", 1]]}), context=("user-1", {}))
@example(document=flag({"fractional": [{"var": "age"}, ["on"], ["off"]]}), context=("user-1", {"age": 2.0**64}))
def test_decisions_are_those_of_flagds_core(document: dict[str, Any], context: tuple[Any, Any]) -> None:
    """On every random decision value, variant, reason, error code and metadata are the core's."""
    asked = EvaluationContext(*context)
    mine, core = ours(document, asked), theirs(document, asked)
    assert mine == core, json.dumps([document["flags"][KEY], document["$evaluators"], context])


# The core is not JavaScript; JsonLogic is. Each line: a rule, the context, the variant that JavaScript's JsonLogic
# picks (and we), and what the core picks instead ("error" where it raises something that is no answer at all).
DIFFERENCES = [
    ("null is not 0", {"==": [{"var": "x"}, 0]}, {}, "false", "true"),
    ("empty text is the number 0", {"==": ["", 0]}, {}, "true", "false"),
    ("true is not 1 under ===", {"===": [1, True]}, {}, "false", "true"),
    ("true is not in a list of 1", {"in": [True, [1]]}, {}, "false", "true"),
    ("cat of null is empty", {"cat": ["on", None]}, {}, "on", "error"),
    ("cat of true is true", {"cat": [True]}, {}, "true", "error"),
    ("+ reads numbers as parseFloat does", {"cat": [{"+": ["2abc"]}]}, {}, "2", "error"),
    ("the remainder takes the sign of the dividend", {"cat": [{"%": [-4, 3]}]}, {}, "error", "2"),
    ("> takes two operands", {">": [3, 2, 5]}, {}, "true", "false"),
    ("a third operand that is null counts as 0", {"<": [0, 1, {"var": "x"}]}, {}, "false", "true"),
    ("nothing is in an empty text", {"in": ["", {"var": "x"}]}, {"x": ""}, "false", "true"),
    ("min of a NaN is a NaN", {"==": [{"min": [2, {"var": "x"}]}, 2]}, {"x": "abc"}, "false", "true"),
    ("max counts true as 1", {"cat": [{"max": [True, False]}]}, {}, "1", "error"),
    ("a whole result is a whole number", {"/": [4, 2]}, {}, "2", "error"),
    ("a whole weight is a whole number", {"fractional": [["on", {"/": [4, 2]}]]}, {}, "on", "off"),
    ("division by zero is infinite", {">": [{"/": [1, 0]}, 5]}, {}, "true", "error"),
    ("substr of length null is empty", {"==": [{"substr": ["abc", 0, None]}, ""]}, {}, "true", "false"),
    ("texts are compared by UTF-16 units", {"<": ["𝒜", "ﬀ"]}, {}, "true", "false"),
]


@pytest.mark.parametrize(
    ("rule", "attributes", "javascript", "core"), [row[1:] for row in DIFFERENCES], ids=[row[0] for row in DIFFERENCES]
)
def test_where_the_core_is_not_javascript(rule: Any, attributes: Any, javascript: str, core: str) -> None:
    """Where flagd's Python core and JavaScript differ, JavaScript is the rule; and the core still differs."""
    asked = EvaluationContext("user-1", attributes)
    mine = ours(flag(rule), asked)
    assert (mine[1] or "error") == javascript
    try:
        found = theirs(flag(rule), asked)[1] or "error"
    except Exception:
        found = "error"
    assert found == core
