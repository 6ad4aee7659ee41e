"""One flag gone wrong among good ones, in each system's file: the others come over, the report names the bad one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from flagmiddleware import Context, Flags
from flagmiddleware.imports import Imported, Kept, convert
from tests.dialects.test_bad_input import GONE, ODD, changed, places

WAFFLE: Final[dict[str, Any]] = {
    "name": "bad", "everyone": None, "percent": "50.0", "testing": False, "superusers": True, "staff": True,
    "authenticated": False, "languages": "en", "rollout": True, "note": "n", "groups": [1], "users": [7],
}  # fmt: skip
FLAGD: Final[dict[str, Any]] = {
    "state": "ENABLED",
    "variants": {"on": True, "off": False},
    "defaultVariant": "off",
    "targeting": {"if": [
        {"and": [{"==": [{"var": "plan"}, "pro"]}, {">": [{"var": "age"}, 17]}]},
        {"fractional": [{"var": "email"}, ["on", 50], ["off", 50]]},
        {"in": [{"var": "country"}, ["AU"]]}, "on", "off",
    ]},
}  # fmt: skip
UNLEASH: Final[dict[str, Any]] = {
    "name": "bad",
    "enabled": True,
    "dependencies": [{"feature": "good", "enabled": True, "variants": []}],
    "strategies": [
        {"name": "userWithId", "parameters": {"userIds": "7, 8"}},
        {
            "name": "flexibleRollout",
            "parameters": {"rollout": "50", "stickiness": "default", "groupId": "bad"},
            "constraints": [{"contextName": "plan", "operator": "IN", "values": ["pro"], "inverted": True},
                            {"contextName": "age", "operator": "NUM_GT", "value": "18"}],
        },
    ],
}  # fmt: skip
ROCKETFLAG: Final[dict[str, Any]] = {
    "id": "b1", "name": "bad", "kind": "flag", "enabled": True, "trafficPercentage": 50, "cohorts": ["beta"],
    "audienceId": "pros",
}  # fmt: skip
GROUP: Final[dict[str, Any]] = {
    "id": "b1", "name": "bad", "kind": "groupflag",
    "environments": {"prod": {"enabled": True, "trafficPercentage": 50, "cohorts": [], "audienceId": None}},
}  # fmt: skip
GROWTHBOOK: Final[dict[str, Any]] = {
    "defaultValue": False,
    "rules": [
        {"condition": {"plan": {"$in": ["pro"]}, "age": {"$gt": 17}}, "force": True},
        {"variations": [True, False], "weights": [0.5, 0.5], "coverage": 0.5, "hashAttribute": "email"},
    ],
}
GOFEATUREFLAG: Final[dict[str, Any]] = {
    "variations": {"yes": True, "no": False},
    "bucketingKey": "email",
    "disable": False,
    "targeting": [
        {"name": "pros", "query": 'plan eq "pro"', "variation": "yes", "disable": False},
        {"name": "half", "query": "age gt 17", "percentage": {"yes": 50, "no": 50}},
        {"name": "later", "query": "admin eq true", "progressiveRollout": {
            "initial": {"variation": "no", "percentage": 0, "date": "2026-01-01T00:00:00Z"},
            "end": {"variation": "yes", "percentage": 100, "date": "2026-02-01T00:00:00Z"}}},
    ],
    "defaultRule": {"variation": "no"},
}  # fmt: skip
BOOLEAN: Final[dict[str, Any]] = {
    "key": "bad", "type": "BOOLEAN_FLAG_TYPE", "enabled": False,
    "rollouts": [{"segment": {"key": "pros", "value": True}}, {"threshold": {"percentage": 50, "value": True}}],
}  # fmt: skip
VARIANTS: Final[dict[str, Any]] = {
    "key": "bad", "type": "VARIANT_FLAG_TYPE", "enabled": True, "variants": [{"key": "red"}, {"key": "blue"}],
    "rules": [{"segment": "pros", "distributions": [{"variant": "red", "rollout": 50},
                                                    {"variant": "blue", "rollout": 50}]}],
}  # fmt: skip
DJANGO_FLAGS: Final[list[Any]] = [
    {"condition": "boolean", "value": "yes", "required": True},
    ["path matches", "^/beta"],
    ["after date", "2026-01-01T00:00:00+00:00", False],
]

PROS: Final = {"pros": {"rules": [[{"attribute": "plan", "operator": "in", "values": ["pro"]}]]}}
SEGMENT: Final[dict[str, Any]] = {
    "key": "pros", "match_type": "ALL_MATCH_TYPE",
    "constraints": [{"type": "STRING_COMPARISON_TYPE", "property": "plan", "operator": "eq", "value": "pro"}],
}  # fmt: skip


def waffle(bad: Any) -> Any:
    """A fixture of django-waffle."""
    return [
        {"model": "waffle.flag", "pk": 1, "fields": {**WAFFLE, "name": "good", "everyone": True}},
        {"model": "waffle.flag", "pk": 2, "fields": bad},
        {"model": "auth.group", "pk": 1, "fields": {"name": "editors"}},
    ]


def flagd(bad: Any) -> Any:
    """flagd's document."""
    return {"flags": {"good": {"state": "ENABLED", "variants": {"on": True}, "defaultVariant": "on"}, "bad": bad}}


