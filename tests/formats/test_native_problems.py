"""What a wrong file is told: the line, the place, what was found, what was expected, the nearest name."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from flagmiddleware.errors import RulesetError
from flagmiddleware.formats import parse, parse_document, parse_files

WRONG = """\
version: 1
segments:
  a: {segment: b}
  b: {segment: a}
  c: {country: {ends_wiht: "@x"}}
flagz: {}
flags:
  New_Checkout: {}
  alpha:
    rools: []
    enabled: yes
    rules:
      - rollout: 0.25
      - rollout: "25"
        ramp: [{at: 2026-12-02T00:00:00Z, to: 1%}, {at: 2026-12-01T00:00:00Z, to: 1%}, {to: 5%}, {}]
      - if: {segment: insiders}
        serve: blue
      - if: {}
      - if: {x: null, y: {semver: "abc", cidr: "x", matches: "(?=x)"}}
      - schedule: {from: 2026-12-01T00:00:00, until: yesterday}
      - schedule: {from: 2026-12-02T00:00:00Z, until: 2026-12-01T00:00:00Z}
      - split: {on: 0, off: 0}
      - splt: 3
    requires: {beta: true, nope: false}
    environments:
      staging: {rulez: 3, expires: 2027-02-30}
    tests:
      - given: {user: 1}
      - given: {user: 1}
        expect: green
  beta:
    variants: {blue: "#00f", green: 3}
    off: "#00f"
    requires: {gamma: on}
    risk: {technical: hi}
  gamma:
    requires: {beta: [blu]}
  delta:
  beta: {}
"""

TOLD = """\
flags.yaml:3: segments.a: segments form a cycle: a → b → a
flags.yaml:5: segments.c.country.ends_wiht: unknown operator; did you mean "ends_with"?
flags.yaml:6: flagz: unknown field; did you mean "flags"?
flags.yaml:8: flags.New_Checkout: a flag's key is lower-case words joined by hyphens, such as "new-checkout"
flags.yaml:10: flags.alpha.rools: unknown field; did you mean "rules"?
flags.yaml:11: flags.alpha.enabled: expected true or false, found "yes"
flags.yaml:13: flags.alpha.rules[0].rollout: 0.25 can be read as 25% or as 0.25%; write "25%" or "0.25%"
flags.yaml:14: flags.alpha.rules[1].rollout: "25" has no percent sign; write "25%"
flags.yaml:14: flags.alpha.rules[1].rollout: a rule has one gate: either `rollout` or `ramp`; remove one of them
flags.yaml:15: flags.alpha.rules[1].ramp[1]: each step of a ramp must be later than the one before it
flags.yaml:15: flags.alpha.rules[1].ramp[2]: a step needs `at` and `to`; `at` is missing
flags.yaml:15: flags.alpha.rules[1].ramp[3]: a step needs `at` and `to`; `at` is missing
flags.yaml:16: flags.alpha.rules[2].if.segment: there is no segment "insiders"
flags.yaml:17: flags.alpha.rules[2].serve: expected true or false, found "blue"
flags.yaml:18: flags.alpha.rules[3].if: expected a condition, such as {country: AU}, found an empty mapping
flags.yaml:19: flags.alpha.rules[4].if.x: expected a value, a list of values, or an operator such as {starts_with: …}, found nothing (null); a missing attribute is tested by {exists: false}
flags.yaml:19: flags.alpha.rules[4].if.y.cidr: `cidr`: expected a network such as "10.0.0.0/8" or "2001:db8::/32"
flags.yaml:19: flags.alpha.rules[4].if.y.matches: `matches`: expected a pattern that RE2 accepts
flags.yaml:19: flags.alpha.rules[4].if.y.semver: `semver`: expected comparisons such as ">=2.1.0 <3"
flags.yaml:20: flags.alpha.rules[5].schedule.from: "2026-12-01T00:00:00" does not say in which zone; add Z or an offset, such as "2026-12-01T00:00:00+11:00"
flags.yaml:20: flags.alpha.rules[5].schedule.until: expected a date and time with an offset, such as "2026-12-01T09:00:00+11:00", found "yesterday"
flags.yaml:21: flags.alpha.rules[6].schedule: this schedule ends before it starts: `until` must be later than `from`
flags.yaml:22: flags.alpha.rules[7].split: all weights are zero, so nobody would be served anything
flags.yaml:23: flags.alpha.rules[8].splt: unknown field; did you mean "split"?
flags.yaml:24: flags.alpha.requires.nope: there is no flag "nope"
flags.yaml:26: flags.alpha.environments.staging.expires: expected a day, such as 2027-03-31, found "2027-02-30"
flags.yaml:26: flags.alpha.environments.staging.rulez: unknown field; did you mean "rules"?
flags.yaml:28: flags.alpha.tests[0]: an example needs `expect`: the variant that these attributes are served
flags.yaml:30: flags.alpha.tests[1].expect: expected true or false, found "green"
flags.yaml:32: flags.beta.variants.green: all values must be of one type, but "blue" is a text and "green" is a number
flags.yaml:33: flags.beta.off: "#00f" is a value; write the name of its variant, "blue"
flags.yaml:34: flags.beta.requires: prerequisites form a cycle: beta → gamma → beta
flags.yaml:35: flags.beta.risk: `business` is missing: a risk is {technical: low or high, business: …}
flags.yaml:35: flags.beta.risk.technical: expected low or high, found "hi"; did you mean "high"?
flags.yaml:37: flags.gamma.requires.beta: "beta" has no variant "blu"; variants: "on", "off"
flags.yaml:38: flags.delta: expected a flag (a mapping; {} is a flag that is off), found nothing (null)
flags.yaml:39: flags.beta: the key "beta" is here twice
""".splitlines()  # noqa: E501 - messages are one line each


def told(data: str | bytes, name: str = "flags.yaml", **how: Any) -> list[str]:
    with pytest.raises(RulesetError) as caught:
        parse(data.encode() if isinstance(data, str) else data, name=name, **how)
    return [str(problem) for problem in caught.value.problems]


def test_all_problems_are_told_at_once() -> None:
    """A file with one of nearly every mistake gets each told in one go, in the order of its lines."""
    found = told(WRONG)
    assert len(found) == len(TOLD)
    for one, wanted in zip(found, TOLD, strict=True):
        assert one.startswith(wanted)


TWICE_YAML = """version: 1
flags:
  a:
    rules:
    - rollout: 200%
    - serve: true
  b: {}
  a:
    rules:
    - serve: true
    - rollout: 300%
    rules:
    - serv: true
  a:
    sticky: 3
