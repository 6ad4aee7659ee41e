"""A native document laid out with one flag a line, so that a reload reads only the lines that changed.

It is plain JSON, and every reader of JSON can read it. Stores carry it because one flag of ten thousand changing must
not cost what reading ten thousand flags costs: the interpreter's lock would stall the requests meanwhile. Whatever is
out of the ordinary (another layout, a problem, a changed segment) is read in full, by the one reader that there is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from ...collector import paused_collector
from ...errors import Problem, RulesetError
from ...model import Flag, Ruleset
from ..syntax import read
from .ruleset import Builder
from .scope import Scope

__all__ = ["LineReader", "as_text", "is_lined", "join", "lay_out", "lay_out_files", "parts"]

_MARK: Final = b'"flags":{\n'
_TAIL: Final = b"\n}}"
_REQUIRES: Final = b'"requires"'
_BATCH: Final = 500  # lines that are plain data at one time: the rest of the memory is given back in between
_NO_ENVIRONMENTS: Final[Mapping[str, Flag]] = MappingProxyType({})


def lay_out(top: Mapping[str, Any], flags: Mapping[str, Any]) -> bytes:
    """The text of a document; ``top`` holds everything of it but its flags.

    >>> lay_out({"version": 1}, {"a": {}, "b": {"enabled": False}})
    b'{"version":1,"flags":{\\n"a":{},\\n"b":{"enabled":false}\\n}}\\n'
    """
    return join(as_text(top), ((key, as_text(body)) for key, body in flags.items()))


def join(top: str, flags: Iterable[tuple[str, str]]) -> bytes:
    """The same from parts that :func:`as_text` made, as a store keeps them: ``flags`` are keys and bodies."""
    head = top[:-1] + ("," if top != "{}" else "")
    lines = ",\n".join(f"{as_text(key)}:{body}" for key, body in flags)
    return f"{head}{_MARK.decode()}{lines}{_TAIL.decode()}\n".encode()


def as_text(value: Any) -> str:
    """Plain data as JSON on one line, always written the same way.

    >>> as_text({"b": [1, "ü"]})
    '{"b":[1,"ü"]}'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can hold in disguise only
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text


def lay_out_files(files: Mapping[str, bytes]) -> bytes:
    """The text of one document that says what several do; raises RulesetError where one cannot be read.

    They are taken to be right: parse them first.
    """
    return lay_out(*parts(files))


