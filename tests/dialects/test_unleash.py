"""Unleash's dialect beyond its own cases: the engine's behaviours, our stand-ins, bad input, delta events.

Where an answer is the engine's, ``tests/differential/test_unleash_engine.py`` compares it with the engine itself.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flagmiddleware import ConfigurationError, Context, Flags, RulesetError, formats
from flagmiddleware.context import LazyContext
from flagmiddleware.formats.unleash import apply_events
from flagmiddleware.model import ErrorCode, Reason

DEFAULT = {"name": "default"}


def load(*features: dict[str, Any], segments: Any = (), environment: str | None = None, **options: Any) -> Flags:
    """Features behind our front door; ``enabled`` and ``strategies`` may be left out."""
    plain = {"enabled": True, "strategies": [DEFAULT]}
    payload = {"version": 2, "features": [{**plain, **one} for one in features], "segments": list(segments)}
    data = json.dumps(payload).encode()
    return Flags(formats.parse(data, format="unleash", environment=environment, options=options))


def constrained(operator: str, name: str = "x", **more: Any) -> dict[str, Any]:
    """A strategy of one constraint."""
    return {"name": "default", "constraints": [{"contextName": name, "operator": operator, **more}]}


def on(strategies: list[dict[str, Any]], context: Any = None, /, **more: Any) -> bool:
    """Whether a feature of these strategies is on."""
    subject = context if isinstance(context, Context) else Context(None, context or {})
    return load({"name": "f", "strategies": strategies}, **more).is_enabled("f", subject)


def rollout(percentage: str, **parameters: str) -> dict[str, Any]:
    """A gradual rollout."""
    return {"name": "flexibleRollout", "parameters": {"rollout": percentage, **parameters}}


# -- the published vectors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "place"), [("user-1", 32), ("user-42", 75), ("zoë", 61)])
def test_rollout_places_subjects_where_unleash_does(key: str, place: int) -> None:
    """MurmurHash3 of ``group:key`` modulo 100, plus one, not above the percentage."""
    strategy = [rollout(str(place), groupId="new-checkout")]
    assert on(strategy, {"userId": key})
    assert not on([rollout(str(place - 1), groupId="new-checkout")], {"userId": key})


@pytest.mark.parametrize(("key", "place"), [("user-1", 756), ("user-42", 959), ("zoë", 582)])
def test_variants_have_a_seed_of_their_own(key: str, place: int) -> None:
    """The draw between variants uses another seed, so that it does not follow the rollout."""
    variants = [
        {"name": "before", "weight": place - 1, "stickiness": "userId"},
        {"name": "here", "weight": 1},
        {"name": "after", "weight": 1000 - place},
    ]
    evaluation = load({"name": "new-checkout", "variants": variants}).evaluate("new-checkout", Context(key))
    assert (evaluation.variant, evaluation.reason) == ("here", Reason.SPLIT)


# -- the engine, where its cases are silent ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, True), ("5", True), (5.0, True), (True, False), (" 5", False), ("1_0", False), (None, False), ([5], False)],
)
def test_values_are_compared_as_text(value: Any, expected: bool) -> None:
    """Number 5 matches "5"; spaces and underscores make no number; what has no text is missing."""
    assert on([constrained("IN", values=["5"])], {"x": value}) is (expected and value not in (" 5", "1_0"))
    assert on([constrained("NUM_EQ", value="5")], {"x": value}) is expected


def test_true_is_lower_case_unless_python_is_asked_for() -> None:
    """``true`` matches "true"; ``stringify="python"`` compares as UnleashClient for Python does: "True" and "None"."""
    small, capital = [constrained("IN", values=["true"])], [constrained("IN", values=["True", "None"])]
    assert on(small, {"x": True})
    assert not on(capital, {"x": True})
    assert on(capital, {"x": True}, stringify="python")
    assert on(capital, {"x": None}, stringify="python")
    assert not on(small, {"x": True}, stringify="python")


def test_missing_attributes() -> None:
    """NOT_IN holds for a missing attribute, and so does anything inverted; an empty user id is there."""
    assert on([constrained("NOT_IN", values=["a"])])
    assert on([constrained("STR_CONTAINS", values=["a"], inverted=True)])
    assert not on([constrained("STR_CONTAINS", values=["a"])])
    assert on([constrained("IN", name="userId", values=[""])], {"userId": ""})


def test_in_does_not_ignore_case_and_texts_do() -> None:
    """caseInsensitive counts for the three text operators and for REGEX; IN passes it over."""
    assert not on([constrained("IN", values=["A"], caseInsensitive=True)], {"x": "a"})
    for operator in ("STR_CONTAINS", "STR_STARTS_WITH", "STR_ENDS_WITH"):
        assert on([constrained(operator, values=["A"], caseInsensitive=True)], {"x": "a"})
    assert on([constrained("REGEX", value="A", caseInsensitive=True)], {"x": "a"})


def test_dates_need_a_zone_and_a_missing_current_time_is_now() -> None:
    """A date without a zone never matches; currentTime is the clock's where nobody gives it."""
    after = [constrained("DATE_AFTER", name="currentTime", value="2022-01-29T13:00:00.000Z")]
    assert on(after)
    assert on(after, {"currentTime": "2022-01-30T13:00:00+11:00"})
    assert not on(after, {"currentTime": "2022-01-30T13:00:00"})
    assert not on([constrained("DATE_BEFORE", name="currentTime", value="2022-01-29T13:00:00.000Z")])


