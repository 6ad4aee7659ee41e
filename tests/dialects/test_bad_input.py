"""One flag gone wrong, in each dialect, at each place, in each way: the others are decided as if nothing were."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from flagmiddleware import Context, Flags, RulesetError, formats

ODD: Final[list[Any]] = [
    None, True, 0, -1, 1.5, 1e308, 2**70, "", "x", "1.2.3", "\u0000", "𝒜" * 3, "(a+)+$",
    [], [None], [[]], [{}], ["x", 1], {}, {"x": None}, {"": {}}, {"$ref": "x"}, {"var": {"var": {}}},
]  # fmt: skip
"""What stands where something else is expected."""
GONE: Final = object()

FLAGD: dict[str, Any] = {
    "state": "ENABLED",
    "variants": {"on": True, "off": False},
    "defaultVariant": "off",
    "metadata": {"owner": "shop"},
    "targeting": {
        "if": [
            {"and": [{"sem_ver": [{"var": "version"}, ">=", "1.2.0"]}, {"in": [{"var": ["plan", "free"]}, ["pro"]]}]},
            {"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": "targetingKey"}]}, ["on", 50], ["off", 50]]},
            {"starts_with": [{"var": "email"}, "ann"]},
            "on",
            {"$ref": "shared"},
            "off",
        ]
    },
}
UNLEASH: dict[str, Any] = {
    "name": "bad",
    "type": "release",
    "enabled": True,
    "impressionData": False,
    "dependencies": [{"feature": "good", "enabled": True, "variants": ["blue"]}],
    "strategies": [
        {
            "name": "flexibleRollout",
            "parameters": {"rollout": "50", "stickiness": "default", "groupId": "bad"},
            "segments": [1],
            "constraints": [
                {
                    "contextName": "plan",
                    "operator": "IN",
                    "values": ["pro"],
                    "caseInsensitive": False,
                    "inverted": True,
                },
                {"contextName": "age", "operator": "NUM_GT", "value": "18"},
                {"contextName": "since", "operator": "DATE_AFTER", "value": "2026-01-01T00:00:00Z"},
                {"contextName": "app", "operator": "SEMVER_GT", "value": "1.2.3"},
                {"contextName": "email", "operator": "REGEX", "value": "^ann"},
                {"contextName": "ip", "operator": "IN_CIDR", "values": ["10.0.0.0/8"]},
            ],
            "variants": [{"name": "blue", "weight": 500, "payload": {"type": "json", "value": "{}"}}],
        },
        {"name": "remoteAddress", "parameters": {"IPs": "10.0.0.1"}},
    ],
    "variants": [
        {
            "name": "blue",
            "weight": 1000,
            "stickiness": "userId",
            "overrides": [{"contextName": "userId", "values": ["7"]}],
            "payload": {"type": "number", "value": "1"},
        }
    ],
}
ROCKETFLAG: dict[str, Any] = {
    "id": "bad",
    "name": "Bad",
    "kind": "groupflag",
    "updatedAt": "2026-01-01T00:00:00Z",
    "environments": {"production": {"enabled": True, "trafficPercentage": 50, "cohorts": ["beta"], "audienceId": None}},
}
SUBJECT = Context(
    "user-1", plan="pro", age=20, since="2026-05-01T00:00:00Z", app="1.3.0", email="ann@example.com", ip="10.0.0.1",
    env="production", cohort="beta", version="1.3.0", userId="user-1", remoteAddress="10.0.0.1",
)  # fmt: skip


def flagd(bad: Any) -> Any:
    """flagd's document."""
    good = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}
    return {"flags": {"good": good, "bad": bad}, "$evaluators": {"shared": {"==": [1, 1]}}}


def unleash(bad: Any) -> Any:
    """Unleash's payload."""
    good = {"name": "good", "enabled": True, "strategies": [{"name": "default"}]}
    segments = [{"id": 1, "constraints": [{"contextName": "plan", "operator": "IN", "values": ["pro"]}]}]
    return {"version": 2, "features": [bad, good], "segments": segments}


