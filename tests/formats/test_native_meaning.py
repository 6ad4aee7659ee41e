"""What a native flag file means: each field, as the model holds it."""

from __future__ import annotations

from typing import Any

import pytest

from flagmiddleware.bucketing import cuts
from flagmiddleware.errors import RulesetError
from flagmiddleware.formats import parse, parse_document
from flagmiddleware.model import (
    BOOLEAN,
    AllOf,
    AnyOf,
    Example,
    Flag,
    InSegment,
    Not,
    Ramp,
    RampStep,
    Requirement,
    Risk,
    Rollout,
    Rule,
    Schedule,
    Serve,
    Split,
    Test,
)

SAMPLE = b"""
version: 1
attributes: [shoe_size]
policy: {stages: [5, 25]}
metadata: {team: web}
segments:
  insiders:
    any:
      - is_staff: true
      - email: {ends_with: "@yourcompany.com"}
flags:
  payments-v2: {}
  new-checkout:
    description: The one-page checkout
    owner: [product, engineering]
    risk: {technical: high, business: low}
    expires: 2027-03-31
    enabled: true
    requires: {payments-v2: true}
    sticky_by: user
    qa: true
    public: false
    salt: old-checkout
    metadata: {ticket: {id: 7}}
    x-note: anything
    rules:
      - name: insiders
        if: {segment: insiders}
        serve: true
      - name: anz
        if: {country: [AU, NZ], plan: pro}
        rollout: 25%
      - rollout: 1
  checkout-button:
    variants: {blue: "#00f", green: "#0f0", orange: "#f80"}
    off: blue
    default: green
    requires: {payments-v2: [on, off]}
    rules:
      - split: {blue: 34, green: 33, orange: 33}
  summer-sale:
    rules:
      - schedule: {from: 2026-12-01T00:00:00+11:00, until: 2027-02-28T23:59:59+11:00}
        serve: true
  search-v2:
    default: true
    rules:
      - ramp: [{at: 2026-12-01T09:00:00Z, to: 1%}, {at: 2026-12-02T09:00:00Z, to: 10%}]
        linear: true
    environments:
      staging: {rules: [{serve: true}], default: null}
      production: {clear: [rules, default], enabled: false}
    tests:
      - given: {user: user-42, environment: staging}
        expect: true
      - at: 2026-12-03T00:00:00Z
        expect: false
"""


def only(text: str, **more: Any) -> Flag:
    return parse_document({"version": 1, "flags": {"beta": {"rules": [{"if": {"country": text}}], **more}}}).flags[
        "beta"
    ]


def condition(tree: dict[str, Any]) -> Any:
    return parse_document({"version": 1, "segments": {"a": {"x": 1}, "b": tree}, "flags": {}}).segments["b"]


def test_every_field_of_a_flag() -> None:
    """A flag with every field is this model."""
    assert parse(SAMPLE).flags["new-checkout"] == Flag(
        key="new-checkout",
        variants=BOOLEAN,
        requires=(Requirement("payments-v2", ("on",)),),
        rules=(
            Rule(Serve("on"), InSegment("insiders"), name="insiders"),
            Rule(
                Serve("on"),
                AllOf((_in("country", "AU", "NZ"), _eq("plan", "pro"))),
                gate=_rollout("25%", 2**30),
                name="anz",
            ),
            Rule(Serve("on"), gate=_rollout("1%", 42949672)),
        ),
        salt="old-checkout",
        sticky_by="user",
        qa=True,
        description="The one-page checkout",
        owner=("product", "engineering"),
        risk=Risk("high", "low"),
        expires="2027-03-31",
        metadata={"ticket": {"id": 7}},
    )


def _operator(name: str) -> Any:
    from flagmiddleware.conditions import OPERATORS

    return OPERATORS[name]


def _eq(attribute: str, value: Any) -> Test:
    return Test(attribute, _operator("eq"), value)


def _in(attribute: str, *values: Any) -> Test:
    return Test(attribute, _operator("in"), values)


def _rollout(text: str, threshold: int) -> Rollout:
    from flagmiddleware.model import Share

    return Rollout(Share(text, threshold))


def test_the_empty_flag_is_boolean_and_off() -> None:
    """`{}` is a boolean flag with no rules: on/off variants, off by default, salted by its key."""
    flag = parse(SAMPLE).flags["payments-v2"]
    assert flag == Flag(key="payments-v2", salt="payments-v2")
    assert flag.variants is BOOLEAN


def test_variants_split_and_prerequisite_lists() -> None:
    """Variants keep their order and values, cuts are exact, and a list of wanted variants means any of them."""
    flag = parse(SAMPLE).flags["checkout-button"]
    assert (flag.off, flag.default) == ("blue", "green")
    assert list(flag.variants.items()) == [("blue", "#00f"), ("green", "#0f0"), ("orange", "#f80")]
    assert flag.rules[0].payload == Split(("blue", "green", "orange"), cuts([34, 33, 33]), (34, 33, 33))
    assert flag.requires == (Requirement("payments-v2", ("on", "off")),)