def test_no_cache_keeps_an_answer_beyond_a_date_to_come() -> None:
    """A constraint on currentTime, in a segment or not, bounds the plan as a schedule does; a past one does not."""
    date = {"contextName": "currentTime", "operator": "DATE_AFTER", "value": "2999-01-01T00:00:00Z", "inverted": True}
    for strategy in ({"name": "default", "constraints": [date]}, {"name": "default", "segments": [1]}):
        flags = load({"name": "f", "strategies": [strategy]}, segments=[{"id": 1, "constraints": [date]}])
        assert flags.plan.next_change == 32472144000
        assert flags.is_enabled("f")
    past = constrained("DATE_AFTER", name="currentTime", value="2020-01-01T00:00:00Z")
    assert load({"name": "f", "strategies": [past]}).plan.next_change is None


def test_a_comparison_is_typed_by_how_its_value_is_written() -> None:
    """NUM_GT with a version compares versions, SEMVER_EQ with a number compares numbers."""
    assert on([constrained("NUM_GT", value="1.9.0")], {"x": "1.10.0"})
    assert on([constrained("SEMVER_EQ", value="1.20")], {"x": "1.2"})


def test_semver_with_a_leading_v_is_false_even_inverted() -> None:
    """Only that strategy: the others of the feature still count."""
    broken = constrained("SEMVER_EQ", value="v1.2.3", inverted=True)
    assert not on([broken], {"x": "1.2.3"})
    assert on([broken, DEFAULT])


@pytest.mark.parametrize("pattern", ["a(?=b)", r"(a)\1", "("])
def test_patterns_that_re2_refuses_never_match(pattern: str) -> None:
    """Lookaround, back references and broken patterns never enable; inverted they always do."""
    assert not on([constrained("REGEX", value=pattern)], {"x": "ab"})
    assert on([constrained("REGEX", value=pattern, inverted=True)], {"x": "ab"})


def test_a_pattern_that_backtracks_takes_no_time() -> None:
    """The engine is linear: a megabyte of text against nested repetition ends at once."""
    flags = load({"name": "f", "strategies": [constrained("REGEX", value="^(a+)+$")]})
    started = time.process_time()
    assert not flags.is_enabled("f", Context(None, x="a" * 1_000_000 + "b"))
    assert time.process_time() - started < 20  # exponential time would not end in this century


@pytest.mark.parametrize(
    "malformed",
    [
        rollout("101"),
        constrained("NUM_EQ", value="five"),
        constrained("DATE_AFTER", value="2022-01-29"),
        constrained("LATER_THAN", value="1"),
        constrained("STR_CONTAINS", values=[]),
        constrained("IN", values=["a\\"]),
        constrained("REGEX", value="a\\"),
        {"name": "default", "segments": [9]},
        {"name": "default", "segments": [1]},
    ],
)
def test_one_malformed_strategy_turns_the_feature_off(malformed: dict[str, Any]) -> None:
    """The engine's rule: the whole feature is off, whatever its other strategies say, and we say why."""
    segments = [{"id": 1, "constraints": [{"contextName": "x", "operator": "NUM_GT", "value": "many"}]}]
    flags = load({"name": "f", "strategies": [malformed, DEFAULT]}, {"name": "other"}, segments=segments)
    evaluation = flags.evaluate("f", Context("u"))
    assert (evaluation.is_enabled, evaluation.error_code) == (False, None)
    assert evaluation.flag_metadata["malformed"] in str(evaluation.rule)
    assert flags.is_enabled("other")


