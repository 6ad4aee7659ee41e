"""What a process keeps of its definitions: the document once, and of what no decision reads no more than its text."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from flagmiddleware.formats import parse
from flagmiddleware.formats.native.lines import lay_out
from flagmiddleware.frozen import Packed
from flagmiddleware.model import Example, Ruleset
from flagmiddleware.reading import reader
from flagmiddleware.sources.base import Snapshot

COUNT = 2_000
LAYOUTS: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "lines.json": lambda tree: lay_out({"version": 1}, tree["flags"]),
    "indented.json": lambda tree: json.dumps(tree, indent=2).encode(),
    "block.yaml": lambda tree: yaml.dump(tree, Dumper=yaml.CSafeDumper, sort_keys=False).encode(),
}


def flag(number: int) -> dict[str, Any]:
    note = f"{number:04d} " + 1500 * "."
    return {"x-note": note, "rules": [{"rollout": f"{number % 100}%"}]}


def held(build: Callable[[], Any]) -> tuple[Any, int]:
    """What ``build`` makes, and how many bytes of memory it leaves taken."""
    gc.collect()
    tracemalloc.start()
    try:
        made = build()
        gc.collect()
        return made, tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_the_texts_of_flags_are_not_kept_beside_the_document(layout: str) -> None:
    """After reloads the document is in memory once: what each flag said stays in there, and is not copied out."""
    tree = {"version": 1, "flags": {f"flag-{number}": flag(number) for number in range(COUNT)}}
    read, render = reader(), LAYOUTS[layout]
    versions = []
    for number in range(3):
        tree["flags"]["flag-7"] = flag(100 + number)
        versions.append(render(tree))

    def load() -> list[tuple[Snapshot, Ruleset]]:
        snapshots = (Snapshot(data=bytes(bytearray(data)), name=layout) for data in versions)
        return [(snapshot, read(snapshot, True)) for snapshot in snapshots][-1:]

    found, taken = held(load)
    assert len(found[0][1].flags) == COUNT
    assert taken < 1.7 * len(versions[-1]), f"{taken:,} bytes for a document of {len(versions[-1]):,}"


def test_examples_take_no_more_than_their_text() -> None:
    """Ten thousand flags' ``tests`` are bytes until somebody asks for them, and then what they were."""
    tests = [{"given": {"user": f"user-{number}", "plan": "pro"}, "expect": number % 2 == 0} for number in range(10)]
    tree = {"version": 1, "flags": {f"flag-{number}": {"tests": tests} for number in range(COUNT)}}
    bare = {"version": 1, "flags": {key: {} for key in tree["flags"]}}
    texts = {name: json.dumps(what).encode() for name, what in (("tests", tree), ("bare", bare))}
    (ruleset, with_tests), (_, without) = (held(lambda name=name: parse(texts[name])) for name in ("tests", "bare"))
    assert with_tests - without < len(texts["tests"])
    found = ruleset.flags["flag-3"].tests
    assert list(found)[:2] == [
        Example({"user": "user-0", "plan": "pro"}, "on"), Example({"user": "user-1", "plan": "pro"}, "off")
    ]  # fmt: skip
    with pytest.raises(TypeError, match="read-only"):
        found[0].given["user"] = "user-2"  # type: ignore[index]


def test_packed_rows_are_what_a_tuple_of_them_would_be() -> None:
    """Length, truth, order, places, equality and words."""
    packed, plain = Packed([(1, "a"), (2, "b")], lambda *row: row), ((1, "a"), (2, "b"))
    assert (len(packed), bool(packed), tuple(packed), packed[1], packed[:1]) == (2, True, plain, (2, "b"), plain[:1])
    assert repr(packed) == repr(plain)
    assert packed == plain
    assert packed == Packed(plain, lambda *row: row)
    assert packed != Packed([(1, "a")], lambda *row: row)
    assert not Packed([], lambda *row: row)
    assert packed != "ab"
