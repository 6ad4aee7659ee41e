"""What a change would rather not have judged: each way round the policy is judged, or plainly told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flagmiddleware import Context
from flagmiddleware.formats import parse
from flagmiddleware.model import Flag, Ruleset
from flagmiddleware.plan import Plan
from flagmiddleware.release.behind import let_through
from flagmiddleware.release.changes import Origin, record_changes
from flagmiddleware.release.judge import Verdict
from flagmiddleware.release.plan import PlannedFlag, ReleasePlan, make_plan, with_population
from flagmiddleware.release.plan_render import exposure_line
from flagmiddleware.release.policy import DEFAULT_POLICY, Policy, read_policy
from flagmiddleware.release.stages import stage_of
from tests.release.scripted import instant

NOW = instant("2026-06-10T12:00")
CRAWL: dict[str, Any] = {"owner": ["engineering", "product"], "risk": {"technical": "high", "business": "high"}}
CANARY: dict[str, Any] = {"owner": ["product"], "risk": {"technical": "low", "business": "high"}}
FAST: dict[str, Any] = {"owner": ["product"], "risk": {"technical": "low", "business": "low"}}
ON, ONE = [{"serve": True}], [{"rollout": "1%"}]
AU = {"if": {"country": "AU"}, "serve": True}


def ruleset(flags: dict[str, Any], environment: str | None = None, **top: Any) -> Ruleset:
    document = {"version": 1, "flags": flags, **top}
    return parse(json.dumps(document).encode(), name="flags.json", environment=environment)


def plan(
    old: dict[str, Any], new: dict[str, Any], policy: Policy = DEFAULT_POLICY, **more: Any
) -> dict[str, PlannedFlag]:
    """The plan from one set of flags to another; `before` and `after` are what else the two documents say."""
    before, after = ruleset(old, **more.pop("before", {})), ruleset(new, **more.pop("after", {}))
    return {flag.key: flag for flag in make_plan(before, after, policy, now=NOW, **more).flags}


def broken(flag: PlannedFlag) -> str:
    return "\n".join(verdict.text for verdict in flag.verdicts if verdict.breaks)


def told(flag: PlannedFlag) -> str:
    return "\n".join(verdict.text for verdict in flag.verdicts)


def crawl(**fields: Any) -> dict[str, Any]:
    return {"a": {**CRAWL, **fields}}


# -- owners and risk ---------------------------------------------------------------------------------------------


def test_the_owners_that_a_flag_had_are_asked_and_those_that_it_gets() -> None:
    """A flag that is given the owners which its strategy asks for, in the change that raises it, had not them."""
    mine, whole = {**CRAWL, "owner": ["product"]}, CRAWL["owner"]
    for was, will in ((["product"], whole), (whole, ["product"])):
        (flag,) = plan({"a": {**mine, "owner": was}}, crawl(owner=will, rules=ONE)).values()
        assert "measured crawl is flipped by engineering + product; owner is product" in broken(flag)
    (flag,) = plan({"a": {"risk": CRAWL["risk"]}}, crawl(rules=ONE)).values()
    assert not flag.breaks  # it had none at all


def test_who_asks_must_please_both_owners() -> None:
    """The author is held against the owners of the base, and against those that come with more of the flag."""
    asked: list[tuple[str, ...]] = []

    def author(flag: Flag) -> Verdict | None:
        asked.append(flag.owner)
        return Verdict(f"not in {flag.owner[-1]}")

    (flag,) = plan(crawl(), crawl(owner=["engineering", "product", "mallory"], rules=ONE), author=author).values()
    assert asked == [("engineering", "product"), ("engineering", "product", "mallory")]
    assert broken(flag) == "not in product\nnot in mallory"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"owner": ["mallory"]}, "owner goes from engineering + product to mallory"),
        ({"risk": FAST["risk"]}, "risk goes from technical high, business high to technical low, business low"),
    ],
)
def test_a_new_owner_or_risk_is_a_step_of_its_own(fields: dict[str, Any], words: str) -> None:
    """It moves nobody, and yet the plan tells it, and asks who is asking."""
    (flag,) = plan(crawl(rules=ONE), crawl(rules=ONE, **fields), author=lambda flag: Verdict("who?")).values()
    assert words in told(flag)
    assert broken(flag) == "who?"
    dependent = {"b": {"requires": {"a": True}, "rules": ON}}
    assert list(plan({**crawl(rules=ONE), **dependent}, {**crawl(rules=ONE, **fields), **dependent})) == ["a"]


@pytest.mark.parametrize("risks", [(CRAWL["risk"], FAST["risk"]), (FAST["risk"], CRAWL["risk"]), (CRAWL["risk"], None)])
def test_the_stricter_of_two_risks_judges(risks: tuple[Any, Any]) -> None:
    """Loosened, tightened or taken out in the change that raises the flag: the crawl has its say."""
    old, new = ({"a": {"owner": CRAWL["owner"], **({"risk": risk} if risk else {})}} for risk in risks)
    new["a"]["rules"] = ON
    (flag,) = plan(old, new).values()
    assert "measured crawl may go from 0 % to at most 1 %; this asks for 100 %" in broken(flag)


def test_a_smaller_share_covers_nothing_up() -> None:
    """Less of the public does not make it a step back where somebody else gets it, or the owner changes."""
    old = {"a": {**CANARY, "rules": [{"rollout": "5%"}]}}
    less = [{"rollout": "4%"}]
    for new in (
        {"rules": [AU, *less]},
        {"rules": less, "owner": ["mallory"]},
        {"salt": "b", "owner": ["product", "mallory"]},
    ):
        (flag,) = plan(old, {"a": {**CANARY, "rules": less, **new}}, author=lambda flag: Verdict("who?")).values()
        assert "who?" in broken(flag), new
    (flag,) = plan(old, {"a": {**CANARY, "rules": less}}, author=lambda flag: Verdict("who?")).values()
    assert not flag.breaks


# -- ways round the stages ----------------------------------------------------------------------------------------

BOTH: dict[str, Any] = {"variants": {"yes": True, "no": False}, "off": "no"}
YES = [{"rollout": "1%", "serve": "yes"}]
WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "off holds true": ({**BOTH, "rules": YES}, {"variants": {"yes": True, "no": True}, "off": "no", "rules": YES}),
    "off holds the new value": (
        {"variants": {"old": "x", "new": "y"}, "off": "old"},
        {"variants": {"old": "y", "new": "y"}, "off": "old"},
    ),
    "off is the new variant": (
        {"variants": {"old": "x", "new": "y"}, "off": "old"},
        {"variants": {"old": "x", "new": "y"}, "off": "new"},
    ),
    "the default": ({"rules": ONE}, {"rules": ONE, "default": True}),
    "a rule put first": ({"rules": ONE}, {"rules": [*ON, *ONE]}),
    "a schedule from now": (
        {"rules": [{"serve": True, "schedule": {"from": "2099-01-01T00:00:00Z"}}]},
        {"rules": [{"serve": True, "schedule": {"from": "2026-06-10T12:00:00Z"}}]},
    ),
    "a condition that everybody meets": ({}, {"rules": [{"if": {"user": {"exists": True}}, "serve": True}]}),
    "a condition that nearly all meet": ({}, {"rules": [{"if": {"is_staff": False}, "serve": True}]}),
    "all but nobody": ({}, {"rules": [{"if": {"not": {"country": "ZZ"}}, "serve": True}]}),
    "one or the other": ({}, {"rules": [{"if": {"any": [{"beta": True}, {"beta": False}]}, "serve": True}]}),
    "any text": ({}, {"rules": [{"if": {"email": {"contains": ""}}, "serve": True}]}),
    "an exception that is dropped": (
        {"rules": [{"if": {"not": {"country": "ZZ"}}, "serve": False}, *ON]},
        {"rules": ON},
    ),
    "who meets a condition, later": (
        {},
        {"rules": [{"if": {"user": {"exists": True}}, "schedule": {"from": "2026-07-01T00:00:00Z"}, "serve": True}]},
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_ways_round_the_stages_are_judged(way: str) -> None:
    """Whatever it is called and wherever it stands: that everybody gets it at once is seen."""
    old, new = WAYS[way]
    (flag,) = plan(crawl(**old), crawl(**new)).values()
    assert "to at most" in broken(flag)
    assert "this asks for 100 %" in broken(flag)


def test_a_kill_that_takes_nothing_away_is_none() -> None:
    """Killed, with an `off` that is what the flag was to bring: everybody gets it, so it is no step back."""
    killed = {**BOTH, "rules": YES, "enabled": False}
    asked = lambda flag: Verdict("who?")  # noqa: E731
    (flag,) = plan(crawl(**BOTH, rules=YES), crawl(**{**killed, "off": "yes", "default": "no"}), author=asked).values()
    assert broken(flag) == "a kill would serve 'yes', which is not what 'no' was: it takes nothing away\nwho?"
    (flag,) = plan(crawl(**BOTH, rules=YES), crawl(**killed), author=asked).values()
    assert not flag.breaks


@pytest.mark.parametrize("name", ["production", "prod"])
def test_environments_are_judged_each(name: str) -> None:
    """Exposure that moves into an overlay, or out of one that gets another name, is judged where it happens."""
    shared = {"rules": ON} if name == "prod" else {}
    old = crawl(**shared, environments={"production": {"rules": []}})
    new = crawl(**shared, environments={name: {"rules": [] if name == "prod" else ON}})
    (flag,) = plan(old, new, before={"environment": "production"}, after={"environment": "production"}).values()
    assert "measured crawl may go from 0 % to at most 1 %; this asks for 100 %" in broken(flag)


@pytest.mark.parametrize("fields", [{"salt": "b"}, {"sticky_by": "company"}])
def test_subjects_that_are_dealt_anew_are_told(fields: dict[str, Any]) -> None:
    """Shares stay, people do not."""
    (flag,) = plan(crawl(rules=ONE), crawl(rules=ONE, **fields)).values()
    assert flag.reshuffles


def test_variants_that_people_have_are_told_when_they_change() -> None:
    """Another value under the same name, and other weights between variants, move people without any stage."""
    variants = {"variants": {"x": 1, "y": 2, "z": 3}, "off": "x"}
    split = {"split": {"y": 9, "z": 1}}
    (flag,) = plan(crawl(rules=[split], **variants), crawl(rules=[{"split": {"y": 1, "z": 1}}], **variants)).values()
    assert "40 % of everyone go from one variant to another" in told(flag)
    other = {**variants, "variants": {"x": 1, "y": 2, "z": 9}}
    (flag,) = plan(crawl(rules=[split], **variants), crawl(rules=[split], **other)).values()
    assert "the value of variant 'z' goes from 3 to 9" in told(flag)


# -- behind another flag ------------------------------------------------------------------------------------------


def behind(gate: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A measured crawl behind a flag of the fast lane."""
    rules = {"rules": ON} if "rules" not in fields else {}
    return {"gate": {**FAST, **gate}, "a": {**CRAWL, "requires": {"gate": True}, **rules, **fields}}


