"""What an import calls exact moves nobody: each condition and strategy, decided by the old file and by the new."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from flagmiddleware import Context, Flags
from flagmiddleware.imports import Imported, Kept, convert

IDS = [f"u{number}" for number in range(20_000)]


def var(name: str) -> dict[str, str]:
    """An attribute in JsonLogic."""
    return {"var": name}


ATTRIBUTES: dict[str, list[Any]] = {
    "age": [-10, 0, 1, 5, 17, 17.5, 18, 19],
    "version": ["2.1.0", "2.0.0", "2.9.9", "3.0.0", "3.0.0-rc.1", "2.1.0-rc.1", "2.1.4", "0.0.9", "0.1.5", "2.0.0-0"],
    "plan": ["pro", "Pro", "PRO", "free", "", "p"],
    "beta": [True, False],
    "ip": ["10.0.0.1", "192.168.3.4", "::1", "nowhere"],
    "since": ["2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", "2026-01-01T02:00:01+01:00", "2026-01-01"],
    "visitor": ["s1"],
}
SUBJECTS = [
    Context(key, attributes)
    for key in ("u1", "5", "", None)
    for attributes in ({}, *({name: value} for name, values in ATTRIBUTES.items() for value in values))
]


def moved(old: Flags, new: Flags, keys: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Any]]:
    """Each flag (its old and its new key) and subject that the two decide differently."""
    for before, after in keys:
        for subject in SUBJECTS:
            one, other = old.evaluate(before, subject), new.evaluate(after, subject)
            if (one.is_enabled, one.is_enabled and one.value) != (other.is_enabled, other.is_enabled and other.value):
                yield before, (subject.targeting_key, dict(subject))


def inexact(result: Imported) -> set[str]:
    """The flags of which anything else was said than that it came over exactly."""
    return {note.flag for note in result.notes if note.kept is not Kept.EXACT}


# -- flagd ---------------------------------------------------------------------------------------------------------

COMPARISONS = [
    *({sign: [var("age"), number]} for sign in ("<", "<=", ">", ">=") for number in (18, 0, -5)),
    *({sign: [number, var("age")]} for sign in ("<", "<=", ">", ">=") for number in (18, 0, -5)),
    *({"sem_ver": [var("version"), sign, "2.1.3"]} for sign in ("=", "!=", "<", "<=", ">", ">=", "^", "~")),
    {"sem_ver": [var("version"), "^", "0.1.0"]},
    *({sign: [var("plan"), text]} for sign in ("==", "!=", "===", "!==", "starts_with") for text in ("pro", "")),
    {"in": [var("plan"), ["pro", "free"]]},
    {"in": ["ro", var("plan")]},
    {"==": [var("age"), 0]},
    {"!=": [var("beta"), False]},
    {"==": [var("targetingKey"), "u1"]},
]


@pytest.mark.parametrize("negated", [False, True])
def test_an_exact_flagd_flag_moves_nobody(negated: bool) -> None:
    """Above all those without the attribute, whom JsonLogic takes for 0 and a native comparison never matches."""
    flags = {
        f"f{place}": {
            "state": "ENABLED",
            "variants": {"on": True, "off": False},
            "defaultVariant": "off",
            "targeting": {"if": [{"!": rule} if negated else rule, "on", "off"]},
        }
        for place, rule in enumerate(COMPARISONS)
    }
    result = convert("flagd", json.dumps({"flags": flags}).encode())
    assert not inexact(result)
    old, new = Flags({"flags": flags}, format="flagd"), Flags(result.document)
    assert not list(moved(old, new, zip(flags, flags, strict=True)))


@pytest.mark.parametrize("hashed", [var("plan"), var("targetingKey"), {"cat": [var("$flagd.flagKey"), var("plan")]}])
def test_who_has_nothing_that_a_fractional_hashes(hashed: Any) -> None:
    """flagd hashes an empty text like any other, and gives a variant to people who get the default here: it is said."""
    flag = {"state": "ENABLED", "variants": {"on": "1", "off": "0"}, "defaultVariant": "off"}
    flags = {"f": {**flag, "targeting": {"fractional": [hashed, ["on"]]}}}
    result = convert("flagd", json.dumps({"flags": flags}).encode())
    assert any(True for _ in moved(Flags({"flags": flags}, format="flagd"), Flags(result.document), [("f", "f")]))
    assert inexact(result) == {"f"}


def test_a_flagd_flag_keeps_its_metadata_and_all_of_its_weights() -> None:
    """The flag set's metadata too; a variant that stands in a `fractional` twice has the sum of its weights."""
    common = {"state": "ENABLED", "variants": {"a": "A", "b": "B"}, "defaultVariant": "a"}
    targeting = {"fractional": [["a", 10], ["b", 60], ["a", 30]]}
    document = {"flags": {"f": {**common, "targeting": targeting, "metadata": {"team": "x"}}}, "metadata": {"set": 1}}
    result = convert("flagd", json.dumps(document).encode())
    assert result.document["flags"]["f"]["metadata"] == {"set": 1, "team": "x"}
    flags, was = Flags(result.document), Flags(document, format="flagd")
    share = sum(flags.value("f", Context(key)) == "A" for key in IDS) / len(IDS)
    assert share == pytest.approx(0.4, abs=0.01)
    changed = sum(flags.value("f", Context(key)) != was.value("f", Context(key)) for key in IDS) / len(IDS)
    assert changed == pytest.approx(result.notes[0].share, abs=0.01)