"""
TWICE_JSON = """{"version": 1,
 "flags": {
  "a": {"rules": [
   {"rollout": "200%"},
   {"serve": true}]},
  "b": {},
  "a": {
   "rules": [
    {"serve": true},
    {"rollout": "5%"}],
   "rules": [
    {"serv": true}]},
  "a": {
   "sticky": 3}}}
"""


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [("a.yaml", TWICE_YAML, (5, 8, 12, 13, 14, 15)), ("a.json", TWICE_JSON, (4, 7, 11, 12, 13, 14))],
)
def test_each_definition_of_a_key_is_checked(name: str, text: str, lines: tuple[int, ...]) -> None:
    """What is wrong in a definition is told with its own line, also if another one of the same key follows."""
    places = (".rules[0].rollout", "", ".rules", ".rules[0].serv", "", ".sticky")
    found = told(text, name)
    wanted = [f"{name}:{line}: flags.a{place}: " for line, place in zip(lines, places, strict=True)]
    assert [one[: len(start)] for one, start in zip(found, wanted, strict=True)] == wanted


def test_a_key_that_comes_very_often_is_told_in_good_time() -> None:
    """A key that comes thousands of times has each repetition told, and its first definitions checked."""
    text = "version: 1\nflags:\n" + "  a: {rolls: []}\n" * 3000
    found = told(text)
    assert sum("is here twice" in one for one in found) == 2999
    assert 2 <= sum("unknown field" in one for one in found) < 20


def test_each_flag_knows_its_problems() -> None:
    """Problems carry the flag's key, and none where they are not about a flag."""
    with pytest.raises(RulesetError) as caught:
        parse(WRONG.encode(), name="flags.yaml")
    assert {problem.flag for problem in caught.value.problems} == {
        None, "New_Checkout", "alpha", "beta", "gamma", "delta"
    }  # fmt: skip


