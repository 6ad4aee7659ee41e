"""The line of everything in a text whose keys may come more than once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from . import Path

__all__ = ["lines_of", "pick", "repeated"]


class _Place:
    __slots__ = ("count", "first", "inside", "last", "line", "name")

    def __init__(self, name: Any, line: int) -> None:
        self.name = name
        self.line = self.first = line
        self.inside: dict[Any, _Place] | None = None  # what counts
        self.last: dict[Any, _Place] | None = None  # what came last
        self.count = 0  # how many definitions of the same key came before


Found: TypeAlias = "Iterable[tuple[Path, int, bool]]"
"""What a walk through a text finds, in order: the path, the line, and whether this is a key (or a value)."""


def _places(found: Found) -> Iterator[tuple[Path, _Place, _Place, _Place | None]]:
    """Each place with its path, the one around it, and the last definition of the same key before it."""
    way = [_Place(None, 1)]  # the places on the way to the last one
    for path, line, is_key in found:
        depth = len(path)
        if not depth or (not is_key and len(way) > depth and way[depth].name == path[-1]):
            continue  # the document itself, or the value of the key that was found just now
        while len(way) < depth:  # only in a text that is malformed
            way.append(_Place(path[len(way) - 1], line))
        parent, place = way[depth - 1], _Place(path[-1], line)
        way[depth:] = [place]
        if parent.last is None:
            parent.last = {}
        before = parent.last.get(path[-1])
        if before is not None:
            place.count, place.first = before.count + 1, before.first
        parent.last[path[-1]] = place
        yield path, parent, place, before


def repeated(found: Found) -> Iterator[tuple[Path, int, int, int]]:
    """Every key that was there before: its path, its line, the line of the first, and how many came before."""
    for path, _, place, before in _places(found):
        if before is not None:
            yield path, place.line, place.first, place.count


def lines_of(found: Found, definition: int | None) -> Mapping[Path, int]:
    """The line of every path.

    Where a key is defined more than once, what counts is what stands in its last definition, or in the one of that
    number (from 0), as in :func:`pick`.
    """
    root = None
    for _, parent, place, before in _places(found):
        root = parent if root is None else root
        if parent.inside is None:
            parent.inside = {}
        if before is None or definition is None or place.count <= definition:
            parent.inside[place.name] = place
    return _flat(root or _Place(None, 1))


def _flat(root: _Place) -> dict[Path, int]:
    lines: dict[Path, int] = {}
    todo: list[tuple[Path, _Place]] = [((), root)]
    while todo:
        path, place = todo.pop()
        lines[path] = place.line
        if place.inside is not None:
            todo.extend(((*path, name), inner) for name, inner in place.inside.items())
    return lines


def pick(pairs: Iterable[tuple[str, Any]], definition: int) -> dict[str, Any]:
    """A mapping in which a key that comes more than once has its definition of that number, or its last one.

    >>> pick([("a", 1), ("a", 2), ("a", 3), ("b", 4)], 1)
    {'a': 2, 'b': 4}
    """
    found: dict[str, Any] = {}
    counts: dict[str, int] = {}
    for key, value in pairs:
        counts[key] = counts.get(key, -1) + 1
        if counts[key] <= definition:
            found[key] = value
    return found