def test_default_is_off_where_it_is_left_out() -> None:
    """A multivariate flag without `default` serves `off` where no rule matches."""
    tree = {"version": 1, "flags": {"size": {"variants": {"s": 1, "l": 2}, "off": "l"}}}
    assert parse_document(tree).flags["size"].default == "l"


def test_schedules_and_ramps_are_instants() -> None:
    """Instants are seconds since 1970; YAML reads unquoted ones as text."""
    flags = parse(SAMPLE).flags
    assert flags["summer-sale"].rules[0].schedule == Schedule(1796043600.0, 1803819599.0)
    gate = flags["search-v2"].rules[0].gate
    assert isinstance(gate, Ramp)
    assert gate.linear
    assert [step.at for step in gate.steps] == [1796115600.0, 1796202000.0]
    assert all(isinstance(step, RampStep) for step in gate.steps)


def test_environments_replace_and_clear() -> None:
    """Each environment replaces the fields it names; null and `clear` put a field back to its default."""
    assert parse(SAMPLE).flags["search-v2"].default == "on"
    staging = parse(SAMPLE, environment="staging").flags["search-v2"]
    assert (staging.default, staging.rules) == ("off", (Rule(Serve("on")),))
    assert (staging.key, staging.salt) == ("search-v2", "search-v2")
    production = parse(SAMPLE, environment="production").flags["search-v2"]
    assert (production.default, production.rules, production.enabled) == ("off", (), False)
    assert parse(SAMPLE, environment="nowhere").flags == parse(SAMPLE).flags


def test_examples_carry_their_environment_instant_and_line() -> None:
    """An example's environment leaves its attributes; with `lines` each knows its line."""
    first, second = parse(SAMPLE, options={"lines": True}).flags["search-v2"].tests
    assert first == Example(
        {"user": "user-42"}, "on", "staging", None, SAMPLE.decode().split("user-42")[0].count("\n") + 1
    )
    assert (second.at, second.expect, second.given) == (1796256000.0, "off", {})
    assert parse(SAMPLE).flags["search-v2"].tests[0].line == 0


def test_what_stands_at_the_top() -> None:
    """Attributes, policy and metadata of the file are on the ruleset, frozen."""
    ruleset = parse(SAMPLE, environment="staging")
    assert ruleset.attributes == ("shoe_size",)
    assert ruleset.policy == {"stages": [5, 25]}
    assert ruleset.metadata == {"team": "web"}
    assert ruleset.environment == "staging"
    with pytest.raises(TypeError):
        ruleset.policy["stages"].append(50)


@pytest.mark.parametrize(
    ("tree", "wanted"),
    [
        ({"x": "a"}, _eq("x", "a")),
        ({"x": True}, _eq("x", True)),
        ({"x": [1, "a"]}, _in("x", 1, "a")),
        ({"x": {"gt": 1, "lt": 5}}, AllOf((Test("x", _operator("gt"), 1), Test("x", _operator("lt"), 5)))),
        ({"x": {"exists": False, "x-why": "new users"}}, Test("x", _operator("exists"), False)),
        ({"not": {"x": 1}}, Not(_eq("x", 1))),
        ({"all": [{"x": 1}, {"y": 2}]}, AllOf((_eq("x", 1), _eq("y", 2)))),
        ({"any": [{"x": 1}], "y": 2}, AllOf((AnyOf((_eq("x", 1),)), _eq("y", 2)))),
        ({"segment": "a"}, InSegment("a")),
        ({"segment": ["a", "a"]}, AnyOf((InSegment("a"), InSegment("a")))),
        ({"x-forwarded": "a", "session.plan": "b"}, AllOf((_eq("x-forwarded", "a"), _eq("session.plan", "b")))),
        ({"__class__": "a"}, _eq("__class__", "a")),
    ],
    ids=str,
)
def test_conditions(tree: dict[str, Any], wanted: Any) -> None:
    """Each way to write a condition is this tree; names under `if` are attributes whatever they look like."""
    assert condition(tree) == wanted


def test_a_boolean_flag_may_write_its_variants_out() -> None:
    """Variants on: true and off: false are the boolean flag; on: 1 and off: 0 are not."""
    written = only("AU", variants={"off": False, "on": True})
    assert written == only("AU")
    assert written.variants is BOOLEAN
    with pytest.raises(RulesetError, match="needs `off`"):
        only("AU", variants={"on": 1, "off": 0})


def test_values_that_are_shared_cannot_be_changed() -> None:
    """Object and list values are read-only all the way down."""
    tree = {"version": 1, "flags": {"page": {"variants": {"a": {"b": [1]}}, "off": "a"}}}
    value = parse_document(tree).flags["page"].variants["a"]
    with pytest.raises(TypeError):
        value["b"].append(2)


def test_percentages_are_exact() -> None:
    """A percentage covers floor(p / 100 * 2**32) buckets, computed without floating point."""
    flag = parse_document(
        {
            "version": 1,
            "flags": {"beta": {"rules": [{"rollout": text} for text in ("0.001%", "33.333333333333%", 100, 0)]}},
        }
    ).flags["beta"]
    thresholds = [rule.gate.share.threshold for rule in flag.rules if isinstance(rule.gate, Rollout)]
    assert thresholds == [42949, 33333333333333 * 2**32 // 10**14, 2**32, 0]
