"""Bytes to plain data: the three syntaxes that a flag file may be written in, and where in the text things stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

from ...errors import Problem, RulesetError

__all__ = [
    "DEEPEST",
    "LONGEST_NUMBER",
    "SYNTAXES",
    "Document",
    "Finding",
    "Path",
    "Refusal",
    "from_mapping",
    "is_deeper",
    "is_too_long",
    "read",
    "refuse",
    "syntax_of",
    "too_deep",
    "too_long",
    "within_bounds",
]

Path = tuple["str | int", ...]

DEEPEST: Final = 100
"""How deep mappings and lists may nest in a document."""

LONGEST_NUMBER: Final = 4300
"""How many digits a whole number may have: as many as Python converts."""

SYNTAXES: Final = ("yaml", "json", "toml")

_MOST_READINGS: Final = 5  # a key that comes more often has one cause

_TOO_DEEP: Final = f"mappings and lists are nested deeper than {DEEPEST} levels"

_ENDINGS: Final[Mapping[str, str]] = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml"}
_TOML = re.compile(rb"""\s*(?:#[^\n]*\n\s*)*(?:\[|[\w."'-]+[ \t]*=)""")


class Finding(NamedTuple):
    """Something wrong at ``holder[key]`` (``key`` None: at ``holder`` itself; ``holder`` None: the document).

    ``again`` is how many definitions of the same key came before, where that is what is wrong.
    """

    holder: Any
    key: str | int | None
    message: str
    line: int = 0
    again: int = 0


class Document:
    """One text, read: plain data (dicts with text keys, lists, scalars), and what was wrong with it as a text."""

    __slots__ = ("data", "definition", "findings", "name", "syntax", "tree")

    def __init__(
        self,
        name: str,
        syntax: str,
        data: bytes,
        tree: Any,
        findings: list[Finding],
        *,
        definition: int | None = None,
    ) -> None:
        self.name = name
        self.syntax = syntax
        self.data = data
        self.tree = tree
        self.findings = findings
        self.definition = definition

    def lines(self) -> Mapping[Path, int]:
        """The line, from 1, of everything in the document, by its path: a second pass, for when it is needed."""
        return _module(self.syntax).lines(self.data, self.definition) if self.syntax else {}

    def readings(self) -> Iterator[Document]:
        """The document as it would be if earlier definitions of its keys counted, where keys come more than once."""
        most = max((finding.again for finding in self.findings), default=0)
        for definition in range(min(most, _MOST_READINGS)):
            tree, findings = _module(self.syntax).read(self.data, definition)
            yield Document(self.name, self.syntax, self.data, tree, findings, definition=definition)


def _module(syntax: str) -> Any:
    return import_module(f".{syntax}", __name__)


def syntax_of(name: str, data: bytes) -> str:
    """The syntax of a file: its name's ending tells, and the first characters do where the name says nothing.

    >>> syntax_of("flags.yml", b""), syntax_of("", b' {"version": 1}'), syntax_of("", b"version = 1")
    ('yaml', 'json', 'toml')
    """
    for ending, syntax in _ENDINGS.items():
        if name.lower().endswith(ending):
            return syntax
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        return "json"
    return "toml" if _TOML.match(data) else "yaml"


def read(data: bytes, *, name: str = "", syntax: str | None = None) -> Document:
    """Read a text; raises RulesetError where it is not even well-formed."""
    syntax = syntax or syntax_of(name, data)
    if data[:3] == b"\xef\xbb\xbf":
        data = data[3:]
    try:
        tree, findings = _module(syntax).read(data)
    except Refusal as refusal:
        raise RulesetError([Problem(refusal.message, "", refusal.line, name)]) from refusal.__cause__
    return Document(name, syntax, data, tree, findings)


class Refusal(Exception):
    """A text that nothing can be made of; made by :func:`refuse` and :func:`too_deep`."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def too_deep(line: int = 0) -> Exception:
    """What a syntax raises for a text that nests without end; the message says so where no line is known."""
    return Refusal(_TOO_DEEP if line else f"{_TOO_DEEP} (on which line is not known)", line)


def is_too_long(number: str) -> bool:
    """Whether this is a whole number of more digits than may be read.

    >>> is_too_long("-" + 4300 * "9"), is_too_long(4301 * "9")
    (False, True)
    """
    return len(number) > LONGEST_NUMBER and number.lstrip("-").isdigit() and len(number.lstrip("-")) > LONGEST_NUMBER


def too_long(number: str) -> str:
    """What is told of such a number."""
    return f"{number[:20]}… is too long a number"


def within_bounds(number: int) -> int:
    """The number; ValueError for one of more digits than may be read, which hexadecimals have no limit for."""
    if abs(number) >= 10**LONGEST_NUMBER:
        raise ValueError("too long a number")
    return number


def is_deeper(value: Any, levels: int) -> bool:
    """Whether mappings and lists nest more than ``levels`` deep in a value; looks level by level, never recurses.

    >>> is_deeper({"a": [1]}, 2), is_deeper({"a": [[1]]}, 2)
    (False, True)
    """
    level = [value]
    for _ in range(levels + 1):
        level = [node for node in level if node.__class__ is dict or node.__class__ is list]
        if not level:
            return False
        level = [item for node in level for item in (node.values() if node.__class__ is dict else node)]
    return True


def refuse(message: str, line: int = 0) -> Exception:
    """What a syntax raises for a text that it can make nothing of."""
    return Refusal(message, line)


def from_mapping(mapping: Mapping[str, Any], name: str = "") -> Document:
    """A document that is plain data already, copied so that the caller may go on using it.

    >>> from_mapping({"version": 1}).tree
    {'version': 1}
    """
    findings: list[Finding] = []
    box: list[Any] = [None]
    todo: list[tuple[Any, Any, Any, int]] = [(box, 0, mapping, 0)]
    while todo:
        holder, key, value, depth = todo.pop()
        holder[key] = _plain(value)
        if depth >= DEEPEST and isinstance(holder[key], dict | list):
            raise RulesetError([Problem(_TOO_DEEP, "", 0, name)])
        if holder[key] is _ODD:
            holder[key] = None
            is_number = isinstance(value, int | float)
            kind = "a number beyond all bounds" if is_number else f"a {type(value).__name__}"
            findings.append(Finding(holder, key, f"expected plain data (what JSON can hold), found {kind}"))
        elif isinstance(value, Mapping):
            for name_, item in value.items():
                text = _spelt(name_)
                if not isinstance(name_, str):
                    findings.append(Finding(holder[key], None, f"a key must be text, found {text:.60}"))
                holder[key][text] = None
                todo.append((holder[key], text, item, depth + 1))
        elif isinstance(value, list | tuple):
            todo.extend((holder[key], index, item, depth + 1) for index, item in enumerate(value))
    return Document(name, "", b"", box[0], findings)


def _spelt(key: Any) -> str:
    try:
        return str(key)
    except ValueError:  # more digits than Python converts
        return "a number beyond all bounds"


_ODD: Final = object()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {}
    if isinstance(value, list | tuple):
        return [None] * len(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value) if abs(value) < 10**LONGEST_NUMBER else _ODD
    if isinstance(value, float) and value - value == 0:
        return float(value)
    return _ODD
