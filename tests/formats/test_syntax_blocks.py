"""The quick reader of YAML's usual layout, held to libyaml's events."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flagmiddleware.errors import RulesetError
from flagmiddleware.formats.syntax import DEEPEST, Refusal, read
from flagmiddleware.formats.syntax import yaml as syntax
from tests.core.strategies import documents

ROOT = Path(__file__).parents[2]


def quick(text: str) -> Any:
    """What the quick reader makes of a text; None where it leaves it to the events."""
    return syntax.blocks.read(text.encode("utf-8", "surrogatepass"), syntax._scalar, syntax._flow)


def agrees(text: str) -> bool:
    """Whether the quick reader took the text; fails where it took it for something else than the events do."""
    found = quick(text)
    if found is None:
        return False
    try:
        wanted, findings = syntax.by_events(text.encode("utf-8", "surrogatepass"))
    except Refusal as error:
        raise AssertionError(f"{text!r} was read as {found!r}: {error}") from error
    assert (repr(found), findings) == (repr(wanted), []), text
    return True


# What lines are made of, sound or not, with what could be taken for something else at every place.
INDENTS = st.sampled_from(["", "  ", "    ", "      ", " ", "   ", "\t"])
DASHES = st.sampled_from(["", "", "", "- ", "- - ", "-", "-  ", "? ", ": "])
SCALARS = "a b on true ~ 12 1.5 0x1F 1e3 .inf - -- --- ... -5 << a:b a: : http://x a#b #b a,b a]b = (x) 25% é 日本 𝄞"
BRACKETS = "[a, b]|[a|{a: 1}|{a: 1}: x|[]|{}|[a, [b, {c: d}]]|{a, b}|[a] b|{'a':1}"
ODD = "- x|a b|a: b|a #b|'it''s'|'a|'a' b|\"b\"|\"\\n\"|\"|''|*a|&a x|!t x|>-|%x|@x|`x| "
WORDS = st.sampled_from(
    [
        *SCALARS.split(),
        *BRACKETS.split("|"),
        *ODD.split("|"),
        "|",
        "",
        "null",
        *"\ufeff\u0085\u2028\x07",
        "9" * 5000,
        "a" * 1100,
        "'" + "a" * 1100 + "'",
    ]
)
TAILS = st.sampled_from(["", "", "", " ", " # note", "# note", " #", "  # é", " # \x07"])
COLONS = st.sampled_from([":", ": ", ":  ", " : ", ""])
LINES = st.one_of(
    st.builds("".join, st.tuples(INDENTS, DASHES, WORDS, COLONS, WORDS, TAILS)),
    st.builds("".join, st.tuples(INDENTS, DASHES, st.sampled_from("abc"), st.sampled_from([":", ": 1", ": x"]))),
    st.builds("".join, st.tuples(INDENTS, st.sampled_from(["- ", "- ", ""]), WORDS, TAILS)),
)
PLAIN_LINES = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "  ", "    "]),
        st.sampled_from(["", "- "]),
        st.sampled_from(["a", "b", "c", "d", "e"]),
        st.sampled_from([":", ":", ": x", ": [1]", ""]),
    ),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(LINES, max_size=6), st.sampled_from(["\n", "\n", "\r\n", "\r"]))
@example(["a: 1", "  b: 2"], "\n")
@example(["a: x", "  - y"], "\n")
@example(["a:", "- b", "c: 1"], "\n")
@example(["- a", "b: 1"], "\n")
def test_no_text_is_read_otherwise_than_by_the_events(lines: list[str], end: str) -> None:
    """Whatever the quick reader takes, libyaml reads the same data from, and finds nothing wrong in."""
    agrees("a: 1\n" + end.join(lines))
    agrees(end.join(lines) + end)


@settings(max_examples=400, deadline=None)
@given(st.lists(PLAIN_LINES, max_size=9))
def test_no_indentation_is_read_otherwise_than_by_the_events(lines: list[str]) -> None:
    """The quick reader and libyaml agree on what stands inside what."""
    agrees("\n".join(lines))


def test_every_character_is_taken_as_libyaml_takes_it() -> None:
    """No character is let through, in a text, in quotes or in a comment, that libyaml refuses or reads otherwise."""
    edges = (0xA0, 0x2028, 0xD800, 0xE000, 0xFEFF, 0xFFFF, 0x10000, 0x1F600, sys.maxunicode)
    near = {edge + by for edge in edges for by in range(-4, 5)} | set(range(0x3000))
    codes = sorted(code for code in near if 0 <= code <= sys.maxunicode and not 0xD800 <= code < 0xE000)
    shapes = ("a: x{0}y", "a: {0}", "a: '{0}'", 'a: "{0}"', "a: 1 # {0}", "# {0}", "{0}: 1", "- {0}", "a: [x{0}y]")
    taken = [text for code in codes for text in (shape.format(chr(code)) for shape in shapes) if agrees(text)]
    assert len(taken) > 0x3000


def cut(text: str, chance: random.Random) -> str:
    """A text with something small done to it."""
    place = chance.randrange(len(text) + 1)
    put = chance.choice(
        ["", " ", "  ", "\n", ":", ": ", "#", " #", "- ", "'", '"', "[", "}", "&", "*", "!", "|", "\t", "\r"]
    )
    return text[:place] + put + text[place + chance.choice([0, 0, 1, 2]) :]


@settings(max_examples=60, deadline=None)
@given(documents(), st.integers(0, 2**32), st.sampled_from([None, False]))
def test_spoilt_flag_files_are_read_as_by_the_events(tree: dict[str, Any], number: int, flow: bool | None) -> None:
    """A flag file with a character too many or too few is read as libyaml reads it, or left to it."""
    chance = random.Random(number)
    text = yaml.dump(tree, sort_keys=False, default_flow_style=flow, allow_unicode=True)
    for _ in range(10):
        agrees(cut(text, chance))


@pytest.mark.parametrize(
    "name", ["example_apps/django/flags.yaml", "example_apps/flask/flags.yaml", "flow", "dump", "crlf"]
)
def test_usual_flag_files_take_the_quick_way(name: str) -> None:
    """The demo's file and what yaml.dump writes are read line by line; a comment or brackets do not prevent it."""
    texts = {
        "flow": "---\n# all\nversion: 1\nflags: # these\n  a:\n    rules:\n    - {if: {country: [AU, NZ]}}\n",
        "dump": yaml.dump({"flags": {"a": {"rules": [{"if": {"plan": "pro"}, "rollout": "5%"}]}}, "version": 1}),
        "crlf": "version: 1\r\nflags: {}\r\n",
    }  # fmt: skip
    path = ROOT / name
    text = texts[name] if name in texts else path.read_text()
    assert agrees(text)


