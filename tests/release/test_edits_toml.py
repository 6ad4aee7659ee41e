"""Editing TOML flag files: one value changes, every other line stays, in every layout that TOML has."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from flagmiddleware.cli import flags
from flagmiddleware.formats import parse
from flagmiddleware.release import edits
from flagmiddleware.release.documents import Documents
from flagmiddleware.release.splice import EditError
from tests.release.scripted import instant

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LAYOUTS = {
    "tables": """\
[flags.a]
description = "x"  # why

[[flags.a.rules]]
name = "staff"
if = {is_staff = true}
serve = true
# the others
[[flags.a.rules]]
rollout = "1%"   # keep

[flags.a.environments.live]
enabled = true
""",
    "a header": """\
[flags.a]   # nothing in it
""",
    "no header": """\
[[flags.a.rules]]
rollout = "1%"
""",
    "in one line": """\
[flags]
a = { rules = [ {rollout="1%"}, ], description = 'x' }   # inline
""",
    "dotted": """\
[flags]
a.description = "dotted"
a.rules = [{rollout = "1%"}]
""",
    "killed": """\
[flags.a]
enabled   =   false # note
rules = [
    {rollout = "1%"},  # one
]
""",
    "several lines": '''\
[flags.a]
description = """
enabled = true
[flags.b]
"""
rules = [{rollout = "1%"}]
''',
}
OTHERS = ("[flags.b]\nenabled = true # b\n", "[segments.s]\ncountry = ['AU',  'NZ']\n", "# the end\n")


def text_of(layout: str, before: tuple[str, ...] = (), after: tuple[str, ...] = OTHERS, *, crlf: bool = False) -> str:
    """A file with flag `a` in a layout, between other things."""
    parts = ["# The shop's flags.\nversion = 1   # v\n", *before, LAYOUTS[layout], *after]
    if layout in ("in one line", "dotted"):
        parts = [part for part in parts if "[flags." not in part]
    text = "\n".join(parts)
    return text.replace("\n", "\r\n") if crlf else text


def documents(text: str) -> Documents:
    """One TOML document."""
    return Documents("flags.toml", {"flags.toml": text.encode()})


def check(edited: edits.Edited, kept: int, **changed: Any) -> None:
    """The file says what it said, but for `changed` of flag `a`; all but ``kept`` lines stand as they stood."""
    before, after = edited.before.decode(), edited.after.decode()
    was, now = tomllib.loads(before), tomllib.loads(after)
    flag = was["flags"]["a"]
    for path, value in changed.items():
        *outer, last = path.split("__")
        for name in outer:
            flag = flag.setdefault(name, {})
        flag[last] = value
        flag = was["flags"]["a"]
    assert now == was
    old, new = (Counter(text.splitlines(keepends=True)) for text in (before, after))
    assert (old - new).total() <= kept, old - new
    assert (new - old).total() <= kept + 1, new - old


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_kill_and_a_restore_change_one_line(layout: str) -> None:
    """In every layout a kill changes or adds one line (two where a header was missing), and a restore changes it."""
    killed = edits.kill(documents(text_of(layout)), "a")
    live = {"environments__live__enabled": False} if layout == "tables" else {}
    check(killed, 2, enabled=False, **live)
    restored = edits.restore(documents(killed.after.decode()), "a")
    check(restored, 1, enabled=True)
    assert parse(restored.after, name="flags.toml").flags["a"].enabled


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_environment_is_killed(layout: str) -> None:
    """The section of an environment is made where it is missing."""
    edited = edits.kill(documents(text_of(layout)), "a", environment="staging")
    check(edited, 2, environments__staging__enabled=False)
    assert not parse(edited.after, name="flags.toml", environment="staging").flags["a"].enabled


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "a header"])
def test_a_share_is_set(layout: str) -> None:
    """Ramping changes the percentage, and the comment beside it stays."""
    text = text_of(layout)
    flag = parse(text.encode(), name="flags.toml").flags["a"]
    edited = edits.set_share(documents(text), flag, "5%")
    rules = [
        {**rule, "rollout": "5%"} if "rollout" in rule else rule for rule in tomllib.loads(text)["flags"]["a"]["rules"]
    ]
    check(edited, 1, rules=rules)
    assert ("# keep" in edited.after.decode()) == ("# keep" in text)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if "rollout" in LAYOUTS[name]])
def test_back_from_everyone_in_toml(layout: str) -> None:
    """A rule that serves everyone gets a rollout."""
    text = text_of(layout)
    for spelled in ('rollout = "1%"', 'rollout="1%"'):
        text = text.replace(spelled, "serve = true")
    flag = parse(text.encode(), name="flags.toml").flags["a"]
    edited = edits.set_share(documents(text), flag, "5%")
    *first, last = tomllib.loads(text)["flags"]["a"]["rules"]
    check(edited, 1, rules=[*first, {**last, "rollout": "5%"}])


def test_a_dark_flag_gets_its_rule() -> None:
    """The first share of a flag without rules is a rule of its own."""
    text = text_of("a header")
    edited = edits.set_share(documents(text), parse(text.encode(), name="flags.toml").flags["a"], "1%")
    check(edited, 1, rules=[{"rollout": "1%"}])


def test_dates_are_set() -> None:
    """A schedule and a dated ramp are written; the ramp takes the place of the share."""
    text = text_of("tables")
    flag = parse(text.encode(), name="flags.toml").flags["a"]
    rules = tomllib.loads(text)["flags"]["a"]["rules"]
    dated = edits.set_schedule(documents(text), flag, {"from": "2026-12-01T09:00:00Z"}, rule="staff")
    check(dated, 1, rules=[{**rules[0], "schedule": {"from": "2026-12-01T09:00:00Z"}}, rules[1]])
    steps = [("2026-12-01T09:00:00Z", "1%"), ("2026-12-02T09:00:00Z", "5%")]
    ramped = edits.set_ramp(documents(text), flag, steps, now=instant("2026-11-01T00:00"))
    today = ("2026-11-01T00:00:00Z", rules[1]["rollout"])
    check(ramped, 1, rules=[rules[0], {"ramp": [{"at": at, "to": to} for at, to in (today, *steps)]}])


def test_a_change_is_taken_back() -> None:
    """A flag gets the text that it had, or goes, or comes back."""
    text = text_of("tables")
    killed = documents(edits.kill(documents(text), "a").after.decode())
    assert edits.revert(killed, "a", documents(text)).after.decode() == text
    without = documents("version = 1\n[flags.b]\n")
    assert "a" not in tomllib.loads(edits.revert(documents(text), "a", without).after.decode())["flags"]
    back = tomllib.loads(edits.revert(without, "a", documents(text)).after.decode())
    assert back["flags"]["a"] == tomllib.loads(text)["flags"]["a"]


@pytest.mark.parametrize(
    "flag",
    [
        "[flags.a]\nenabled = true  # mine\n# mine, too\n",
        "[flags.a]\n[[flags.a.rules]]\nserve = true\n",
        "[flags.a]\nrules = []\n[flags.a.environments.staging]\nenabled = true\n",
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_is_said_of_the_next_flag_stays(flag: str, newline: str) -> None:
    """Comments between a flag that goes and the next one, after a blank line, are the next one's."""
    head, rest = "version = 1\n\n# about a\n", "\n# about b\n# and more\n\n[flags.b]\nenabled = true  # c\n"
    text, without = ((head + one + rest).replace("\n", newline) for one in (flag, ""))
    gone = edits.revert(documents(text), "a", documents("version = 1\n[flags.b]\n")).after.decode()
    assert gone == without


