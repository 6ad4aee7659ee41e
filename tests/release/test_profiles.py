"""Counting users by profile and bucket, held against deciding every one of them."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flagmiddleware import Context, Flags
from flagmiddleware.formats import parse_document
from flagmiddleware.interpreter import Interpreter
from flagmiddleware.model import Compute, Flag, Rule, Ruleset
from flagmiddleware.release import counting, matching
from flagmiddleware.release.impact import FlagImpact, measure

NOW = 1_800_000_000.0
KEYS = ("a", "b", "c")
SPLIT = {"variants": {"x": 1, "y": 2, "z": 3}, "off": "x"}

PERCENT = st.sampled_from(["0%", "10%", "33.3%", "50%", "99.999%", "100%"])
TEST = st.sampled_from(
    [
        {"country": ["AU", "NZ"]},
        {"plan": {"ne": "pro"}},
        {"beta": True},
        {"beta": 1},
        {"age": {"gte": 30}},
        {"segment": "anz"},
        {"email_domain": "yourcompany.com"},
        {"groups": "ops"},
        {"user": {"ends_with": "7"}},
        {"any": [{"country": "US"}, {"not": {"plan": {"exists": True}}}]},
    ]
)
GATE: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    PERCENT.map(lambda share: {"rollout": share}),
    st.just({"ramp": [{"at": "2020-01-01T00:00:00Z", "to": "20%"}, {"at": "2030-01-01T00:00:00Z", "to": "90%"}]}),
    st.just({"schedule": {"until": "2020-01-01T00:00:00Z"}}),
)
WEIGHTS = st.fixed_dictionaries({name: st.integers(0, 3) for name in "xyz"}).filter(lambda found: any(found.values()))


def flags_of(payload: st.SearchStrategy[dict[str, Any]], kind: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Flags of rules with some payload."""
    rule = st.builds(
        lambda test, gate, served: {**({"if": test} if test else {}), **gate, **served},
        st.none() | TEST, GATE, payload,
    )  # fmt: skip
    return st.builds(
        lambda rules, more: {"rules": rules, **more, **kind},
        st.lists(rule, max_size=3),
        st.fixed_dictionaries(
            {},
            optional={
                "sticky_by": st.sampled_from(["company", "user", "age"]),
                "salt": st.sampled_from(["a", "other"]),
                "enabled": st.booleans(),
            },
        ),
    )


BOOLEAN = flags_of(st.just({"serve": True}) | st.just({"serve": False}), {})
SEVERAL = flags_of(WEIGHTS.map(lambda found: {"split": found}) | st.just({"serve": "z"}), SPLIT)
NEEDED = st.lists(st.sampled_from(["b", "c"]), unique=True)


@st.composite
def rulesets(draw: st.DrawFn) -> Ruleset:
    """Three flags; `a` may require the others, and `b` requires `c`."""
    flags = {"a": draw(BOOLEAN | SEVERAL), "b": draw(BOOLEAN), "c": draw(SEVERAL)}
    wanted = {"b": True, "c": ["x", "z"]}
    flags["a"]["requires"] = {key: wanted[key] for key in draw(NEEDED)}
    if draw(st.booleans()):
        flags["b"]["requires"] = {"c": "y"}
    segment = draw(st.sampled_from([{"country": ["AU", "NZ"]}, {"plan": "pro"}]))
    if draw(st.integers(0, 5)) == 0:
        del flags["a"]
    return parse_document({"version": 1, "segments": {"anz": segment}, "flags": flags})


KEY = st.one_of(
    st.integers(0, 60).map("user-{}".format), st.integers(0, 9), st.sampled_from(["", None, 1.5, "\ud800", UUID(int=7)])
)  # fmt: skip
USER = st.builds(
    lambda key, found: Context(key, found),
    KEY,
    st.fixed_dictionaries(
        {},
        optional={
            "country": st.sampled_from(["AU", "US", None]),
            "plan": st.sampled_from(["pro", "free"]),
            "beta": st.sampled_from([True, 1, 1.0, "true"]),
            "age": st.sampled_from([20, 30, 30.0, "30", True]),
            "email": st.sampled_from(["ann@yourcompany.com", "bob@example.org", 5]),
            "groups": st.sampled_from([["ops"], ["dev", "ops"], [], "ops", {"ops": 1}, frozenset({"ops"})]),
            "company": st.sampled_from(["c-1", "c-2", "", None]),
            "user": st.sampled_from(["u-7", "u-8"]),
        },
    ),
)


def one_by_one(key: str, before: Ruleset, after: Ruleset, users: list[Context]) -> tuple[Any, list[Any]]:
    """What a flag's impact is where the reference decides it for each user: counts, and who is hit."""
    sides = [(ruleset.flags.get(key), Interpreter(ruleset, NOW)) for ruleset in (before, after)]
    counts: Counter[str] = Counter()
    hits = []
    for user in users:
        (was, had), (will, has) = (
            (None, False) if flag is None else (lambda told: (told.variant, told.is_enabled))(side.evaluate(flag, user))
            for flag, side in sides
        )
        kind = ("gains" if has else "loses") if had != has else "flips" if had and was != will else ""
        counts.update({"users": 1, "before": had, "after": has, **({kind: 1} if kind else {})})
        hits += [(str(user.targeting_key), kind, was, will)] if kind else []
    return {name: counts[name] for name in ("users", "before", "after", "gains", "loses", "flips")}, hits


