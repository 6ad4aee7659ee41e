"""The usual layout of YAML, read line by line: a key, or an item of a list, a line, and indentation.

libyaml tells what it reads in events, and making the objects of an event takes six times as long as reading it did.
Nearly all lines of nearly all flag files need none of them, and most lines come again and again. Whatever is not
certain to mean the same here as there (anchors, tags, texts over several lines, keys that are odd or come twice, any
mistake) makes the whole text unusual, and :func:`read` leaves it to the events; tests hold the two to each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final, TypeAlias

from . import DEEPEST

__all__ = ["read"]

# What libyaml takes for printable, without the line breaks of other scripts and the byte order mark.
_WIDE: Final = "\u00a1-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff"
_SAFE: Final = f" -~{_WIDE}"
_SINGLE: Final = rf"'(?:(?!')[{_SAFE}]|'')*'"
_DOUBLE: Final = rf'"(?:(?!["\\])[{_SAFE}])*"'
_LINE: Final = re.compile(
    rf"(?P<indent> *)(?P<item>- )?(?:(?P<key>[A-Za-z0-9_$][A-Za-z0-9_$./-]*|{_SINGLE}|{_DOUBLE}):(?= |\r?\n|\Z))? *"
    rf"(?:(?P<quoted>{_SINGLE}|{_DOUBLE})|(?P<flow>[\[{{][{_SAFE}]*)"
    # A plain text begins with nothing that means something, and goes on to the end of the line or a comment.
    rf"|(?P<plain>(?:[A-Za-z0-9_./$+~()^;=<\\]|-(?=[0-9A-Za-z.])|[{_WIDE}])[{_SAFE}]*))?"
    rf" *(?:(?<![^ ])#[{_SAFE}]*)?\r?\n?"
)
_UNUSUAL: Final = (b": |", b": >", b": &", b": *", b": !", b"- &", b"- *", b"- !", b"\t")
_LONGEST_KEY: Final = 200
_OPEN: Final = object()  # in place of a value: it stands on the lines below

_Line: TypeAlias = "tuple[int, bool, str | None, Any]"
Flow: TypeAlias = "Callable[[bytes, int], Any]"
"""Reads a mapping or list in brackets, which stands so many levels deep; None where something about it is odd."""


class _Unusual(Exception):
    """This is not the usual layout, or not certainly."""


class _Bracketed(str):
    """A value in brackets, still to be read: each time anew, since a container may stand in one place only."""

    __slots__ = ()


def read(data: bytes, scalar: Callable[[str], Any], flow: Flow) -> Any:
    """The data, a mapping; None where the text is unusual, wrong or empty.

    ``scalar`` says what a plain text stands for, and raises ValueError where it is none.
    """
    if any(mark in data for mark in _UNUSUAL):  # most of what is unusual shows at once, and nothing is read in vain
        return None
    try:
        return _Reader(scalar, flow).read(data)
    except (_Unusual, ValueError):
        return None


class _Reader:
    def __init__(self, scalar: Callable[[str], Any], flow: Flow) -> None:
        self.scalar = scalar
        self.flow = flow
        self.known: dict[bytes, _Line | None] = {}
        self.keys: dict[str, str] = {}

    def read(self, data: bytes) -> Any:
        # Every line of the file comes by here: a call for each would cost more than all that is done for it.
        root: dict[str, Any] = {}
        # The container that the last line stood in, and its column; those around it; the key that awaits its value.
        top: Any = root
        at = 0
        around: list[tuple[int, Any]] = []
        waiting: str | None = None
        known = self.known
        for text in BytesIO(data.removeprefix(b"---\n")):
            line = known[text] if text in known else self.line(text)
            if line is None:
                continue
            column, is_item, key, value = line
            if waiting is not None:
                fresh: Any = [] if is_item and column >= at else {} if column > at and not is_item else None
                if fresh is not None:
                    top[waiting] = fresh
                    around.append((at, top))
                    at, top = column, fresh
                waiting = None
            while column < at or (column == at and not is_item and top.__class__ is list and around):
                at, top = around.pop()
            if column != at or is_item is not (top.__class__ is list) or len(around) > DEEPEST - 2:
                raise _Unusual
            if value.__class__ is _Bracketed:
                value = self.bracketed(value, len(around) + 1 + (is_item and key is not None))
            if key is None:
                top.append(value)
                continue
            if is_item:
                fresh = {}
                top.append(fresh)
                around.append((at, top))
                at, top = column + 2, fresh
            elif key in top:
                raise _Unusual
            waiting = key if value is _OPEN else None
            top[key] = value if waiting is None else None
        return root or None

    def line(self, text: bytes) -> _Line | None:
        """What a line says; None where it says nothing. The same line says the same wherever it stands."""
        match = _LINE.fullmatch(text.decode())
        if match is None:
            raise _Unusual
        indent, item, key, quoted, flow, plain = match.groups()
        value: Any = _OPEN
        if quoted is not None:
            value = _unquoted(quoted)
        elif flow is not None:
            value = _Bracketed(flow)
        elif plain is not None:
            value = self.plain(plain)
        if key is None and value is _OPEN:
            if item is not None:
                raise _Unusual
            line = None
        elif key is None and item is None:
            raise _Unusual
        else:
            line = len(indent), item is not None, key if key is None else self.key(key), value
        self.known[text] = line
        return line

    def plain(self, text: str) -> Any:
        text = text.partition(" #")[0].rstrip(" ")
        if ": " in text or text[-1] == ":":
            raise _Unusual
        return self.scalar(text)

    def key(self, text: str) -> str:
        key = self.keys.get(text)
        if key is None:
            key = _unquoted(text) if text[0] in "'\"" else self.scalar(text)
            if key.__class__ is not str or len(text) > _LONGEST_KEY:
                raise _Unusual
            self.keys[text] = key
        return key

    def bracketed(self, text: str, depth: int) -> Any:
        value = self.flow(text.encode(), depth)
        if value is None:
            raise _Unusual
        return value


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'") if text[0] == "'" else text[1:-1]