def test_raising_a_flag_is_judged_by_what_it_lifts() -> None:
    """A fast flag at 100 % brings a crawl that waits behind it to everybody: that is the crawl's step."""
    found = plan(behind({}), behind({"rules": ON}))
    assert not found["gate"].breaks
    assert found["a"].because == "it requires gate, which changes"
    text = "by way of gate: measured crawl may go from 0 % to at most 1 %; this asks for 100 %"
    assert broken(found["a"]) == text
    assert not plan(behind({}), behind({"rules": ONE}))["a"].breaks
    assert not plan(behind({"rules": ON}), behind({}))["a"].breaks
    halves = (
        behind({"rules": [{"rollout": "10%"}]}, rules=[{"rollout": "10%"}]),
        behind({"rules": ON}, rules=[{"rollout": "10%"}]),
    )
    assert "by way of gate: measured crawl may go from 1 % to at most 5 %; this asks for 10 %" in broken(
        plan(*halves)["a"]
    )


SPLIT = {
    "variants": {"x": 1, "y": 2, "z": 3},
    "off": "x",
    "rules": [{"rollout": "60%", "split": {"x": 1, "y": 2, "z": 1}}],
}
CHAINS: dict[str, dict[str, Any]] = {
    "one": {"b": {"rules": [{"rollout": "30%"}]}, "a": {"requires": {"b": True}, "rules": [{"rollout": "50%"}]}},
    "the same salt": {
        "b": {"salt": "s", "rules": [{"rollout": "30%"}]},
        "a": {"salt": "s", "requires": {"b": True}, "rules": [{"rollout": "50%"}]},
    },
    "off is wanted": {"b": {"rules": [{"rollout": "30%"}]}, "a": {"requires": {"b": False}, "rules": ON}},
    "a chain of three": {
        "c": {"rules": [{"rollout": "80%"}]},
        "b": {"requires": {"c": True}, **SPLIT},
        "a": {"requires": {"b": ["y", "z"], "c": True}, "rules": [{"rollout": "50%"}]},
    },
    "killed": {"b": {"enabled": False, "rules": [{"rollout": "30%"}]}, "a": {"requires": {"b": True}, "rules": ON}},
}