def test_what_comes_twice_is_left_to_the_events() -> None:
    """A duplicated key, an anchor and a nesting without end are found by the reader that has lines for them."""
    assert quick("a: 1\na: 2\n") is None
    assert quick("a: &b 1\n") is None
    assert quick("".join(f"{'  ' * depth}a:\n" for depth in range(DEEPEST + 5))) is None
    with pytest.raises(RulesetError, match=r"deeper than 100 levels"):
        read("".join(f"{'  ' * depth}a:\n" for depth in range(DEEPEST + 5)).encode(), syntax="yaml")
    with pytest.raises(RulesetError, match=r"deeper than 100 levels"):
        read(f"a: {'[' * DEEPEST}{']' * DEEPEST}\n".encode(), syntax="yaml")


@pytest.mark.parametrize("levels", [DEEPEST - 1, DEEPEST, DEEPEST + 1])
def test_both_readers_stop_at_the_same_depth(levels: int) -> None:
    """A text is as deep to the quick reader as to the events, in lines, in brackets and in both."""
    for lines in (0, 50, levels - 1, levels):
        brackets = levels - lines
        text = "".join(f"{'  ' * depth}a:\n" for depth in range(lines - 1))
        agrees(text + f"{'  ' * max(0, lines - 1)}a: {'[' * brackets}{']' * brackets}\n")


def test_equal_containers_are_not_one() -> None:
    """Two equal lines with brackets give two lists: a problem's place is found by the identity of what holds it."""
    tree = quick("a:\n- [1]\n- [1]\n")
    assert tree == {"a": [[1], [1]]}
    assert tree["a"][0] is not tree["a"][1]