def parts(files: Mapping[str, bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What several documents say together: all but the flags, and the flags."""
    top: dict[str, Any] = {}
    flags: dict[str, Any] = {}
    for name, data in files.items():
        tree = read(data, name=name).tree
        if not isinstance(tree, dict):
            raise RulesetError([Problem("expected a mapping with `version` and `flags`", file=name)])
        flags.update(tree.get("flags", {}))
        for field, value in tree.items():
            if field != "flags":
                top[field] = _joined(top.get(field), value)
    return top, flags


def _joined(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **new}
    return list(dict.fromkeys([*old, *new])) if isinstance(old, list) and isinstance(new, list) else new


class _Line(NamedTuple):
    """What became of a line: the flag, and what it is in the environments that change it."""

    key: str
    flag: Flag
    environments: Mapping[str, Flag]


class _Memory(NamedTuple):
    """The last document: its lines and what became of them, in one order; whether some flag has prerequisites."""

    head: bytes
    lines: Sequence[bytes]
    entries: Sequence[_Line]
    needs: bool
    ruleset: Ruleset


def is_lined(data: bytes) -> bool:
    """Whether a text seems to be laid out so; a text that only seems to be is read in full, and rightly."""
    place = data.find(_MARK)
    return data[:1] == b"{" and place >= 0 and data.find(b"\n", 0, place) < 0


class LineReader:
    """Reads one document again and again; flags whose lines are the same stay the same objects.

    >>> reader = LineReader()
    >>> first = reader.read(lay_out({"version": 1}, {"a": {}, "b": {}}))
    >>> then = reader.read(lay_out({"version": 1}, {"a": {}, "b": {"enabled": False}}))
    >>> then.flags["a"] is first.flags["a"], then.flags["b"].enabled
    (True, False)
    """

    def __init__(self, environment: str | None = None) -> None:
        self._environment = environment
        self._memory = _Memory(b"", (), (), False, Ruleset(flags={}))

    def read(self, data: bytes, name: str = "") -> Ruleset | None:
        """The ruleset of the text; None where it has to be read in full: another layout, or some problem."""
        head, mark, body = data.rstrip(b"\n").partition(_MARK)
        if not mark or b"\n" in head or not body.endswith(_TAIL):
            return None
        body = body[: -len(_TAIL)]
        lines = body.split(b",\n")
        if body.count(b"\n") != len(lines) - 1 or b",,\n" in body or body[-1:] == b"," or not all(lines):
            return None
        with paused_collector():
            memory = self._read_few(head, lines, name) or self._read_all(head, lines, name)
        if memory is None:
            return None
        self._memory = memory
        return memory.ruleset

    def _read_few(self, head: bytes, lines: list[bytes], name: str) -> _Memory | None:
        """What the usual change takes: the same flags in the same order, a few of them defined otherwise."""
        last = self._memory
        if last.head != head or len(last.lines) != len(lines) or last.needs:
            return None
        places = [place for place, (old, new) in enumerate(zip(last.lines, lines, strict=True)) if old != new]
        part = [lines[place] for place in places]
        if len(part) > _BATCH or any(_REQUIRES in line for line in part):
            return None
        found = _build(head, part, name, Scope())
        if found is None or [line.key for line in found[0]] != [last.entries[place].key for place in places]:
            return None
        entries, flags = list(last.entries), dict(last.ruleset.flags)
        for place, line in zip(places, found[0], strict=True):
            entries[place] = line
            flags[line.key] = line.environments.get(self._environment or "", line.flag)
        return _Memory(head, lines, entries, False, replace(last.ruleset, flags=flags))

    def _read_all(self, head: bytes, lines: list[bytes], name: str) -> _Memory | None:
        last = self._memory
        known = dict(zip(last.lines, last.entries, strict=True)) if last.head == head else {}
        # A flag with prerequisites is read each time, and last, since its problems depend on other lines.
        needing = [line for line in lines if _REQUIRES in line]
        fresh = [line for line in lines if line not in known and _REQUIRES not in line]
        scope = Scope()
        for start in range(0, len(fresh), _BATCH):
            part = fresh[start : start + _BATCH]
            found = _build(head, part, name, scope)
            if found is None:
                return None
            known.update(zip(part, found[0], strict=True))
        others = [known[line] for line in lines if _REQUIRES not in line] if needing else []
        found = _build(head, needing, name, scope, others)
        if found is None:
            return None
        for line, entry in zip(needing, found[0], strict=True):
            known.setdefault(line, entry)
        entries = [known[line] for line in lines]
        flags = {entry.key: entry.environments.get(self._environment or "", entry.flag) for entry in entries}
        if len(flags) != len(lines):
            return None
        ruleset = replace(found[1].ruleset(self._environment), flags=flags)
        return _Memory(head, lines, entries, bool(needing), ruleset)


def _build(
    head: bytes, lines: Sequence[bytes], name: str, scope: Scope, others: Iterable[_Line] = ()
) -> tuple[list[_Line], Builder] | None:
    """Read some lines, beside ``others`` that are read already; None where anything is wrong."""
    try:
        document = read(head + _MARK + b",\n".join(lines) + _TAIL, name=name, syntax="json")
    except RulesetError:
        return None
    flags = document.tree.get("flags")
    if not isinstance(flags, dict) or len(flags) != len(lines):
        return None
    builder = Builder([document], scope)
    for line in others:
        builder.keep(line.key, line.flag, line.environments, document)
    builder.run()
    return None if builder.problems() else ([_line(key, builder) for key in flags], builder)


def _line(key: str, builder: Builder) -> _Line:
    environments = {name: flags[key] for name, flags in builder.environments.items() if key in flags}
    return _Line(key, builder.flags[key], environments or _NO_ENVIRONMENTS)