@pytest.mark.parametrize("name", CHAINS)
def test_what_is_let_through_agrees_with_many_ids(name: str) -> None:
    """The share that is judged is what ids get who are decided one by one, within five standard deviations."""
    rules = ruleset(CHAINS[name])
    share = float(let_through(rules.flags["a"], rules.flags, NOW))
    if name == "killed":  # a restore gives it back unasked
        assert share == pytest.approx(0.3)
        return
    users = 50_000
    decide = Plan(rules, NOW).compile(rules.flags["a"])
    found = sum(decide(Context(f"u-{n}"), None).variant == "on" for n in range(users))
    assert abs(found - users * share) <= 5 * (users * share * (1 - share)) ** 0.5


def test_a_flag_no_longer_required_lifts_as_well() -> None:
    """Taking the requirement out is the same step as raising the flag that was required."""
    free = behind({})
    del free["a"]["requires"]
    assert "by way of gate: measured crawl may go from 0 % to at most 1 %" in broken(plan(behind({}), free)["a"])
    held = behind({"rules": [{"if": {"country": "ZZ"}, "serve": False}, *ON]})
    free = {**held, "a": {**held["a"]}}
    del free["a"]["requires"]
    assert "for whom gate held back" in broken(plan(held, free)["a"])


def test_a_chain_and_a_date_lift_as_well() -> None:
    """By way of two flags, and of a date that one of them is given."""
    middle = {"middle": {**FAST, "requires": {"gate": True}, "rules": ON}}
    old, new = ({**behind(gate), **middle} for gate in ({}, {"rules": ON}))
    for flags in (old, new):
        flags["a"] = {**flags["a"], "requires": {"middle": True}}
    assert "by way of gate: measured crawl" in broken(plan(old, new)["a"])
    dated = {"rules": [{"serve": True, "schedule": {"from": "2026-07-01T00:00:00Z"}}]}
    assert "by way of gate: measured crawl" in broken(plan(behind({}), behind(dated))["a"])


