"""Other systems' definitions as native files: what they decide afterwards, and what the notes say."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flagmiddleware import ConfigurationError, Context, Flags, RulesetError
from flagmiddleware.formats import parse
from flagmiddleware.imports import KINDS, Imported, ImportProblem, Kept, convert
from flagmiddleware.imports.draft import kebab, moved_by_rollout, moved_by_split


def imported(kind: str, document: Any, **options: Any) -> tuple[Imported, Flags]:
    """``document`` imported, and flags of the written YAML."""
    data = document.encode() if isinstance(document, str) else json.dumps(document).encode()
    result = convert(kind, data, name="file", options=options)
    return result, Flags(result.document)


def kept(result: Imported, flag: str) -> set[str]:
    """How a flag's parts came over."""
    return {str(note.kept) for note in result.notes if note.flag == flag}


# -- waffle --------------------------------------------------------------------------------------------------------


def waffle(**fields: Any) -> dict[str, Any]:
    """A row of waffle.flag with its model's defaults."""
    plain = {
        "everyone": None, "percent": None, "testing": False, "superusers": False, "staff": False,
        "authenticated": False, "languages": "", "rollout": False, "note": "", "groups": [], "users": [],
    }  # fmt: skip
    return {"model": "waffle.flag", "pk": 1, "fields": {**plain, **fields}}


def test_waffle_flag_decides_as_before() -> None:
    """everyone, authenticated, staff, superusers, users, groups and languages keep their meaning."""
    result, flags = imported(
        "waffle",
        [
            waffle(name="Everybody", everyone=True),
            waffle(name="nobody", everyone=False, staff=True),
            waffle(name="some_people", staff=True, users=[7], groups=[3], languages="en-au, de"),
            waffle(name="members", authenticated=True),
            {"model": "auth.group", "pk": 3, "fields": {"name": "editors"}},
        ],
    )
    assert flags.is_enabled("everybody")
    assert not flags.is_enabled("nobody", Context(is_staff=True))
    contexts = [
        Context(is_staff=True), Context(7), Context("7"), Context(8, groups=["editors", "x"]),
        Context(8, language="en-AU"), Context(8, language="fr"),
    ]  # fmt: skip
    assert [flags.is_enabled("some-people", context) for context in contexts] == [True, True, True, True, True, False]
    assert flags.is_enabled("members", Context(is_authenticated=True))
    assert kept(result, "everybody") == {"exact"}


def test_waffle_percentage_reshuffles_and_says_which_share() -> None:
    """A dice in a cookie becomes a hash: 2·p·(1−p) of the subjects change sides."""
    result, flags = imported("waffle", [waffle(name="half", percent="50.0"), waffle(name="tenth", percent="10.0")])
    shares = {note.flag: note.share for note in result.notes if note.kept is Kept.RESHUFFLES}
    assert shares == {"half": pytest.approx(0.5), "tenth": pytest.approx(0.18)}
    on = sum(flags.is_enabled("tenth", Context(f"user-{number}")) for number in range(2000))
    assert 120 < on < 280


def test_waffle_switches_and_samples_come_along() -> None:
    """A switch is on or off for everybody; a sample becomes a rollout."""
    result, flags = imported(
        "waffle",
        [
            {"model": "waffle.switch", "pk": 1, "fields": {"name": "up", "active": True, "note": "Keep me"}},
            {"model": "waffle.switch", "pk": 2, "fields": {"name": "down", "active": False}},
            {"model": "waffle.sample", "pk": 1, "fields": {"name": "all", "percent": "100.0"}},
        ],
    )
    assert [flags.is_enabled(key) for key in ("up", "down")] == [True, False]
    assert flags.is_enabled("all", Context("anybody"))
    assert result.document["flags"]["up"]["description"] == "Keep me"


