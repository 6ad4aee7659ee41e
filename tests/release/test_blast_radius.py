"""Exact blast radius: by hash ranges and user by user, held against brute force."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flagmiddleware import Context, Flags
from flagmiddleware.bucketing import bucket
from flagmiddleware.formats import parse_document
from flagmiddleware.model import Ruleset
from flagmiddleware.release import counting
from flagmiddleware.release.exposure import Cohort, compare
from flagmiddleware.release.impact import measure, reads
from flagmiddleware.release.logic import satisfiable
from flagmiddleware.release.parcel import pack, unpack
from flagmiddleware.release.plan import make_plan, with_population
from flagmiddleware.release.policy import DEFAULT_POLICY

NOW = 1_800_000_000.0


def ruleset(flag: dict[str, Any] | None, **more: Any) -> Ruleset:
    """Definitions with one flag `a`, and others if given."""
    others = more.pop("flags", {})
    return parse_document({"version": 1, "flags": {**({} if flag is None else {"a": flag}), **others}, **more})


def cohorts(old: dict[str, Any] | None, new: dict[str, Any] | None, **more: Any) -> dict[str, Cohort]:
    """The cohorts of a change of flag `a`, by their words."""
    before, after = ruleset(old, **more), ruleset(new, **more)
    return {one.words: one for one in compare(before.flags.get("a"), after.flags.get("a"), before, after, NOW)}


def rules(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A flag of these rules."""
    return {"rules": list(items), **more}


SPLIT = {"variants": {"x": 1, "y": 2, "z": 3}, "off": "x"}