def test_the_same_mistakes_have_lines_in_json_and_toml() -> None:
    """JSON and TOML, too, tell the line of a key, of a list's item, and of what stands in an inline table."""
    json = '{"version": 1,\n "flags": {\n  "beta": {\n   "rules": [\n    {"serve": true},\n    {"rollout": "25"}]}}}'
    assert told(json, "flags.json") == [
        'flags.json:6: flags.beta.rules[1].rollout: "25" has no percent sign; write "25%"'
    ]
    toml = 'version = 1\n[flags.beta]\n[[flags.beta.rules]]\nserve = true\n\n[[flags.beta.rules]]\nrollout = "25"\n'
    assert told(toml, "flags.toml") == [
        'flags.toml:7: flags.beta.rules[1].rollout: "25" has no percent sign; write "25%"'
    ]
    inline = "version = 1\nflags.beta.rules = [\n  {serve = true},\n  {rollout = 101, if = {a = 1}},\n]\n"
    assert told(inline, "flags.toml") == [
        "flags.toml:4: flags.beta.rules[1].rollout: "
        'expected a percentage from 0% to 100%, such as "25%" or 25, found 101'
    ]


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("a.json", '{"version": 1,\n "flags": {},}', "a.json:2: this is not valid JSON: "),
        ("a.json", '{"version": 1,\n "flags": {"a": {}, "a": {}}}', 'flags.a: the key "a" is here twice; the first'),
        ("a.json", '{"version": 1, "flags": {},\n "metadata": {"a": NaN}}', "a.json:2: metadata.a: NaN is no number"),
        ("a.json", '{"version": 1, "flags": {}, "metadata": {"a": -1e999}}', "metadata.a: -1e999 is no number"),
        ("a.json", '{"version": 1,\n "flags": {"a": {"rules": [{"if": {"b": 1' + "0" * 5000 + "}}]}}}",
         "a.json:2: flags.a.rules[0].if.b: 10000000000000000000… is too long a number"),
        ("a.json", '{"a": 1' + "0" * 5000 + ', "b": {}}', "a.json:1: b: unknown field"),
        ("a.toml", "version = 1\n[flags]\n[metadata]\na = 1" + "0" * 5000, "a.toml:4: 10000000000000000000… is too"),
        ("a.toml", "version = 1\n[flags]\n[metadata]\na = 0x" + "F" * 5000, "a.toml:4: metadata.a: this is too long a"),
        ("a.yaml", "version: 1\nflags: {}\nmetadata:\n  a: 0x" + "F" * 5000, "a.yaml:4: metadata.a: 0xFFFFFFFFFFFF"),
        ("a.yaml", "version: 1\nflags: {}\nmetadata:\n  a: 0o" + "7" * 5000, "a.yaml:4: metadata.a: 0o777777777777"),
        ("a.yaml", "version: 1\nflags: {}\nmetadata:\n  a: !!int '" + "9" * 5000 + "'", "a.yaml:4: metadata.a: 99999"),
        ("a.yaml", "version: 1\nflags:\n  ? " + "9" * 5000 + "\n  : {}\n", 'write it in quotes: "' + "9" * 60 + '…"'),
        ("a.yaml", "version: 1\nflags:\n  " + "9" * 5000 + ": {}\n", "a.yaml:3: this is not valid YAML: mapping va"),
        ("a.yaml", "version: 1\nflags: {\n  " + "9" * 5000 + ": {}}\n", "a key of more than 1,024 characters stands"),
        ("a.json", b'{"a": "\xff"}', "a.json:1: this is not UTF-8 text"),
        ("a.yaml", "version: 1\nflags: {\n", "a.yaml:3: this is not valid YAML: "),
        ("a.yaml", "version: 1\nflags:\n\tbeta: {}\n", "a.yaml:3: this is not valid YAML: "),
        ("a.yaml", "version: 1\nflags:\n\tbeta: {}\n", "YAML indents with spaces, and this line has a tab"),
        ("a.yaml", "version: 1\nflags: {}\n---\nversion: 1\n", "a.yaml:3: one document a file"),
        ("a.yaml", "version: 1\nflags: &all {}\n", "a.yaml:2: flags: anchors are refused (&all)"),
        ("a.yaml", "version: 1\nflags: {}\nx-a: *b\n", "a.yaml:3: x-a: aliases are refused (*b)"),
        ("a.yaml", "version: 1\nflags: {a: &x {}, b: *x}\n", "flags.b: aliases are refused (*x)"),
        ("a.yaml", "version: 1\nflags: {a: {<<: {qa: true}}}\n", 'flags.a["<<"]: merge keys (<<) are refused'),
        ("a.yaml", "version: 1\nflags: {a: !!python/name:os.system {}}\n", "flags.a: the tag tag:yaml.org,2002:python"),
        ("a.yaml", "version: 1\nflags: {}\nmetadata:\n  a: .nan\n", "a.yaml:4: metadata.a: .nan is no number"),
        ("a.yaml", "version: 1\nflags: {}\nmetadata:\n  a: 1e999\n", "a.yaml:4: metadata.a: 1e999 is no number"),
        ("a.yaml", "version: 1\nflags: {1: {}}\n", 'flags.1: the key 1 is not text; write it in quotes: "1"'),
        ("a.yaml", "version: 1\nflags: {[a]: {}}\n", "a.yaml:2: a key must be text"),
        ("a.yaml", "version: 1\nversion: 1\nflags: {}\n", 'a.yaml:2: version: the key "version" is here twice'),
        ("a.yaml", b"version: 1\nflags: {a: \xff}\n", "a.yaml:2: this is not valid YAML"),
        ("a.yaml", "", "expected a mapping with `version` and `flags`, found nothing (null)"),
        ("a.toml", "version = 1\nversion = 1\n", "a.toml:2: this is not valid TOML: "),
        ("a.toml", "version = 1\nflags = {\n", "this is not valid TOML: "),
        ("a.toml", "version = 1\n[flags]\n[metadata]\na = nan\n", "a.toml:4: metadata.a: nan is no number"),
        ("a.toml", b"version = 1\n# \xff\n", "a.toml:2: this is not UTF-8 text"),
        ("a.toml", "version = 1\n[flags.a]\nexpires = 2027-03-31T00:00:00\n", 'such as 2027-03-31, found "2027'),
        ("a.json", '{"flags": {}}', "`version` is missing; a flag file has `version: 1` at its top level"),
        ("a.json", '{"version": 1}', "`flags` is missing"),
        ("a.json", '{"version": 2, "flags": {}}', "version: this version reads flag files of version 1, found 2"),
        ("a.json", '{"version": true, "flags": {}}', "found true"),
        ("a.json", '{"version": 1, "flags": []}', "flags: expected keys and flags, found an empty list"),
        ("a.json", '{"version": 1, "flags": {"a\\nb": {}}}', "a flag's key is lower-case words joined by hyphens"),
    ],
)  # fmt: skip
def test_texts_that_are_wrong(name: str, text: str | bytes, wanted: str) -> None:
    """Each way in which a text as such is wrong has its message."""
    assert wanted in "\n".join(told(text, name, format="native"))


