"""flagd's format: what is one flag's fault, what is the document's, and how the context is read."""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagmiddleware import Context, Flags
from flagmiddleware.context import LazyContext
from flagmiddleware.errors import ConfigurationError, RulesetError
from flagmiddleware.formats import flagd, parse
from flagmiddleware.formats.flagd_fractional import canonical_cbor
from flagmiddleware.formats.jsonlogic import MAX_DEPTH
from flagmiddleware.model import Evaluation

VARIANTS = {"on": True, "off": False}


def flag(targeting: Any = None, **more: Any) -> dict[str, Any]:
    """A flag's definition."""
    written = {"state": "ENABLED", "variants": VARIANTS, "defaultVariant": "off", **more}
    return written if targeting is None else {**written, "targeting": targeting}


def flags(definitions: dict[str, Any], *, options: dict[str, Any] | None = None, **document: Any) -> Flags:
    """Flags of a document."""
    data = json.dumps({"flags": definitions, **document}).encode()
    return Flags(flagd.parse(data, options=options or {}))


def decide(targeting: Any, context: Context | None = None, **document: Any) -> Evaluation:
    """The evaluation of one flag with this targeting."""
    return flags({"beta": flag(targeting)}, **document).evaluate("beta", context)


# -- bucketing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "key", "bucket"),
    [
        ("v2", "user-1", 4549),
        ("v2", "user-42", 5575),
        ("v2", "zoë", 2492),
        ("v3", "user-1", 4965),
        ("v3", "user-42", 1720),
        ("v3", "zoë", 908),
    ],
)
def test_subjects_stay_in_their_buckets(mode: str, key: str, bucket: int) -> None:
    """The golden vectors of both bucketings: of 10,000, exactly this bucket. They never change."""
    buckets = [["before", bucket], ["here", 1], ["after", 9_999 - bucket]]
    variants = {name: name for name in ("before", "here", "after")}
    definition = {"state": "ENABLED", "variants": variants, "targeting": {"fractional": buckets}}
    found = flags({"new-checkout": definition}, options={"bucketing": mode})
    assert found.evaluate("new-checkout", Context(key)).variant == "here"


@given(st.text(max_size=400))
def test_text_is_encoded_as_cbor2_encodes_it(text: str) -> None:
    """The encoding of text that is written out here is canonical CBOR to the byte."""
    try:
        expected = cbor2.dumps(text, canonical=True)
    except UnicodeEncodeError:
        with pytest.raises(UnicodeEncodeError):
            canonical_cbor(text)
        return
    assert canonical_cbor(text) == expected


@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, 65_535, 65_536])
def test_every_width_of_a_text_is_encoded_as_cbor2_encodes_it(size: int) -> None:
    """Every length that changes the head of a CBOR text."""
    assert canonical_cbor("x" * size) == cbor2.dumps("x" * size, canonical=True)


def test_whole_floats_hash_as_integers() -> None:
    """1.0 and 1, and 0.0 and -0.0, are the same bucket value in v3, inside an object as well."""
    assert canonical_cbor(1.0) == canonical_cbor(1)
    assert canonical_cbor(-0.0) == canonical_cbor(0)
    assert canonical_cbor({"a": [2.0]}) == canonical_cbor({"a": [2]})
    assert canonical_cbor(2.0**64) != canonical_cbor(2**64)


@pytest.mark.parametrize("key", [None, "", 42, True, "\ud800"])
def test_v3_places_nobody_without_a_text_as_key(key: Any) -> None:
    """A missing, empty or non-text targeting key, and one that no encoding can say, gets the default variant."""
    assert decide({"fractional": [["on", 1]]}, Context(key)).reason == "DEFAULT"


@pytest.mark.parametrize("weight", [2**31, 1.5, "1", True, None])
def test_weights_that_are_none_place_nobody(weight: Any) -> None:
    """A weight that is no whole number, or a sum beyond 2**31 - 1, gives the default variant."""
    assert decide({"fractional": [["on", weight], ["off", 1]]}, Context("a")).reason == "DEFAULT"


def test_an_unknown_option_is_refused() -> None:
    """A misspelt option, or a bucketing that does not exist, is an error that names the setting."""
    with pytest.raises(ConfigurationError, match="bucketing"):
        flags({}, options={"bucketing": "v1"})
    with pytest.raises(ConfigurationError, match="bukceting"):
        flags({}, options={"bukceting": "v2"})


