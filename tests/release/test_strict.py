"""`flags lint --strict`: declarations, discipline, dead rules, and the flags that code reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from flagmiddleware.cli import flags
from flagmiddleware.release.documents import read_documents
from flagmiddleware.release.strict import strict_problems
from flagmiddleware.release.templates import template_mentions
from flagmiddleware.release.usage import find_usage
from tests.release.scripted import ScriptedRepository, instant

FULL = "owner: [product, engineering], description: d, expires: 2030-01-01, risk: {technical: %s, business: %s}"
NOW = instant("2026-06-01T00:00")


def problems(tmp_path: Path, flag: str, *, code: str = "flags.is_enabled('a')", top: str = "") -> list[str]:
    """The messages for one flag `a`, beside code that reads it."""
    (tmp_path / "code").mkdir(exist_ok=True)
    (tmp_path / "code" / "views.py").write_text(code, "utf-8")
    path = tmp_path / "flags.yaml"
    path.write_text(f"version: 1\n{top}flags:\n  a: {flag}\n", "utf-8")
    documents = read_documents(path)
    found = strict_problems(documents, documents.parse(), folders=[str(tmp_path / "code")], now=NOW)
    return [problem.message for problem in found]


def test_a_good_flag_has_no_problem(tmp_path: Path) -> None:
    """A flag that declares everything, keeps to its strategy and is read passes."""
    assert problems(tmp_path, "{%s, rules: [{rollout: 5%%}]}" % (FULL % ("low", "high"))) == []


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("{}", "declares no owner, risk, description, expires"),
        ("{expires: 2026-05-31}", "expired on 2026-05-31: remove it, or set another date"),
        (
            "{%s, rules: [{rollout: 5%%}]}" % (FULL % ("high", "low")),
            "engineering sandbox has an internal cohort before 5 % of everyone: add a rule for it",
        ),
        (
            "{%s, rules: [{ramp: [{at: 2027-01-01T00:00:00Z, to: 5%%}]}]}" % (FULL % ("high", "high")),
            "measured crawl starts at 1 % at most; it started at 5.0000%",
        ),
        (
            "{owner: product, risk: {technical: high, business: high}}",
            "measured crawl is owned by engineering + product: engineering is missing",
        ),
        (
            "{variants: {x: 1, y: 2, z: 3}, off: x, default: y, rules: [{serve: z}]}",
            "a kill serves 'x', which nobody gets today: make it the default, or off the default",
        ),
        (
            "{rules: [{if: {country: [AU, NZ]}, serve: true}, {if: {country: AU, is_staff: true}, serve: false}]}",
            "can never match: rule 1 catches everyone that it would",
        ),
        (
            "{rules: [{rollout: 5%}, {if: {country: AU}, serve: true}]}",
            "can never match: rule 1 catches everyone that it would",
        ),
        (
            "{rules: [{if: {all: [{country: AU}, {country: NZ}]}, serve: true}]}",
            "can never match: country cannot be two things at once",
        ),
        (
            "{rules: [{if: {country: AU, not: {country: [AU, NZ]}}, serve: true}]}",
            "can never match: it asks for something and for its opposite",
        ),
        (
            "{rules: [{if: {email: {ends_with: '@a.com'}}, serve: true}, {if: {email: x@a.com}, serve: false}]}",
            "can never match: rule 1 catches everyone that it would",
        ),
        (
            "{rules: [{if: {age: {gte: 18}}, serve: true}, {if: {age: {gt: 18, lt: 65}}, serve: false}]}",
            "can never match: rule 1 catches everyone that it would",
        ),
        (
            "{rules: [{if: {all: [{plan: pro}, {plan: {exists: false}}]}, serve: true}]}",
            "can never match: plan cannot be missing and have a value",
        ),
        (
            "{rules: [{schedule: {until: 2026-01-01T00:00:00Z}, serve: true}]}",
            "is over since 2026-01-01 00:00 UTC: remove it",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, flag: str, message: str) -> None:
    """Each lapse of discipline and each dead rule has its message."""
    assert message in problems(tmp_path, flag)


@pytest.mark.parametrize(
    "rules",
    [
        "{if: {age: 1}, serve: true}, {if: {age: true}, serve: true}, {if: {age: '1'}, serve: true}",
        "{if: {age: {gt: 18}}, serve: true}, {if: {age: {gte: 18}}, serve: true}, {if: {age: {lt: 90}}, serve: true}",
        "{if: {age: {gt: 18, lt: 3}}, serve: true}",  # of several ages, one may be above and another below
        "{if: {tags: {contains: a}}, serve: true}, {if: {tags: abc}, serve: true}",  # a list is not a text
        "{if: {country: {ne: AU}}, serve: true}, {if: {not: {country: AU}}, serve: true}",
        "{schedule: {from: 2027-01-01T00:00:00Z}, serve: true}, {if: {country: AU}, serve: true}",
        "{if: {country: AU, not: {plan: pro}}, serve: true}",
    ],
)
def test_what_may_match_is_not_called_dead(tmp_path: Path, rules: str) -> None:
    """True is not 1, a bound may be wider, an attribute may hold a list, a date may come: no rule is dead for these."""
    assert not [one for one in problems(tmp_path, f"{{rules: [{rules}]}}") if "can never match" in one]


def test_groups_may_be_two_things_at_once(tmp_path: Path) -> None:
    """An attribute that can hold a list is not called contradictory."""
    flag = "{rules: [{if: {all: [{groups: a}, {groups: b}]}, serve: true}]}"
    assert not [message for message in problems(tmp_path, flag) if "never match" in message]


def test_segments_are_looked_into(tmp_path: Path) -> None:
    """A rule behind a segment that covers it is shadowed, too."""
    flag = "{rules: [{if: {segment: s}, serve: true}, {if: {country: AU}, serve: false}]}"
    found = problems(tmp_path, flag, top="segments: {s: {any: [{country: [AU, NZ]}, {is_staff: true}]}}\n")
    assert "can never match: rule 1 catches everyone that it would" in found


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("rules: [{rollout: 50%}]", "rules: [{rollout: 100%}]", "has been at 100 % for 61 d"),
        ("rules: [{rollout: 50%}]", "rules: [{rollout: 0%}]", "has been dark for 61 d"),
        ("rules: [{rollout: 50%}]", "enabled: false", "has been killed for 61 d"),
        ("rules: [{rollout: 100%}]", "rules: [{rollout: 50%}]", ""),
        ("rules: [{rollout: 0%}]", "rules: [{if: {is_staff: true}, serve: true}]", ""),
    ],
)
def test_settled_flags_are_told_by_history(tmp_path: Path, before: str, after: str, told: str) -> None:
    """A flag at 100 % or 0 % for longer than the policy allows is settled; one that changed lately is not."""
    repository = ScriptedRepository(tmp_path)
    for fields, at in ((before, "2026-01-01T00:00"), (after, "2026-04-01T00:00")):
        repository.commit(f"version: 1\nflags:\n  a: {{{fields}}}\n", at=instant(at))
    documents = read_documents(tmp_path / "flags.yaml")
    found = [one.message for one in strict_problems(documents, documents.parse(), folders=[], now=NOW)]
    assert [one for one in found if "settled" in one] == (
        [f"{told}: it is settled, remove it (flags stale)"] if told else []
    )
    soon = strict_problems(documents, documents.parse(), folders=[], now=instant("2026-04-20T00:00"))
    assert not [one for one in soon if "settled" in one.message]


CRAWL = "version: 1\nflags:\n  a: {%s, rules: [%%s]}\n" % (FULL % ("high", "high"))
LATER = "{schedule: {from: 2026-07-01T00:00:00Z}, split: {off: 1, on: 1}}"


@pytest.mark.parametrize(
    ("committed", "rule", "started"),
    [
        ("{rollout: 1%}", "{rollout: 50%}", ""),
        ("{rollout: 0%}", "{rollout: 50%}", "50.0000%"),
        ("{rollout: 0%}", "{rollout: 1%}", ""),
        ("{split: {off: 99, on: 1}}", "{split: {off: 99, on: 1}}", ""),
        ("{split: {off: 97, on: 3}}", "{split: {off: 97, on: 3}}", "3.0000%"),
        ("{rollout: 0%}", LATER, "50.0000%"),
        ("{rollout: 0%}", "{ramp: [{at: 2026-07-01T00:00:00Z, to: 2%}], split: {off: 1, on: 1}}", ""),
    ],
)
def test_a_crawl_starts_small(tmp_path: Path, committed: str, rule: str, started: str) -> None:
    """Where a flag starts is told by its history; before it has one, by what is about to be committed and its dates."""
    ScriptedRepository(tmp_path).commit(CRAWL % committed, at=instant("2026-05-01T00:00"))
    path = tmp_path / "flags.yaml"
    path.write_text(CRAWL % rule, "utf-8")
    documents = read_documents(path)
    found = strict_problems(documents, documents.parse(), folders=[], now=NOW)
    wanted = [f"measured crawl starts at 1 % at most; it started at {started}"] if started else []
    assert [one.message for one in found if "starts at" in one.message] == wanted


def test_a_shallow_clone_does_not_tell_where_a_flag_started(tmp_path: Path) -> None:
    """What was fetched of a crawl at 5 % created nothing: a warning says what is not checked, and how to get it."""
    repository = ScriptedRepository(tmp_path / "whole")
    repository.commit(CRAWL % "{rollout: 1%}")
    repository.commit(CRAWL % "{rollout: 5%}")
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.root}", str(tmp_path / "cut"))
    documents = read_documents(tmp_path / "cut" / "flags.yaml")
    found = strict_problems(documents, documents.parse(), folders=[], now=NOW)
    told = [(one.severity, one.message) for one in found if "start" in one.message]
    assert told == [("warning", "the clone is shallow, so where flags started is not checked: git fetch --unshallow")]


CODE = """
from enum import Enum
from shop.keys import BETA