def unleash(bad: Any) -> Any:
    """Unleash's payload."""
    good = {"name": "good", "enabled": True, "strategies": [{"name": "default"}]}
    return {"version": 2, "features": [bad, good]}


def rocketflag(bad: Any) -> Any:
    """RocketFlag's payload."""
    return {"flags": [bad, {"id": "g1", "name": "good", "kind": "flag", "enabled": True, "trafficPercentage": 100}]}


def growthbook(bad: Any) -> Any:
    """GrowthBook's features."""
    return {"features": {"good": {"defaultValue": True}, "bad": bad}}


def gofeatureflag(bad: Any) -> Any:
    """GO Feature Flag's file."""
    return {"good": {"variations": {"a": True}, "defaultRule": {"variation": "a"}}, "bad": bad}


def flipt(bad: Any) -> Any:
    """Flipt's document."""
    good = {"key": "good", "type": "BOOLEAN_FLAG_TYPE", "enabled": True}
    return {"namespace": "default", "flags": [good, bad], "segments": [SEGMENT]}


def django_flags(bad: Any) -> Any:
    """django-flags' setting, as JSON."""
    return {"FLAGS": {"good": [["boolean", True]], "bad": bad}}


SYSTEMS: Final = {
    "waffle": ("waffle", waffle, WAFFLE),
    "django-flags": ("django-flags", django_flags, DJANGO_FLAGS),
    "flagd": ("flagd", flagd, FLAGD),
    "unleash": ("unleash", unleash, UNLEASH),
    "rocketflag": ("rocketflag", rocketflag, ROCKETFLAG),
    "rocketflag, in groups": ("rocketflag", rocketflag, GROUP),
    "growthbook": ("growthbook", growthbook, GROWTHBOOK),
    "gofeatureflag": ("gofeatureflag", gofeatureflag, GOFEATUREFLAG),
    "flipt, boolean": ("flipt", flipt, BOOLEAN),
    "flipt, variants": ("flipt", flipt, VARIANTS),
}


def imported(kind: str, document: Any) -> Imported:
    """The document imported; what RocketFlag keeps elsewhere beside it."""
    options = {"audiences": PROS, "move": ["all"]} if kind == "rocketflag" else {}
    return convert(kind, json.dumps(document).encode(), name="file", options=options)


def is_other_kind(one: Any, other: Any) -> bool:
    """Whether two values are of different JSON types."""
    kinds = [float if type(each) is int else type(each) for each in (one, other)]
    return kinds[0] is not kinds[1]


