"""One flag a line: only lines that changed are read again, and what comes out is what a full reading gives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagmiddleware import Context, Flags
from flagmiddleware.errors import RulesetError
from flagmiddleware.formats import parse
from flagmiddleware.formats.native.cutting import is_lined
from flagmiddleware.formats.native.lines import LineReader, lay_out, lay_out_files
from flagmiddleware.sources import MemorySource

BODIES: list[dict[str, Any]] = [
    {},
    {"enabled": False},
    {"rules": [{"rollout": "25%"}]},
    {"rules": [{"if": {"segment": "insiders"}, "serve": True}]},
    {"requires": {"a": True}},
    {"environments": {"staging": {"rules": [{"serve": True}]}}},
    {"variants": {"red": "ü", "blue": "\n"}, "off": "red", "tests": [{"given": {"user": "u"}, "expect": "red"}]},
    {"rools": 1},
    {"requires": {"nobody": True}},
    {"environments": {"staging": {"requires": {"b": True}}}},
]
TOPS: list[dict[str, Any]] = [
    {"version": 1, "segments": {"insiders": {"is_staff": True}}},
    {"version": 1, "segments": {"insiders": {"plan": "pro"}}, "attributes": ["plan"]},
    {"version": 1},
]
DOCUMENTS = st.tuples(
    st.sampled_from(TOPS), st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(BODIES), max_size=6)
)


@given(st.lists(DOCUMENTS, max_size=6), st.sampled_from([None, "staging"]))
def test_reading_lines_gives_what_reading_everything_gives(
    documents: list[tuple[dict[str, Any], dict[str, Any]]], environment: str | None
) -> None:
    """After any sequence of documents the reader's answer is the full parser's, or it leaves the text to that."""
    reader = LineReader(environment)
    for top, flags in documents:
        data = lay_out(top, flags)
        found = reader.read(data)
        try:
            whole = parse(data, environment=environment)
        except RulesetError:
            assert found is None
            continue
        assert found == whole if flags else found is None
        if found is not None:
            assert list(found.flags) == list(whole.flags)


def test_a_flag_whose_line_did_not_change_stays_the_same_object() -> None:
    """One changed line of many makes one new flag, prerequisites and environments included."""
    flags: dict[str, Any] = {f"flag-{n}": BODIES[n % 3] for n in range(50)}
    flags["needs"] = {"requires": {"flag-1": True}}
    reader = LineReader()
    before = reader.read(lay_out({"version": 1}, flags))
    after = reader.read(lay_out({"version": 1}, {**flags, "flag-7": {"rules": [{"serve": True}]}}))
    assert before is not None
    assert after is not None
    assert [key for key in flags if before.flags[key] is not after.flags[key]] == ["flag-7"]


@pytest.mark.parametrize(
    "text",
    [
        b'{"version":1,"flags":{\n"a":{},\n"a":{}\n}}',
        b'{"version":1,"flags":{\n"a":{},"b":{}\n}}',
        b'{"version":1,"flags":{\n"a":{},\n}}',
        b'{"version":1,"flags":{\n"a":{}\n"b":{}\n}}',
        b'{"version":1,"metadata":{"flags":{\n"a":{}\n}},"flags":{}}',
        b'{"version":1,"flags":{\n"a":{}\n}',
        b'{"version":1,"flags":{\n"a":{}\n}}}',
    ],
)
def test_what_only_seems_to_be_laid_out_so_is_left_to_the_full_parser(text: bytes) -> None:
    """Twins, several flags on a line, stray commas, a nested `flags`: no line is believed unread, nor later."""
    reader = LineReader()
    reader.read(b'{"version":1,"flags":{\n"a":{}\n}}')
    assert [reader.read(text), reader.read(text)] == [None, None]


def test_flags_read_lines_by_themselves() -> None:
    """`Flags` uses the layout without being told, and refuses a bad line whole, as for any document."""
    flags: dict[str, Any] = {"a": {}, "b": {"rules": [{"serve": True}]}}
    source = MemorySource(lay_out({"version": 1}, flags))
    front = Flags(source, refresh=0)
    first = front.ruleset.flags["b"]
    source.put(lay_out({"version": 1}, {**flags, "a": {"rules": [{"rollout": "100%"}]}}))
    assert front.is_enabled("a", Context("user-1"))
    assert front.ruleset.flags["b"] is first
    source.put(lay_out({"version": 1}, {**flags, "a": {"rools": []}}))
    assert front.is_enabled("a", Context("user-1"))
    assert "rools" in front.status.last_error


def test_several_files_become_one_document() -> None:
    """A folder's files are laid out as the one document that they are together."""
    files = {
        "a.yaml": b"version: 1\nsegments: {s: {plan: pro}}\nattributes: [plan]\n"
        b"flags: {a: {rules: [{if: {segment: s}}]}}\n",
        "b.json": json.dumps({"version": 1, "attributes": ["plan", "age"], "flags": {"b": {}}}).encode(),
    }
    data = lay_out_files(files)
    assert is_lined(data)
    found = parse(data)
    assert list(found.flags) == ["a", "b"]
    assert found.attributes == ("plan", "age")


def test_another_dialects_mark_is_seen_in_a_document_of_lines() -> None:
    """A store's layout is no reason to take flagd's file, or one that may be either, for ours."""
    text = lay_out({"version": 1, "$schema": "https://flagd.dev/schema/v0/flags.json"}, {"a": {}, "b": {}})
    assert LineReader().read(text) is None
