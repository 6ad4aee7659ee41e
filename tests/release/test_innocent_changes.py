"""Changes that give nobody more than before: none of them may be called a step that breaks the policy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flagmiddleware import Context
from flagmiddleware.release.documents import Documents
from flagmiddleware.release.everywhere import judge_everywhere, reached, refusals
from flagmiddleware.release.permissions import Actor
from flagmiddleware.release.plan import make_plan, with_population
from flagmiddleware.release.policy import DEFAULT_POLICY, read_policy
from tests.release.test_verdicts import AU, CRAWL, FAST, NOW, ON, ONE, broken, crawl, plan, ruleset

LATER, MUCH_LATER = "2026-07-01T00:00:00Z", "2026-08-01T00:00:00Z"
STEEP = {"ramp": [{"at": LATER, "to": "100%"}]}
AWAY = {"schedule": {"until": LATER}, "serve": False}
MANY: dict[str, Any] = {"variants": {"x": 1, "y": 2}, "off": "x", "rules": [{"rollout": "50%", "serve": "y"}]}
HALF: list[dict[str, Any]] = [{"rollout": "50%"}]

SAME_OR_LESS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a text": ({"rules": HALF}, {"rules": HALF, "description": "other words"}),
    "a rule's name": ({"rules": HALF}, {"rules": [{"name": "public", **HALF[0]}]}),
    "a decrease": ({"rules": HALF}, {"rules": ONE}),
    "a decrease for some": ({"rules": [AU, *ONE]}, {"rules": [{"if": {"country": "AU"}, "rollout": "1%"}, *ONE]}),
    "a kill": ({"rules": HALF}, {"rules": HALF, "enabled": False}),
    "a kill that takes the rules out": ({"rules": HALF}, {"enabled": False}),
    "a variant's name": (MANY, {**MANY, "variants": {"x": 1, "z": 2}, "rules": [{"rollout": "50%", "serve": "z"}]}),
    "the name of off": (MANY, {**MANY, "variants": {"none": 1, "y": 2}, "off": "none"}),
    "a percentage in other words": ({"rules": HALF}, {"rules": [{"rollout": "50.0%"}]}),
    "a rule that is never tried": ({"rules": ON}, {"rules": [*ON, *ONE]}),
    "a rule that is never tried, beside old dates": ({"rules": [STEEP, *ON]}, {"rules": [STEEP, *ON, *ON]}),
    "a name beside old dates": ({"rules": [STEEP]}, {"rules": [{"name": "public", **STEEP}]}),
    "less for some beside old dates": ({"rules": [STEEP, AU]}, {"rules": [STEEP, {**AU, "serve": False}]}),
    "off for a month": ({"rules": ON}, {"rules": [AWAY, *ON]}),
}


@pytest.mark.parametrize("name", SAME_OR_LESS)
def test_nothing_is_refused_that_gives_nobody_more(name: str) -> None:
    """Other words, less, or for a while nothing: whatever dates the flag had before, they are not the change's."""
    old, new = SAME_OR_LESS[name]
    for flag in plan(crawl(**old), crawl(**new)).values():
        assert not flag.breaks, broken(flag)


def test_more_after_a_while_of_nothing_is_counted_from_what_there_is() -> None:
    """Dates that give back what there is now are free; what they add to it is a step from there."""
    (flag,) = plan(crawl(rules=ONE), crawl(rules=[AWAY, {"rollout": "50%"}])).values()
    assert "measured crawl may go from 1 % to at most 5 %; this asks for 50 %" in broken(flag)


def test_dates_that_are_moved_are_judged() -> None:
    """Only a date that stays as it was is none of the change's."""
    sooner = {"ramp": [{"at": "2026-06-20T00:00:00Z", "to": "100%"}]}
    (flag,) = plan(crawl(rules=[STEEP]), crawl(rules=[sooner])).values()
    assert "this asks for 100 %" in broken(flag)


def test_a_new_dark_flag_and_one_that_goes_are_free() -> None:
    """Whatever their risk, nobody gets anything."""
    assert not any(flag.breaks for flag in plan({}, crawl()).values())
    assert not any(flag.breaks for flag in plan(crawl(rules=ON), {}).values())


def test_the_words_of_another_flag_lift_nobody() -> None:
    """A flag that is required has dates of its own, and only its description changes: no step of this one."""
    waiting = crawl(rules=ON, requires={"b": True})
    old, new = ({**waiting, "b": {**FAST, "rules": [STEEP], "description": words}} for words in ("", "other words"))
    assert not plan(old, new)
    older = {**waiting, "b": {**FAST, "rules": [STEEP, AU]}}
    less = {**waiting, "b": {**FAST, "rules": [STEEP]}}
    assert "by way of" not in broken(plan(older, less)["a"]), "the date was there before"