def test_waffle_database_is_read(tmp_path: Path) -> None:
    """An SQLite database gives what a fixture gives, its join tables included."""
    path = tmp_path / "db.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE waffle_flag (id INTEGER, name TEXT, everyone BOOL, percent DECIMAL, testing BOOL,"
            " superusers BOOL, staff BOOL, authenticated BOOL, languages TEXT, note TEXT);"
            "INSERT INTO waffle_flag VALUES (5, 'beta', NULL, NULL, 0, 0, 0, 0, '', '');"
            "INSERT INTO waffle_flag VALUES (6, 'on', 1, NULL, 0, 0, 0, 0, '', '');"
            "CREATE TABLE waffle_flag_groups (id INTEGER, flag_id INTEGER, group_id INTEGER);"
            "INSERT INTO waffle_flag_groups VALUES (1, 5, 3);"
            "CREATE TABLE auth_group (id INTEGER, name TEXT); INSERT INTO auth_group VALUES (3, 'editors');"
        )
        connection.commit()
    flags = Flags(convert("waffle", path.read_bytes()).document)
    assert flags.is_enabled("on")
    assert flags.is_enabled("beta", Context("u", groups=["editors"]))
    assert not flags.is_enabled("beta", Context("u", groups=["others"]))


# -- django-flags --------------------------------------------------------------------------------------------------

SETTINGS = """
from datetime import datetime
DEBUG = True
FLAGS = {
    "PLAIN": [("boolean", True)],
    "OFF": [("boolean", "no")],
    "EMPTY": [],
    "STAGED": [{"condition": "path matches", "value": "^/beta/", "required": True}, ("anonymous", True, True)],
    "EITHER": [("path matches", "^/a"), ("anonymous", False)],
    "LATER": [("after date", "2026-01-01T00:00:00+00:00")],
    "OWN": [("moon phase", "full")],
}
"""


def test_django_flags_setting_is_read_without_running_it() -> None:
    """2-tuples, 3-tuples and mappings: any optional condition, all required ones."""
    result, flags = imported("django-flags", SETTINGS)
    on = flags.is_enabled
    assert [on(key) for key in ("plain", "off", "empty", "own", "later")] == [True, False, False, False, True]
    assert on("staged", Context(path="/beta/x", is_authenticated=False))
    assert not on("staged", Context(path="/beta/x", is_authenticated=True))
    assert not on("staged", Context(path="/", is_authenticated=False))
    assert on("either", Context(path="/a", is_authenticated=False))
    assert on("either", Context(path="/b", is_authenticated=True))
    assert not on("either", Context(path="/b", is_authenticated=False))
    assert "lost" in kept(result, "own")
    with pytest.raises(ImportProblem, match="computed"):
        convert("django-flags", b"FLAGS = make_flags()")


def test_django_flags_rows_are_read() -> None:
    """A dump of flags.FlagState, several rows to a flag."""
    rows = [
        {"model": "flags.flagstate", "pk": n, "fields": {"name": "A", "condition": c, "value": v, "required": r}}
        for n, (c, v, r) in enumerate([("boolean", "True", False), ("before date", "2020-01-01T00:00:00Z", True)])
    ]
    assert not imported("django-flags", rows)[1].is_enabled("a")
    assert imported("django-flags", rows[:1])[1].is_enabled("a")


def test_django_flags_window_that_ends_before_it_starts_is_never() -> None:
    """Two dates that exclude each other are off, and do not stop the import of the rest."""
    late, early = "2030-01-01T00:00:00Z", "2020-01-01T00:00:00Z"
    both = [("after date", late, True), ("before date", early, True)]
    half = [("after date", late, True), ("before date", early)]
    _, flags = imported("django-flags", f"FLAGS = {{'BOTH': {both}, 'HALF': {half}, 'ON': [('boolean', True)]}}")
    assert [flags.is_enabled(key) for key in ("both", "half", "on")] == [False, False, True]


# -- the others ----------------------------------------------------------------------------------------------------


def test_rocketflag_import_keeps_cohorts_and_audiences() -> None:
    """Cohort, audience, group environments; the percentage says what moving to our hash reshuffles."""
    audiences = {"aud-1": {"rules": [[{"attribute": "plan", "operator": "in", "values": ["pro"]}]]}}
    state = {"enabled": True, "trafficPercentage": 100, "cohorts": ["beta"], "audienceId": "aud-1"}
    result, flags = imported(
        "rocketflag",
        {
            "flags": [
                {"id": "IFldMz", "name": "New Checkout", "kind": "flag", **state},
                {"id": "x", "name": "part", "kind": "flag", "enabled": True, "trafficPercentage": 20, "cohorts": []},
                {"id": "g", "name": "group", "kind": "groupflag", "environments": {"prod": state}},
                {"id": "y", "name": "gone", "kind": "flag", **state, "audienceId": "unknown"},
            ]
        },
        audiences=audiences,
        move=["all"],
    )
    for cohort, plan, expected in (("beta", "", True), ("", "pro", True), ("", "free", False)):
        assert flags.is_enabled("new-checkout", Context("u", cohort=cohort, plan=plan)) is expected
    assert Flags(result.document, environment="prod").is_enabled("group", Context("u", plan="pro"))
    assert kept(result, "part") >= {"reshuffles"}
    assert "lost" in kept(result, "gone")