# -- one flag's fault ----------------------------------------------------------------------------------------------

BAD: dict[str, Any] = {
    "no-object": 1,
    "no-state": {"variants": VARIANTS},
    "odd-state": flag(state="ON"),
    "no-variants": {"state": "ENABLED", "defaultVariant": "on"},
    "empty-variants": flag(variants={}),
    "odd-default": flag(defaultVariant=3),
    "odd-metadata": flag(metadata={"a": {}}),
    "odd-targeting": flag([1]),
    "dangling": flag({"$ref": "nobody"}),
    "cyclic": flag({"$ref": "round"}),
    "unknown-operator": flag({"matches": ["a", "b"]}),
    "too-deep": flag(json.loads('{"!":' * (MAX_DEPTH + 1) + "true" + "}" * (MAX_DEPTH + 1))),
    "laughs": flag({"$ref": "laugh9"}),
}
EVALUATORS: dict[str, Any] = {
    "round": {"and": [True, {"$ref": "and-round"}]},
    "and-round": {"!": {"$ref": "round"}},
    "laugh0": {"!": [{"var": "a"}]},
    **{f"laugh{n}": {"and": [{"$ref": f"laugh{n - 1}"}] * 10} for n in range(1, 10)},
}


def test_what_is_wrong_with_a_flag_is_that_flags_alone() -> None:
    """Every kind of broken flag answers PARSE_ERROR with the caller's default, and the good one is served."""
    found = flags({**BAD, "good": flag({"==": [1, 1]}, variants={"true": "yes"})}, **{"$evaluators": EVALUATORS})
    assert found.value("good") == "yes"
    for key in BAD:
        evaluation = found.evaluate(key)
        assert (evaluation.reason, evaluation.error_code, evaluation.variant) == ("ERROR", "PARSE_ERROR", None), key
        assert key in (evaluation.error_message or "")
        assert found.value(key, default=7) == 7


def test_a_disabled_flag_is_disabled_whatever_its_targeting() -> None:
    """flagd looks at no targeting of a disabled flag, so its errors are none."""
    evaluation = flags({"beta": flag({"$ref": "nobody"}, state="DISABLED")}).evaluate("beta")
    assert (evaluation.reason, evaluation.error_code, evaluation.variant) == ("DISABLED", None, None)


def test_an_operator_that_is_not_reached_does_not_matter() -> None:
    """As in flagd's own engines a rule is only wrong where it is decided."""
    assert decide({"if": [False, {"$ref": "nobody"}, "on"]}).variant == "on"


@pytest.mark.parametrize("default", ["nobody", "null-valued"])
def test_a_default_that_is_no_variant_is_an_error_when_it_is_asked_for(default: str) -> None:
    """The targeting may still decide; falling back to such a default is GENERAL."""
    variants = {"on": True, "null-valued": None}
    found = flags({"beta": flag({"if": [{"var": "in"}, "on"]}, variants=variants, defaultVariant=default)})
    assert found.evaluate("beta", Context(**{"in": True})).variant == "on"
    assert found.evaluate("beta").error_code == "GENERAL"


def test_a_variant_that_is_not_there_is_an_error() -> None:
    """A targeting that names no variant is GENERAL and serves the caller's default."""
    evaluation = decide("unknown" and {"cat": ["unknown"]})
    assert (evaluation.reason, evaluation.error_code, evaluation.variant) == ("ERROR", "GENERAL", None)


class _Hostile:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize("value", [_Hostile(), {1: 2}, {_Hostile}, float("nan"), "\ud800", b"x", 10**400, object()])
@pytest.mark.parametrize(
    "rule",
    [
        {"==": [{"var": "a"}, 1]},
        {"in": [{"var": "a"}, ["x", 1]]},
        {"<": [{"var": "a"}, 1]},
        {"cat": [{"var": "a"}]},
        {"+": [{"var": "a"}, 1]},
        {"%": [{"var": "a"}, 2]},
        {"fractional": [{"var": "a"}, ["on", 1]]},
        {"sem_ver": [{"var": "a"}, ">", "1.0.0"]},
        {"map": [{"var": "a"}, {"var": "b"}]},
        {"var": "a.b.c"},
    ],
    ids=str,
)
def test_evaluation_never_raises(rule: Any, value: Any) -> None:
    """Whatever stands in the context, the answer is an evaluation, decided by compiled code."""
    found = flags({"beta": flag(rule)})
    assert found.evaluate("beta", Context("user", a=value)).flag_key == "beta"
    assert found.status.fallbacks == 0