def test_raising_a_rollout_only_gains() -> None:
    """From 10 % to 25 %: exactly 15 % gain, none lose."""
    (everyone,) = cohorts(rules({"rollout": "10%"}), rules({"rollout": "25%"})).values()
    assert everyone.words == "everyone else" or everyone.words == "everyone"
    assert (everyone.loses, everyone.flips) == (0, 0)
    assert everyone.gains == Fraction(2**32 * 25 // 100 - 2**32 * 10 // 100, 2**32)


def test_a_new_salt_deals_everyone_anew() -> None:
    """Another salt at 50 %: a quarter gains and a quarter loses, and the plan says reshuffle."""
    old, new = rules({"rollout": "50%"}), rules({"rollout": "50%"}, salt="b")
    (everyone,) = cohorts(old, new).values()
    assert (everyone.gains, everyone.loses) == (Fraction(1, 4), Fraction(1, 4))
    plan = make_plan(ruleset(old), ruleset(new), DEFAULT_POLICY, now=NOW)
    assert "every subject is dealt anew" in plan.flags[0].reshuffles[0]


def test_split_order_is_a_reshuffle() -> None:
    """The same weights in another order flip subjects between variants."""
    old = rules({"split": {"x": 1, "y": 1, "z": 2}}, **SPLIT)
    new = rules({"split": {"y": 1, "x": 1, "z": 2}}, **SPLIT)
    (everyone,) = cohorts(old, new).values()
    assert (everyone.gains, everyone.loses, everyone.flips) == (Fraction(1, 4), Fraction(1, 4), 0)
    assert make_plan(ruleset(old), ruleset(new), DEFAULT_POLICY, now=NOW).flags[0].reshuffles


def test_each_cohort_is_told_apart() -> None:
    """A rule that is added hits the cohort that matches it, and nobody else."""
    cohort = {"if": {"country": ["AU", "NZ"]}, "rollout": "50%"}
    found = cohorts(rules({"rollout": "1%"}), rules(cohort, {"rollout": "1%"}))
    assert set(found) == {"AU+NZ", "everyone else"}
    assert found["everyone else"].gains == found["everyone else"].loses == 0
    one = Fraction(2**32 // 100, 2**32)
    assert (found["AU+NZ"].before, found["AU+NZ"].after) == (one, Fraction(1, 2))


def test_cohorts_that_cannot_exist_are_left_out() -> None:
    """Nobody matches [AU] first who already matched [AU, NZ]."""
    wide, narrow = {"if": {"country": ["AU", "NZ"]}, "serve": True}, {"if": {"country": "AU"}, "serve": True}
    assert set(cohorts(rules(wide, narrow), rules(wide, {"rollout": "1%"}))) == {"AU+NZ", "everyone else"}


def test_a_kill_takes_it_from_everybody() -> None:
    """A kill is a loss of the whole exposure."""
    (everyone,) = cohorts(rules({"rollout": "25%"}), rules({"rollout": "25%"}, enabled=False)).values()
    assert everyone.loses == Fraction(1, 4)


def test_adding_and_removing_a_flag() -> None:
    """A flag that appears gains its exposure, one that goes loses it."""
    (added,) = cohorts(None, rules({"rollout": "50%"})).values()
    (removed,) = cohorts(rules({"rollout": "50%"}), None).values()
    assert (added.gains, removed.loses) == (Fraction(1, 2), Fraction(1, 2))


def test_a_changed_segment_reaches_the_flags_that_use_it() -> None:
    """Who edits a segment sees each flag that it feeds, and flags behind it."""
    flag = rules({"if": {"segment": "s"}, "serve": True})
    behind = {"b": {"requires": {"a": True}, "rules": [{"serve": True}]}}
    before = ruleset(flag, segments={"s": {"country": "AU"}}, flags=behind)
    after = ruleset(flag, segments={"s": {"country": "NZ"}}, flags=behind)
    plan = make_plan(before, after, DEFAULT_POLICY, now=NOW)
    assert {one.key: one.because for one in plan.flags} == {
        "a": "a segment that it uses has changed",
        "b": "it requires a, which changes",
    }
    impact = measure(["a", "b"], before, after, [Context("u", country="AU")], now=NOW)
    assert (impact["a"].total.loses, impact["b"].total.loses) == (1, 1)


def test_who_a_prerequisite_moves_is_told() -> None:
    """A flag behind another one gains those whom the other reaches now; a kill of that one takes it from all it had."""
    behind = {"requires": {"a": True}, "rules": [{"rollout": "50%"}]}

    def told(old: str, new: dict[str, Any]) -> dict[str, tuple[Fraction, Fraction]]:
        before = ruleset(rules({"rollout": old}), flags={"b": behind})
        after = ruleset(new, flags={"b": behind})
        found = compare(before.flags["b"], after.flags["b"], before, after, NOW)
        return {cohort.words: (cohort.gains, cohort.loses) for cohort in found}

    half, nothing = Fraction(1, 2), Fraction(0)
    still = {"where not a is on": (nothing, nothing), "everyone else": (nothing, nothing)}
    assert told("1%", rules({"rollout": "5%"})) == {**still, "whom a reaches now": (half, nothing)}
    assert told("5%", rules({"rollout": "1%"})) == {**still, "whom a leaves now": (nothing, half)}
    assert told("5%", rules({"rollout": "5%"}, description="x")) == still
    killed = told("100%", rules({"rollout": "100%"}, enabled=False))
    assert killed == {"whom a leaves now": (nothing, half)}


def test_a_chain_of_prerequisites_moves_together() -> None:
    """What moves the first of a chain moves those behind it, and only in the direction that is possible."""
    chain = {
        "b": {"requires": {"a": True}, "rules": [{"serve": True}]},
        "c": {"requires": {"b": True}, "rules": [{"serve": True}]},
    }
    before, after = (ruleset(rules({"rollout": share}), flags=chain) for share in ("1%", "5%"))
    found = {one.words: one.gains for one in compare(before.flags["c"], after.flags["c"], before, after, NOW)}
    assert found == {"where not b is on": 0, "whom b reaches now": 1, "everyone else": 0}


def test_words_change_no_decision() -> None:
    """A plan lists what decides, and who may change it, not what describes."""
    before, after = ruleset({"description": "x"}), ruleset({"description": "y", "expires": "2027-01-01"})
    assert make_plan(before, after, DEFAULT_POLICY, now=NOW).flags == ()


def test_a_variants_new_value_is_told() -> None:
    """Nobody changes sides when a variant's value changes, and yet everyone on it gets something else: it is said."""
    old = rules({"serve": "y"}, **SPLIT)
    new = rules({"serve": "y"}, **{**SPLIT, "variants": {"x": 1, "y": 5, "z": 3}})
    (flag,) = make_plan(ruleset(old), ruleset(new), DEFAULT_POLICY, now=NOW).flags
    assert [verdict.text for verdict in flag.verdicts] == [
        "the value of variant 'y' goes from 2 to 5, for everyone who gets it",
    ]
    assert not flag.breaks


CHANGES = [
    (rules({"rollout": "10%"}), rules({"rollout": "12.5%"})),
    (rules({"rollout": "30%"}), rules({"rollout": "20%"}, salt="other")),
    (
        rules({"rollout": "50%", "split": {"y": 1, "z": 1}}, **SPLIT),
        rules({"split": {"x": 1, "y": 1, "z": 2}}, **SPLIT),
    ),
]


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_hash_ranges_agree_with_a_million_ids(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Shares computed from ranges are what a million hashed ids show, within five standard deviations of chance."""
    before, after = ruleset(old), ruleset(new)
    users = 1_000_000
    (everyone,) = compare(before.flags["a"], after.flags["a"], before, after, NOW)
    total = measure(["a"], before, after, (Context(f"user-{n}") for n in range(users)), now=NOW)["a"].total
    for name in ("before", "after", "gains", "loses", "flips"):
        share = float(getattr(everyone, name))
        chance = 5 * (users * share * (1 - share)) ** 0.5
        assert abs(getattr(total, name) - users * share) <= chance, name


def test_who_is_hit_is_exact_against_brute_force() -> None:
    """The users listed are, one by one, those whose bucket lies between the two thresholds."""
    before, after = ruleset(rules({"rollout": "10%"})), ruleset(rules({"rollout": "25%"}))
    ids = [f"user-{n}" for n in range(1_000_000)]
    low, high = 2**32 * 10 // 100, 2**32 * 25 // 100
    expected = [key for key in ids if low <= (bucket("a", key) or 0) < high]
    hit: list[str] = []
    impact = measure(
        ["a"], before, after, map(Context, ids), now=NOW, each=lambda flag, user, kind, was, will: hit.append(user)
    )
    assert hit == expected
    assert impact["a"].total.gains == len(expected)
    assert [user for user, *_ in impact["a"].who] == expected[:20]


def test_segments_are_counted() -> None:
    """The impact is told by segment, too."""
    segments = {"anz": {"country": ["AU", "NZ"]}}
    before, after = ruleset(rules(), segments=segments), ruleset(rules({"serve": True}), segments=segments)
    plan = make_plan(before, after, DEFAULT_POLICY, now=NOW)
    users = [Context("1", country="AU"), Context("2", country="US")]
    impact = with_population(plan, before, after, users, now=NOW).flags[0].impact
    assert impact is not None
    assert (impact.total.gains, impact.segments["anz"].users, impact.segments["anz"].gains) == (2, 1, 1)


PERCENT = st.integers(0, 100).map(lambda n: f"{n}%")
CONDITION = st.sampled_from(
    [None, {"country": "AU"}, {"country": ["AU", "NZ"]}, {"plan": "pro"}, {"country": "AU", "plan": "pro"}]
)
RULE = st.builds(
    lambda condition, percent: {"rollout": percent} if condition is None else {"if": condition, "rollout": percent},
    CONDITION,
    PERCENT,
)
FLAG = st.builds(lambda items: rules(*items), st.lists(RULE, max_size=4))


@settings(max_examples=150, deadline=None)
@given(FLAG, FLAG, st.sampled_from(["AU", "NZ", "US"]), st.sampled_from(["pro", "free"]), st.integers(0, 10**6))
def test_every_decision_is_in_some_cohort(old: Any, new: Any, country: str, plan: str, user: int) -> None:
    """Law: whatever two flags say, the pair of answers of any subject has a share above zero in some cohort."""
    before, after = ruleset(old), ruleset(new)
    context = Context(str(user), country=country, plan=plan)
    pair = (Flags(before).evaluate("a", context).variant, Flags(after).evaluate("a", context).variant)
    found = compare(before.flags["a"], after.flags["a"], before, after, NOW)
    assert any(cohort.flows.get(pair) for cohort in found)
    assert all(sum(cohort.flows.values()) == 1 for cohort in found)


def test_two_processes_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Users that are sent to other processes are counted and listed as if they were decided here, in their order."""
    monkeypatch.setattr(counting, "_CHUNK", 5000)
    monkeypatch.setattr(counting, "_FLAGS_WORTH_A_PROCESS", 10)
    pools: list[int] = []

    class Pool(ProcessPoolExecutor):
        def __init__(self, processes: int, *more: Any) -> None:
            pools.append(processes)
            super().__init__(processes, *more)

    monkeypatch.setattr(counting, "ProcessPoolExecutor", Pool)
    flags = {f"f-{n}": rules({"if": {"segment": "anz"}, "rollout": "20%"}, {"rollout": "1%"}) for n in range(12)}
    more = {**flags, "f-3": rules({"split": {"x": 1, "y": 2, "z": 3}}, **SPLIT)}
    segments = {"anz": {"country": ["AU", "NZ"]}}
    before, after = ruleset(None, flags=flags, segments=segments), ruleset(None, flags=more, segments=segments)
    users = [Context(f"user-{n}", country=("AU", "US", "NZ")[n % 3]) for n in range(11_000)]
    assert unpack(pack((before, after)) or b"") == (before, after)
    hits: tuple[list[Any], list[Any]] = ([], [])
    found = [
        measure(["f-3", *flags], before, after, users, now=NOW, each=lambda *hit, to=to: to.append(hit), processes=n)
        for n, to in enumerate(hits, 1)
    ]
    assert found[0] == found[1]
    assert hits[0] == hits[1] != []
    assert found[0]["f-3"].total.users == 11_000
    assert pools == [2]


def test_an_odd_user_spoils_nothing() -> None:
    """A user whose attributes no comparison likes is decided by the interpreter, and the others as ever."""

    class Odd(str):
        __slots__ = ()

        def __hash__(self) -> int:
            raise TypeError("odd")

    before, after = ruleset(rules({"if": {"country": ["AU", "NZ"]}})), ruleset(rules({"if": {"country": ["AU"]}}))
    users = [Context("u-1", country="NZ"), Context("u-2", country=Odd("AU")), Context("u-3", country="AU")]
    assert measure(["a"], before, after, users, now=NOW)["a"].who == [("u-1", "loses", "on", "off")]


def test_true_is_not_1_in_a_change() -> None:
    """A condition that goes from true to 1 decides otherwise, and is told."""
    before, after = ruleset(rules({"if": {"beta": True}})), ruleset(rules({"if": {"beta": 1}}))
    assert [flag.key for flag in make_plan(before, after, DEFAULT_POLICY, now=NOW).flags] == ["a"]


def test_what_a_decision_reads_is_known_before_the_users() -> None:
    """Rules, segments and prerequisites of both sides count, and what an attribute is derived from."""
    before = ruleset(rules({"if": {"plan": "pro"}}), segments={"ours": {"email_domain": "yourcompany.com"}})
    after = ruleset({"requires": {"b": True}}, flags={"b": rules({"if": {"country": "AU"}})})
    assert {"plan", "email", "country"} <= reads(["a"], before, after, now=NOW)
    assert "shoe_size" not in reads(["a"], before, after, now=NOW)


def test_hundreds_of_rules_are_told_apart_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule a tenant: only what is asked otherwise is thought about, so a small change is told at once."""
    asked: list[Any] = []

    def count(true: Any, false: Any) -> bool:
        asked.append(true)
        return satisfiable(true, false)

    monkeypatch.setattr("flagmiddleware.release.exposure.satisfiable", count)
    tenants = [{"if": {"tenant": f"t-{number}"}, "serve": True} for number in range(200)]
    found = cohorts(rules(*tenants, {"rollout": "1%"}), rules(*tenants, {"rollout": "2%"}))
    assert len(found) == len(asked) == 201
    assert float(found["everyone else"].gains) == pytest.approx(0.01)