def test_rocketflag_rollouts_move_only_when_asked() -> None:
    """Per flag: named, it moves and says whom; not named, it stays behind and says how to go on serving it."""
    part = {"kind": "flag", "enabled": True, "trafficPercentage": 20, "cohorts": []}
    items = [{**part, "id": "a1", "name": "First"}, {**part, "id": "b2", "name": "Second Flag"}]
    items += [{**part, "id": "c3", "name": "full", "trafficPercentage": 100}]
    document = {"flags": items}
    for move, moved in (([], set()), (["a1"], {"first"}), (["second-flag"], {"second-flag"}), (["First"], {"first"})):
        result, _ = imported("rocketflag", document, move=move)
        assert set(result.document["flags"]) == {"full", *moved}
        for key in {"first", "second-flag"} - moved:
            assert kept(result, key) == {"lost"}
        assert all("reshuffles" in kept(result, key) for key in moved)
    told = next(note.text for note in imported("rocketflag", document)[0].notes if note.flag == "first")
    assert "32 % of the subjects" in told
    assert "--move a1" in told
    assert "format=rocketflag" in told
    with pytest.raises(ImportProblem, match="no flag 'nobody'"):
        imported("rocketflag", document, move=["nobody"])


def test_unleash_import_says_what_cannot_be_said() -> None:
    """Constraints, segments, inversion and parents come over; a rollout before another strategy does not."""
    default = {"name": "default"}
    payload = {
        "version": 2,
        "segments": [{"id": 1, "constraints": [{"contextName": "plan", "operator": "NOT_IN", "values": ["free"]}]}],
        "features": [
            {"name": "Plain.Feature", "enabled": True, "strategies": [{**default, "segments": [1]}]},
            {"name": "child", "enabled": True, "strategies": [], "dependencies": [{"feature": "Plain.Feature"}]},
            {
                "name": "users", "enabled": True,
                "strategies": [{"name": "userWithId", "parameters": {"userIds": "7, 8"}}],
            },
            {
                "name": "staged", "enabled": True,
                "strategies": [{"name": "flexibleRollout", "parameters": {"rollout": "10"}}, default],
            },
            {
                "name": "colour", "enabled": True, "strategies": [default],
                "variants": [
                    {"name": "Blue", "weight": 1, "payload": {"type": "string", "value": "#00f"}},
                    {"name": "Red", "weight": 3, "payload": {"type": "string", "value": "#f00"}},
                ],
            },
        ],
    }  # fmt: skip
    result, flags = imported("unleash", payload)
    assert flags.is_enabled("plain-feature", Context("u"))
    assert not flags.is_enabled("child", Context("u", plan="free"))
    assert [flags.is_enabled("users", Context(key)) for key in ("7", "9")] == [True, False]
    assert kept(result, "staged") == {"lost", "reshuffles"}
    assert flags.value("colour", Context("u")) in ("#00f", "#f00")
    assert next(note.share for note in result.notes if note.flag == "colour") == pytest.approx(0.375)