def test_stages_last_behind_another_flag_too() -> None:
    """The flag that is required cannot hurry a crawl through its stages."""
    shares = behind({"rules": ONE}), behind({"rules": [{"rollout": "5%"}]})
    soon = plan(*shares, since={"gate": NOW - 3600, "a": NOW - 9 * 86_400})
    assert "1 % by way of gate has lasted 1 h, a stage lasts at least 1 d" in broken(soon["a"])
    assert not plan(*shares, since={"gate": NOW - 2 * 86_400, "a": NOW - 9 * 86_400})["a"].breaks


def test_the_owners_of_what_is_lifted_are_asked() -> None:
    """Whoever lifts a flag must please its owners, not only those of the flag that they touch."""
    asked = lambda flag: Verdict(f"not in {flag.key}") if flag.key == "a" else None  # noqa: E731
    assert "not in a" in broken(plan(behind({}), behind({"rules": ONE}), author=asked)["a"])
    assert not plan(behind({"rules": ONE}), behind({}), author=asked)["a"].breaks


def test_conditions_on_the_way_are_judged_as_the_flags_own() -> None:
    """For some of its people the other flag opens: how many that is nobody said."""
    assert "for AU by way of gate from 0 % to 100 %" in broken(plan(behind({}), behind({"rules": [AU]}))["a"])
    mine = {"rules": [AU]}
    found = plan(behind({}, **mine), behind({"rules": ON}, **mine))["a"]
    assert "for AU behind gate from 0 % to 100 %" in broken(found)


# -- conditions and segments --------------------------------------------------------------------------------------


