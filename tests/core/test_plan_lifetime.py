"""A plan that was replaced goes away by itself, and nobody who still holds a part of it gets a wrong answer."""

from __future__ import annotations

import gc
import time
import weakref

from flagmiddleware import Context
from flagmiddleware.formats import parse
from flagmiddleware.plan import Plan

RULESET = parse(
    b"version: 1\nflags: {a: {rules: [{serve: true}]}, b: {requires: {a: true}, rules: [{serve: true}]}, c: {}}"
)


def test_a_replaced_plan_needs_no_collector() -> None:
    """Ten thousand flags a reload would otherwise wait for a collection that stops every request."""
    gc.disable()
    try:
        plan = Plan(RULESET, time.time())
        plan.table["a"](Context("user-1"))
        gone = weakref.ref(plan)
        plan = Plan(RULESET, time.time(), plan)
        assert gone() is None
    finally:
        gc.enable()


def test_a_function_taken_before_the_plan_went_still_decides() -> None:
    """A reader that fetched a flag's entry a moment before the plan was replaced gets that plan's answer."""
    plan = Plan(RULESET, time.time())
    table = plan.table
    del plan
    gc.collect()
    assert table["b"](Context("user-1")).is_enabled
    assert not table["c"](Context("user-1")).is_enabled