def test_whether_a_text_holds_an_empty_one_is_not_carried_over() -> None:
    """JavaScript's answer is no for an empty text, and ours would be yes: so it is reported."""
    flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off",
            "targeting": {"if": [{"in": ["", var("plan")]}, "on", "off"]}}  # fmt: skip
    result = convert("flagd", json.dumps({"flags": {"f": flag}}).encode())
    assert inexact(result) == {"f"}
    assert "everybody gets 'off'" in result.notes[0].text


# -- Unleash -------------------------------------------------------------------------------------------------------


def strategy(name: str = "default", *constraints: dict[str, Any], **parameters: str) -> dict[str, Any]:
    """An activation strategy."""
    return {"name": name, "constraints": list(constraints), "parameters": parameters}


def constraint(name: str, operator: str, **more: Any) -> dict[str, Any]:
    """A constraint."""
    return {"contextName": name, "operator": operator, **more}


CONSTRAINTS = [
    constraint("plan", "IN", values=["pro", "Free"], caseInsensitive=True),
    constraint("plan", "NOT_IN", values=["pro"]),
    constraint("plan", "STR_STARTS_WITH", values=["p", ""]),
    constraint("plan", "STR_CONTAINS", values=["R"]),
    constraint("plan", "REGEX", value="^PR"),
    constraint("plan", "REGEX", value="^PR", caseInsensitive=True),
    constraint("plan", "REGEX", value="(?=x)"),
    *(constraint("age", f"NUM_{sign}", value="18") for sign in ("EQ", "GT", "GTE", "LT", "LTE")),
    *(constraint("version", f"SEMVER_{sign}", value="2.1.0") for sign in ("EQ", "GT", "GTE", "LT", "LTE")),
    constraint("version", "SEMVER_EQ", value="v2.1.0"),
    constraint("version", "NUM_GT", value="2.1.0"),
    constraint("age", "SEMVER_GT", value="5"),
    constraint("remoteAddress", "IN_CIDR", values=["10.0.0.0/8", "no network"]),
    constraint("remoteAddress", "IN_CIDR", values=["no network"]),
    constraint("since", "DATE_AFTER", value="2026-01-01T00:00:00Z"),
    constraint("since", "DATE_BEFORE", value="2026-01-01T00:00:00.000Z"),
    constraint("userId", "IN", values=["u1", "5"]),
]
STRATEGIES = {
    **{f"{mark}{n}": [strategy("default", {**each, "inverted": bool(mark)})]
       for mark in ("", "not-") for n, each in enumerate(CONSTRAINTS)},
    "everybody-by-user": [strategy("flexibleRollout", rollout="100", stickiness="userId", groupId="g")],
    "everybody-by-session": [strategy("flexibleRollout", rollout="100", stickiness="sessionId", groupId="g")],
    "everybody-by-plan": [strategy("flexibleRollout", rollout="100", stickiness="plan", groupId="g")],
    "everybody": [strategy("flexibleRollout", rollout="100", stickiness="default", groupId="g")],
    "nobody-then-one": [strategy("flexibleRollout", rollout="0"), strategy("userWithId", userIds="u1")],
    "gradual": [strategy("gradualRolloutUserId", percentage="100", groupId="g")],
    "gradual-without-group": [strategy("gradualRolloutUserId", percentage="100")],
    "random-everybody": [strategy("gradualRolloutRandom", percentage="100")],
    "people": [strategy("userWithId", userIds="u1, 5 ,u3")],
    "an-empty-name": [strategy("userWithId", userIds="")],
    "a-field-without-a-name": [strategy("flexibleRollout", rollout="100", stickiness="", groupId="g")],
    "addresses": [strategy("remoteAddress", IPs="10.0.0.1, no network, 192.168.0.0/16")],
}  # fmt: skip


