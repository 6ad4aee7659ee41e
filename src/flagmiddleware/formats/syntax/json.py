"""JSON: decoded by msgspec; read a second time, slowly, only where something about the text is in doubt."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from ..words import show
from . import DEEPEST, LONGEST_NUMBER, Finding, Path, is_too_long, refuse, too_deep, too_long
from .places import lines_of, pick, repeated

__all__ = ["lines", "read"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_SPECIAL = re.compile(r"-?(?:Infinity|NaN)$")
_NUMBER = re.compile(r"-?\d[\d.eE+-]*$")


def read(data: bytes, definition: int | None = None) -> tuple[Any, list[Finding]]:
    """The data, and what is wrong with the text although it is well-formed.

    Of a key that comes more than once, the last definition counts, or the one of that number (from 0).
    """
    if definition is not None:
        return _read_slowly(data, lambda pairs: pick(pairs, definition))
    try:
        tree = msgspec.json.decode(data)
        if _has_unique_keys(data, tree):
            return tree, []
    except (msgspec.MsgspecError, RecursionError, ValueError):
        pass
    return _read_slowly(data, None)


def _has_unique_keys(data: bytes, tree: Any) -> bool:
    """Whether no key was dropped because an object held it twice; False also where that is not certain.

    Written again, the data has as many quotes as the text had, unless a key, and the quotes around it, was dropped:
    a quote inside a string is escaped in both, and whitespace and numbers have none. Only a quote in disguise
    (`\\u0022`) would spoil the count.
    """
    if b"\\u0022" in data:
        return False
    return data.count(b'"') == msgspec.json.encode(tree).count(b'"')


def _read_slowly(data: bytes, choose: Callable[[list[tuple[str, Any]]], Any] | None) -> tuple[Any, list[Finding]]:
    text = _decode(data)
    findings: list[Finding] = []
    for path, line, piece, _ in _scan(text):
        if len(path) >= DEEPEST and piece in "{[":
            raise too_deep(line)
        if _SPECIAL.match(piece) or (_NUMBER.match(piece) and not _is_finite(piece)):
            findings.append(Finding(path, None, f"{piece[:40]} is no number that a flag file may hold", line))
        elif is_too_long(piece):
            findings.append(Finding(path, None, too_long(piece), line))
    findings.extend(
        Finding(path, None, f"the key {show(path[-1])} is here twice; the first is on line {first}", line, again)
        for path, line, first, again in repeated((path, line, is_key) for path, line, _, is_key in _scan(text))
    )
    try:
        # A number that is too long was found above; reading goes on, for all problems are told at once.
        whole = json.loads(text, object_pairs_hook=choose, parse_int=lambda digits: int(digits[:LONGEST_NUMBER]))
        return whole, findings
    except json.JSONDecodeError as error:
        raise refuse(f"this is not valid JSON: {error.msg} (column {error.colno})", error.lineno) from error
    except ValueError as error:
        raise refuse(f"this is not valid JSON: {error}") from error


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise refuse(f"this is not UTF-8 text (byte {error.start}); save the file as UTF-8", line) from error


def _is_finite(piece: str) -> bool:
    try:
        return ("." not in piece and "e" not in piece.lower()) or float(piece) - float(piece) == 0
    except ValueError:
        return True  # malformed: json.loads says so, with the place


def lines(data: bytes, definition: int | None = None) -> Mapping[Path, int]:
    """The line of every key and list item, by its path, in the definitions that :func:`read` reads."""
    scanned = _scan(data.decode("utf-8", "replace"))
    return lines_of(((path, line, is_key) for path, line, _, is_key in scanned), definition)


def _scan(text: str) -> Iterator[tuple[Path, int, str, bool]]:
    """Every key and value (or keys only) as (path, line, piece, whether it is a key): no recursion, tolerant of
    what is malformed.
    """
    breaks = [match.start() for match in re.finditer("\n", text)]
    path: list[Any] = []
    stack: list[str] = []
    awaiting_key = False
    for match in _TOKEN.finditer(text):
        piece = match.group()
        if piece in "{[":
            if path:
                yield tuple(path), bisect_right(breaks, match.start()) + 1, piece, False
            stack.append(piece)
            path.append(0 if piece == "[" else "")
            awaiting_key = piece == "{"
        elif piece in "}]":
            if stack:
                stack.pop()
                path.pop()
            awaiting_key = False
        elif piece == ",":
            awaiting_key = bool(stack) and stack[-1] == "{"
            if stack and not awaiting_key:
                path[-1] += 1
        elif piece == ":":
            awaiting_key = False
        elif awaiting_key:
            path[-1] = _text(piece)
            if len(path) <= DEEPEST:
                yield tuple(path), bisect_right(breaks, match.start()) + 1, piece, True
        else:
            yield tuple(path), bisect_right(breaks, match.start()) + 1, piece, False


def _text(piece: str) -> str:
    try:
        return str(json.loads(piece, strict=False))
    except ValueError:
        return piece