def test_flagd_import_keeps_if_chains() -> None:
    """if/else-if/else over comparisons and shared evaluators becomes rules; a split is hashed anew."""
    document = {
        "$evaluators": {"insider": {"ends_with": [{"var": "email"}, "@yourcompany.com"]}},
        "flags": {
            "beta": {
                "state": "ENABLED", "variants": {"yes": True, "no": False}, "defaultVariant": "no",
                "targeting": {"if": [{"$ref": "insider"}, "yes", {"and": [{"==": [{"var": "plan"}, "pro"]},
                                                                       {">": [{"var": "age"}, 17]}]}, "yes", None]},
            },
            "colour": {
                "state": "ENABLED", "variants": {"red": "#f00", "blue": "#00f"}, "defaultVariant": "red",
                "targeting": {"fractional": [["red", 50], ["blue", 50]]},
            },
            "odd": {
                "state": "ENABLED", "variants": {"yes": True, "no": False}, "defaultVariant": "no",
                "targeting": {"if": [{"reduce": []}, "yes"]},
            },
        },
    }  # fmt: skip
    result, flags = imported("flagd", document)
    assert flags.is_enabled("beta", Context("u", email="ann@yourcompany.com"))
    assert flags.is_enabled("beta", Context("u", plan="pro", age=18))
    assert not flags.is_enabled("beta", Context("u", plan="pro", age=17))
    assert {flags.value("colour", Context(f"u{n}")) for n in range(50)} == {"#f00", "#00f"}
    assert kept(result, "beta") == {"exact"}
    assert kept(result, "colour") == {"reshuffles"}
    assert kept(result, "odd") == {"lost"}


def test_flagd_import_keeps_what_a_fractional_hashes() -> None:
    """One operand with or without its list, and a `fractional` of its own key: that attribute is hashed here, too."""
    fractional = {"fractional": [{"var": "email"}, ["red", 25], ["blue", 75]]}
    salted = {"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": ["plan"]}]}, ["red", 1], ["blue", 1]]}
    common = {"state": "ENABLED", "variants": {"red": "#f00", "blue": "#00f"}, "defaultVariant": "red"}
    flags = {
        "colour": {**common, "targeting": {"if": [{"in": ["@faas.com", {"var": ["email"]}]}, fractional, None]}},
        "salted": {**common, "targeting": salted},
        "both": {**common, "targeting": {"if": [{"==": [{"var": "plan"}, "pro"]}, fractional, salted]}},
        "plain": common,
    }
    result, _ = imported("flagd", {"flags": flags})
    assert result.document["flags"]["colour"]["sticky_by"] == "email"
    assert result.document["flags"]["colour"]["rules"] == [
        {"if": {"email": {"contains": "@faas.com"}}, "split": {"red": 25, "blue": 75}}
    ]
    assert result.document["flags"]["salted"]["sticky_by"] == "plan"
    assert kept(result, "both") == {"lost", "reshuffles"}
    assert "it has no targeting" in {note.text for note in result.notes if note.flag == "plain"}


def test_unleash_lists_that_are_empty_mean_nobody() -> None:
    """A strategy for an empty list of ids, as the console saves it, is a rule less; "in none" holds for everybody."""
    constraint = {"contextName": "plan", "operator": "IN", "values": []}
    strategies = {
        "ids": [{"name": "userWithId", "parameters": {"userIds": " "}}],
        "none": [{"name": "default", "constraints": [constraint]}],
        "all": [{"name": "default", "constraints": [{**constraint, "inverted": True}]}],
        "not-in": [{"name": "default", "constraints": [{**constraint, "operator": "NOT_IN", "values": None}]}],
    }
    features = [{"name": name, "enabled": True, "strategies": each} for name, each in strategies.items()]
    result, flags = imported("unleash", {"version": 2, "features": features})
    assert {key: flags.is_enabled(key, Context("ann", plan="pro")) for key in strategies} == {
        "ids": False, "none": False, "all": True, "not-in": True,
    }  # fmt: skip
    assert all(kept(result, key) == {"exact"} for key in strategies)


def test_what_no_flag_file_can_say_is_that_flags_alone() -> None:
    """A flag whose draft is refused comes over empty, and says why; the others come over."""
    odd = {"contextName": "", "operator": "IN", "values": ["x"]}
    features = [
        {"name": "odd", "enabled": True, "strategies": [{"name": "default", "constraints": [odd]}]},
        {"name": "good", "enabled": True, "strategies": [{"name": "default"}]},
    ]
    result, flags = imported("unleash", {"version": 2, "features": features})
    assert flags.is_enabled("good")
    assert not flags.is_enabled("odd")
    assert any("an attribute must have a name" in note.text for note in result.notes if note.flag == "odd")


def test_a_key_that_looks_like_a_number_is_written_as_text() -> None:
    """YAML 1.2 reads more spellings as numbers than the library that writes the file: those are quoted."""
    result, flags = imported("waffle", [{"model": "waffle.switch", "pk": 1, "fields": {"name": "1e5", "active": True}}])
    assert "'1e5':" in result.text
    assert flags.is_enabled("1e5")


