"""From what a source hands out to definitions: which parser reads a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from .model import Ruleset
from .sources.base import Layers, Snapshot

__all__ = ["Read", "reader"]

Read: TypeAlias = "Callable[[Snapshot, bool], Ruleset]"
"""Parses a snapshot; the second argument is whether to refuse the whole for one bad flag."""


def reader(
    format: str | None = None,
    environment: str | None = None,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Read:
    """What reads the snapshots of one source, one after the other, as they hold in ``environment``.

    It remembers each flag's line, where a document has one a line, and parses only those that changed. Raises
    RulesetError from the call for definitions that are wrong.

    >>> document = Snapshot(data=b'{"version": 1, "flags": {"beta": {}}}')
    >>> list(reader()(document, True).flags)
    ['beta']
    """
    lines: list[Any] = []
    layering: list[Any] = []

    def read(snapshot: Snapshot, strict: bool) -> Ruleset:
        data = snapshot.data
        if isinstance(data, Ruleset):
            return data
        if isinstance(data, Layers):
            if not layering:
                from .sources.overlay import Layering

                layering.append(Layering(read, reader(format, environment, options)))
            found: Ruleset = layering[0].read(data, strict)
            return found
        from . import formats  # parsers are imported by those who have something to parse

        dialect = snapshot.format or format
        if isinstance(data, bytes) and data[:1] == b"{" and dialect in (None, "native", "json") and not options:
            lined = _read_lines(data, snapshot.name, environment, lines)
            if lined is not None:
                return lined
        how: dict[str, Any] = {"environment": environment, "strict": strict, "options": options}
        if isinstance(data, Mapping):
            return formats.parse_files(data, format=dialect, **how)
        return formats.parse(data, format=dialect, name=snapshot.name, **how)

    return read


def _read_lines(data: bytes, name: str, environment: str | None, lines: list[Any]) -> Ruleset | None:
    from .formats.native.lines import LineReader, is_lined

    if not is_lined(data):
        return None
    if not lines:
        lines.append(LineReader(environment))
    found: Ruleset | None = lines[0].read(data, name)
    return found