@pytest.mark.parametrize(
    ("flag", "wanted"),
    [
        ({"rules": [{"rollout": "25 %"}]}, '"25 %" is not how a percentage is written; write "25%"'),
        ({"rules": [{"rollout": "150%"}]}, "expected a percentage from 0% to 100%"),
        ({"rules": [{"rollout": None}]}, "found nothing (null)"),
        ({"rules": [{"rollout": True}]}, "found true"),
        ({"rules": [{"rollout": 1.0}]}, '1.0 can be read as 100% or as 1%; write "100%" or "1%"'),
        ({"rules": [{"serve": True, "split": {"on": 1}}]}, "a rule either serves one variant or splits"),
        ({"rules": [{"linear": True}]}, "`linear` says how a `ramp` moves"),
        (
            {"rules": [{"split": {"on": 1, "of": 1}}]},
            'rules[0].split.of: there is no variant "of"; did you mean "off"?',
        ),
        ({"rules": [{"split": {"on": -1, "off": 2}}]}, "expected a weight: a number that is not negative, found -1"),
        ({"variants": {"blue": "#00f", "green": "#0f0"}}, 'needs `off`, served when it is killed: "blue", "green"'),
        (
            {"variants": {"blue": 1, "green": "x"}, "off": "blue"},
            'all values must be of one type, but "blue" is a number',
        ),
        ({"variants": {"a": "#00f"}, "off": "#00f"}, 'off: "#00f" is a value; write the name of its variant, "a"'),
        ({"variants": {"a": 1}, "off": "a", "rules": [{"rollout": 5}]}, "rules[0]: a rule of this flag needs `serve`"),
        ({"off": True}, "off: a boolean flag is false when it is killed"),
        ({"sticky_by": "targeting_key"}, 'sticky_by: "targeting_key" is no attribute'),
        ({"rules": [{"if": {"targeting_key": "a"}}]}, "the targeting key cannot be tested"),
        (
            {"rules": [{"if": {"country": ["AU", None]}}]},
            "expected a list of texts, numbers or true/false, found nothing",
        ),
        ({"rules": [{"if": {"country": {"in": []}}}]}, "country.in: expected at least one value, found an empty list"),
        (
            {"risk": {"technical": "hihg", "business": "low"}},
            'expected low or high, found "hihg"; did you mean "high"?',
        ),
        ({"risk": {}}, "risk: `technical` is missing"),
        ({"owner": [1]}, "owner: expected a team, or a list of teams, such as [product, engineering], found 1"),
        ({"tests": [{}]}, "tests[0]: an example needs `expect`"),
        ({"tests": [{"given": {"targeting_key": "a"}, "expect": True}]}, "is no attribute; write user"),
        ({"environments": {"staging": []}}, "environments.staging: expected the fields that this environment replaces"),
        ({"environments": {"staging": {"clear": ["rule"]}}}, 'there is no field "rule"; did you mean "rules"?'),
        (
            {"environments": {"staging": {"variants": {"a": 1}}}},
            "environments.staging: a flag with variants needs `off`",
        ),
        ({"requires": {"beta": True}}, "requires: prerequisites form a cycle: beta → beta"),
        ({"requires": {"beat": True}}, 'requires.beat: there is no flag "beat"; did you mean "beta"?'),
        ({"environments": {"s": {"requires": {"beta": True}}}}, "environments.s.requires: prerequisites form a cycle"),
    ],
    ids=str,
)
def test_flags_that_are_wrong(flag: dict[str, Any], wanted: str) -> None:
    """Each way in which a flag is wrong has its message, at its place."""
    with pytest.raises(RulesetError) as caught:
        parse_document({"version": 1, "flags": {"beta": flag}})
    assert wanted in str(caught.value)