@pytest.mark.parametrize("text", ["2020-01-01T00:00Z", "2020-01-01 00:00:00+0200", "2020-1-1 9:30+05"])
def test_django_flags_dates_are_read_as_django_reads_them(text: str) -> None:
    """Seconds and minutes of an offset may be missing."""
    result, flags = imported("django-flags", {"FLAGS": {"SINCE": [["after date", text]]}})
    assert kept(result, "since") == {"exact"}
    assert flags.is_enabled("since")


def test_gofeatureflag_import_reads_queries() -> None:
    """Queries, percentages and the default rule."""
    text = """
new_admin:
  variations: {on: true, off: false}
  targeting:
    - name: insiders
      query: email ew "@yourcompany.com" and not (age lt 18 or plan in ["free", "trial"])
      variation: "on"
  defaultRule: {variation: "off"}
banner:
  variations: {a: hello, b: hi}
  defaultRule:
    percentage: {a: 90, b: 10}
json-logic:
  variations: {on: true, off: false}
  targeting: [{query: '{"==": [1, 1]}', variation: "on"}]
  defaultRule: {variation: "off"}
"""
    result, flags = imported("gofeatureflag", text)
    ann = {"email": "ann@yourcompany.com"}
    assert flags.is_enabled("new-admin", Context("u", ann, age=20, plan="pro"))
    assert not flags.is_enabled("new-admin", Context("u", ann, age=17, plan="pro"))
    assert not flags.is_enabled("new-admin", Context("u", ann, age=20, plan="free"))
    assert flags.value("banner", Context("u")) in ("hello", "hi")
    assert kept(result, "json-logic") == {"lost"}


def test_flipt_import_reads_segments_and_distributions() -> None:
    """Boolean rollouts, segments of constraints, and distributions of variants."""
    text = """
namespace: default
flags:
  - {key: dark_mode, name: Dark, type: BOOLEAN_FLAG_TYPE, enabled: false,
     rollouts: [{segment: {key: pros, value: true}}, {threshold: {percentage: 20, value: true}}]}
  - key: colour
    type: VARIANT_FLAG_TYPE
    enabled: true
    variants: [{key: red}, {key: blue}]
    rules: [{segment: pros, distributions: [{variant: red, rollout: 50}, {variant: blue, rollout: 50}]}]
segments:
  - key: pros
    match_type: ALL_MATCH_TYPE
    constraints:
      - {type: STRING_COMPARISON_TYPE, property: plan, operator: eq, value: pro}
      - {type: NUMBER_COMPARISON_TYPE, property: seats, operator: gte, value: "5"}
"""
    result, flags = imported("flipt", text)
    assert flags.is_enabled("dark-mode", Context("u", plan="pro", seats=5))
    assert sum(flags.is_enabled("dark-mode", Context(f"u{n}", plan="pro", seats=4)) for n in range(1000)) in range(
        140, 260
    )
    assert flags.value("colour", Context("u", plan="pro", seats=9)) in ("red", "blue")
    assert flags.value("colour", Context("u", plan="free")) == ""
    assert kept(result, "colour") == {"reshuffles"}


@pytest.mark.parametrize("enabled", [True, False])
def test_flipt_default_variant_is_served_where_nothing_matches(enabled: bool) -> None:
    """A variant marked as the default is what Flipt answers without a match, and for a flag that is not enabled."""
    variants = [{"key": "red"}, {"key": "blue", "default": True}]
    item = {"key": "colour", "type": "VARIANT_FLAG_TYPE", "enabled": enabled, "variants": variants}
    result, flags = imported("flipt", {"flags": [item]})
    assert flags.value("colour", Context("u")) == "blue"
    assert kept(result, "colour") == {"exact"}


def test_growthbook_import_reads_conditions() -> None:
    """Forced values under conditions; missing attributes keep GrowthBook's answers."""
    features = {
        "features": {
            "beta": {
                "defaultValue": False,
                "rules": [{"condition": {"country": {"$nin": ["NZ"]}, "age": {"$gte": 18}}, "force": True}],
            },
            "colour": {"defaultValue": "red", "rules": [{"variations": ["red", "blue"], "weights": [0.5, 0.5]}]},
            "odd": {"defaultValue": False, "rules": [{"condition": {"a": {"$size": 1}}, "force": True}]},
            "nothing": {"defaultValue": None},
        }
    }
    result, flags = imported("growthbook", features)
    assert flags.is_enabled("beta", Context("u", age=18))
    assert not flags.is_enabled("beta", Context("u", age=18, country="NZ"))
    assert {flags.value("colour", Context("u", id=f"u{n}")) for n in range(40)} == {"red", "blue"}
    assert kept(result, "odd") == {"lost"}
    assert kept(result, "nothing") == {"lost"}