def test_a_condition_needs_a_population() -> None:
    """Of a rule for some, how many they are is not known: a warning, or in a crawl a refusal; none where all may."""
    unknown = "for AU from 0 % to 100 %; exposure unknown without --population"
    (flag,) = plan(crawl(rules=ONE), crawl(rules=[AU, *ONE])).values()
    assert broken(flag) == f"measured crawl: {unknown}".replace("0 %", "1 %", 1)
    (flag,) = plan({"a": CANARY}, {"a": {**CANARY, "rules": [AU]}}).values()
    assert (told(flag), flag.breaks) == (f"product canary: {unknown}", False)
    (flag,) = plan({"a": FAST}, {"a": {**FAST, "rules": [AU]}}).values()
    assert not flag.verdicts
    (flag,) = plan(crawl(), crawl(rules=[{"if": {"country": "AU"}, "rollout": "1%"}])).values()
    assert not flag.verdicts  # were they everyone, it would be the first stage


def test_a_condition_is_no_way_round_time_and_cohort() -> None:
    """Stage by stage for nearly everyone: a crawl's stages last, and a sandbox has its own people first."""
    one, five = ([{"if": {"user": {"exists": True}}, "rollout": share}] for share in ("1%", "5%"))
    (flag,) = plan(crawl(rules=one), crawl(rules=five)).values()
    assert "for user known from 1 % to 5 %; exposure unknown without --population" in broken(flag)
    sandbox = {"owner": ["engineering"], "risk": {"technical": "high", "business": "low"}}
    (flag,) = plan({"a": sandbox}, {"a": {**sandbox, "rules": one}}).values()
    assert "the internal cohort comes first, in a step of its own" in broken(flag)
    staff = {"if": {"is_staff": True}, "serve": True}
    (flag,) = plan({"a": {**sandbox, "rules": [staff]}}, {"a": {**sandbox, "rules": [staff, *one]}}).values()
    assert not flag.breaks


def test_a_team_says_what_becomes_of_conditions() -> None:
    """`conditional` and `internal` are the policy's; what is neither is refused."""
    policy = read_policy({"strategies": {"measured-crawl": {"conditional": "warn"}}, "internal": ["testers"]})
    (flag,) = plan(crawl(), crawl(rules=[AU]), policy).values()
    assert (bool(flag.verdicts), flag.breaks) == (True, False)
    testers = crawl(rules=[{"if": {"segment": "testers"}, "serve": True}])
    segments = {"segments": {"testers": {"team": "qa"}}}
    assert not plan(crawl(), testers, policy, before=segments, after=segments)["a"].verdicts
    # A segment that comes with the change is whoever the change says.
    assert plan(crawl(), testers, policy, after=segments)["a"].verdicts
    staff = crawl(rules=[{"if": {"is_staff": True}, "serve": True}])
    assert plan(crawl(), staff, policy)["a"].verdicts
    assert not plan(crawl(), staff)["a"].verdicts
    with pytest.raises(Exception, match="expected one of warn, deny"):
        read_policy({"strategies": {"measured-crawl": {"conditional": "refuse"}}})


@pytest.mark.parametrize(
    ("segment", "text"),
    [
        ({"email_domain": {"in": ["example.com", "example.org"]}}, "for insiders from 0 % to 100 %; exposure unknown"),
        ({"user": {"exists": True}}, "who may be nearly everyone, measured crawl may go from 0 % to at most 1 %"),
    ],
)
def test_an_edited_segment_is_a_step_of_each_flag_that_uses_it(segment: dict[str, Any], text: str) -> None:
    """Insiders who suddenly are many, or everybody: told and judged under the flag, which is as it was."""
    flags = crawl(rules=[{"if": {"segment": "insiders"}, "serve": True}])
    sides = {"segments": {"insiders": {"email_domain": "example.com"}}}, {"segments": {"insiders": segment}}
    asked = lambda flag: Verdict("who?")  # noqa: E731
    (flag,) = plan(flags, flags, before=sides[0], after=sides[1], author=asked).values()
    assert flag.because == "a segment that it uses has changed"
    assert text in broken(flag)
    assert "who?" in broken(flag)
    (flag,) = plan(
        flags,
        flags,
        before={"segments": {"insiders": {"any": [sides[0]["segments"]["insiders"], AU["if"]]}}},
        after=sides[0],
    ).values()
    assert not flag.breaks  # fewer