def test_first_strategy_that_holds_gives_the_variant() -> None:
    """Its own variants, else the feature's; the feature's overrides come before any draw."""
    strategy = {**constrained("IN", values=["1"]), "variants": [{"name": "s", "weight": 1}]}
    pinned = {"name": "pinned", "weight": 0, "overrides": [{"contextName": "userId", "values": ["7"]}]}
    flags = load({"name": "f", "strategies": [strategy, DEFAULT], "variants": [{"name": "f", "weight": 1}, pinned]})
    given = [flags.evaluate("f", context).variant for context in (Context("u", x="1"), Context("u"), Context("7"))]
    assert given == ["s", "f", "pinned"]


def test_one_variant_name_may_have_two_payloads() -> None:
    """Two strategies give one name different payloads: the name stays, the value is the strategy's."""
    first = {**constrained("IN", values=["1"]), "variants": [_paid("a", "one")]}
    flags = load({"name": "f", "strategies": [first, {**DEFAULT, "variants": [_paid("a", "two")]}]})
    answers = [flags.evaluate("f", context) for context in (Context("u", x="1"), Context("u"))]
    assert [(answer.variant, answer.value) for answer in answers] == [("a", "one"), ("a", "two")]


def _paid(name: str, value: str, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "weight": 1, "payload": {"type": kind, "value": value}}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("string", "x", "x"), ("csv", "a,b", "a,b"), ("number", "1.5", 1.5), ("json", '{"a": [1]}', {"a": [1]}),
        ("json", "false", "false"), ("json", "null", "null"), ("json", "{", "{"), ("number", "many", "many"),
    ],
)  # fmt: skip
def test_payload_is_the_value(kind: str, text: str, value: Any) -> None:
    """Numbers and JSON are parsed; a JSON false stays text, because the variant is served and the flag is on."""
    evaluation = load({"name": "f", "variants": [_paid("a", text, kind)]}).evaluate("f", Context("u"))
    assert (evaluation.value, evaluation.is_enabled) == (value, True)


@pytest.mark.parametrize("name", ["off", "on", "disabled", "feature-off"])
def test_a_variant_may_be_called_anything(name: str) -> None:
    """A variant called "off" is served, and the flag is on."""
    flags = load({"name": "f", "variants": [{"name": name, "weight": 1}]}, {"name": "g", "enabled": False})
    evaluation = flags.evaluate("f", Context("u"))
    assert (evaluation.variant, evaluation.is_enabled) == (name, True)


def test_parents() -> None:
    """A parent must exist, have no parents, be as expected; one without variants satisfies any list of them."""
    flags = load(
        {"name": "up"},
        {"name": "down", "enabled": False},
        {"name": "child", "dependencies": [{"feature": "up"}]},
        {"name": "grandchild", "dependencies": [{"feature": "child"}]},
        {"name": "orphan", "dependencies": [{"feature": "nobody"}]},
        {"name": "wants-down", "dependencies": [{"feature": "down", "enabled": False}]},
        {"name": "wants-variant", "dependencies": [{"feature": "up", "variants": ["blue"]}]},
        {"name": "wants-up", "dependencies": [{"feature": "down"}]},
    )
    keys = ("child", "grandchild", "orphan", "wants-down", "wants-variant", "wants-up")
    assert [flags.is_enabled(key, Context("u")) for key in keys] == [True, False, False, True, True, False]
    assert flags.evaluate("wants-up", Context("u")).reason is Reason.DISABLED


def test_a_parents_rollout_without_a_group_hashes_the_childs_name() -> None:
    """The engine asks the parent under the child's name: parent and child then differ for some subjects."""
    half = {"strategies": [rollout("50", stickiness="userId")]}
    child = {"name": "child", "dependencies": [{"feature": "parent"}]}
    flags = load({"name": "parent", **half}, child, {"name": "alone", **half})
    own = load({"name": "child", **half})
    subjects = [Context(f"user-{number}") for number in range(200)]
    assert [flags.is_enabled("child", one) for one in subjects] == [own.is_enabled("child", one) for one in subjects]
    assert [flags.is_enabled("parent", one) for one in subjects] != [flags.is_enabled("child", one) for one in subjects]


