"""Of a change, only what changed is compiled again: counted, for every way in which definitions arrive."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from flagmiddleware import Context, Flags
from flagmiddleware.compiler import Compiler
from flagmiddleware.formats.native.lines import lay_out
from flagmiddleware.model import Flag
from flagmiddleware.sources import MemorySource

COUNT = 300


def document(share: str) -> dict[str, Any]:
    """Flags of which the one in the middle has this share; the first needs another one, the last follows the clock."""
    rules = [{"if": {"country": ["AU", "NZ"]}, "serve": True}]
    flags: dict[str, Any] = {
        f"flag-{number:03d}": {"rules": [*json.loads(json.dumps(rules)), {"rollout": f"{number % 100}%"}]}
        for number in range(COUNT)
    }
    flags[f"flag-{COUNT // 2:03d}"]["rules"][1]["rollout"] = share
    flags["flag-000"]["requires"] = {"flag-001": True}
    flags[f"flag-{COUNT - 1:03d}"]["rules"][0]["schedule"] = {"from": "2020-01-01T00:00:00Z"}
    return {"version": 1, "flags": flags}


def as_lines(tree: dict[str, Any]) -> bytes:
    return lay_out({"version": 1}, tree["flags"])


def as_json(tree: dict[str, Any]) -> bytes:
    return json.dumps(tree).encode()


def as_yaml(tree: dict[str, Any]) -> bytes:
    return yaml.safe_dump(json.loads(json.dumps(tree)), sort_keys=False).encode()


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the flags that are compiled, in order."""
    keys: list[str] = []
    compile_ = Compiler.compile

    def counting(self: Compiler, flag: Flag) -> Any:
        keys.append(flag.key)
        return compile_(self, flag)

    monkeypatch.setattr(Compiler, "compile", counting)
    return keys


def read_all(flags: Flags) -> None:
    flags.bind(Context("user-1", country="AU")).all()


@pytest.mark.parametrize("is_file", [False, True], ids=["pushed", "file"])
@pytest.mark.parametrize(
    ("ending", "render"), [("json", as_lines), ("json", as_json), ("yaml", as_yaml)], ids=["lines", "json", "yaml"]
)
def test_a_change_of_one_flag_compiles_that_flag(
    tmp_path: Path, compiled: list[str], ending: str, render: Callable[[dict[str, Any]], bytes], is_file: bool
) -> None:
    """Of hundreds of flags, a reload compiles the changed one, and those that need others or follow the clock."""
    path = tmp_path / f"flags.{ending}"
    path.write_bytes(render(document("1%")))
    source = path if is_file else MemorySource(path.read_bytes())
    flags = Flags(source, refresh=float("inf"))
    assert compiled == []
    read_all(flags)
    assert sorted(compiled) == sorted(flags.ruleset.flags)
    compiled.clear()
    for share in ("2%", "3%"):
        path.write_bytes(render(document(share)))
        if isinstance(source, MemorySource):
            source.put(path.read_bytes())
        flags.refresh()
        read_all(flags)
        assert sorted(compiled) == ["flag-000", f"flag-{COUNT // 2:03d}", f"flag-{COUNT - 1:03d}"]
        compiled.clear()
    flags.refresh()
    read_all(flags)
    assert compiled == []


def test_equal_parts_of_flags_are_held_once() -> None:
    """What many flags say alike (conditions, rules, operands made ready) is one object, and 1 is not taken for true."""
    rules = [{"name": "a", "if": {"country": ["AU"], "beta": True, "age": {"gte": 18}}, "serve": True}]
    other = [{"name": "a", "if": {"country": ["AU"], "beta": 1, "age": {"gte": 18}}, "serve": True}]
    tree = {"a": {"rules": rules}, "b": {"rules": rules}, "c": {"rules": other}}
    flags = Flags(MemorySource(json.dumps({"version": 1, "flags": tree}).encode()))
    one, two, three = (flags.ruleset.flags[key].rules[0] for key in "abc")
    assert one is two
    assert one is not three
    here = flags.bind(Context("user-1", country="AU", beta=True, age=20))
    assert [here.is_enabled(key) for key in "abc"] == [True, True, False]
    here = flags.bind(Context("user-1", country="AU", beta=1, age=20))
    assert [here.is_enabled(key) for key in "abc"] == [False, False, True]
