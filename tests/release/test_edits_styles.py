"""Editing flag files in every style that people write YAML in: the value changes, every other byte stays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from flagmiddleware.errors import RulesetError
from flagmiddleware.formats import parse
from flagmiddleware.model import Ruleset
from flagmiddleware.release import edits
from flagmiddleware.release.changes import changed_keys
from flagmiddleware.release.documents import Documents
from flagmiddleware.release.splice_text import TextSplicer
from flagmiddleware.release.stages import stage_of

KEY = "new-checkout"
NOW = 1_800_000_000.0
EXTRAS = ["", "  # {}", " # {} 'é🛒: [", "\t# {}"]
GAPS = ["", "# {}", "      # {}", "   "]
COLONS = [": ", ":  ", ":\t", ": \t"]
TEXTS = [
    "plain {}", "'it''s {}'", '"tab\\t {} é"', "plain {}\nin two lines", '"two {}\n\n  lines"',
    "|\nkept {}\n  deeper", ">-\nfolded {}\nlines\n\nmore", "|+\nkept {}\n\n", "|2\n  two {}",
    ">\nlast {}\n# no comment",
]  # fmt: skip


class Writer:
    """Writes a flag file in a style that Hypothesis draws: spacing, quotes, comments, blank lines, block or flow."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw, self.count = draw, 0
        self.step = draw(st.integers(1, 4))
        self.hanging = draw(st.booleans())

    def one(self, choices: list[str]) -> str:
        """One of the choices, with a word in it that stands nowhere else."""
        self.count += 1
        return self.draw(st.sampled_from(choices)).replace("{}", f"w{self.count}w")

    def name(self, name: str) -> str:
        """A key, quoted or not, with its colon."""
        return self.one([name, name, f'"{name}"', f"'{name}'"]) + self.one(COLONS)

    def gap(self) -> Iterator[str]:
        """Lines that say nothing."""
        for _ in range(self.draw(st.integers(0, 2))):
            yield self.one(GAPS)

    def block(self, value: Any, column: int) -> Iterator[str]:
        """The lines of a mapping or list, each field on its own; all but scalars below their key."""
        pad = " " * column
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from self.gap()
            head = f"{pad}{self.name(str(name))}" if isinstance(value, dict) else f"{pad}-{self.one([' ', '   '])}"
            yield from self.field(head, inner, column)

    def field(self, head: str, value: Any, column: int) -> Iterator[str]:
        """One field, its head written already."""
        if isinstance(value, dict | list) and value and self.draw(st.booleans()):
            if head.lstrip().startswith("-"):  # an item's first field stands behind the dash
                first, *rest = (
                    self.block(value, len(head)) if isinstance(value, dict) else [f"{head}{self.flow(value)}"]
                )
                while not first.strip() or first.lstrip().startswith("#"):
                    first, *rest = rest
                yield head + first[len(head) :] if isinstance(value, dict) else first
                yield from rest
                return
            yield head.rstrip() + self.one(EXTRAS)
            hangs = self.hanging and isinstance(value, list)
            yield from self.block(value, column if hangs else column + self.step)
        elif isinstance(value, str):
            first, *rest = value.split("\n")
            mark = first[:1] in ("|", ">")
            yield head + first + ("" if rest and not mark else self.one(EXTRAS))
            yield from (" " * (column + (2 if "2" in first[:2] else self.step)) + line if line else "" for line in rest)
        else:
            yield head + self.flow(value) + self.one(EXTRAS)

    def flow(self, value: Any) -> str:
        """A value between brackets, perhaps over several lines."""
        opened, between, closed = self.draw(
            st.sampled_from(
                [("", ", ", ""), (" ", " , ", " "), ("", ",  ", " "), ("\n        ", ",\n        ", "\n        ")]
            )
        )
        if isinstance(value, dict):
            parts = [f"{self.name(name)}{self.flow(inner)}" for name, inner in value.items()]
            return "{" + opened + between.join(parts) + closed + "}" if parts else "{}"
        if isinstance(value, list):
            return "[" + opened + between.join(map(self.flow, value)) + closed + "]" if value else "[]"
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return self.one(["one {}", "'two {}'", '"three {}"']) if "\n" in text or "w" in text else text


