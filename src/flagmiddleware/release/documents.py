"""Flag files as they lie on disk or in git: read, parsed for each environment, with the line of everything."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from .. import formats
from ..errors import FlagMiddlewareError, Problem, RulesetError
from ..formats import syntax
from ..model import Ruleset
from ..sources import FileSource

__all__ = ["CONFLICT", "Documents", "Lines", "conflict_line", "read_documents"]

CONFLICT: Final = "an unresolved merge conflict stands here; resolve it first"
_MARKS: Final = re.compile(r"^(<{7}|>{7})( |$)", re.MULTILINE)


def conflict_line(text: str) -> int:
    """The line of the first mark of a merge conflict; 0 where there is none.

    >>> conflict_line("a: 1\\n<<<<<<< HEAD\\n")
    2
    """
    found = _MARKS.search(text)
    return text.count("\n", 0, found.start()) + 1 if found is not None else 0


def _line(data: bytes) -> int:
    return conflict_line(data.decode("utf-8", "replace"))


class Documents(msgspec.Struct, frozen=True):
    """One file, or the files of a folder by name; ``name`` is the path as the user knows it."""

    name: str
    files: Mapping[str, bytes]
    folder: bool = False
    dialect: str | None = None

    def parse(self, environment: str | None = None) -> Ruleset:
        """The definitions as they hold in an environment; raises RulesetError with every problem."""
        try:
            return formats.parse_files(self.files, format=self.dialect, name=self.name, environment=environment)
        except RulesetError as error:
            conflicts = [
                Problem(CONFLICT, "", line, name) for name, data in self.files.items() if (line := _line(data))
            ]
            if conflicts:  # what a parser makes of the marks helps nobody
                raise RulesetError(conflicts) from error
            raise

    @property
    def is_whole(self) -> bool:
        """Whether they can be parsed."""
        try:
            self.parse()
        except RulesetError:
            return False
        return True

    def environments(self) -> tuple[str, ...]:
        """Every environment that some flag's ``environments`` names, in order of appearance."""
        found: dict[str, None] = {}
        for _, tree in self.trees():
            for flag in _mapping(_mapping(tree).get("flags")).values():
                found.update(dict.fromkeys(map(str, _mapping(_mapping(flag).get("environments")))))
        return tuple(found)

    def trees(self) -> Iterator[tuple[str, Any]]:
        """Each file's plain data, with its name; a file that is not even well-formed has none."""
        for name, data in self.files.items():
            try:
                yield name, syntax.read(data, name=name).tree
            except FlagMiddlewareError:
                continue

    def lines(self) -> Lines:
        """Where everything stands."""
        return Lines(self.files)


class Lines:
    """File and line of a path in the documents; the files are looked through when first asked."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._found: dict[str, Mapping[Any, int]] = {}

    def place(self, *path: str | int) -> tuple[str, int]:
        """The file and line of ``path``, or of the nearest thing around it that has a line."""
        for name in self._files:
            lines = self._lines(name)
            if path[:2] in lines:
                found = next(lines[path[:size]] for size in range(len(path), 0, -1) if path[:size] in lines)
                return name, found
        return next(iter(self._files), ""), 0

    def _lines(self, name: str) -> Mapping[Any, int]:
        if name not in self._found:
            try:
                self._found[name] = syntax.read(self._files[name], name=name).lines()
            except FlagMiddlewareError:
                self._found[name] = {}
        return self._found[name]


def read_documents(path: str | Path, *, dialect: str | None = None) -> Documents:
    """Read a flag file or a folder of them; raises SourceError where it cannot be read."""
    snapshot = FileSource(path).fetch(None)
    assert snapshot is not None  # noqa: S101 - nothing was known, so something is new
    if isinstance(snapshot.data, Mapping):
        files = {str(Path(path) / name): data for name, data in snapshot.data.items()}
        return Documents(str(path), files, folder=True, dialect=dialect)
    assert isinstance(snapshot.data, bytes)  # noqa: S101
    return Documents(str(path), {str(path): snapshot.data}, dialect=dialect)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