def test_matches_without_re2_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where RE2 is not installed, a file that uses `matches` is refused with the extra to install."""
    monkeypatch.setitem(sys.modules, "re2", None)
    tree = {"version": 1, "flags": {"beta": {"rules": [{"if": {"email": {"matches": "a"}}}]}}}
    with pytest.raises(RulesetError, match=r"flagmiddleware\[matches\]"):
        parse_document(tree)


def test_chains_and_nesting_have_limits() -> None:
    """Conditions nest 50 deep and prerequisites chain 64 long; one more is refused."""

    def nested(levels: int) -> dict[str, Any]:
        condition: dict[str, Any] = {"a": 1}
        for _ in range(levels - 1):
            condition = {"not": condition}
        return {"version": 1, "flags": {"beta": {"rules": [{"if": condition}]}}}

    def chained(length: int) -> dict[str, Any]:
        flags: dict[str, Any] = {"f-1": {}}
        for number in range(2, length + 1):
            flags[f"f-{number}"] = {"requires": {f"f-{number - 1}": True}}
        return {"version": 1, "flags": flags}

    parse_document(nested(50))
    parse_document(chained(64))
    with pytest.raises(RulesetError, match="conditions are nested deeper than 50 levels"):
        parse_document(nested(51))
    with pytest.raises(RulesetError, match="prerequisites form a chain of more than 64"):
        parse_document(chained(65))


def test_prerequisites_and_segments_that_double_are_refused() -> None:
    """Two at each of 13 levels are 16,383 steps for one decision: refused, where 12 levels load."""

    def doubled(levels: int) -> dict[str, Any]:
        both = {f"{side}-{level + 1}": True for level in range(levels) for side in "ab"}
        flags: dict[str, Any] = {key: {} for key in both}
        for level in range(1, levels):
            for side in "ab":
                flags[f"{side}-{level}"] = {"requires": {f"a-{level + 1}": True, f"b-{level + 1}": True}}
        return {"version": 1, "flags": flags}

    def folded(levels: int) -> dict[str, Any]:
        segments: dict[str, Any] = {"s0": {"a": 1}}
        for level in range(1, levels):
            segments[f"s{level}"] = {"all": [{"segment": f"s{level - 1}"}, {"not": {"segment": f"s{level - 1}"}}]}
        return {"version": 1, "segments": segments, "flags": {}}

    for make, what in ((doubled, "prerequisites"), (folded, "segments")):
        parse_document(make(12))
        with pytest.raises(RulesetError, match=f"{what} fork so often that one decision would take more than 10,000"):
            parse_document(make(14))


def test_one_document_has_one_depth_in_every_syntax() -> None:
    """100 levels of free data load, 101 do not, in JSON as in YAML, wherever they are."""
    for levels, is_fine in ((97, True), (98, False)):
        data = '{"version": 1, "flags": {"a": {"metadata": ' + '{"a": ' * levels + "1" + "}" * levels + "}}}"
        for format_ in ("json", "yaml"):
            if is_fine:
                parse(data.encode(), format=format_)
            else:
                assert "nested deeper than 100 levels" in told(data, format=format_)[0]


@pytest.mark.parametrize(
    ("most", "more", "line"),
    [
        ("x-a = " + "[" * 99 + "]" * 99, "x-a = " + "[" * 100 + "]" * 100, 2),
        ("x-a = [\n" * 1 + "[\n" * 98 + "]" * 99, "x-a = [\n" + "[\n" * 99 + "]" * 100, 101),
        ("x-a = " + "{a = " * 99 + "1" + "}" * 99, "x-a = " + "{a = " * 100 + "1" + "}" * 100, 2),
        ("\n[x-a" + ".a" * 98 + "]", "\n[x-a" + ".a" * 99 + "]", 3),
        ("[x-a" + ".a" * 50 + "]\nb = " + "[" * 48 + "]" * 48, "[x-a" + ".a" * 50 + "]\nb = " + "[" * 49 + "]" * 49, 3),
        ("x-a" + ".a" * 99 + " = 1", "x-a" + ".a" * 99 + " = {}", 2),
        ("", "x-a = " + "[" * 200_000, 2),
        ("", "\n\nx-a = " + "{a = " * 200_000, 4),
        ("", "".join("[[" + ".".join(["x-a"] + ["a"] * depth) + "]]\n" for depth in range(60)), 51),
    ],
    ids=["list", "lines", "inline", "header", "both", "dotted", "list bomb", "inline bomb", "tables in lists"],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_toml_that_nests_too_deeply_is_told_with_its_line(most: str, more: str, line: int) -> None:
    """100 levels load; the line where the next one opens is told, also of what the standard library gives up on."""
    for text in (most, more):
        found = told(f"flags = {{}}\n{text}\n", "a.toml", format="native")
        wanted = [f"a.toml:{line}: mappings and lists are nested deeper than 100 levels"] if text is more else []
        assert [one for one in found if "nested deeper" in one] == wanted


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "[" * 200_000),
        ("a.json", '{"version": 1, "flags": ' + '{"a":' * 200_000),
        ("a.yaml", "[" * 200_000),
        ("a.yaml", "- " * 200_000),
        ("a.yaml", "a: &a [x]\n" + "".join(f"b{n}: &b{n} [*a, *a, *a]\n" for n in range(9))),
        ("a.toml", "a = " + "[" * 200_000),
        ("a.toml", "[" + "a." * 200_000 + "a]"),
        ("a.toml", "a." * 200_000 + "a = 1"),
        ("a.toml", "a = " + "{a = " * 200_000),
    ],
    ids=lambda text: text[:12],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_bombs_are_refused(name: str, text: str) -> None:
    """Documents 200,000 levels deep, and alias bombs, are refused in moments and harm nothing."""
    assert told(text, name, format="native")


def test_lenient_marks_what_is_wrong() -> None:
    """Without strict, each wrong flag says what is wrong, a flag that uses a wrong segment too, and the rest load."""
    text = WRONG.replace("flagz: {}", "").replace("version: 1", "version: 1\nx-a: 1")
    text += "  epsilon: {rules: [{if: {any: [{segment: c}, {a: 1}]}}]}\n  zeta: {rules: [{rollout: 5%}]}\n"
    flags = parse(text.encode(), name="flags.yaml", strict=False).flags
    assert [key for key, flag in flags.items() if flag.error is None] == ["zeta"]
    assert "has no variant" in (flags["gamma"].error or "")
    assert flags["epsilon"].error == "a segment that it uses is wrong: c"


def test_lenient_refuses_what_is_no_flag_file() -> None:
    """Without strict, a file that is not well-formed, or of another version, is still refused."""
    for text in ("version: 1\nflags: {", "version: 2\nflags: {}", "flags: {}", "[]"):
        assert told(text, format="native", strict=False)


def test_folders_tell_the_file() -> None:
    """Problems of a folder name their file; a key or segment in two files is refused with both files named."""
    files = {
        "a.yaml": b"version: 1\nsegments: {s: {a: 1}}\nmetadata: {a: 1}\nflags: {alpha: {}, beta: {}}",
        "b.json": b'{"version": 1, "segments": {"s": {"a": 1}}, "metadata": {"a": 1},\n "flags": {"beta": {}}}',
        "c.toml": b"version = 1\n[flags.gamma]\nrools = 1\n",
    }
    with pytest.raises(RulesetError) as caught:
        parse_files(files)
    assert [str(problem) for problem in caught.value.problems] == [
        "b.json:1: metadata.a: `metadata` has this in another file of this folder, too",
        'b.json:1: segments.s: the segment "s" is in another file of this folder, too',
        'b.json:2: flags.beta: the flag "beta" is in a.yaml, too; keep one of them',
        'c.toml:3: flags.gamma.rools: unknown field; did you mean "rules"?',
    ]
    with pytest.raises(RulesetError, match=r"flags\.d: there is no flag file in this folder"):
        parse_files({}, name="flags.d")


def test_messages_are_safe_to_print() -> None:
    """Control characters, lone surrogates and very long texts in a file do not reach the terminal as they are."""
    tree = {"version": 1, "flags": {"beta": {"expires": "\x1b[31m\ud800" + "x" * 10**6, "\x1b]0;": 1}}}
    with pytest.raises(RulesetError) as caught:
        parse_document(tree)
    text = str(caught.value)
    assert len(text) < 2000
    assert text.replace("\n", "").isprintable()


def test_many_problems_take_no_long() -> None:
    """Thousands of unknown names are told, with suggestions, without comparing all with all for minutes."""
    flags = {f"flag-{n}": {"requires": {f"falg-{n}": True}} for n in range(2000)}
    with pytest.raises(RulesetError) as caught:
        parse_document({"version": 1, "flags": flags})
    assert len(caught.value.problems) == 2000


def test_a_key_of_too_many_digits_is_no_text() -> None:
    """A mapping in the program, too, whose key Python will not write out is told in words."""
    with pytest.raises(RulesetError, match="flags: a key must be text, found a number beyond all bounds"):
        parse_document({"version": 1, "flags": {10**5000: {}}})  # type: ignore[dict-item]


def test_a_name_that_nothing_has_stays_on_its_line() -> None:
    """Whatever letters the names in a file have, each problem is one line of a log."""
    rules = [{"split": {"a\nb": 1}}, {"serve": "a\nb"}, {"if": {"segment": "c\nd"}, "serve": "blue"}]
    flag = {"variants": {"blue": "x\ny", "red": "r"}, "off": "x\ny", "rules": rules}
    with pytest.raises(RulesetError) as caught:
        parse(json.dumps({"version": 1, "flags": {"a": flag}}).encode())
    assert len(caught.value.problems) == 4
    assert not any("\n" in str(problem) for problem in caught.value.problems)