MEANT_THERE: Final[Mapping[str, Callable[[tuple[Any, ...], Any], bool]]] = {
    # What stands for true and false in a database, what is written as null, what a Go program reads null as.
    "waffle": lambda path, value: path[-1] in ("everyone", "languages") and value in (None, True, 0),
    "django-flags": lambda path, value: (path[-1] in ("value", "required", 2)) and value in (True, 0),
    "unleash": lambda path, value: value is None,
    "rocketflag": lambda path, value: path[-1] == "audienceId" and value is None,
    "gofeatureflag": lambda path, value: value is None,
    "flipt": lambda path, value: value is None,
    # A comparison with a value of another type is one in these grammars, and comes over as one.
    "flagd": lambda path, value: path[-2:] in (("==", 1), (1, 0), ("if", 4)),
    "growthbook": lambda path, value: "condition" in path or (path[-1] == "weights" and value is None),
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_nothing_malformed_is_said_to_have_come_over(system: str) -> None:
    """At each place of a flag a value of another type: the good flag comes over, the bad one is under what is lost."""
    kind, document, flag = SYSTEMS[system]
    tried = 0
    for path in places(flag):
        there: Any = flag
        for step in path:
            there = there[step]
        for value in [*ODD, *([GONE] if path else [])]:
            result = imported(kind, document(changed(flag, path, value)))
            where = (path, value)
            assert Flags(result.document).is_enabled("good"), where
            if value is GONE or not is_other_kind(there, value) or (path and MEANT_THERE[kind](path, value)):
                continue
            assert any(note.kept is Kept.LOST for note in result.notes if note.flag != "good"), where
            tried += 1
    assert tried > 100


@pytest.mark.parametrize(
    ("system", "path", "value", "told"),
    [
        ("waffle", ("percent",), "fifty", '$.percent` ("fifty")'),
        ("waffle", ("percent",), "150.0", '<= 100.0 - at `$.percent` ("150.0")'),
        ("django-flags", (2, 1), "tomorrow", "'tomorrow' is no date"),
        ("django-flags", (0, "value"), "perhaps", "found 'perhaps'"),
        ("flagd", ("targeting", "if", 1, "fractional", 1, 1), "50", "`fractional`"),
        ("unleash", ("strategies", 1, "parameters", "rollout"), "150", "from 0 to 100, found 150"),
        ("rocketflag", ("trafficPercentage",), "half", "$.trafficPercentage`"),
        ("rocketflag, in groups", ("environments", "prod", "trafficPercentage"), None, "$.environments"),
        ("growthbook", ("rules",), "no", 'Expected `array`, got `str` - at `$.rules` ("no")'),
        ("growthbook", ("rules", 1, "coverage"), 5, "$.rules[1].coverage`"),
        ("gofeatureflag", ("targeting", 1, "percentage", "yes"), -5, "$.targeting[1].percentage"),
        ("flipt, boolean", ("rollouts", 1, "threshold", "percentage"), "a lot", "$.rollouts[1].threshold.percentage`"),
        ("flipt, variants", ("rules", 0, "distributions", 0, "rollout"), 101, "$.rules[0].distributions[0].rollout`"),
    ],
)
def test_one_bad_value_costs_one_flag(system: str, path: tuple[Any, ...], value: Any, told: str) -> None:
    """A percentage, date or list that is none: that flag is named with the reason, the others are as before."""
    kind, document, flag = SYSTEMS[system]
    whole, result = (imported(kind, document(each)) for each in (flag, changed(flag, path, value)))
    assert result.document["flags"]["good"] == whole.document["flags"]["good"]
    assert result.document["flags"].keys() == whole.document["flags"].keys()
    lost = [note.text for note in result.notes if note.flag == "bad" and note.kept is Kept.LOST]
    assert any(told in text for text in lost), result.notes
    assert not Flags(result.document).is_enabled("bad", Context("u"))


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("item", [None, 7, "x", [], True])
def test_what_is_no_flag_at_all_is_listed(system: str, item: Any) -> None:
    """In the place of a flag something that has not even a name: it is listed by its place, and stops nothing."""
    kind, document, _ = SYSTEMS[system]
    result = imported(kind, document(item))
    assert Flags(result.document).is_enabled("good")
    if not (kind == "django-flags" and item == []):  # a flag without conditions, which is off there and here
        assert [note.kept for note in result.notes if note.flag not in ("good", "")].count(Kept.LOST) == 1


def test_a_bad_segment_costs_the_flags_that_name_it() -> None:
    """A segment that no flag file can say goes with the flags that name it; the others stay."""
    odd = {**SEGMENT, "key": "odd", "constraints": [{**SEGMENT["constraints"][0], "property": ""}]}
    named = {"key": "named", "type": "BOOLEAN_FLAG_TYPE", "rollouts": [{"segment": {"key": "odd", "value": True}}]}
    document = {**flipt(BOOLEAN), "segments": [SEGMENT, odd]}
    document["flags"] = [*document["flags"], named]
    result = imported("flipt", document)
    flags = Flags(result.document)
    assert flags.is_enabled("bad", Context("u", plan="pro"))
    assert not flags.is_enabled("named", Context("u"))
    assert {note.flag for note in result.notes if note.kept is Kept.LOST} == {"odd", "named"}


def test_an_unleash_child_of_an_unreadable_parent_is_not_called_exact() -> None:
    """Nobody can say what the child was while its parent cannot be read."""
    result = imported("unleash", {"features": [UNLEASH, {"name": "good", "enabled": "yes"}]})
    assert [note.kept for note in result.notes if note.flag == "bad"] == [Kept.LOST]


def test_users_by_name_are_no_ids() -> None:
    """A fixture with natural keys names users, which rules on ids never meet: they are listed, not carried over."""
    result = imported("waffle", waffle({**WAFFLE, "percent": None, "users": [["ann"], 7]}))
    rule = next(rule for rule in result.document["flags"]["bad"]["rules"] if rule["name"] == "users")
    assert rule["if"] == {"user": [7, "7"]}
    assert any("natural-foreign" in note.text for note in result.notes if note.kept is Kept.LOST)