# -- the document's fault ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"{}", b'{"flags": 1}', b'{"flags": {}, "metadata": {"a": []}}'])
def test_what_concerns_all_flags_refuses_the_document(data: bytes) -> None:
    """No flags, no JSON, or metadata of the flag set that nobody can use."""
    with pytest.raises(RulesetError):
        flagd.parse(data, name="x.json")


def test_validation_names_every_breach_of_the_schema() -> None:
    """``validate`` refuses a document for anything in which it breaks flagd's schema, all of it at once."""
    document = {"flags": {"a": flag({"sem_ver": ["1.0", "*", "x"]}), "b": flag({"iff": [1]}), "c": {}}}
    with pytest.raises(RulesetError) as caught:
        flagd.parse(json.dumps(document).encode(), options={"validate": True})
    places = [problem.where for problem in caught.value.problems]
    sem_ver = [f"flags.a.targeting.sem_ver[{place}]" for place in (0, 2, 1)]
    assert places == [*sem_ver, "flags.b.targeting.iff", "flags.c.state", "flags.c.variants"]
    assert 'did you mean "if"' in str(caught.value)


def test_flags_may_be_yaml_or_an_array() -> None:
    """The same definitions as YAML, and as the array that flagd's daemon takes; recognised without being told."""
    variants = b"    variants: {'on': yes-text, 'off': no-text}\n"
    text = b"flags:\n  beta:\n    state: ENABLED\n" + variants + b"    defaultVariant: 'on'\n"
    assert Flags(parse(text, name="flags.yaml")).value("beta") == "yes-text"
    array = json.dumps({"flags": [{"key": "beta", **flag(defaultVariant="on")}, {"state": "ENABLED"}, flag()]}).encode()
    found = parse(array, name="flags.json").flags
    assert found["beta"].default == "on"
    assert found["flags[1]"].error
    assert found["flags[2]"].error == "flag 'flags[2]': key: a flag in an array needs one"


def test_a_payload_of_ten_megabytes_is_read() -> None:
    """Size alone is no error."""
    rule = {"if": [{"in": [{"var": "email"}, [f"user{n}@example.com" for n in range(1000)]]}, "on", "off"]}
    found = flags({f"flag-{number}": flag(rule) for number in range(450)})
    assert found.evaluate("flag-7", Context("a", email="user999@example.com")).variant == "on"