# -- random --------------------------------------------------------------------------------------------------------


def test_nobody_in_particular_draws_once_per_bound_flags() -> None:
    """Without ids a rollout is a dice: one draw for all that is bound together, a new one for each call without."""
    flags = load(
        {"name": "f", "strategies": [rollout("50")]}, {"name": "g", "strategies": [rollout("50", groupId="f")]}
    )
    assert len({flags.is_enabled("f") for _ in range(100)}) == 2
    for _ in range(50):
        here = flags.bind()
        assert here.is_enabled("f") is here.is_enabled("g")


def test_a_dice_is_fair() -> None:
    """gradualRolloutRandom lets about its percentage in."""
    strategy = {"name": "gradualRolloutRandom", "parameters": {"percentage": "30"}}
    flags = load({"name": "f", "strategies": [strategy]})
    assert 200 < sum(flags.is_enabled("f") for _ in range(1000)) < 400


# -- our context ---------------------------------------------------------------------------------------------------


def test_our_attributes_stand_in_for_unleashs() -> None:
    """user for userId, visitor for sessionId, ip for remoteAddress; Unleash's own names win where both are given."""
    assert on([{"name": "userWithId", "parameters": {"userIds": "user-42"}}], Context("user-42"))
    assert on([constrained("IN", name="sessionId", values=["v"])], {"visitor": "v"})
    assert on([{"name": "remoteAddress", "parameters": {"IPs": "10.0.0.0/8"}}], {"ip": "10.1.1.1"})
    assert not on([constrained("IN", name="sessionId", values=["v"])], {"visitor": "v", "sessionId": "s"})


def test_a_visitor_is_never_a_user_id() -> None:
    """On the web the targeting key of an anonymous request is its visitor; Unleash's userId does not receive it."""
    anonymous = LazyContext({"user": lambda _: None, "visitor": lambda _: "v", "targeting_key": lambda _: "v"})
    assert not on([{"name": "userWithId", "parameters": {"userIds": "v"}}], anonymous)
    assert list(anonymous) == ["user"]


def test_properties_by_name_or_nested() -> None:
    """A property is an attribute of that name, or one inside ``properties``."""
    strategy = [constrained("IN", name="plan", values=["pro"])]
    assert on(strategy, {"plan": "pro"})
    assert on(strategy, {"properties": {"plan": "pro"}})
    assert on([constrained("IN", name="email_domain", values=["x.com"])], {"email": "ann@x.com"})


def test_environment_application_and_host_come_from_the_options() -> None:
    """environment= and app_name fill what the context leaves out; hostname decides applicationHostname."""
    assert on([constrained("IN", name="environment", values=["prod"])], environment="prod")
    assert not on([constrained("IN", name="environment", values=["prod"])], {"environment": "dev"}, environment="prod")
    assert on([constrained("IN", name="appName", values=["shop"])], app_name="shop")
    hosts = [{"name": "applicationHostname", "parameters": {"hostNames": "a, Web-1"}}]
    assert on(hosts, hostname="web-1")
    assert not on(hosts, hostname="web-2")


def test_custom_strategies_are_functions() -> None:
    """``strategies={name: function}``; one that nobody registered does not hold."""
    custom = [{"name": "older-than", "parameters": {"age": "18"}}]
    older = {"older-than": lambda parameters, context: context["age"] > int(parameters["age"])}
    assert on(custom, {"age": 20}, strategies=older)
    assert not on(custom, {"age": 17}, strategies=older)
    assert not on(custom, {"age": 20})
    assert not on(custom, {"age": "a text that breaks the function"}, strategies=older)


