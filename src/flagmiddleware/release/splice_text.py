"""Change single values in a YAML or JSON text and leave every other byte as it is.

The text is never written out again from data: positions of keys and values are taken from the parser and new text is
put in between, so comments, order, quotes, line ends and indentation of everything else cannot change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import yaml

from .splice import EditError, Path
from .splice_nodes import is_alias, last_leaf, node_end, shifted, spell_path, yaml_escape

__all__ = ["TextSplicer"]

_Loader: Final[Any] = getattr(yaml, "CLoader", yaml.Loader)
_PLAIN: Final = re.compile(r"[A-Za-z0-9](?:[\w.%+-]|:(?=\S))*", re.ASCII)
_BREAK: Final = re.compile("[\r\n\x85\u2028\u2029]")  # where a line ends for YAML 1.1
_BLANKS: Final = re.compile(r"(?:[ \t]*(?:\r\n?|\n))*")
_QUIET: Final = re.compile(r"(?:[ \t]*(?:#[^\r\n]*)?(?:\r\n?|\n))*")


class TextSplicer:
    """Splices YAML and JSON: positions come from the parser, and new text is put in between."""

    def __init__(self, text: str, name: str = "", *, is_json: bool = False) -> None:
        self.name, self.is_json = name, is_json
        self._bom = "\ufeff" if text.startswith("\ufeff") else ""
        self.text = text[len(self._bom) :]
        self._compose()

    @property
    def data(self) -> bytes:
        """The text as it is now."""
        return (self._bom + self.text).encode("utf-8")

    def _compose(self) -> None:
        text = yaml_escape(self.text) if self.is_json else self.text
        try:
            self._root = yaml.compose(text, Loader=_Loader)
        except yaml.YAMLError as error:
            raise EditError(f"{self.name}: not valid {'JSON' if self.is_json else 'YAML'}: {error}") from error

    def _replace(self, start: int, end: int, text: str) -> None:
        self.text = self.text[:start] + text + self.text[end:]
        try:
            self._compose()
        except EditError as error:
            line = 1 + len(_BREAK.findall(self.text[:start].replace("\r\n", "\n")))
            raise EditError(
                f"{self.name}:{line}: cannot be changed as it is written here; change it by hand"
            ) from error

    # -- finding --------------------------------------------------------------------------------------------------

    def _find(self, path: Path) -> tuple[Any, Any] | None:
        """The key node and the value node at a path; None where there is no such thing."""
        key, node = None, self._root
        for depth, part in enumerate(path, 1):
            found = next((pair for name, pair in self._children(node) if name == part), None)
            if found is None:
                return None
            if is_alias(node, *found, part):
                raise EditError(f"{self.name}: {spell_path(path[:depth])} is an alias of something else; write it out")
            key, node = found
        return key, node

    def has(self, *path: str | int) -> bool:
        """Whether something stands at ``path``."""
        return self._find(path) is not None

    def names(self, *path: str | int) -> tuple[str | int, ...]:
        """The keys of a mapping, or the places of a list; empty where there is neither."""
        found = self._find(path)
        return () if found is None else tuple(name for name, _ in self._children(found[1]))

    def _children(self, node: Any) -> Iterator[tuple[str | int, tuple[Any, Any]]]:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    yield self._name(key), (key, value)
        elif isinstance(node, yaml.SequenceNode):
            for place, item in enumerate(node.value):
                yield place, (None, item)

    def _name(self, key: Any) -> str:
        if self.is_json:  # what was told to the YAML parser may have other characters in it
            with suppress(ValueError):
                return str(json.loads(self.text[key.start_mark.index : key.end_mark.index]))
        return str(key.value)

    # -- changing -------------------------------------------------------------------------------------------------

    def put(self, path: Path, value: Any, *, first: bool = False) -> None:
        """Make the field at ``path`` hold ``value``.

        A field that is missing is added to its mapping: at its head with ``first``, else at its end. Mappings that
        are missing around it are added, too.
        """
        found = self._find(path)
        if found is not None:
            start = found[1].start_mark.index
            # Where nothing stood behind the colon, a blank has to: brackets and quotes may touch it, words may not.
            space = " " if start == self._last(found[1]) and self.text[start - 1 : start] == ":" else ""
            self._replace(start, self._last(found[1]), space + self._spell(value))
            return
        parent = self._find(path[:-1])
        if parent is None or not isinstance(parent[1], yaml.MappingNode):
            self.put(path[:-1], {str(path[-1]): value}, first=first)
        else:
            self._add(parent[1], self._field(str(path[-1]), value), first=first)

    def append(self, path: Path, value: Any) -> None:
        """Add an item to the end of a list; a list that is missing is made."""
        found = self._find(path)
        if found is None or not isinstance(found[1], yaml.SequenceNode):
            self.put(path, [value])
        elif found[1].flow_style:
            self._close(found[1], self._spell(value))
        else:
            self._below(found[1], f"- {self._spell_item(value)}", found[1].value[0].start_mark, dash=True)

    def _spell_item(self, value: Any) -> str:
        """An item of a list that is written over several lines: an object of one word needs no braces."""
        if isinstance(value, dict) and len(value) == 1:
            ((name, inner),) = value.items()
            if not isinstance(inner, dict | list):
                return self._field(name, inner)
        return self._spell(value)

    def rename(self, path: Path, name: str, value: Any) -> None:
        """Put another field, with another name, in the place of the one at ``path``."""
        found = self._there(path)
        self._replace(found[0].start_mark.index, self._last(found[1]), self._field(name, value))

    def insert(self, path: Path, name: str, value: Any) -> None:
        """Put another field before the one at ``path``, on a line of its own where that one has its own."""
        key, found = self._there(path), self._find(path[:-1])
        assert found is not None  # noqa: S101 - _there found something in it
        mark = key[0].start_mark
        before = self.text[self._line_start(mark.index) : mark.index]
        between = f"{self._newline}{' ' * mark.column}"
        if found[1].flow_style:
            between = f",{self._newline}{before}" if before.isspace() else ", "
        self._replace(mark.index, mark.index, self._field(name, value) + between)

    def adopt(self, path: Path, other: Any) -> None:
        """Make the field what it is in another text: its own lines and comments, indented as here."""
        key, value = other._there(path)
        text = other.text[key.start_mark.index : other._last(value)]
        here, around = self._find(path), self._find(path[:-1])
        if around is None or not isinstance(around[1], yaml.MappingNode):
            raise EditError(f"{self.name}: there is no mapping at {spell_path(path[:-1])}")
        if here is None and around[1].flow_style:
            self._close(around[1], text)
            return
        after = node_end(around[1] if here is None else here[1])
        if other._last(value) < node_end(value) and _BREAK.search(self.text, max(after - 1, 0)) is None:
            text += self._newline  # a block scalar without the end of its line would be another text
        mark = (around[1].value[0][0] if here is None else here[0]).start_mark
        text = shifted(text, mark.column - key.start_mark.column)
        size = len(self.text)
        if here is None:
            place = self._below(around[1], text, mark)
        else:
            place = self._last(here[1])
            self._replace(mark.index, place, text)
        self._part(path, place + len(self.text) - size, mark.column)

    def _part(self, path: Path, end: int, column: int) -> None:
        """Keep what stands below a field that came, and ends there, from being taken into it."""
        found, line = self._there(path), _BREAK.search(self.text, max(end - 1, 0))
        if line is not None:
            start = line.end() + self.text.startswith("\r\n", line.start())
            until, below = self._parted(found[1], start, column, blanks=False)
            if self.text[start:until] != below:
                self._replace(start, until, below)

    def remove(self, path: Path) -> None:
        """Take a field out of its mapping, with its line where it has one to itself."""
        key, value = self._there(path)
        found = self._find(path[:-1])
        assert found is not None  # noqa: S101 - _there found something in it
        mapping = found[1]
        place = next(n for n, (name, _) in enumerate(mapping.value) if name is key)
        if len(mapping.value) == 1:
            self._replace(*self._only(mapping, key, value), "" if mapping.flow_style else "{}")
        elif not mapping.flow_style:
            ends = _BREAK.search(self.text, self._last(value))
            end = len(self.text) if ends is None else ends.end() + self.text.startswith("\r\n", ends.start())
            end = max(end, node_end(value))
            start = self._line_start(key.start_mark.index)
            column, above = key.start_mark.column, mapping.value[place - 1][1] if place else None
            end, below = self._parted(above, end, column, blanks=True) if place else (end, "")
            self._replace(start, end, below)
        elif place:
            self._replace(node_end(mapping.value[place - 1][1]), node_end(value), "")
        else:
            self._replace(key.start_mark.index, mapping.value[1][0].start_mark.index, "")

    @staticmethod
    def _only(mapping: Any, key: Any, value: Any) -> tuple[int, int]:
        if mapping.flow_style:
            return mapping.start_mark.index + 1, mapping.end_mark.index - 1
        return key.start_mark.index, node_end(value)

    def _there(self, path: Path) -> tuple[Any, Any]:
        found = self._find(path)
        if found is None or found[0] is None:
            raise EditError(f"{self.name}: there is no {spell_path(path)}")
        return found

    def _field(self, name: str, value: Any) -> str:
        """``name: value`` in the file's own syntax."""
        return f'"{name}": {self._spell(value)}' if self.is_json else f"{name}: {self._spell(value)}"

    def _spell(self, value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(self._field(name, inner) for name, inner in value.items()) + "}"
        if isinstance(value, list):
            return f"[{', '.join(map(self._spell, value))}]"
        is_plain = isinstance(value, str) and not self.is_json and _PLAIN.fullmatch(value)
        return str(value) if is_plain else json.dumps(value, ensure_ascii=False)

    def _add(self, mapping: Any, field: str, *, first: bool) -> None:
        if mapping.flow_style:
            if first and mapping.value:
                start = mapping.value[0][0].start_mark.index
                between = self.text[mapping.start_mark.index + 1 : start]
                self._replace(start, start, f"{field},{between if between.strip() == '' and between else ' '}")
            else:
                self._close(mapping, field)
        elif first:
            mark = mapping.value[0][0].start_mark
            self._replace(mark.index, mark.index, f"{field}{self._newline}{' ' * mark.column}")
        else:
            self._below(mapping, field, mapping.value[0][0].start_mark)

    def _last(self, node: Any) -> int:
        """Where a node ends within its last line: the end of that line goes with a block scalar, and is to stay."""
        leaf = last_leaf(node)
        end = int(leaf.end_mark.index)
        if getattr(leaf, "style", None) not in ("|", ">"):
            return end
        if self._keeps_blanks(leaf):  # blank lines below are a part of it
            last = self.text[leaf.start_mark.index : end].splitlines(keepends=True)[-1]
            return end - len(last) + len(last.splitlines()[0])
        return len(self.text[:end].rstrip())

    def _parted(self, before: Any, start: int, column: int, *, blanks: bool) -> tuple[int, str]:
        """Where the blank lines and comments from ``start`` on end, and what they are to be.

        A block scalar ``before`` them would take in comments that are further to the right, and (``|+``) ``blanks``.
        """
        found = _QUIET.match(self.text, start)
        if found is None or getattr(last_leaf(before), "style", None) not in ("|", ">"):
            return start, ""
        quiet = _BLANKS.sub("", found[0], count=1) if blanks and self._keeps_blanks(before) else found[0]
        return found.end(), re.sub(rf"(?m)^[ \t]{{{column + 1},}}(?=#)", " " * column, quiet)

    def _keeps_blanks(self, node: Any) -> bool:
        """Whether a node ends with a block scalar that the blank lines below it belong to (``|+``)."""
        leaf = last_leaf(node)
        head = self.text[leaf.start_mark.index : leaf.end_mark.index].partition("\n")[0]
        return getattr(leaf, "style", None) in ("|", ">") and "+" in head.partition("#")[0]

    def _close(self, node: Any, text: str) -> None:
        """Add to the end of a flow mapping or list."""
        end = node.end_mark.index - 1
        if node.value:
            last = node.value[-1]
            end = node_end(last[1] if isinstance(last, tuple) else last)
            first = node.value[0][0] if isinstance(node.value[0], tuple) else node.value[0]
            between = self.text[node.start_mark.index + 1 : first.start_mark.index]
            text = f",{between if between.isspace() and self._newline in between else ' '}{text}"
        self._replace(end, end, text)

    def _below(self, node: Any, text: str, mark: Any, *, dash: bool = False) -> int:
        """Add a line after a block mapping or list; returns where it was put."""
        column = node.start_mark.column if dash else mark.column
        end = node_end(node)
        if end and _BREAK.match(self.text[end - 1]):  # a block scalar ends with its line
            self._replace(end, end, f"{' ' * column}{text}{self._newline}")
            return end
        found = _BREAK.search(self.text, end)
        line_end = found.start() if found is not None else len(self.text)
        self._replace(line_end, line_end, f"{self._newline}{' ' * column}{text}")
        return line_end

    def _line_start(self, index: int) -> int:
        return max((found.end() for found in _BREAK.finditer(self.text, 0, index)), default=0)

    @property
    def _newline(self) -> str:
        return next((end for end in ("\r\n", "\n", "\r") if end in self.text), "\n")
