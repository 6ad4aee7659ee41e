"""Further ways round the stages that look like nothing: absent attributes, kills in between, flags without a risk."""

from __future__ import annotations

from typing import Any

import pytest

from flagmiddleware.errors import RulesetError
from flagmiddleware.release.judge import NO_RISK
from flagmiddleware.release.matrix import draw_matrix
from flagmiddleware.release.policy import read_policy
from tests.release.test_verdicts import CANARY, CRAWL, FAST, NOW, ON, ONE, broken, crawl, plan, ruleset, told

NEARLY_OFF = [{"rollout": "99.9%", "serve": False}]
AT_ONCE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "hashed by what nobody has": ({}, {"default": True, "sticky_by": "shoe-size", "rules": NEARLY_OFF}),
    "now hashed by what nobody has": (
        {"default": True, "rules": NEARLY_OFF},
        {"default": True, "rules": NEARLY_OFF, "sticky_by": "shoe-size"},
    ),
    "split by what nobody has": (
        {"variants": {"x": 1, "y": 2}, "off": "x"},
        {
            **{"variants": {"x": 1, "y": 2}, "off": "x", "default": "y"},
            **{"sticky_by": "shoe-size", "rules": [{"split": {"x": 999, "y": 1}}]},
        },
    ),
    "for whom nothing is known of": ({}, {"rules": [{"if": {"shoe-size": {"exists": False}}, "serve": True}]}),
    "for whom it is not so that something is known of": (
        {},
        {"rules": [{"if": {"not": {"shoe-size": {"exists": True}}}, "serve": True}]},
    ),
}


@pytest.mark.parametrize("way", AT_ONCE)
@pytest.mark.parametrize("risk", [CRAWL, CANARY])
def test_an_attribute_that_nobody_has_is_no_way_round(way: str, risk: dict[str, Any]) -> None:
    """Whoever lacks an attribute may be everyone: a rule for them, or the default that hashing leaves them with."""
    old, new = AT_ONCE[way]
    (flag,) = plan({"a": {**risk, **old}}, {"a": {**risk, **new}}).values()
    assert "who may be nearly everyone" in broken(flag)
    assert "this asks for 100 %" in broken(flag)


def test_hashing_by_a_company_is_free_where_the_default_is_off() -> None:
    """Nobody gets more for lacking what is hashed: the next stage is the next stage."""
    (flag,) = plan(
        crawl(rules=ONE, sticky_by="company"), crawl(rules=[{"rollout": "5%"}], sticky_by="company")
    ).values()
    assert not flag.breaks


def test_a_kill_on_the_way_is_planned() -> None:
    """A flag that is required is killed, and itself requires one: the plan tells who loses, and breaks nothing."""
    waiting = crawl(rules=ON, requires={"b": True})
    old = {**waiting, "b": {**FAST, "rules": ON, "requires": {"c": True}}, "c": {**FAST, "rules": ON}}
    new = {**old, "b": {**old["b"], "enabled": False}}
    for flag in plan(old, new).values():
        assert not flag.breaks, told(flag)


def test_a_kill_on_the_way_hides_no_other_lift() -> None:
    """What a killed flag requires is raised meanwhile: a restore would let it through, so it is the crawl's step."""
    waiting = crawl(rules=ON, requires={"b": True})
    killed = {**FAST, "rules": ON, "requires": {"c": True}, "enabled": False}
    old, new = ({**waiting, "b": killed, "c": {**FAST, "rules": rules}} for rules in ([], ON))
    assert "by way of c: measured crawl may go from 0 %" in broken(plan(old, new)["a"])


def test_flags_without_a_risk_are_judged_where_the_policy_says_how() -> None:
    """`undeclared` names the strategy of flags that state no risk; without it that is told, and breaks nothing."""
    owned = {"a": {"owner": ["engineering", "product"]}}
    raised = {"a": {**owned["a"], "rules": [{"rollout": "50%"}]}}
    assert plan(owned, raised)["a"].verdicts == (NO_RISK,)
    strict = read_policy({"undeclared": "measured-crawl"})
    assert "measured crawl may go from 0 % to at most 1 %" in broken(plan(owned, raised, strict)["a"])
    fast = {"a": {**raised["a"], "risk": FAST["risk"]}}
    assert "measured crawl may go" in broken(plan(owned, fast, strict)["a"]), "a risk comes in a step of its own"
    (placed,) = draw_matrix(ruleset(owned), strict, now=NOW).placements
    assert (placed.strategy, placed.next) == ("measured-crawl", "1 %")


@pytest.mark.parametrize("value", ["crawl", [], ["measured-crawl"], None])
def test_what_is_no_strategy_is_refused(value: Any) -> None:
    """`undeclared` is one name of a strategy, and a slip in it is told with those that there are."""
    with pytest.raises(RulesetError, match=r"policy\.undeclared.*expected one of fast-lane"):
        read_policy({"undeclared": value})


def test_a_key_that_is_no_text_breaks_nothing() -> None:
    """A mistake under a number is told like any other: documents of other origin than YAML have such keys."""
    with pytest.raises(RulesetError, match=r"policy\.environments\.1: expected a mapping"):
        read_policy({"environments": {1: 2}})


# -- flags that must be off ---------------------------------------------------------------------------------------

IN_AU = [{"if": {"country": "AU"}, "serve": True}]


def test_a_flag_that_must_be_off_lifts_by_going() -> None:
    """Who meets a condition of the last of a chain loses the one between, and so gets the crawl that wants it off."""
    first = crawl(rules=ON, requires={"b": False})
    old = {**first, "b": {**FAST, "rules": ON, "requires": {"c": False}}, "c": FAST}
    new = {**old, "c": {**FAST, "rules": IN_AU}}
    assert "for AU by way of c by way of b from 0 % to 100 %" in broken(plan(old, new)["a"])


def test_a_requirement_that_is_new_lifts_what_wants_it_unmet() -> None:
    """Another flag begins to hold the one between back for some: how many they are is not known."""
    first = crawl(rules=ON, requires={"b": False})
    old = {**first, "b": {**FAST, "rules": ON}, "c": {**FAST, "rules": IN_AU}}
    new = {**old, "b": {**FAST, "rules": ON, "requires": {"c": True}}}
    assert "whom c holds back now by way of b" in broken(plan(old, new)["a"])


def test_a_flag_that_must_be_off_takes_by_coming() -> None:
    """More of the last of a chain is more of the one between, and less of the crawl that wants it off: no step."""
    first = crawl(rules=ON, requires={"b": False})
    old = {**first, "b": {**FAST, "rules": ON, "requires": {"c": True}}, "c": FAST}
    new = {**old, "c": {**FAST, "rules": IN_AU}}
    assert not plan(old, new)["a"].breaks
