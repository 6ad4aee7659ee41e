"""From what a source hands out to definitions: which parser reads a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from .model import NATIVE, Ruleset
from .sources.base import Layers, Snapshot

__all__ = ["Read", "reader"]

Read: TypeAlias = "Callable[[Snapshot, bool], Ruleset]"
"""Parses a snapshot; the second argument is whether to refuse the whole for one bad flag."""

_CUT: Final = frozenset((None, "native", "json", "yaml"))
"""Dialects whose documents may be cut up by flags."""

_WORTH_CUTTING: Final = 16 * 1024  # bytes; reading less than that takes a millisecond or two
_IN_PIECES: Final = 2**20  # bytes; as plain data, more than that leaves a process with holes of tens of megabytes


def reader(
    format: str | None = None,
    environment: str | None = None,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Read:
    """What reads the snapshots of one source, one after the other, as they hold in ``environment``.

    It remembers the text of each flag of a native document, and parses only those that changed. Raises RulesetError
    from the call for definitions that are wrong.

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
            layered: Ruleset = layering[0].read(data, strict)
            return layered
        from . import formats  # parsers are imported by those who have something to parse

        dialect = snapshot.format or format
        how: dict[str, Any] = {"environment": environment, "strict": strict, "options": options}
        if isinstance(data, Mapping):
            return formats.parse_files(data, format=dialect, **how)
        is_cut = dialect in _CUT and not options
        known = _read_again(data, snapshot.name, environment, lines) if is_cut else None
        if known is not None:
            return known
        whole = formats.parse(data, format=dialect, name=snapshot.name, **how)
        if is_cut and strict and len(data) > _WORTH_CUTTING and whole.dialect is NATIVE:
            _remember(data, whole, environment, lines)
        return whole

    return read


def _read_again(data: bytes, name: str, environment: str | None, lines: list[Any]) -> Ruleset | None:
    is_big = len(data) > _IN_PIECES
    if not lines:
        if data[:1] != b"{" and not is_big:
            return None
        from .formats.native.cutting import is_lined
        from .formats.native.lines import LineReader

        if not is_big and not is_lined(data):
            return None
        lines.append(LineReader(environment))
    found: Ruleset | None = lines[0].read(data, name, only_known=not is_big)
    return found


def _remember(data: bytes, ruleset: Ruleset, environment: str | None, lines: list[Any]) -> None:
    from .formats.native.lines import LineReader

    if not lines:
        lines.append(LineReader(environment))
    lines[0].remember(data, ruleset)