def features(strategies: dict[str, list[Any]], **more: Any) -> list[dict[str, Any]]:
    """Features that are enabled, by name."""
    return [{"name": name, "enabled": True, "strategies": each, **more} for name, each in strategies.items()]


def test_an_exact_unleash_feature_moves_nobody() -> None:
    """Missing attributes, a missing stickiness at 100 %, texts that are typed by how they are written, lone parts."""
    children = [{**one, "name": f"child-{kind}-{one['name']}", "strategies": [strategy()],
                 "dependencies": [{"feature": one["name"], "enabled": kind == "of"}]}
                for one in features(STRATEGIES) for kind in ("of", "without")]  # fmt: skip
    document = {"version": 2, "features": [*features(STRATEGIES), *children]}
    result = convert("unleash", json.dumps(document).encode())
    assert not inexact(result)
    keys = [(one["name"], one["name"]) for one in document["features"]]
    assert not list(moved(Flags(document, format="unleash"), Flags(result.document), keys))


def test_a_parent_that_is_named_twice_must_be_both() -> None:
    """On and off is nobody; two lists of variants are those that are in both."""
    parents = features({"parent": [strategy()]})
    parents += [{**parents[0], "name": "blue", "variants": [{"name": "blue", "weight": 1}]}]
    needs = {
        "both": [{"feature": "parent"}, {"feature": "parent", "enabled": False}],
        "none": [{"feature": "blue", "variants": ["blue"]}, {"feature": "blue", "variants": ["red"]}],
        "one": [{"feature": "blue", "variants": ["blue"]}, {"feature": "blue", "variants": ["red", "blue"]}],
    }
    children = [{**one, "dependencies": needs[one["name"]]} for one in features({key: [strategy()] for key in needs})]
    document = {"version": 2, "features": [*children, *parents]}
    result = convert("unleash", json.dumps(document).encode())
    assert not list(moved(Flags(document, format="unleash"), Flags(result.document), zip(needs, needs, strict=True)))
    assert not inexact(result)


def test_a_number_for_a_user_is_the_user_of_that_text() -> None:
    """Unleash's ids are texts; a framework whose ids are numbers must not lose its users in the import."""
    both = {"list": [strategy("userWithId", userIds="5")],
            "in": [strategy("default", constraint("userId", "IN", values=["5"]))]}  # fmt: skip
    flags = Flags(convert("unleash", json.dumps({"version": 2, "features": features(both)}).encode()).document)
    for user in (5, "5"):
        assert [flags.is_enabled(key, Context(user=user)) for key in both] == [True, True]