def rocketflag(bad: Any) -> Any:
    """RocketFlag's payload."""
    return {"flags": [bad, {"id": "good", "name": "Good", "kind": "flag", "enabled": True, "trafficPercentage": 100}]}


DIALECTS: Final = {"flagd": (flagd, FLAGD), "unleash": (unleash, UNLEASH), "rocketflag": (rocketflag, ROCKETFLAG)}


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document."""
    yield path
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


def changed(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at a place."""
    if not path:
        return value
    found = copy.deepcopy(tree)
    parent = found
    for key in path[:-1]:
        parent = parent[key]
    if value is GONE:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return found


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_wrong_value_anywhere_in_a_flag_is_that_flags_alone(dialect: str) -> None:
    """Thousands of documents: each loads, the good flag is on, and the other gives an answer without any exception."""
    document, flag = DIALECTS[dialect]
    asked = 0
    for path in places(flag):
        for value in [*ODD, *([GONE] if path else [])]:
            data = json.dumps(document(changed(flag, path, value))).encode()
            where = (path, value)
            found = Flags(formats.parse(data, format=dialect), format=dialect)
            assert found.is_enabled("good", SUBJECT) is True, where
            bad = found.evaluate("bad", SUBJECT)
            assert bad.error_code is None or bad.is_enabled is False, where
            assert found.status.fallbacks == 0, where
            asked += 1
    assert asked > 250


LONG: Final = "9" * 5000
FLAGD_TEXT = '{"flags": {\n"a": {"state": "ENABLED", "variants": {"on": %s}, "defaultVariant": "on"}}}'
FLAGD_YAML = "flags:\n  a: {state: ENABLED, variants: {on: %s}, defaultVariant: on}\n"
FLAGD_TOML = '[flags.a]\nstate = "ENABLED"\nvariants.on = 0x%s\n'
UNLEASH_TEXT = '{"features": [\n{"name": "a", "enabled": true, "variants": [{"name": "v", "weight": %s}]}]}'
ROCKETFLAG_TEXT = '{"flags": [\n{"id": "a", "trafficPercentage": %s}]}'


@pytest.mark.parametrize(
    ("dialect", "name", "text", "told"),
    [
        ("flagd", "a.json", FLAGD_TEXT % LONG, "a.json:2: flags.a.variants.on: 99999999999999999999… is too long"),
        ("flagd", "a.json", FLAGD_TEXT % "NaN", "a.json:2: flags.a.variants.on: NaN is no number that a flag file may"),
        ("flagd", "a.yaml", FLAGD_YAML % LONG, "a.yaml:2: flags.a.variants.on: 99999999999999999999… is too long"),
        ("flagd", "a.toml", FLAGD_TOML % LONG, "a.toml:3: flags.a.variants.on: this is too long a number"),
        ("flagd", "a.json", '{"flags":\n{', "a.json:2: this is not valid JSON"),
        ("unleash", "a.json", UNLEASH_TEXT % LONG, "a.json:2: features[0].variants[0].weight: 99999999999999999999…"),
        ("unleash", "a.json", '{"features":\n[', "a.json:2: this is not valid JSON"),
        ("rocketflag", "a.json", ROCKETFLAG_TEXT % LONG, "a.json:2: flags[0].trafficPercentage: 99999999999999999999…"),
        ("rocketflag", "a.json", '{"flags":\n[', "a.json:2: this is not valid JSON"),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_what_no_reader_can_take_is_told_with_its_place(
    dialect: str, name: str, text: str, told: str, strict: bool
) -> None:
    """A number beyond all bounds, or a text that breaks off, refuses the document with file, line and path."""
    with pytest.raises(RulesetError) as caught:
        formats.parse(text.encode(), format=dialect, name=name, strict=strict)
    assert str(caught.value).startswith(told)


def test_keys_that_are_no_text_are_flagds_to_read() -> None:
    """YAML's ``true:`` names the variant "true", as it does for flagd."""
    text = "flags:\n  a: {state: ENABLED, variants: {true: 1, false: 2}, defaultVariant: 'true'}\n"
    assert Flags(formats.parse(text.encode(), format="flagd", name="a.yaml"), format="flagd").value("a") == 1
