"""A native document laid out with one flag a line, so that a reload reads only the lines that changed.

It is plain JSON, and every reader of JSON can read it. Stores carry it because one flag of ten thousand changing must
not cost what reading ten thousand flags costs: the interpreter's lock would stall the requests meanwhile. Whatever is
out of the ordinary (another layout, a problem, a changed segment) is read in full, by the one reader that there is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from ...errors import Problem, RulesetError
from ...model import Flag, Ruleset
from ..syntax import Document, read
from . import paused_collector
from .ruleset import Builder

__all__ = ["LineReader", "as_text", "is_lined", "join", "lay_out", "lay_out_files", "parts"]

_MARK: Final = b'"flags":{\n'
_TAIL: Final = b"\n}}"
_REQUIRES: Final = b'"requires"'


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
    head: bytes
    lines: Mapping[bytes, _Line]


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
        self._memory = _Memory(b"", {})

    def read(self, data: bytes, name: str = "") -> Ruleset | None:
        """The ruleset of the text; None where it has to be read in full: another layout, or some problem."""
        head, mark, body = data.rstrip(b"\n").partition(_MARK)
        if not mark or b"\n" in head or not body.endswith(_TAIL):
            return None
        lines = body[: -len(_TAIL)].split(b",\n")
        if len(set(lines)) != len(lines) or any(not line or b"\n" in line or line[-1:] == b"," for line in lines):
            return None
        with paused_collector():
            return self._read(head, lines, name)

    def _read(self, head: bytes, lines: Sequence[bytes], name: str) -> Ruleset | None:
        known = self._memory.lines if self._memory.head == head else {}
        # A flag with prerequisites is read again, since its problems depend on other lines.
        fresh = [line for line in lines if line not in known or _REQUIRES in line]
        try:
            document = read(head + _MARK + b",\n".join(fresh) + _TAIL, name=name, syntax="json")
        except RulesetError:
            return None
        flags = document.tree.get("flags")
        if not isinstance(flags, dict) or len(flags) != len(fresh):
            return None
        builder = self._build(document, [known[line] for line in lines if line in known and _REQUIRES not in line])
        if builder is None:
            return None
        read_lines = dict(zip(fresh, flags, strict=True))
        memory = {line: known.get(line) or _line(read_lines[line], builder) for line in lines}
        return self._remember(_Memory(head, memory), builder)

    def _build(self, document: Document, kept: Sequence[_Line]) -> Builder | None:
        builder = Builder([document])
        for line in kept:
            builder.keep(line.key, line.flag, line.environments, document)
        builder.run()
        return None if builder.problems() else builder

    def _remember(self, memory: _Memory, builder: Builder) -> Ruleset | None:
        flags = {}
        for key, flag, environments in memory.lines.values():
            flags[key] = environments.get(self._environment or "", flag)
        if len(flags) != len(builder.homes):
            return None
        self._memory = memory
        return replace(builder.ruleset(self._environment), flags=flags)


def _line(key: str, builder: Builder) -> _Line:
    environments = {name: flags[key] for name, flags in builder.environments.items() if key in flags}
    return _Line(key, builder.flags[key], environments)