def test_a_segment_is_written_once_and_named() -> None:
    """A list of thousands that many features share does not come out once for each of them."""
    segment = {"id": 7, "constraints": [constraint("userId", "IN", values=IDS)]}
    named = {f"f{number}": [{"name": "default", "segments": [7]}] for number in range(500)}
    document = {"version": 2, "segments": [segment], "features": features(named)}
    result = convert("unleash", json.dumps(document).encode())
    assert len(result.text) < 1_000_000
    flags = Flags(result.document)
    assert [flags.is_enabled("f9", Context(key)) for key in ("u7", "nobody")] == [True, False]


@pytest.mark.parametrize(
    ("parent", "kept"),
    [
        (strategy("flexibleRollout", rollout="50", stickiness="default", groupId="g"), Kept.RESHUFFLES),
        (strategy("default", constraint("plan", "STR_CONTAINS", values=["x"], caseInsensitive=True)), Kept.LOST),
        (strategy("default", constraint("", "IN", values=["x"])), Kept.LOST),
    ],
)
def test_a_child_is_no_more_exact_than_its_parent(parent: dict[str, Any], kept: Kept) -> None:
    """Where the parent's answer changes, or could not be written at all, the child's does too, and that is said."""
    document = {"version": 2, "features": [
        {"name": "child", "enabled": True, "strategies": [strategy()], "dependencies": [{"feature": "parent"}]},
        *features({"parent": [parent]}),
    ]}  # fmt: skip
    result = convert("unleash", json.dumps(document).encode())
    assert {note.kept for note in result.notes if note.flag == "child"} == {kept}
    assert any("parent 'parent'" in note.text for note in result.notes if note.flag == "child")


@pytest.mark.parametrize("name", ["environment", "appName"])
def test_what_unleashs_client_added_itself_is_not_called_exact(name: str) -> None:
    """The client set its environment and its name; nobody does here, so that the strategy would hold for nobody."""
    one = {"f": [strategy("default", constraint(name, "IN", values=["production"]))]}
    assert inexact(convert("unleash", json.dumps({"version": 2, "features": features(one)}).encode())) == {"f"}


def test_a_malformed_feature_stays_off_and_says_so() -> None:
    """Unleash keeps such a feature off as a whole: its other strategies must not put it on here."""
    broken = {"f": [strategy("default", constraint("plan", "NO_SUCH", values=["x"])), strategy()]}
    result = convert("unleash", json.dumps({"version": 2, "features": features(broken)}).encode())
    assert not Flags(result.document).is_enabled("f")
    assert [note.text for note in result.notes if note.kept is Kept.LOST] == [
        "it is off, as Unleash kept it off: a part of it is malformed (unknown operator 'NO_SUCH')"
    ]


def test_two_fields_cannot_both_be_hashed() -> None:
    """A flag hashes one attribute here: where the strategies hashed two, that is reported and the first is kept."""
    two = {"f": [strategy("flexibleRollout", rollout="10", stickiness="plan", groupId="g"),
                 strategy("flexibleRollout", rollout="20", stickiness="team", groupId="g")]}  # fmt: skip
    result = convert("unleash", json.dumps({"version": 2, "features": features(two)}).encode())
    assert result.document["flags"]["f"]["sticky_by"] == "plan"
    assert any("it hashed plan and team" in note.text for note in result.notes if note.kept is Kept.LOST)