def test_what_cannot_be_read_is_not_written() -> None:
    """A conflict or broken TOML is refused with its place; another flag's mistake does not stand before a kill."""
    with pytest.raises(EditError, match=r"flags\.toml:2: an unresolved merge conflict"):
        edits.kill(documents("version = 1\n<<<<<<< ours\n[flags.a]\n"), "a")
    with pytest.raises(EditError, match="not valid TOML"):
        edits.kill(documents("version = 1\n[flags.a\n"), "a")
    edited = edits.kill(documents("version = 1\n[flags.a]\n[flags.b]\nrools = 1\n"), "a")
    assert edited.after == b"version = 1\n[flags.a]\nenabled = false\n[flags.b]\nrools = 1\n"
    assert "rools" in edited.warnings[0]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(list(LAYOUTS)),
    st.permutations(OTHERS),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from(["\ufeff", ""]),
)
def test_a_kill_works_wherever_the_flag_stands(
    layout: str, others: list[str], place: int, crlf: bool, bom: str
) -> None:
    """Law: whatever lies before and after a flag, a kill kills it, changes nothing else, and keeps line ends."""
    text = text_of(layout, tuple(others[:place]), tuple(others[place:]), crlf=crlf)
    edited = edits.kill(documents(bom + text), "a")
    was, now = (tomllib.loads(data.decode("utf-8-sig")) for data in (edited.before, edited.after))
    assert now["flags"].pop("a")["enabled"] is False
    was["flags"].pop("a")
    assert now == was
    assert edited.after.decode().startswith(bom)
    if crlf:
        assert b"\n" not in edited.after.replace(b"\r\n", b"")
    if layout != "no header" and not crlf:
        rest = edited.after.decode().splitlines(keepends=True)
        assert all(
            line in rest
            for line in (bom + text).splitlines(keepends=True)
            if "a = {" not in line and "enabled" not in line
        )


def test_the_commands_edit_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`flags kill`, `restore`, `ramp` and `schedule` work on flags.toml as on any other file."""
    monkeypatch.chdir(tmp_path)
    Path("flags.toml").write_text(text_of("tables"), "utf-8")
    for args in (
        ["kill", "a"],
        ["restore", "a"],
        ["ramp", "a", "2%"],
        ["schedule", "a", "--until", "2030-01-01T00:00:00Z"],
    ):
        result = CliRunner().invoke(flags, [*args, "-m", "why"])
        assert result.exit_code == 0, result.output
    flag = tomllib.loads(Path("flags.toml").read_text("utf-8"))["flags"]["a"]
    assert flag["rules"][1] == {"rollout": "2%", "schedule": {"until": "2030-01-01T00:00:00Z"}}