def test_a_rule_for_some_counts_between_variants_as_well() -> None:
    """Where everybody has some variant already, another one for those who meet a condition is a step all the same."""
    fields = {"variants": {"x": 1, "y": 2, "z": 3}, "off": "x", "default": "y"}
    (flag,) = plan(crawl(**fields), crawl(rules=[{"if": {"country": "AU"}, "serve": "z"}], **fields)).values()
    assert "for AU from 0 % to 100 %; exposure unknown" in broken(flag)


def test_a_rollout_between_variants_is_counted_from_nobody() -> None:
    """Begun beside what everybody has it is dark, and it is dark again where it is taken back: by plan and by log."""
    fields = {"variants": {"x": 1, "y": 2, "z": 3}, "off": "x", "default": "y"}
    alone, beside = crawl(**fields), crawl(rules=[{"rollout": "1%", "serve": "z"}], **fields)
    for old, new, shares in ((alone, beside, (0.0, 0.01)), (beside, alone, (0.01, 0.0))):
        (flag,) = plan(old, new).values()
        assert not flag.breaks
        told = flag.to_dict()
        (record,) = record_changes(ruleset(old), ruleset(new), Origin("", NOW))
        assert (told["exposure_before"], told["exposure_after"]) == (record.before, record.after)
        assert (record.before, record.after) == pytest.approx(shares, abs=1e-9)
        assert exposure_line(flag).endswith("(everyone else has y, not off)")
    assert stage_of(ruleset(beside).flags["a"], NOW).text == "1 %"


# -- measured -----------------------------------------------------------------------------------------------------


def measured(old: dict[str, Any], new: dict[str, Any], australians: int, others: int) -> ReleasePlan:
    """The plan over so many users."""
    before, after = ruleset(old), ruleset(new)
    users = [Context(f"u{n}", country="AU" if n < australians else "NO") for n in range(australians + others)]
    return with_population(make_plan(before, after, DEFAULT_POLICY, now=NOW), before, after, users, now=NOW)


@pytest.mark.parametrize(
    ("australians", "breaks"),
    [(30, False), (60, True)],
)
def test_what_is_measured_is_judged_against_the_stages(australians: int, breaks: bool) -> None:
    """From 1 % a crawl may go to 5 %: three in a hundred may be added by a condition, six may not."""
    plan = measured(crawl(rules=ONE), crawl(rules=[AU, *ONE]), australians, 1000 - australians)
    assert plan.breaks is breaks
    assert "unknown" not in told(plan.flags[0])
    assert "of 1,000 users have it" in told(plan.flags[0])
    assert not breaks or "measured crawl may go from 1" in told(plan.flags[0])


def test_a_measure_breaks_where_a_warning_would_not() -> None:
    """A canary only warns of what it does not know; what it knows, it refuses."""
    old, new = {"a": CANARY}, {"a": {**CANARY, "rules": [AU]}}
    assert "product canary may go from 0 % to at most 5 %; this asks for 50 %" in broken(
        measured(old, new, 5, 5).flags[0]
    )
    assert not measured(old, new, 1, 99).breaks


def test_a_wide_condition_may_be_measured_small() -> None:
    """What looks like nearly everyone is taken back by a count."""
    rule = {"if": {"country": {"ne": "NO"}}, "serve": True}
    assert plan(crawl(), crawl(rules=[rule]))["a"].breaks
    assert not measured(crawl(), crawl(rules=[rule]), 1, 199).breaks


def test_the_chance_of_a_rollout_is_no_smaller_stage() -> None:
    """At 5 % a count may find 4.6 %: from there to 8 % is the next stage, not two."""
    five = [{"rollout": "5%"}]
    found = measured(crawl(rules=five), crawl(rules=[AU, *five]), 40, 960)
    assert found.flags[0].impact is not None
    assert found.flags[0].impact.total.before < 50
    assert f"measured, {found.flags[0].impact.total.before / 10:g} % →" in told(found.flags[0])
    assert not found.breaks


def test_flips_are_measured_too() -> None:
    """Between variants, those who get another one are counted."""
    fields = {"variants": {"x": 1, "y": 2, "z": 3}, "off": "x", "default": "y"}
    new = crawl(rules=[{"if": {"country": "AU"}, "serve": "z"}], **fields)
    assert "go from one variant to another: measured crawl may go from 0 %" in broken(
        measured(crawl(**fields), new, 5, 5).flags[0]
    )
    assert not measured(crawl(**fields), new, 1, 199).breaks
