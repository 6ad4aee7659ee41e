"""Editing flag files: one value changes, every other byte stays, and nobody overwrites anybody."""

from __future__ import annotations

import json
import os
import stat
from difflib import SequenceMatcher
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flagmiddleware.errors import ConflictError
from flagmiddleware.formats import parse
from flagmiddleware.release import edits
from flagmiddleware.release.documents import Documents, read_documents
from flagmiddleware.release.splice import EditError
from flagmiddleware.release.stages import stage_of
from flagmiddleware.release.targets import FileTarget, StoreTarget
from flagmiddleware.sources import MemorySource
from tests.release.scripted import instant

NOW = instant("2026-11-01T00:00")
FILE = """\
# The shop's flags.  Keep me.
version: 1

flags:

  new-checkout:   # the big one
    description:   'The one-page  checkout'
    enabled: true          # the kill switch
    rules:
      - name: anz
        if: {country: [AU,   NZ], plan: "pro"} # odd spacing
        rollout: 25%
      - rollout: 1%        # everyone else

  search:
        # indented by four more
        rules: [ {if: {is_staff: true}, serve: true} ]
  tiny: {}
  flow: {description: "in one line", rules: [{rollout: 10%}]}
  sale:
    description: |
      Several
      lines.
    environments:
      production: {enabled: true}
      staging:
        rules:
        - serve: true
  dated:
    rules:
      - ramp:
          - {at: 2026-12-01T09:00:00Z, to: 1%}
          - {at: 2026-12-02T09:00:00Z, to: 5%}
      # trailing comment
"""


def documents(text: str = FILE, name: str = "flags.yaml") -> Documents:
    """One document, as read from a file of that name."""
    return Documents(name, {name: text.encode()})


def lines(edited: edits.Edited) -> tuple[list[str], list[str]]:
    """The lines that went and the lines that came."""
    before, after = edited.before.decode().splitlines(), edited.after.decode().splitlines()
    codes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    gone = [line for tag, a, b, _, _ in codes if tag != "equal" for line in before[a:b]]
    come = [line for tag, _, _, c, d in codes if tag != "equal" for line in after[c:d]]
    return gone, come


def test_a_kill_changes_one_word() -> None:
    """Killing a flag that says `enabled: true` changes that word and keeps the comment beside it."""
    gone, come = lines(edits.kill(documents(), "new-checkout"))
    assert gone == ["    enabled: true          # the kill switch"]
    assert come == ["    enabled: false          # the kill switch"]


@pytest.mark.parametrize(
    ("key", "gone", "come"),
    [
        ("search", [], ["        enabled: false"]),
        ("tiny", ["  tiny: {}"], ["  tiny: {enabled: false}"]),
        (
            "flow",
            ['  flow: {description: "in one line", rules: [{rollout: 10%}]}'],
            ['  flow: {enabled: false, description: "in one line", rules: [{rollout: 10%}]}'],
        ),
    ],
)
def test_a_kill_adds_the_switch_where_there_is_none(key: str, gone: list[str], come: list[str]) -> None:
    """A flag without the field gets it, in the style that it is written in; no other line changes."""
    assert lines(edits.kill(documents(), key)) == (gone, come)


def test_a_kill_reaches_every_environment() -> None:
    """An environment that says `enabled: true` is killed, too."""
    edited = edits.kill(documents(), "sale")
    for environment in (None, "production", "staging"):
        assert not parse(edited.after, name="flags.yaml", environment=environment).flags["sale"].enabled


def test_a_kill_of_one_environment_leaves_the_others() -> None:
    """With an environment, only that one is killed; its section is made where it is missing."""
    edited = edits.kill(documents(), "new-checkout", environment="production")
    assert not parse(edited.after, environment="production").flags["new-checkout"].enabled
    assert parse(edited.after).flags["new-checkout"].enabled


def test_a_kill_works_in_a_file_with_other_problems() -> None:
    """Another flag's mistake does not stand before a kill; it is told."""
    edited = edits.kill(documents(FILE.replace("  tiny: {}", "  tiny: {rools: 1}")), "new-checkout")
    assert b"enabled: false" in edited.after
    assert "rools" in edited.warnings[0]