# -- Flipt, GO Feature Flag ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "value", "met"),
    [
        ("neq", "free", ["pro", "Pro", "PRO", "p"]),
        ("isnotoneof", '["free", "p"]', ["pro", "Pro", "PRO"]),
        ("isoneof", '["free", ""]', ["free"]),
        ("notcontains", "r", ["p", "PRO"]),
        ("empty", "", ["", None]),
        ("notempty", "", ["pro", "Pro", "PRO", "free", "p"]),
    ],
)
def test_flipt_constraints_on_what_is_missing_or_empty(operator: str, value: str, met: list[Any]) -> None:
    """A missing or empty text meets nothing in Flipt but `empty`: `neq` and its like not either."""
    constraints = [{"type": "STRING_COMPARISON_TYPE", "property": "plan", "operator": operator, "value": value}]
    document = {
        "flags": [{"key": "f", "type": "BOOLEAN_FLAG_TYPE", "enabled": False,
                   "rollouts": [{"segment": {"key": "s", "value": True}}]}],
        "segments": [{"key": "s", "match_type": "ALL_MATCH_TYPE", "constraints": constraints}],
    }  # fmt: skip
    result = convert("flipt", json.dumps(document).encode())
    flags = Flags(result.document)
    plans = [*ATTRIBUTES["plan"], None]
    found = {plan for plan in plans if flags.is_enabled("f", Context("u", {} if plan is None else {"plan": plan}))}
    assert found == set(met)
    assert not inexact(result)


def test_flipt_distributions_that_leave_somebody_out_do_so_here() -> None:
    """Half of the subjects in the only distribution are half of them, and not everybody."""
    document = {
        "flags": [{"key": "f", "type": "VARIANT_FLAG_TYPE", "enabled": True, "variants": [{"key": "red"}],
                   "rules": [{"segment": "s", "distributions": [{"variant": "red", "rollout": 50}]}]}],
        "segments": [{"key": "s", "match_type": "ALL_MATCH_TYPE", "constraints": [
            {"type": "STRING_COMPARISON_TYPE", "property": "plan", "operator": "eq", "value": "pro"}]}],
    }  # fmt: skip
    result = convert("flipt", json.dumps(document).encode())
    flags = Flags(result.document)
    share = sum(flags.value("f", Context(key, plan="pro")) == "red" for key in IDS) / len(IDS)
    assert share == pytest.approx(0.5, abs=0.02)
    assert [note.share for note in result.notes if note.kept is Kept.RESHUFFLES] == [0.5]


def test_gofeatureflag_queries_on_what_is_missing_and_on_case() -> None:
    """`ne` does not hold of a missing attribute; texts were compared without case there, which is reported."""
    document = {
        key: {"variations": {"on": True, "off": False}, "targeting": [{"query": query, "variation": "on"}],
              "defaultRule": {"variation": "off"}}
        for key, query in {"ne": "age ne 18", "text": 'plan eq "pro"', "list": 'plan in ["pro"]'}.items()
    }  # fmt: skip
    result = convert("gofeatureflag", json.dumps(document).encode())
    flags = Flags(result.document)
    assert [flags.is_enabled("ne", Context("u", each)) for each in ({}, {"age": 17}, {"age": 18})] == [
        False,
        True,
        False,
    ]
    assert inexact(result) == {"text"}


# -- GrowthBook ----------------------------------------------------------------------------------------------------

EXPERIMENTS: dict[str, list[dict[str, Any]]] = {
    "a coverage of everybody": [{"force": "a", "coverage": 1, "hashAttribute": "plan"}, {"force": "z"}],
    "an experiment of one": [{"variations": ["a"], "hashAttribute": "plan"}, {"force": "z"}],
    "an experiment that one wins": [{"variations": ["a", "b"], "weights": [1, 0], "hashAttribute": "plan"},
                                    {"force": "z"}],
    "no coverage, and so no hash": [{"force": "a", "hashAttribute": "plan"}, {"force": "z"}],
}  # fmt: skip


@pytest.mark.parametrize("kind", EXPERIMENTS)
def test_who_has_nothing_to_be_hashed_goes_on_as_in_growthbook(kind: str) -> None:
    """A subject without the attribute is passed over by a coverage, of 1 as well, and by an experiment."""
    growthbook = pytest.importorskip("growthbook", reason="the vendor's library: pip install growthbook")
    features = {"f": {"defaultValue": "d", "rules": EXPERIMENTS[kind]}}
    result = convert("growthbook", json.dumps({"features": features}).encode())
    flags = Flags(result.document)
    assert not inexact(result)
    for attributes in ({}, {"plan": "pro"}, {"plan": ""}, {"plan": None}):
        theirs = growthbook.GrowthBook(attributes=attributes, features=features).eval_feature("f").value
        assert flags.value("f", Context("u", attributes)) == theirs, attributes


