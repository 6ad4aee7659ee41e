"""Documents of any layout, cut up by flags: only changed texts are read again, and the answer is a full reading's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flagmiddleware.errors import RulesetError
from flagmiddleware.formats import parse
from flagmiddleware.formats.native.cutting import cut
from flagmiddleware.formats.native.lines import LineReader
from flagmiddleware.model import Ruleset
from flagmiddleware.reading import reader
from flagmiddleware.sources.base import Snapshot
from tests.formats.test_native_lines import DOCUMENTS

LAYOUTS: dict[str, Callable[[Any], str]] = {
    "compact.json": json.dumps,
    "indented.json": lambda document: json.dumps(document, indent=2),
    "block.yaml": lambda document: yaml.safe_dump(document, sort_keys=False, allow_unicode=True),
    "mixed.yaml": lambda document: yaml.safe_dump(document, sort_keys=False, default_flow_style=None, indent=4),
}
ODDITIES = [
    "", "\n", " ", "  ", "#", '"', "'", "{", "}", "[", "|\n", ">-\n", ":", "- ", "---\n", "...\n", "\t", "\r",
    "&a ", "*a", "flags:\n", '"flags": {', "b: {}\n", "  b: {}\n", ",", "requires", "\\", "\u2028", "%", "? ",
]  # fmt: skip


def whole(data: bytes, name: str) -> Ruleset | None:
    try:
        return parse(data, name=name)
    except RulesetError:
        return None


def read_as_sites_do(reader: LineReader, data: bytes, name: str) -> Ruleset | None:
    found = reader.read(data, name)
    if found is None:
        found = whole(data, name)
        if found is not None:
            reader.remember(data, found)
    return found


@given(st.lists(DOCUMENTS, min_size=2, max_size=6), st.sampled_from(sorted(LAYOUTS)))
def test_reading_again_gives_what_reading_everything_gives(documents: list[tuple[Any, Any]], layout: str) -> None:
    """After any sequence of documents, in any layout, the answer is the full parser's, problems included."""
    again = LineReader()
    for top, flags in documents:
        data = LAYOUTS[layout]({**top, "flags": flags}).encode()
        found, expected = read_as_sites_do(again, data, layout), whole(data, layout)
        assert found == expected
        if found is not None and expected is not None:
            assert list(found.flags) == list(expected.flags)


@given(DOCUMENTS, st.sampled_from(sorted(LAYOUTS)), st.data())
def test_a_text_that_was_spoilt_is_never_half_believed(
    document: tuple[Any, Any], layout: str, data: st.DataObject
) -> None:
    """Whatever is put into a text that was read before, the answer is the full parser's."""
    top, flags = document
    before = LAYOUTS[layout]({**top, "flags": flags})
    again = LineReader()
    read_as_sites_do(again, before.encode(), layout)
    for _ in range(3):
        start = data.draw(st.integers(0, len(before)))
        end = data.draw(st.integers(start, min(len(before), start + 4)))
        after = (before[:start] + data.draw(st.sampled_from(ODDITIES)) + before[end:]).encode()
        assert again.read(after, layout) in (None, whole(after, layout))
        assert read_as_sites_do(again, after, layout) == whole(after, layout)


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_one_changed_flag_of_many_is_one_new_flag(layout: str) -> None:
    """A big file in any layout is read again flag by flag: those that nobody touched stay the same objects."""
    flags: dict[str, Any] = {
        f"flag-{n}": {"description": "x" * 20, "rules": [{"rollout": f"{n % 100}%"}]} for n in range(500)
    }
    read = reader()

    def load() -> Ruleset:
        return read(Snapshot(data=LAYOUTS[layout]({"version": 1, "flags": flags}).encode(), name=layout), True)

    first = load()
    flags["flag-7"] = {"rules": [{"serve": True}]}
    second = load()
    flags["flag-8"] = {"enabled": False}
    third = load()

    assert [key for key in flags if first.flags[key] is not second.flags[key]] == ["flag-7"]
    assert [key for key in flags if second.flags[key] is not third.flags[key]] == ["flag-8"]


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\nflags: {a: {}}\n",
        "version: 1\nflags:\n  a: {}\r\n  b: {}\n",
        "version: 1\nflags:\n\ta: {}\n",
        "version: 1\nflags:\n  'a': {}\n",
        "version: 1\nflags:\n  a: {}",
        "---\nversion: 1\nflags:\n  a: {}\n",
        "flags:\n  a: {}\nflags:\n  b: {}\n",
        '{"version": 1, "flags": {"a": {}, "a": {}}}',
        '{"version": 1, "flags": {"a": {"metadata": {"x": "\\u0022"}}}}',
    ],
)
def test_what_has_no_certain_ends_is_not_cut(text: str) -> None:
    """Flow mappings, other line ends, quoted keys, several documents and twins are read in full."""
    assert cut(text.encode()) is None