def test_a_restore_undoes_a_kill_byte_for_byte() -> None:
    """A kill and a restore leave the file as it was, where it had the switch."""
    killed = edits.kill(documents(), "new-checkout")
    assert edits.restore(documents(killed.after.decode()), "new-checkout").after == FILE.encode()


@pytest.mark.parametrize(
    ("key", "rule", "gone", "come"),
    [
        (
            "new-checkout",
            None,
            ["      - rollout: 1%        # everyone else"],
            ["      - rollout: 5%        # everyone else"],
        ),
        ("new-checkout", "anz", ["        rollout: 25%"], ["        rollout: 5%"]),
        (
            *("search", None, ["        rules: [ {if: {is_staff: true}, serve: true} ]"]),
            ["        rules: [ {if: {is_staff: true}, serve: true}, {rollout: 5%} ]"],
        ),
        ("tiny", None, ["  tiny: {}"], ["  tiny: {rules: [{rollout: 5%}]}"]),
    ],
)
def test_a_share_changes_one_value(key: str, rule: str | None, gone: list[str], come: list[str]) -> None:
    """Ramping edits the staged rule, or the named one, or adds one to a dark flag; nothing else changes."""
    flag = parse(FILE.encode(), name="flags.yaml").flags[key]
    assert lines(edits.set_share(documents(), flag, "5%", rule=rule)) == (gone, come)


HEAD = "version: 1\nflags:\n  a:\n    variants: {red: r, green: g}\n    off: red\n"


@pytest.mark.parametrize(
    ("rules", "gone", "come"),
    [
        (
            "    rules:\n      - serve: green  # all\n",
            "      - serve: green",
            "      - rollout: 10%\n        serve: green",
        ),
        (
            "    rules:\n      - name: all\n        split: {red: 1, green: 1}\n",
            *("        split:", "        rollout: 10%\n        split:"),
        ),
        ("    rules: [{if: {x: 1}, serve: red}, {serve: green}]\n", ", {serve", ", {rollout: 10%, serve"),
        ("    rules: [{\n      serve: green}]\n", "serve: green", "rollout: 10%,\n      serve: green"),
        ("    rules:\n      -\n        serve: green\n", "        serve", "        rollout: 10%\n        serve"),
    ],
)
def test_back_from_everyone(rules: str, gone: str, come: str) -> None:
    """A rule that serves everyone gets a rollout before what it serves; nothing else changes."""
    for text in (HEAD + rules, (HEAD + rules).replace("\n", "\r\n")):
        flag = parse(text.encode(), name="flags.yaml").flags["a"]
        edited = edits.set_share(documents(text), flag, "10%")
        line_end = "\r\n" if "\r" in text else "\n"
        assert edited.after.decode() == text.replace(gone.replace("\n", line_end), come.replace("\n", line_end), 1)
        steps = [("2026-12-01T09:00:00Z", "5%")]
        ramped = edits.set_ramp(documents(text), flag, steps, now=NOW).after.decode()
        ramp = "ramp: [{at: 2026-11-01T00:00:00Z, to: 100%}, {at: 2026-12-01T09:00:00Z, to: 5%}]"
        assert ramped == edited.after.decode().replace("rollout: 10%", ramp)


def test_back_from_everyone_in_json() -> None:
    """The same in JSON, written in one line and in several; a payload that is left out needs no place before it."""
    tree = {"version": 1, "flags": {"a": {"rules": [{"name": "all", "serve": True}]}}}
    for indent in (None, 2):
        text = json.dumps(tree, indent=indent)
        flag = parse(text.encode(), name="f.json").flags["a"]
        after = edits.set_share(documents(text, "f.json"), flag, "10%").after.decode()
        between = ", " if indent is None else ",\n          "
        assert after == text.replace('"serve"', f'"rollout": "10%"{between}"serve"')
    short = "version: 1\nflags:\n  a: {rules: [{schedule: {from: 2026-01-01T00:00:00Z}}]}\n"
    flag = parse(short.encode(), name="flags.yaml").flags["a"]
    after = edits.set_share(documents(short), flag, "10%").after.decode()
    assert after == short.replace("}}]", "}, rollout: 10%}]")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("{default: true}", "serves 'on' by default"),
        ("{default: true, rules: [{rollout: 5%}]}", "take `default` out first"),
        ("{rules: [{serve: false}]}", "take that rule out"),
        ("{variants: {red: 1, green: 2}, off: red}", "several variants and no rollout"),
    ],
)
def test_a_rollout_that_would_do_nothing_is_refused(fields: str, message: str) -> None:
    """Where those outside a rollout get the same, or those inside `off`, the cure is named instead."""
    text = f"version: 1\nflags:\n  a: {fields}\n"
    flag = parse(text.encode(), name="flags.yaml").flags["a"]
    with pytest.raises(EditError, match=message):
        edits.set_share(documents(text), flag, "10%")
    with pytest.raises(EditError, match=message):
        edits.set_ramp(documents(text), flag, [("2026-12-01T09:00:00Z", "5%")], now=NOW)