@pytest.mark.parametrize("weights", [None, [0.5, 0.5], [3, 1], [0.2]])
def test_weights_are_taken_as_growthbook_takes_them(weights: list[float] | None) -> None:
    """Weights that do not add up to one, or are too few, mean equal shares there; the share that moves is as told."""
    growthbook = pytest.importorskip("growthbook", reason="the vendor's library: pip install growthbook")
    features = {"f": {"defaultValue": "d", "rules": [{"variations": ["a", "b"], "weights": weights}]}}
    result = convert("growthbook", json.dumps({"features": features}).encode())
    flags = Flags(result.document)
    theirs = [growthbook.GrowthBook(attributes={"id": key}, features=features).eval_feature("f").value for key in IDS]
    ours = [flags.value("f", Context(None, id=key)) for key in IDS]
    assert ours.count("a") / len(IDS) == pytest.approx(theirs.count("a") / len(IDS), abs=0.02)
    changed = sum(one != other for one, other in zip(ours, theirs, strict=True)) / len(IDS)
    assert [note.share for note in result.notes] == [pytest.approx(changed, abs=0.02)]


# -- shares --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("percentage", [1, 30, 75])
@pytest.mark.parametrize("stickiness", ["default", "userId"])
def test_the_share_that_an_unleash_rollout_moves_is_as_told(percentage: int, stickiness: str) -> None:
    """Twenty thousand subjects, by Unleash's hash and by ours; nobody without the field that was hashed is moved in."""
    one = {"f": [strategy("flexibleRollout", rollout=str(percentage), stickiness=stickiness, groupId="f")]}
    document = {"version": 2, "features": features(one)}
    result = convert("unleash", json.dumps(document).encode())
    old, new = Flags(document, format="unleash"), Flags(result.document)
    changed = sum(old.is_enabled("f", Context(key)) is not new.is_enabled("f", Context(key)) for key in IDS) / len(IDS)
    assert [note.share for note in result.notes] == [pytest.approx(changed, abs=0.015)]
    if stickiness == "userId":
        assert not any(new.is_enabled("f", Context(None, visitor=key)) for key in IDS[:500])


# -- names ---------------------------------------------------------------------------------------------------------


def test_segments_that_differ_in_case_only_stay_two() -> None:
    """RocketFlag's audiences and Flipt's segments are told apart by case and by signs that a native name has not."""
    plans = {"Pro_Users": "pro", "pro-users": "free"}
    items = [{"id": f"f{plan}", "name": plan, "kind": "flag", "enabled": True, "trafficPercentage": 100, "cohorts": [],
              "audienceId": key} for key, plan in plans.items()]  # fmt: skip
    rules = {
        key: {"rules": [[{"attribute": "plan", "operator": "in", "values": [plan]}]]} for key, plan in plans.items()
    }
    rocketflag = convert("rocketflag", json.dumps({"flags": items}).encode(), options={"audiences": rules})
    flipt = convert("flipt", json.dumps({
        "flags": [{"key": plan, "type": "BOOLEAN_FLAG_TYPE", "enabled": False,
                   "rollouts": [{"segment": {"key": key, "value": True}}]} for key, plan in plans.items()],
        "segments": [{"key": key, "match_type": "ALL_MATCH_TYPE", "constraints": [
            {"type": "STRING_COMPARISON_TYPE", "property": "plan", "operator": "eq", "value": plan}]}
            for key, plan in plans.items()],
    }).encode())  # fmt: skip
    for result in (rocketflag, flipt):
        flags = Flags(result.document)
        for plan in plans.values():
            assert [flags.is_enabled(key, Context("u", plan=plan)) for key in ("pro", "free")] == [
                plan == "pro", plan == "free",
            ]  # fmt: skip