def told(found: FlagImpact) -> Any:
    """The counts of an impact, as :func:`one_by_one` has them."""
    return {name: getattr(found.total, name) for name in ("users", "before", "after", "gains", "loses", "flips")}


@settings(max_examples=150, deadline=None)
@given(rulesets(), rulesets(), st.lists(USER, max_size=25), st.integers(1, 25))
def test_profiles_find_what_brute_force_finds(
    before: Ruleset, after: Ruleset, users: list[Context], chunk: int
) -> None:
    """Law: for any two rulesets and any users the counts and the list of who is hit are those of deciding each one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_CHUNK", chunk)
        found = measure(KEYS, before, after, users, now=NOW, who=3)
        everyone: dict[str, list[Any]] = {key: [] for key in KEYS}
        measure(KEYS, before, after, users, now=NOW, each=lambda key, *hit: everyone[key].append(hit))
    for key in KEYS:
        counts, hits = one_by_one(key, before, after, users)
        assert told(found[key]) == counts
        assert found[key].who == hits[:3]
        assert everyone[key] == hits
    inside = [user for user in users if Flags(_segment(after)).is_enabled("s", user)]
    assert found["b"].segments["anz"].users == len(inside)
    counts, _ = one_by_one("b", before, after, inside)
    assert found["b"].segments["anz"].gains == counts["gains"]


def _segment(ruleset: Ruleset) -> Ruleset:
    """A flag for the members of the segment."""
    flags = parse_document(
        {"version": 1, "segments": {"anz": {"plan": "pro"}}, "flags": {"s": {"rules": [{"if": {"segment": "anz"}}]}}}
    ).flags
    return Ruleset(flags=flags, segments=ruleset.segments)


def test_a_dialects_function_is_asked_user_by_user() -> None:
    """A flag that a function decides is decided for every user, and so is a flag that requires it."""
    asked: list[str] = []

    def decide(context: Any, here: Any) -> str:
        asked.append(context.targeting_key)
        return "on" if context.targeting_key.endswith("1") else "off"

    computed = Flag(key="f", rules=(Rule(Compute(decide, ("targeting_key",))),))
    flags = {**parse_document({"version": 1, "flags": {"g": {"rules": [{"rollout": "50%"}]}}}).flags, "f": computed}
    users = [Context(f"user-{n}") for n in range(30)]
    found = measure(["f", "g"], Ruleset(flags={}), Ruleset(flags=flags), users, now=NOW)
    assert found["f"].total.gains == 3
    assert asked == [f"user-{n}" for n in range(30)]
    assert found["g"].total.gains == one_by_one("g", Ruleset(flags={}), Ruleset(flags=flags), users)[0]["gains"]


def test_conditions_are_decided_once_a_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand users of two countries make two profiles: that is what a plan over a million users lives on."""
    before = parse_document({"version": 1, "flags": {"a": {"rules": [{"if": {"country": "AU"}, "rollout": "1%"}]}}})
    after = parse_document({"version": 1, "flags": {"a": {"rules": [{"if": {"country": "AU"}, "rollout": "9%"}]}}})
    asked: list[int] = []
    variants = matching.variants_of

    def counting_variants(plan: Any, key: str) -> Any:
        def decide(users: Any) -> Any:
            asked.append(len(users))
            return variants(plan, key)(users)

        return decide

    monkeypatch.setattr(matching, "variants_of", counting_variants)
    users = [Context(f"user-{n}", country=("AU", "US")[n % 2], shoe_size=n) for n in range(10_000)]
    found = measure(["a"], before, after, users, now=NOW)
    assert asked == [2]  # before and after ask the same, so it is decided once for both
    assert told(found["a"]) == one_by_one("a", before, after, users)[0]


def test_only_a_population_needs_numpy() -> None:
    """Without NumPy plans are made as ever, and counting a population names the extra to install."""
    script = """
import sys
sys.modules["numpy"] = None
from flagmiddleware import Context
from flagmiddleware.cli.plan import plan
from flagmiddleware.errors import ConfigurationError
from flagmiddleware.model import Ruleset
from flagmiddleware.release.impact import measure
try:
    measure([], Ruleset(flags={}), Ruleset(flags={}), [Context("u-1")], now=0.0)
except ConfigurationError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "counting a population needs NumPy: pip install 'flagmiddleware[release]'"


def test_many_kinds_of_users_and_segments_stay_apart() -> None:
    """Two hundred rules, a segment for each, and several salts in one flag are counted as one by one."""
    segments = {f"s-{n}": {"shoe_size": n} for n in range(200)}
    rules = [{"if": {"segment": name}, "rollout": f"{n % 100}%", "serve": "y"} for n, name in enumerate(segments)]
    flag = {**SPLIT, "rules": [*rules, {"rollout": "50%", "split": {"x": 1, "y": 1, "z": 1}}], "requires": {"b": True}}
    before, after = (
        parse_document({"version": 1, "segments": segments, "flags": {"a": {**flag, "salt": salt}, "b": other}})
        for salt, other in (("a", {"rules": [{"rollout": "50%"}]}), ("c", {"rules": [{"rollout": "60%"}]}))
    )
    users = [Context(f"user-{n}", shoe_size=n % 300) for n in range(3000)]
    found = measure(["a"], before, after, users, now=NOW, who=10)
    counts, hits = one_by_one("a", before, after, users)
    assert told(found["a"]) == counts
    assert found["a"].who == hits[:10]
    assert [found["a"].segments[f"s-{n}"].users for n in (0, 199)] == [10, 10]