def test_a_rollout_between_two_variants_is_ramped() -> None:
    """A default that is another variant than the rule's is served to the rest: such a rollout does what it says."""
    text = (
        HEAD.replace("green: g", "green: g, blue: b") + "    default: blue\n    rules: [{rollout: 5%, serve: green}]\n"
    )
    flag = parse(text.encode(), name="flags.yaml").flags["a"]
    assert edits.set_share(documents(text), flag, "10%").after.decode() == text.replace("5%", "10%")


def test_a_share_replaces_a_dated_ramp() -> None:
    """A fixed share takes the place of a dated ramp; the comment after it stays."""
    flag = parse(FILE.encode(), name="flags.yaml").flags["dated"]
    edited = edits.set_share(documents(), flag, "5%")
    assert edited.after.decode().endswith("    rules:\n      - rollout: 5%\n      # trailing comment\n")


def test_a_block_rule_list_gets_a_block_item() -> None:
    """A rollout is added to a list of rules in the list's own style and indentation."""
    text = "version: 1\nflags:\n  a:\n    rules:\n    - if: {is_staff: true}\n      serve: true  # staff\n  b: {}\n"
    flag = parse(text.encode(), name="flags.yaml").flags["a"]
    edited = edits.set_share(documents(text), flag, "1%")
    assert lines(edited) == ([], ["    - rollout: 1%"])
    assert len(edited.new.flags["a"].rules) == 2  # type: ignore[union-attr]


def test_windows_line_ends_stay() -> None:
    """A file with CRLF line ends gets CRLF for the line that is added."""
    edited = edits.kill(documents(FILE.replace("\n", "\r\n")), "search")
    assert edited.after.replace(b"\r\n", b"").count(b"\n") == 0
    assert edited.after.count(b"\r\n") == FILE.count("\n") + 1


def test_a_byte_order_mark_and_wide_characters_stay() -> None:
    """Positions are right behind a byte order mark and characters beyond the basic plane."""
    text = "\ufeff" + FILE.replace("The shop's", "The 🛒 shøp's")
    edited = edits.kill(documents(text), "new-checkout")
    assert edited.after.decode() == text.replace("enabled: true          #", "enabled: false          #")


def test_json_is_edited_as_json() -> None:
    """A JSON file stays JSON, and changes in one place."""
    text = json.dumps({"version": 1, "flags": {"a": {"rules": [{"rollout": "1%"}]}, "b": {}}}, indent=2)
    flag = parse(text.encode(), name="f.json").flags["a"]
    edited = edits.set_share(documents(text, "f.json"), flag, "5%")
    assert edited.after.decode() == text.replace('"1%"', '"5%"')
    killed = json.loads(edits.kill(documents(text, "f.json"), "b").after)
    assert killed["flags"]["b"] == {"enabled": False}


def test_dates_and_dated_ramps_are_set() -> None:
    """`schedule` puts dates on a rule, and turns a rollout into a dated ramp."""
    flag = parse(FILE.encode(), name="flags.yaml").flags["new-checkout"]
    edited = edits.set_schedule(documents(), flag, {"from": "2026-12-01T00:00:00Z"}, rule="anz")
    assert edited.new.flags["new-checkout"].rules[0].schedule.start == 1796083200.0  # type: ignore[union-attr]
    steps = [("2026-12-01T00:00:00Z", "5%"), ("2026-12-02T00:00:00Z", "10%")]
    edited = edits.set_ramp(documents(), flag, steps, now=instant("2026-12-01T00:00"))
    assert lines(edited)[1] == [
        "      - ramp: [{at: 2026-12-01T00:00:00Z, to: 5%}, {at: 2026-12-02T00:00:00Z, to: 10%}]"
        "        # everyone else",
    ]


