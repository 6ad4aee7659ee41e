"""A reload reads only the flags whose text changed; and a layout for it, which stores carry: one flag a line.

The layout is plain JSON, and every reader of JSON can read it. Other JSON and YAML is cut up by flags where that can
be done with certainty (:mod:`.cutting`). Whatever is out of the ordinary (a problem, a changed segment) is read in
full, by the one reader that there is.
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
from ..syntax import read, syntax_of
from . import recognises
from .cutting import Pieces, Texts, cut
from .ruleset import Builder
from .scope import Scope

__all__ = ["LineReader", "as_text", "join", "lay_out", "lay_out_files", "parts"]

_MARK: Final = b'"flags":{\n'
_TAIL: Final = b"\n}}"
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
    """What became of a flag's text: the flag, and what it is in the environments that change it."""

    key: str
    flag: Flag
    environments: Mapping[str, Flag]


class _Memory(NamedTuple):
    """The last document: the texts of its flags and what became of them, in one order; by key what the environments
    change, where they do; whether all flags are here and none has prerequisites.
    """

    head: bytes
    texts: Texts | Sequence[bytes]
    flags: Sequence[Flag]
    environments: Mapping[str, Mapping[str, Flag]]
    is_simple: bool
    ruleset: Ruleset

    def line(self, flag: Flag) -> _Line:
        """All that is known of a flag."""
        return _Line(flag.key, flag, self.environments.get(flag.key, _NO_ENVIRONMENTS))


class LineReader:
    """Reads one document again and again; flags whose texts are the same stay the same objects.

    >>> reader = LineReader()
    >>> first = reader.read(lay_out({"version": 1}, {"a": {}, "b": {}}))
    >>> then = reader.read(lay_out({"version": 1}, {"a": {}, "b": {"enabled": False}}))
    >>> then.flags["a"] is first.flags["a"], then.flags["b"].enabled
    (True, False)
    """

    def __init__(self, environment: str | None = None) -> None:
        self._environment = environment
        self._memory = _Memory(b"", (), (), {}, False, Ruleset(flags={}))
        self._whole: tuple[bytes, Ruleset] | None = None

    def remember(self, data: bytes, ruleset: Ruleset) -> None:
        """Take what the full parser made of a text without problems; the next one need not be read in full then."""
        self._whole = (data, ruleset)  # cut up when there is a next one

    def read(self, data: bytes, name: str = "", *, only_known: bool = True) -> Ruleset | None:
        """The ruleset of the text; None where it has to be read in full: some problem, or too little known of it.

        With ``only_known`` off little has to be known: it is read in pieces all the same, which takes a fifth longer
        and never holds a whole big document as plain data.
        """
        pieces = cut(data)
        if pieces is None or pieces.syntax != syntax_of(name, data):
            return None
        if self._whole is not None:
            self._memory = self._recall(*self._whole)
            self._whole = None
        if only_known and pieces.keys and pieces.head != self._memory.head:
            return None  # pieces cost more than the whole does, unless most of them are known
        with paused_collector():
            memory = self._read_few(pieces, name) or self._read_all(pieces, name)
        if memory is None:
            return None
        self._memory = memory
        return memory.ruleset

    def _recall(self, data: bytes, ruleset: Ruleset) -> _Memory:
        pieces, flags = cut(data), ruleset.flags
        if pieces is None or list(pieces.keys) != list(flags):
            return self._memory
        # A flag that is another one in some environment is not known whole.
        simple = [
            place for place, text in enumerate(pieces.texts) if not _is_needy(text) and b"environments" not in text
        ]
        known = [flags[pieces.keys[place]] for place in simple]
        return _Memory(pieces.head, pieces.texts.pick(simple), known, {}, len(simple) == len(flags), ruleset)

    def _read_few(self, pieces: Pieces, name: str) -> _Memory | None:
        """What the usual change takes: the same flags in the same order, a few of them defined otherwise."""
        last, texts = self._memory, pieces.texts
        if last.head != pieces.head or len(last.texts) != len(texts) or not last.is_simple:
            return None
        places = [place for place, (old, new) in enumerate(zip(last.texts, texts, strict=True)) if old != new]
        part = [texts[place] for place in places]
        if len(part) > _BATCH or any(map(_is_needy, part)):
            return None
        found = _build(pieces, part, name, Scope())
        if found is None or [line.key for line in found[0]] != [last.flags[place].key for place in places]:
            return None
        known, environments, flags = list(last.flags), dict(last.environments), dict(last.ruleset.flags)
        for place, line in zip(places, found[0], strict=True):
            known[place] = line.flag
            environments.pop(line.key, None)
            if line.environments:
                environments[line.key] = line.environments
            flags[line.key] = line.environments.get(self._environment or "", line.flag)
        return _Memory(pieces.head, texts, known, environments, True, replace(last.ruleset, flags=flags))

    def _read_all(self, pieces: Pieces, name: str) -> _Memory | None:
        last, texts = self._memory, pieces.texts
        known = dict(zip(last.texts, map(last.line, last.flags), strict=True)) if last.head == pieces.head else {}
        # A flag with prerequisites is read each time, and last, since its problems depend on other flags.
        needing = [text for text in texts if _is_needy(text)]
        fresh = [text for text in texts if text not in known and not _is_needy(text)]
        scope = Scope()
        for start in range(0, len(fresh), _BATCH):
            part = fresh[start : start + _BATCH]
            found = _build(pieces, part, name, scope)
            if found is None:
                return None
            known.update(zip(part, found[0], strict=True))
        others = [known[text] for text in texts if not _is_needy(text)] if needing else []
        found = _build(pieces, needing, name, scope, others)
        if found is None:
            return None
        for text, entry in zip(needing, found[0], strict=True):
            known.setdefault(text, entry)
        entries = [known[text] for text in texts]
        flags = {entry.key: entry.environments.get(self._environment or "", entry.flag) for entry in entries}
        if len(flags) != len(texts):
            return None
        ruleset = replace(found[1].ruleset(self._environment), flags=flags)
        environments = {entry.key: entry.environments for entry in entries if entry.environments}
        return _Memory(pieces.head, texts, [entry.flag for entry in entries], environments, not needing, ruleset)


def _is_needy(text: bytes) -> bool:
    """Whether a flag may have prerequisites, which an escape can spell unseen."""
    return b"requires" in text or b"\\u00" in text or b"\\x" in text


def _build(
    pieces: Pieces, texts: Sequence[bytes], name: str, scope: Scope, others: Iterable[_Line] = ()
) -> tuple[list[_Line], Builder] | None:
    """Read some flags, beside ``others`` that are read already; None where anything is wrong."""
    try:
        document = read(pieces.join(texts), name=name, syntax=pieces.syntax)
    except RulesetError:
        return None
    flags = document.tree.get("flags") if isinstance(document.tree, dict) else None
    if not isinstance(flags, dict) or len(flags) != len(texts) or not recognises(document.tree):
        return None
    builder = Builder([document], scope)
    for line in others:
        builder.keep(line.key, line.flag, line.environments, document)
    builder.run()
    return None if builder.problems() else ([_line(key, builder) for key in flags], builder)


def _line(key: str, builder: Builder) -> _Line:
    environments = {name: flags[key] for name, flags in builder.environments.items() if key in flags}
    return _Line(key, builder.flags[key], environments or _NO_ENVIRONMENTS)
