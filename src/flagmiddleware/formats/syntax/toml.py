"""TOML: read by the standard library; its dates become RFC 3339 text, as they are in the other syntaxes."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from . import DEEPEST, LONGEST_NUMBER, Finding, Path, Refusal, is_deeper, refuse, too_deep, too_long

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["lines", "read"]

_LONG_NUMBER = re.compile(rf"[+-]?\d(?:_?\d){{{LONGEST_NUMBER},}}", re.ASCII)
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)")


def read(data: bytes, definition: int | None = None) -> tuple[Any, list[Finding]]:
    """The data, and what is wrong with the text although it is well-formed; TOML itself refuses a key twice."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise refuse(f"this is not UTF-8 text (byte {error.start}); save the file as UTF-8", line) from error
    if _MANY_DOTS.search(text):
        lines(data)  # refuses a key of very many parts, on which the standard library spends minutes
    try:
        tree = tomllib.loads(text)
    except RecursionError as error:
        raise _deepest(data) from error
    except ValueError as error:
        number = _LONG_NUMBER.search(text)
        if number is not None and "digits" in str(error):
            raise refuse(too_long(number[0]), text.count("\n", 0, number.start()) + 1) from error
        place = _PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else text.count("\n") + 1 if place else 0
        raise refuse(f"this is not valid TOML: {_PLACE.sub('', str(error))}", line) from error
    if is_deeper(tree, DEEPEST):
        raise _deepest(data)
    return tree, _settle(tree)


def _deepest(data: bytes) -> Exception:
    """What is raised for a text that nests too deeply: where it does, a second look tells."""
    try:
        lines(data)
    except Refusal as refusal:
        return refusal
    return too_deep()


def _settle(tree: dict[str, Any]) -> list[Finding]:
    """Turn dates into text, in place; find what only TOML can write."""
    findings: list[Finding] = []
    todo: list[tuple[Path, Any]] = [((), tree)]
    while todo:
        path, node = todo.pop()
        for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
            if isinstance(value, dict | list):
                todo.append(((*path, key), value))
            elif isinstance(value, datetime | date | time):
                node[key] = value.isoformat()
            elif isinstance(value, float) and value - value != 0:
                findings.append(Finding((*path, key), None, f"{value} is no number that a flag file may hold"))
            elif isinstance(value, int) and abs(value) >= 10**LONGEST_NUMBER:
                findings.append(Finding((*path, key), None, "this is too long a number"))
    return findings


_PART = r"""(?:[\w-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_MANY_DOTS = re.compile(_PART + r"(?:[ \t]*\.[ \t]*" + _PART + "){100}", re.ASCII)
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""\s*(?:([\w-]+)|"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)')[ \t]*""", re.ASCII)
_VALUE = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|' r"'''.*?'{3,5}|" r'"(?:[^"\\\n]|\\.)*"|' r"'[^'\n]*'|" r"[^\s,\[\]{}#\"']+",
    re.DOTALL,
)


def lines(data: bytes, definition: int | None = None) -> Mapping[Path, int]:
    """The line of every key and list item, by its path; no key has more than one definition."""
    try:
        return _Lines(data.decode("utf-8", "replace")).run()
    except RecursionError as error:
        raise too_deep() from error


class _Lines:
    """Walks a text that is known to be valid TOML, and notes where each key and item stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.found: dict[Path, int] = {(): 1}
        self.tables: dict[Path, int] = {}  # arrays of tables: how many items each has by now

    def run(self) -> Mapping[Path, int]:
        table: Path = ()
        while self.skip() < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.entry(table)
        return self.found

    def skip(self) -> int:
        return self.move(_SPACE.match(self.text, self.at).end())  # type: ignore[union-attr]

    def move(self, to: int) -> int:
        self.line += self.text.count("\n", self.at, to)
        self.at = to
        return to

    def header(self) -> Path:
        many = self.text.startswith("[[", self.at)
        self.move(self.at + 1 + many)
        table = self.path(self.keys("]"))
        self.move(self.at + many)
        if many:
            self.tables[table] = self.tables.get(table, -1) + 1
            table = (*table, self.tables[table])
        self.opens(table)
        self.found.setdefault(table, self.line)
        return table

    def opens(self, path: Path) -> None:
        """A table or an array starts here: refused where it is one level too deep."""
        if len(path) >= DEEPEST:
            raise too_deep(self.line)

    def path(self, keys: list[str]) -> Path:
        path: Path = ()
        for key in keys:
            if path in self.tables:
                path = (*path, self.tables[path])
            path = (*path, key)
            self.found.setdefault(path, self.line)
        return path

    def keys(self, end: str) -> list[str]:
        keys: list[str] = []
        while True:
            match = _KEY.match(self.text, self.at)
            if match is None:  # only a text that is no valid TOML: stop where it is
                self.move(len(self.text))
                return keys
            bare, basic, literal = match.groups()
            keys.append(_unescape(basic) if basic is not None else bare if bare is not None else literal)
            self.move(match.end() + 1)
            if len(keys) > DEEPEST:
                raise too_deep(self.line)
            if self.text[match.end() : match.end() + 1] == end:
                return keys

    def entry(self, table: Path) -> None:
        path = table
        for key in self.keys("="):
            self.opens(path)
            path = (*path, key)
            self.found.setdefault(path, self.line)
        self.skip()
        self.value(path)

    def value(self, path: Path) -> None:
        opened = self.text[self.at : self.at + 1]
        if opened not in ("[", "{"):
            match = _VALUE.match(self.text, self.at)
            self.move(match.end() if match else len(self.text))
            return
        self.opens(path)
        self.move(self.at + 1)
        index = 0
        while self.skip() < len(self.text) and self.text[self.at] not in "]}":
            if opened == "{":
                self.entry(path)
            else:
                item: Path = (*path, index)
                self.found[item] = self.line
                self.value(item)
                index += 1
            if self.skip() < len(self.text) and self.text[self.at] == ",":
                self.move(self.at + 1)
        self.move(self.at + 1)


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    try:
        return next(iter(tomllib.loads(f'"{text}" = 1')))
    except ValueError:
        return text