# -- laws ----------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 200) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["flags", "features", "segments", "name", "id", "model", "fields", "variations", "variants", "rules",
             "targeting", "defaultVariant", "defaultValue", "strategies", "constraints", "percent", "key", "if", "a b"]
        ),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@given(document=JSON)
def test_any_document_ends_in_a_file_or_in_a_problem(kind: str, document: Any) -> None:
    """Whatever is imported, the outcome is a native file that loads, or one of our errors."""
    try:
        result = convert(kind, json.dumps(document).encode())
    except (ImportProblem, RulesetError):
        return
    Flags(result.document)


@pytest.mark.parametrize(("percentage", "share"), [(0, 0), (100, 0), (50, 0.5), (25, 0.375)])
def test_share_moved_by_a_rollout(percentage: float, share: float) -> None:
    """In before and out after, or out before and in after, under two independent hashes."""
    assert moved_by_rollout(percentage) == pytest.approx(share)
    assert moved_by_split([percentage, 100 - percentage]) == pytest.approx(share)


@given(st.text())
def test_keys_become_kebab(name: str) -> None:
    """A key is native, or empty where nothing of it can be kept."""
    key = kebab(name)
    assert key == "" or Flags({"version": 1, "flags": {key: {}}}).ruleset.flags[key]


def test_unknown_kind_is_refused() -> None:
    """An unknown system names those that there are."""
    with pytest.raises(ConfigurationError, match="growthbook"):
        convert("launchdarkly", b"{}")


@pytest.mark.parametrize(
    ("kind", "document", "told"),
    [
        ("rocketflag", {"flags": [{"key": "beta", "name": "Beta", "enabled": True}]}, r"flags\[0\] has no `id`"),
        ("growthbook", {"flags": {"beta": {"state": "ENABLED"}}}, "each with its `defaultValue`"),
    ],
)
def test_another_systems_file_is_refused(kind: str, document: Any, told: str) -> None:
    """A file that has the outline of the system's, but is another's (Flipt's, flagd's), is no import of nothing."""
    with pytest.raises(ImportProblem, match=told):
        imported(kind, document)


def test_half_a_database_is_refused() -> None:
    """A copy of an SQLite database that was cut short is named as such."""
    with pytest.raises(ImportProblem, match="no SQLite database that can be read"):
        convert("waffle", b"SQLite format 3\0" + bytes(84), name="db.sqlite3")


BLUE = [{"name": "blue", "weight": 1000, "payload": {"type": "string", "value": "b"}}]


@pytest.mark.parametrize(
    "parent",
    [{}, {"enabled": False}, {"variants": BLUE}, {"dependencies": [{"feature": "grand"}]}, None],
    ids=["on", "off", "with a variant", "with a parent", "missing"],
)
@pytest.mark.parametrize("enabled", [None, True, False])
@pytest.mark.parametrize("variants", [[], ["blue"], ["red"]])
def test_unleash_parents_are_asked_as_before(parent: dict[str, Any] | None, enabled: Any, variants: list[str]) -> None:
    """An imported child is on where the payload's is: a parent that cannot be satisfied keeps it off for everybody."""
    plain = {"enabled": True, "strategies": [{"name": "default"}]}
    need = {"feature": "parent", "variants": variants, **({} if enabled is None else {"enabled": enabled})}
    features = [{"name": "child", **plain, "dependencies": [need]}, {"name": "grand", **plain}]
    features += [] if parent is None else [{"name": "parent", **plain, **parent}]
    payload = {"version": 2, "features": features}
    result, flags = imported("unleash", payload)
    theirs = Flags(parse(json.dumps(payload).encode(), format="unleash"))
    said = "lost" in kept(result, "child")
    assert flags.is_enabled("child") is theirs.is_enabled("child") or (said and not flags.is_enabled("child"))