RAMPED = "ramp: [{at: 2026-10-01T00:00:00Z, to: 2%}, {at: 2026-10-31T00:00:00Z, to: 4%}]"


@pytest.mark.parametrize(
    ("gate", "kept"),
    [
        ("rollout: 0.5%", "{at: 2026-11-01T00:00:00Z, to: 0.5%}, "),
        ("rollout: 0%", ""),
        (RAMPED, "{at: 2026-11-01T00:00:00Z, to: 4%}, "),
        (f"{RAMPED.replace('10-31', '12-02')}, linear: true", "{at: 2026-11-01T00:00:00Z, to: 3%}, "),
        (RAMPED.replace("2026-10-01", "2026-12-01").replace("2026-10-31", "2026-12-31"), ""),
    ],
)
def test_what_people_have_today_stays_until_the_first_date(gate: str, kept: str) -> None:
    """A dated ramp that starts tomorrow takes the feature from nobody today: today's share is its first step."""
    text = f"version: 1\nflags:\n  a: {{rules: [{{{gate}}}]}}\n"
    flag = parse(text.encode(), name="flags.yaml").flags["a"]
    ramped = edits.set_ramp(documents(text), flag, [("2026-12-05T00:00:00Z", "10%")], now=NOW)
    assert f"ramp: [{kept}{{at: 2026-12-05T00:00:00Z, to: 10%}}]" in ramped.after.decode()
    assert ramped.new is not None
    before, after = (stage_of(one, NOW).threshold for one in (flag, ramped.new.flags["a"]))
    assert after == pytest.approx(before, abs=50)


@pytest.mark.parametrize("fields", [f"{RAMPED}, linear: true", f"linear: true, {RAMPED}"])
def test_a_share_takes_the_place_of_a_ramp_that_moves_in_a_line(fields: str) -> None:
    """`linear` goes with the ramp that it tells of: on its own it would break the file, and no way back were open."""
    text = f"version: 1\nflags:\n  a: {{rules: [{{{fields}}}]}}\n"
    flag = parse(text.encode(), name="flags.yaml").flags["a"]
    assert "rules: [{rollout: 1%}]" in edits.set_share(documents(text), flag, "1%").after.decode()


def test_a_kill_in_compact_json_adds_no_blank() -> None:
    """What a program wrote without blanks stays so: the word alone is another one."""
    text = '{"version":1,"flags":{"new-checkout":{"enabled":true,"rules":[{"rollout":"1%"}]}}}'
    assert edits.kill(documents(text, "f.json"), "new-checkout").after.decode() == text.replace("true", "false")


FLAGD = '{"flags": {"beta": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "on"}}}'


def test_a_flag_of_flagd_is_killed_in_flagds_words() -> None:
    """A kill and a restore set `state`, in whatever environment; rules are not written in words that flagd has not."""
    killed = edits.kill(documents(FLAGD, "f.json"), "beta", environment="production")
    assert killed.after.decode() == FLAGD.replace("ENABLED", "DISABLED")
    assert edits.restore(documents(killed.after.decode(), "f.json"), "beta").after.decode() == FLAGD
    flag = documents(FLAGD, "f.json").parse().flags["beta"]
    with pytest.raises(EditError, match="is in flagd's format"):
        edits.set_share(documents(FLAGD, "f.json"), flag, "5%")
    with pytest.raises(EditError, match="is in flagd's format"):
        edits.set_ramp(documents(FLAGD, "f.json"), flag, [("2026-12-05T00:00:00Z", "10%")], now=NOW)
    with pytest.raises(EditError, match="is in flagd's format"):
        edits.set_schedule(documents(FLAGD, "f.json"), flag, {"until": "2026-12-05T00:00:00Z"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            FILE.replace("  tiny: {}", "<<<<<<< HEAD\n  tiny: {}\n=======\n>>>>>>> b"),
            "flags.yaml:18: an unresolved merge",
        ),
        ("a: [", "not valid YAML"),
        ("version: 1\nflags: {}\n", "has no flag 'new-checkout'"),
    ],
)
def test_what_cannot_be_edited_is_said(text: str, message: str) -> None:
    """Merge conflicts, broken YAML and unknown flags are refused with their place."""
    with pytest.raises(EditError, match=message.replace("(", r"\(")):
        edits.kill(documents(text), "new-checkout")