def test_unknown_options_are_refused() -> None:
    """A misspelt option names the nearest one."""
    with pytest.raises(ConfigurationError, match="app_name"):
        load({"name": "f"}, app_nam="x")
    with pytest.raises(ConfigurationError, match="stringify"):
        load({"name": "f"}, stringify="yaml")


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"features": 3}', b"\xff", b'{"a":' * 100_000])
def test_a_document_that_is_none_is_refused(data: bytes) -> None:
    """Not JSON, not an object, no list of features: one RulesetError, never another exception."""
    with pytest.raises(RulesetError):
        formats.parse(data, format="unleash", name="unleash.json")


def test_a_feature_of_another_shape_answers_alone() -> None:
    """PARSE_ERROR for that feature, the others are untouched; one without a name cannot be asked for."""
    flags = load({"name": "bad", "strategies": [{"name": 5}]}, {"name": "good"}, {"name": ["x"]})
    assert flags.evaluate("bad").error_code is ErrorCode.PARSE_ERROR
    assert flags.is_enabled("good")
    assert set(flags.ruleset.flags) == {"bad", "good"}


def test_parents_in_a_circle_are_off_and_alone() -> None:
    """Features that wait for each other, or for themselves, are off; the others are untouched."""
    waits = [("a", "b"), ("b", "c"), ("c", "a"), ("self", "self")]
    circle = [{"name": name, "dependencies": [{"feature": parent}]} for name, parent in waits]
    flags = load(*circle, {"name": "other"})
    keys = ("a", "b", "c", "self", "other")
    assert [flags.is_enabled(key, Context("u")) for key in keys] == [False, False, False, False, True]


def test_ten_megabytes_load() -> None:
    """A payload of 10 MB, half of it one list, is read like any other."""
    values = [f"user-{number:09}" for number in range(350_000)]
    feature = {"name": "f", "strategies": [constrained("IN", name="userId", values=values)]}
    others = [{"name": f"f{number}", "description": "x" * 400} for number in range(10_000)]
    flags = load(feature, *others)
    assert flags.is_enabled("f", Context("user-000349999"))
    assert flags.is_enabled("f9999")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["name", "enabled", "strategies", "constraints", "values", "value", "operator", "contextName", "segments",
             "id", "variants", "weight", "dependencies", "feature", "parameters", "rollout", "stickiness"]
        ),
        inner, max_size=5,
    ),
    max_leaves=15,
)  # fmt: skip


@settings(max_examples=200)
@given(features=st.lists(JSON, max_size=3), segments=JSON)
def test_any_features_load_and_decide(features: list[Any], segments: Any) -> None:
    """Whatever stands under features and segments, loading raises nothing and every flag answers."""
    payload = json.dumps({"version": 2, "features": features, "segments": segments}).encode()
    flags = Flags(formats.parse(payload, format="unleash"))
    for key in flags.ruleset.flags:
        flags.evaluate(key, Context("u"))
    assert flags.status.fallbacks == 0


# -- files and delta -----------------------------------------------------------------------------------------------


def test_payload_is_recognised(tmp_path: Path) -> None:
    """A list under ``features`` is Unleash's: no format= is needed."""
    path = tmp_path / "features.json"
    path.write_text(json.dumps({"version": 2, "features": [{"name": "f", "enabled": True}]}))
    flags = Flags(path)
    assert flags.ruleset.dialect.name == "unleash"
    assert flags.is_enabled("f")
    flags.close()


def test_delta_events_leave_the_document_alone() -> None:
    """apply_events is pure: hydration replaces, updates and removals apply in order, the last event is the revision."""
    before = {"version": 2, "features": [{"name": "old", "enabled": True}], "segments": []}
    frozen = json.dumps(before)
    hydrated = apply_events(
        before,
        [
            {"type": "hydration", "eventId": 7, "features": [{"name": "a"}, {"name": "b"}], "segments": [{"id": 1}]},
            {"type": "feature-updated", "eventId": 8, "feature": {"name": "c"}},
            {"type": "feature-removed", "eventId": 9, "featureName": "a"},
            {"type": "segment-updated", "eventId": 10, "segment": {"id": 2}},
            {"type": "segment-removed", "eventId": 11, "segmentId": 1},
            {"type": "from-the-future", "eventId": 12},
        ],
    )
    assert [feature["name"] for feature in hydrated["features"]] == ["b", "c"]
    assert [segment["id"] for segment in hydrated["segments"]] == [2]
    assert hydrated["revision"] == 12
    assert json.dumps(before) == frozen


@given(st.lists(JSON, max_size=4))
def test_any_events_apply(events: list[Any]) -> None:
    """Events of any shape end in a document that loads."""
    formats.parse(json.dumps(apply_events({}, events)).encode(), format="unleash")