@pytest.mark.parametrize(
    "wrong",
    [
        flag({"y" * 1_000_000: [1]}),
        flag({"$ref": "y" * 1_000_000}),
        flag({"if": [True, "y" * 1_000_000]}),
        flag(defaultVariant="y" * 1_000_000),
        flag(state="y" * 1_000_000),
    ],
    ids=["operator", "reference", "variant", "default", "state"],
)
def test_what_is_told_of_a_flag_has_an_end(wrong: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """A megabyte where a word belongs is neither logged nor handed to a client at full length."""
    found = flags({"bad": wrong, "good": flag(defaultVariant="on")})
    told = found.evaluate("bad")
    assert told.error_code is not None
    assert told.error_message is not None
    assert len(told.error_message) <= 500
    assert len(caplog.text) + len(found.status.last_error or "") < 3_000
    assert found.is_enabled("good")


def test_answers_that_quote_an_attribute_are_not_kept() -> None:
    """A targeting that hands out a visitor's text as a variant leaves nothing behind, whatever visitors send."""
    found = flags({"beta": flag({"var": "x"})})

    def ask(count: int, tag: str) -> None:
        for number in range(count):
            assert found.evaluate("beta", Context("u", x=f"{tag}-{number}" * 20)).error_code == "GENERAL"

    ask(1_200, "warm")  # that many causes are logged and remembered
    tracemalloc.start()
    try:
        ask(3_000, "more")
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()


# -- the context ---------------------------------------------------------------------------------------------------


def test_only_the_attributes_that_are_asked_for_are_read() -> None:
    """A request's attribute is resolved when a rule reads it, and not where the rule stops before."""
    rule = {"if": [{"==": [{"var": "country"}, "AU"]}, "on", {"==": [{"var": "email"}, "a"]}, "on", "off"]}
    found = flags({"beta": flag(rule)})
    context = LazyContext({"country": lambda _: "AU", "email": lambda _: pytest.fail("nobody asked")})
    assert found.evaluate("beta", context).variant == "on"
    assert list(context) == ["country"]
    assert found.plan.reads("beta") == {"country", "email"}


def test_the_targeting_key_is_among_what_is_read() -> None:
    """``targetingKey`` and the shorthand of ``fractional`` read the targeting key; a dotted name its first part."""
    rule = {"if": [{"missing": ["user.name"]}, {"fractional": [["on"]]}, {"var": "session.cart"}]}
    assert flags({"beta": flag(rule)}).plan.reads("beta") == {"user", "targeting_key", "session.cart"}


def test_a_web_session_is_read_by_its_dotted_name() -> None:
    """``session.cart`` is one attribute of a web request, and a property of ``session`` in a context made by hand."""
    rule = {"if": [{"var": "session.cart"}, "on", "off"]}
    lazy = LazyContext({"session.cart": lambda _: 3})
    assert decide(rule, lazy).variant == "on"
    assert decide(rule, Context("a", session={"cart": 3})).variant == "on"
    assert decide(rule, Context("a", session={})).variant == "off"


def test_the_clock_and_the_flags_key_are_injected() -> None:
    """``$flagd.timestamp`` is now in whole seconds, ``$flagd.flagKey`` the flag's key."""
    assert decide({"if": [{">": [{"var": "$flagd.timestamp"}, 1_700_000_000]}, "on"]}).variant == "on"
    assert decide({"if": [{"==": [{"var": "$flagd.flagKey"}, "beta"]}, "on"]}).variant == "on"
    assert decide({"if": [{"var": "$flagd.other"}, "on"]}).variant == "off"


def test_an_answer_that_follows_the_clock_is_not_kept_beyond_its_change() -> None:
    """A comparison with ``$flagd.timestamp`` is a boundary of the plan, in a shared rule too; arithmetic moves on."""
    now = int(time.time())
    at, later = {">=": [{"var": "$flagd.timestamp"}, now + 500]}, {"<": [now + 90, {"var": ["$flagd.timestamp"]}]}
    found = flags(
        {"a": flag({"if": [at, "on"]}), "b": flag({"if": [{"$ref": "l"}, "on"]})}, **{"$evaluators": {"l": later}}
    )
    assert found.plan.next_change == now + 90
    weight = {"-": [{"var": "$flagd.timestamp"}, now]}
    moving = flags({"a": flag({"fractional": [["on", weight], ["off", 10]]})})
    assert moving.plan.next_change is not None
    assert moving.plan.next_change < now + 10
    assert flags({"a": flag({"if": [{"var": "x"}, "on"]})}).plan.next_change is None


def test_metadata_of_the_flag_wins_over_that_of_the_set() -> None:
    """Both are handed out with the evaluation."""
    found = flags({"beta": flag(metadata={"team": "web"})}, metadata={"team": "all", "version": "1"})
    assert dict(found.evaluate("beta").flag_metadata) == {"team": "web", "version": "1"}


def test_a_reload_that_changes_one_flag_reports_one_flag() -> None:
    """Functions are made anew at a reload; a flag counts as changed only where its definition or a shared rule is."""
    one = {"if": [{"$ref": "shared"}, "on", "off"]}
    first = flagd.parse(
        json.dumps({"flags": {"a": flag(one), "b": flag({"==": [1, 1]})}, "$evaluators": {"shared": True}}).encode()
    )
    again = flagd.parse(
        json.dumps({"flags": {"a": flag(one), "b": flag({"==": [1, 1]})}, "$evaluators": {"shared": True}}).encode()
    )
    other = flagd.parse(
        json.dumps({"flags": {"a": flag(one), "b": flag({"==": [1, 1]})}, "$evaluators": {"shared": False}}).encode()
    )
    assert first.flags == again.flags
    assert first.flags["a"] != other.flags["a"]
    assert first.flags["b"] == other.flags["b"]