def rules(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Some rules, the last of which lets a share of everyone in; or none."""
    cohort: dict[str, Any] = {"name": "anz", "if": {"country": ["AU", "NZ"]}, "rollout": "25%"}
    everyone: dict[str, Any] = {"rollout": draw(st.sampled_from(["1%", "5%", "12.5%"]))}
    return draw(
        st.sampled_from([[], [everyone], [cohort, everyone], [{"name": "staff", "if": {"staff": True}}, everyone]])
    )


@st.composite
def files(draw: st.DrawFn) -> str:
    """A flag file with three flags in any style; the second is the one to change."""
    writer = Writer(draw)

    def flag() -> dict[str, Any]:
        fields: dict[str, Any] = {"description": writer.one(TEXTS), "rules": rules(draw), "x-note": writer.one(TEXTS)}
        fields |= {"enabled": draw(st.booleans()), "owner": ["product", "engineering"]}
        fields["environments"] = {"staging": {"enabled": draw(st.booleans())}}
        names = draw(st.permutations(sorted(fields)))
        return {name: fields[name] for name in names[: draw(st.integers(0, len(names)))]}

    body = {"version": 1, "flags": {"a": flag(), KEY: flag(), "z": flag()}}
    lines = [*([] if draw(st.booleans()) else ["---"]), *writer.block(body, 0), *writer.gap()]
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    text = "\n".join(lines).replace("\n", newline) + draw(st.sampled_from(["", newline, newline * 2]))
    text = draw(st.sampled_from(["", "\ufeff"])) + text
    note(text.replace("\r", "␍").replace("\t", "→"))
    try:
        read(text)
    except RulesetError as error:  # some styles do not go together
        note(str(error))
        assume(False)
    return text


def share(text: str) -> int:
    """How many buckets the flag's rules let in, were it not killed."""
    return stage_of(replace(read(text).flags[KEY], enabled=True), NOW).threshold


def documents(text: str) -> Documents:
    """The text as a file."""
    return Documents("flags.yaml", {"flags.yaml": text.encode()})


def read(text: str) -> Ruleset:
    """What the text defines."""
    return parse(text.encode(), name="flags.yaml")


def words(text: str) -> list[str]:
    """Every word that the writer made: comments and texts have them."""
    return re.findall(r"w\d+w", text)


def check(before: str, edited: edits.Edited, gone: str = "") -> str:
    """The law: the flag alone is another one; a file's words, line ends and mark stay; nothing but ``gone`` is lost."""
    after = edited.after.decode()
    assert changed_keys(read(before), read(after)) in ([KEY], [])
    assert words(after) == words(before)
    assert after.startswith("\ufeff") == before.startswith("\ufeff")
    if "\r\n" in before:
        assert "\n" not in after.replace("\r\n", "")
    else:
        assert "\r" not in after
    lost = _lost(before, after)
    assert re.fullmatch(gone, lost) is not None, (lost, gone)
    return after


def _lost(before: str, after: str) -> str:
    """What stands between what both texts begin and what both end with, in the first."""
    start = next(
        (n for n, (x, y) in enumerate(zip(before, after, strict=False)) if x != y), min(len(before), len(after))
    )
    left, right = before[start:], after[start:]
    end = next(
        (n for n, (x, y) in enumerate(zip(left[::-1], right[::-1], strict=False)) if x != y), min(len(left), len(right))
    )
    return left[: len(left) - end]


@settings(max_examples=150, deadline=None)
@given(files())
def test_a_kill_and_what_undoes_it_keep_every_other_byte(text: str) -> None:
    """Law: a kill changes the switch, a revert brings back the file byte for byte, a restore what a kill changed."""
    killed = edits.kill(documents(text), KEY)
    after = killed.after.decode()
    for environment in (None, "staging"):
        assert not parse(after.encode(), name="flags.yaml", environment=environment).flags[KEY].enabled
    one = check(text, edits.kill(documents(text), KEY, environment="staging"), r"|t?r?ue?|\s*\S*\s*")
    assert not parse(one.encode(), name="flags.yaml", environment="staging").flags[KEY].enabled
    assert edits.revert(documents(after), KEY, documents(text)).after.decode() == text
    back = edits.restore(documents(after), KEY).after.decode()
    assert read(back).flags[KEY].enabled
    assert words(back) == words(after) == words(text)


@settings(max_examples=150, deadline=None)
@given(files())
def test_a_step_changes_the_share_and_no_other_byte(text: str) -> None:
    """Law: a ramp, dates, a dated ramp change one value, or add one."""
    flag = read(text).flags[KEY]
    after = check(text, edits.set_share(documents(text), flag, "50%"), r"[\d.]*%?|null|\[.*\]|\{.*\}")
    assert share(after) == 2**31
    dated = edits.set_ramp(documents(text), flag, [("2026-12-01T00:00:00Z", "50%")], now=NOW)
    after = check(text, dated, r"(?s).{0,20}")
    assert share(after) == 2**31
    if flag.rules:
        scheduled = edits.set_schedule(documents(text), flag, {"from": "2026-12-01T00:00:00Z"})
        after = check(text, scheduled)
        assert read(after).flags[KEY].rules[-1].schedule is not None
    noted = edits.with_notes(edits.set_share(documents(text), flag, "50%"), KEY, {"x-why": "because: we # must"})
    assert changed_keys(read(text), read(noted.after.decode())) == ([KEY] if share(text) != 2**31 else [])


@settings(max_examples=100, deadline=None)
@given(files())
def test_a_flag_comes_and_goes_without_its_neighbours(text: str) -> None:
    """Law: reverting the coming of a flag takes out its words and nobody else's; reverting its going brings it back."""
    if not text.endswith("\n"):  # below a text that ends with the file nothing can be added without adding to it
        text += "\r\n" if "\r\n" in text else "\n"
    rest = _without(text)
    gone = edits.revert(documents(text), KEY, documents(rest)).after.decode()
    assert gone == rest
    assert set(read(gone).flags) == {"a", "z"}
    assert words(gone) == [word for word in words(text) if word in words(gone)]
    back = edits.revert(documents(gone), KEY, documents(text)).after.decode()
    was, now = read(text).flags[KEY], read(back).flags[KEY]
    # Blank lines at the end of a file become a part of a text that keeps those below it (`|+`) and comes last.
    assert was.description.rstrip("\n") == now.description.rstrip("\n")
    assert replace(was, description="") == replace(now, description="")
    assert [word for word in words(back) if word in words(gone)] == words(gone)


def _without(text: str) -> str:
    splicer = TextSplicer(text)
    splicer.remove(("flags", KEY))
    return splicer.data.decode()


ANY = st.characters(exclude_categories=["Cs"])
NAMES = st.text(ANY, min_size=1, max_size=8) | st.sampled_from(["🛒", "\\ud83d", "\x7f", "a/b"])


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(NAMES, st.booleans(), max_size=4),
    NAMES,
    st.booleans(),
    st.sampled_from([None, 2, "\t"]),
    st.sampled_from([(", ", ": "), (",", ":"), (" ,\t", " : ")]),
)
def test_json_of_any_writer_is_edited(
    environments: dict[str, bool], words: str, wide: bool, indent: int | str | None, separators: tuple[str, str]
) -> None:
    """Law: whatever a JSON writer escapes and however it indents, a kill reaches every environment and is reverted."""
    switches = {name: {"enabled": on} for name, on in environments.items()}
    flag = {"description": words, "environments": switches, "rules": [{"rollout": "5%"}]}
    tree = {"version": 1, "flags": {"a": {}, KEY: flag, "z": {}}}
    text = json.dumps(tree, ensure_ascii=not wide, indent=indent, separators=separators)
    before = Documents("flags.json", {"flags.json": text.encode()})
    killed = edits.kill(before, KEY)
    assert json.loads(killed.after)["flags"][KEY] == {
        "enabled": False, **flag, "environments": {name: {"enabled": False} for name in environments},
    }  # fmt: skip
    after = Documents("flags.json", {"flags.json": killed.after})
    assert edits.revert(after, KEY, before).after.decode() == text