def test_an_edit_that_would_break_the_file_is_refused() -> None:
    """A date that is no date never reaches the file."""
    flag = parse(FILE.encode(), name="flags.yaml").flags["new-checkout"]
    with pytest.raises(EditError, match="nothing was written"):
        edits.set_schedule(documents(), flag, {"from": "tomorrow"}, rule="anz")


def test_an_alias_is_not_edited_in_the_place_of_another_flag() -> None:
    """A flag that is only an alias of another one is refused: its text stands there, and a kill would kill that one."""
    text = "version: 1\nflags:\n  a: &x\n    rules: [{rollout: 5%}]\n  b: *x\n"
    with pytest.raises(EditError, match=r"flags\.b is an alias of something else; write it out"):
        edits.kill(documents(text), "b")
    with pytest.raises(EditError, match=r"flags\.b\.enabled is an alias"):
        edits.kill(documents("version: 1\nflags:\n  a: {enabled: &x true}\n  b: {enabled: *x}\n"), "b")


def test_a_note_of_several_lines_gives_way() -> None:
    """A reason that somebody wrote as a block scalar is replaced with its lines, and the field below stays."""
    text = "version: 1\nflags:\n  a:\n    x-override: |\n      long\n      ago\n    rules: [{rollout: 5%}]\n"
    noted = edits.with_notes(edits.kill(documents(text), "a"), "a", {"x-override": "now"})
    assert noted.after.decode() == text.replace("a:\n", "a:\n    enabled: false\n").replace(
        "|\n      long\n      ago", "now"
    )


def test_what_is_taken_out_below_a_text_that_keeps_blank_lines() -> None:
    """Blank lines after a flag that goes do not become a part of the `|+` before it."""
    text = "version: 1\nflags:\n  a:\n    description: |+\n      kept\n\n  b: {}\n\n\n  c: {}\n"
    gone = edits.revert(documents(text), "b", documents(text.replace("  b: {}\n\n\n", ""))).after.decode()
    assert gone == text.replace("  b: {}\n\n\n", "")


def test_a_comment_below_what_is_taken_out_stays_a_comment() -> None:
    """A comment that is far to the right would be a part of the `|` before the flag that goes: it moves to the left."""
    text = "version: 1\nflags:\n  a:\n    description: |\n      x\n  b: {}\n       # note\n  c: {}\n"
    earlier = documents(text.replace("  b: {}\n       #", "  #"))
    assert edits.revert(documents(text), "b", earlier).after == earlier.files["flags.yaml"]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_comment_below_what_comes_back_stays_a_comment(newline: str) -> None:
    """A flag that ends with a `|` comes back above a comment that is far to the right: it is no part of the text."""
    here = "version: 1\nflags:\n  a: {}\n       # note\n".replace("\n", newline)
    before = (here + "  b:\n    description: |\n      x\n").replace("\n", newline)
    for now, then in ((here, before), (here.replace("  a: {}", "  b: {}"), before.replace("  a: {}", "  c: {}"))):
        edited = edits.revert(documents(now), "b", documents(then))
        assert edited.new is not None
        assert edited.new.flags["b"].description == "x\n"
        assert b"  # note" in edited.after


def test_old_macintosh_line_ends_stay() -> None:
    """Carriage returns alone end lines for YAML, so they do for edits: nothing lands in another flag."""
    text = "version: 1\rflags:\r  a:\r    owner: x\r  b: {}\r"
    flag = parse(text.encode(), name="flags.yaml").flags["a"]
    after = edits.set_share(documents(text), flag, "5%").after.decode()
    assert after == text.replace("owner: x\r", "owner: x\r    rules: [{rollout: 5%}]\r")
    assert edits.revert(documents(after), "a", documents(text.replace("  a:\r    owner: x\r", ""))).after.decode() == (
        "version: 1\rflags:\r  b: {}\r"
    )