NEW = "by-constant"

class Keys(str, Enum):
    SEARCH = "by-enum"

@flag_required("by-gate", any=["by-any", "!by-negation"])
async def view(request):
    if request.flags.is_enabled(NEW) or request.flags[Keys.SEARCH.value]:
        return request.flags.value("by-value", default=1)
    await request.flags.ready("by-ready", "by-ready-two")
    client.get_boolean_value("by-openfeature", False)
    current_flags().evaluate("by-current" if x else "by-other")
    flags.is_enabled(BETA)
    some_dict.value("not-a-flag")
    "is_enabled('in-a-string')"
"""


def test_python_is_read_by_its_syntax_tree(tmp_path: Path) -> None:
    """Calls, gates, constants (also imported and in enums) and OpenFeature count; strings and other methods do not."""
    (tmp_path / "views.py").write_text(CODE, "utf-8")
    (tmp_path / "keys.py").write_text('BETA: str = "by-import"\nFLAG = 1\n', "utf-8")
    (tmp_path / "bad.py").write_text("flag (", "utf-8")
    found = {key for key, mentions in find_usage([tmp_path], []).mentions.items() if any(one.sure for one in mentions)}
    assert found == {
        *("by-constant", "by-enum", "by-gate", "by-any", "by-negation", "by-value", "by-ready", "by-ready-two"),
        *("by-openfeature", "by-current", "by-other", "by-import"),
    }


TEMPLATE = """
{% load flags %}{# {% flag "in-comment" %} #}
{% flag "tag" %} a {% elflag 'other' %} b {% endflag %}
{% comment %}{% flag "commented" %}{% endcomment %}{% raw %}{{ flag("raw") }}{% endraw %}
{{ flag("call") }} {% if "test" is enabled_flag and flags.dotted_name %}{% endif %}
{{ flags["index"] }} {% if "not" is not enabled_flag %}{% endif %} {% flag_value "val" as x %} {{ "flag plain" }}
"""


def test_templates_are_taken_apart() -> None:
    """Tags, calls, tests and look-ups of both template languages count; comments, raw text and plain strings do not."""
    assert [key for key, _ in template_mentions(TEMPLATE)] == [
        *("tag", "other", "call", "test", "dotted_name", "index", "not", "val"),
    ]


def test_unused_and_undeclared_keys(tmp_path: Path) -> None:
    """A flag that nobody reads, and a key that is read and not declared, are told with place and nearest name."""
    found = problems(tmp_path, "{}", code="\n\nflags.is_enabled('aa')")
    assert "no code or template reads it: remove it (flags stale)" in found
    assert "the code reads a flag 'aa' that is not declared" in "".join(found)


def test_the_command_is_strict_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`flags lint` passes what `flags lint --strict` refuses, with file and line."""
    monkeypatch.chdir(tmp_path)
    Path("flags.yaml").write_text("version: 1\nflags:\n  a: {}\n", "utf-8")
    Path("t.html").write_text('{% flag "a" %}{% endflag %}', "utf-8")
    assert CliRunner().invoke(flags, ["lint"]).exit_code == 0
    result = CliRunner().invoke(flags, ["lint", "--strict", "--format", "json"])
    assert result.exit_code == 1
    (problem,) = json.loads(result.stdout)[0]["problems"]
    assert (problem["line"], problem["where"]) == (3, "flags.a")