def test_a_rule_that_is_never_tried_lifts_nobody() -> None:
    """Behind another flag, too, nothing counts that stands after a rule for everyone."""
    waiting = crawl(rules=[{"serve": False}, AU], requires={"b": True})
    old, new = ({**waiting, "b": {**FAST, "rules": rules}} for rules in ([], ON))
    assert not plan(old, new)["a"].breaks


def test_ones_own_people_may_be_known_by_several_signs() -> None:
    """Staff, or whoever is in the segment of insiders: each is internal, so all of them are."""
    segments = {"segments": {"insiders": {"email": {"ends_with": "@yourcompany.com"}}}}
    people = {"any": [{"is_staff": True}, {"segment": "insiders"}]}
    new = {"a": {**CRAWL, "rules": [{"if": people, "serve": True}]}}
    assert not plan(crawl(), new, before=segments, after=segments)["a"].breaks
    others = {"any": [{"is_staff": True}, {"country": "AU"}]}
    new = {"a": {**CRAWL, "rules": [{"if": others, "serve": True}]}}
    assert plan(crawl(), new)["a"].breaks


# -- another name -------------------------------------------------------------------------------------------------

RENAMED = {"rules": HALF, "salt": "a"}


def test_another_key_with_the_old_salt_moves_nobody() -> None:
    """A rename that keeps the salt deals nobody anew: it is told as one, and is no new flag at 50 %."""
    before, after = {"a": {**CRAWL, "rules": HALF}}, {"b": {**CRAWL, **RENAMED}}
    (flag,) = plan(before, after).values()
    assert (flag.key, flag.kind, flag.breaks) == ("b", "changed", False)
    assert flag.exposure[0] == flag.exposure[1] == 2**31
    assert flag.everyone.gains == flag.everyone.loses == 0
    assert flag.because.startswith("it was called a before")
    users = [Context(f"u-{n}") for n in range(1000)]
    old, new = ruleset(before), ruleset(after)
    counted = with_population(make_plan(old, new, DEFAULT_POLICY, now=NOW), old, new, users, now=NOW).flags[0].impact
    assert counted is not None
    assert (counted.total.gains, counted.total.loses) == (0, 0)
    assert 400 < counted.total.before == counted.total.after < 600


def test_who_requires_it_may_call_it_by_its_new_name() -> None:
    """The flags behind a renamed one follow it in the same change, and are not lifted by that; nor by a chain."""
    waiting = {**CRAWL, "rules": ON}
    older = {"a": {**FAST, "rules": [AU]}, "b": {**FAST, "rules": ON, "requires": {"a": True}}}
    newer = {"x": {**FAST, "rules": [AU], "salt": "a"}, "y": {**older["b"], "requires": {"x": True}, "salt": "b"}}
    found = plan(
        {**older, "c": {**waiting, "requires": {"b": True}}}, {**newer, "c": {**waiting, "requires": {"y": True}}}
    )
    assert sorted(found) == ["x", "y"]
    assert not any(flag.breaks for flag in found.values())


@pytest.mark.parametrize(
    "after",
    [
        {"b": {**CRAWL, "rules": HALF}},  # another salt: other people
        {"b": {**CRAWL, **RENAMED, "rules": ON}},  # more at once
        {"b": {**CRAWL, **RENAMED, "owner": ["engineering", "product", "mallory"]}},  # other owners
        {"b": {**CRAWL, **RENAMED}, "c": {**CRAWL, **RENAMED}},  # one that became two
        {"a": {**CRAWL, "rules": HALF}, "b": {**CRAWL, **RENAMED}},  # the old one stays
    ],
)
def test_what_else_comes_under_a_new_key_is_a_new_flag(after: dict[str, Any]) -> None:
    """Only a name and nothing else: a released flag is no way to bring another one in at its share."""
    found = plan({"a": {**CRAWL, "rules": HALF}}, after)
    assert found["b"].kind == "added"
    assert found["b"].breaks


def test_a_rename_is_one_where_it_is_written_to_a_store() -> None:
    """`flags push` and the admin judge as the plan does; and who may not change the flag may not rename it."""
    before, after = ({"a": {**CRAWL, "rules": HALF}}, {"b": {**CRAWL, **RENAMED}})
    sides = [json.dumps({"version": 1, "flags": flags}).encode() for flags in (before, after)]
    old, new = (Documents("flags.json", {"flags.json": data}) for data in sides)
    roles = read_policy({"roles": {"ann": "operate", "bob": "view"}})
    places = reached(old, new, roles)
    assert [place.keys for place in places] == [("b",)]
    assert not [one for one in judge_everywhere(places, roles, now=NOW) if one.verdict.breaks]
    assert not list(refusals(places, Actor(("ann",)), roles))
    assert list(refusals(places, Actor(("bob",)), roles)) == ["b: ramp needs the role operate; bob has view"]