def test_what_no_edit_can_be_made_in_is_said_with_its_line() -> None:
    """A change that would leave no YAML behind is refused with the line, and not as if the file had been broken."""
    text = "version: 1\nflags:\n  a: {enabled: &x true}\n  b: {enabled: *x}\n"
    with pytest.raises(EditError, match=r"flags\.yaml:3: cannot be changed as it is written here"):
        edits.kill(documents(text), "a")


COMMENTS = st.text("abc #:'\"é🛒-", max_size=12).map(lambda text: f"# {text}")
PADDING = st.integers(0, 5).map(lambda count: " " * count)


@settings(max_examples=60, deadline=None)
@given(st.lists(COMMENTS, min_size=3, max_size=3), PADDING, st.sampled_from(["\n", "\r\n"]), st.integers(0, 100))
def test_outside_the_value_nothing_changes(comments: list[str], padding: str, newline: str, percent: int) -> None:
    """Law: whatever comments, spacing and line ends a file has, ramping changes the percentage and nothing else."""
    text = newline.join(
        [
            comments[0],
            "version: 1",
            "flags:",
            f"  a: {comments[1]}",
            "    rules:",
            f"    - rollout:  7%{padding} {comments[2]}",
            "",
        ]
    )
    flag = parse(text.encode(), name="flags.yaml").flags["a"]
    edited = edits.set_share(documents(text), flag, f"{percent}%")
    assert edited.after.decode() == text.replace("7%", f"{percent}%", 1) if "7%" not in comments[0] else True


# -- writing ------------------------------------------------------------------------------------------------------


def _write(target: FileTarget | StoreTarget, edited: edits.Edited) -> str:
    return target.write(edited, actor="Ann", reason="because", via="test", key="new-checkout")


def test_two_people_at_once_get_a_conflict_with_the_diff(tmp_path: Path) -> None:
    """Who writes second is refused, sees what changed, and the first one's edit stays."""
    path = tmp_path / "flags.yaml"
    path.write_text(FILE, "utf-8")
    ann, ben = FileTarget(path), FileTarget(path)
    hers, his = edits.kill(ann.read(), "new-checkout"), edits.kill(ben.read(), "search")
    _write(ann, hers)
    with pytest.raises(ConflictError) as caught:
        _write(ben, his)
    assert "-    enabled: true          # the kill switch" in str(caught.value)
    assert "+    enabled: false          # the kill switch" in str(caught.value)
    assert path.read_bytes() == hers.after


def test_a_link_stays_a_link_and_permissions_stay(tmp_path: Path) -> None:
    """Writing replaces what a symbolic link points to, and keeps the file's mode; no other file is left."""
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "flags.yaml", tmp_path / "flags.yaml"
    real.write_text(FILE, "utf-8")
    real.chmod(0o640)
    link.symlink_to(real)
    target = FileTarget(link)
    _write(target, edits.kill(target.read(), "new-checkout"))
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert os.listdir(tmp_path / "real") == ["flags.yaml"]


def test_a_folder_is_edited_in_the_right_file(tmp_path: Path) -> None:
    """In a folder the file that has the flag is edited, the others stay untouched."""
    (tmp_path / "a.yaml").write_text(FILE, "utf-8")
    (tmp_path / "b.yaml").write_text("version: 1\nflags:\n  other: {}\n", "utf-8")
    edited = edits.kill(read_documents(tmp_path), "other")
    assert edited.file == str(tmp_path / "b.yaml")


def test_a_store_is_written_with_its_revision() -> None:
    """Stores take the edit with the revision that was read; a second writer gets a conflict with the diff."""
    source = MemorySource(FILE.encode(), name="memory.yaml")
    target = StoreTarget(source)
    edited = edits.kill(target.read(), "new-checkout")
    assert _write(target, edited) == "2"
    with pytest.raises(ConflictError, match="what is there now"):
        _write(target, edited)
