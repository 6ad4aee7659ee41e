"""From findings (a container and a key) to problems (a file, a line and a path)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ...errors import Problem
from ..syntax import Document, Finding, Path
from ..words import where

__all__ = ["in_order", "problems_of"]

_Place = tuple[Document, Path]
_Merged = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]


def problems_of(
    documents: Iterable[Document],
    findings: Iterable[Finding],
    merged: Iterable[_Merged],
    *,
    is_reading: bool = False,
) -> list[Problem]:
    """Every finding, once, in the order of the files and their lines.

    Where the documents are another reading of themselves (``is_reading``), only what is wrong within what that one
    reads otherwise.
    """
    places: dict[int, _Place] = {}
    lines: dict[str, Mapping[Path, int]] = {}
    problems: dict[tuple[int, str, int, str], Problem] = {}
    order: dict[str, int] = {}
    named: set[tuple[str, Path]] = set()
    for number, document in enumerate(documents):
        order[document.name] = number
        lines[document.name] = document.lines()
        _index(document, places)
        for finding in document.findings:
            # A syntax that scans text knows the path itself.
            path = finding.holder if isinstance(finding.holder, tuple) else ()
            place = _locate(finding, places, {}) or (document, path)
            named.add((document.name, place[1]))
            if place[1] or not is_reading:
                _add(problems, finding, place, lines, order)
    replaced = {id(whole): (changes, base) for whole, changes, base in merged}
    for finding in findings:
        found = _locate(finding, places, replaced)
        if found is not None and (_is_within(found, named) if is_reading else (found[0].name, found[1]) not in named):
            _add(problems, finding, found, lines, order)
    return [problem for _, problem in sorted(problems.items(), key=lambda item: item[0][:3])]


def in_order(documents: Sequence[Document], problems: Iterable[Problem]) -> list[Problem]:
    """Each problem once, in the order of the files and their lines."""
    order = {document.name: number for number, document in enumerate(documents)}
    problems = list(dict.fromkeys(problems))
    # What stands in a definition that another one replaced has its path only in the reading that keeps it.
    placed = {(told.file, told.line, told.message) for told in problems if told.where}
    problems = [told for told in problems if told.where or (told.file, told.line, told.message) not in placed]
    return sorted(problems, key=lambda told: (order.get(told.file, 0), told.line, told.where))


def _is_within(place: _Place, named: Collection[tuple[str, Path]]) -> bool:
    document, path = place
    return any((document.name, path[:length]) in named for length in range(1, len(path) + 1))


def _index(document: Document, places: dict[int, _Place]) -> None:
    places[id(document)] = (document, ())
    todo: list[tuple[Any, Path]] = [(document.tree, ())]
    while todo:
        node, path = todo.pop()
        if isinstance(node, dict | list):
            places[id(node)] = (document, path)
            todo.extend(
                (item, (*path, key)) for key, item in (node.items() if isinstance(node, dict) else enumerate(node))
            )


def _locate(finding: Finding, places: Mapping[int, _Place], replaced: Mapping[int, Any]) -> _Place | None:
    holder, key = finding.holder, finding.key
    if id(holder) in replaced:
        changes, base = replaced[id(holder)]
        holder = changes if key in changes else base
    place = places.get(id(holder))
    if place is None:
        return None
    return (place[0], (*place[1], key)) if key is not None else place


def _add(
    problems: dict[Any, Problem],
    finding: Finding,
    place: _Place,
    lines: Mapping[str, Mapping[Path, int]],
    order: Mapping[str, int],
) -> None:
    document, path = place
    line = finding.line or _line(lines[document.name], path)
    flag = str(path[1]) if len(path) > 1 and path[0] == "flags" else None
    key = (order[document.name], line, where(path), finding.message)
    problems[key] = Problem(finding.message, where(path), line, document.name, flag)


def _line(lines: Mapping[Path, int], path: Path) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)
