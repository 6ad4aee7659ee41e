"""A document cut up: what stands around its flags, and the text of each flag.

A reload then reads only the flags whose text changed: one of ten thousand must not cost what ten thousand cost, since
the interpreter's lock would stall the requests meanwhile. Nothing here judges a text. Pieces are only believed where
each was read before, in a document that was right; what cannot be cut with certainty is not cut.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

__all__ = ["Pieces", "Texts", "cut", "is_lined"]

_MARK: Final = b'"flags":{\n'
_TAIL: Final = b"\n}}"
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])

# What may hide the end of a flag from who looks at lines: other line ends, tabs, documents, directives, a twin.
_ODD: Final = (b"\r", b"\t", b"\0")
_ODD_LETTERS: Final = (b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9")
_ODD_STARTS: Final = (b"---", b"...", b"%", b"\xef\xbb\xbf")
_FLAGS: Final = rb"(?P<field>flags:[ ]*(?:#[^\n]*)?)(?=\n)"
_FLAGS_AT_THE_START, _FLAGS_LATER = re.compile(_FLAGS), re.compile(rb"\n" + _FLAGS)  # a literal first: far faster
_FIRST: Final = re.compile(rb"(?:[ ]*(?:#[^\n]*)?\n)*(?P<indent>[ ]+)(?=[^\s#-])")
_NEXT_FIELD: Final = re.compile(rb"\n(?=[^\s#])")
_KEY: Final = re.compile(rb" *([a-z0-9]+(?:-[a-z0-9]+)*):(?=[ \n])")


class Texts(Protocol):
    """Texts that stay in the document that they are pieces of, and are copied out one at a time.

    Ten thousand copies would be as much memory as the document once more, for as long as it is in force.
    """

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __iter__(self) -> Iterator[bytes]:
        """All of them, in order."""
        ...

    def __getitem__(self, place: int) -> bytes:
        """One of them."""
        ...

    def pick(self, places: Iterable[int]) -> Texts:
        """Some of them."""
        ...


class _Slices:
    """Texts that are stretches of one document."""

    __slots__ = ("_data", "_ends", "_starts")

    def __init__(self, data: bytes, starts: Iterable[int], ends: Iterable[int]) -> None:
        self._data, self._starts, self._ends = data, array("Q", starts), array("Q", ends)

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[bytes]:
        return map(self._data.__getitem__, map(slice, self._starts, self._ends))

    def __getitem__(self, place: int) -> bytes:
        return self._data[self._starts[place] : self._ends[place]]

    def pick(self, places: Iterable[int]) -> _Slices:
        chosen = list(places)
        return _Slices(self._data, [self._starts[place] for place in chosen], [self._ends[place] for place in chosen])


class _Fields:
    """Texts that are the fields of a JSON object."""

    __slots__ = ("_keys", "_raws")

    def __init__(self, keys: Sequence[str], raws: Sequence[msgspec.Raw]) -> None:
        self._keys, self._raws = keys, raws

    def __len__(self) -> int:
        return len(self._raws)

    def __iter__(self) -> Iterator[bytes]:
        return map(_field, self._keys, self._raws)

    def __getitem__(self, place: int) -> bytes:
        return _field(self._keys[place], self._raws[place])

    def pick(self, places: Iterable[int]) -> _Fields:
        chosen = list(places)
        return _Fields([self._keys[place] for place in chosen], [self._raws[place] for place in chosen])


class Pieces(NamedTuple):
    """``texts[i]`` defines the flag ``keys[i]``; ``keys`` is empty where the texts have to be read to know."""

    syntax: str
    head: bytes
    keys: Sequence[str]
    texts: Texts

    def join(self, texts: Iterable[bytes]) -> bytes:
        """A document that says what this one says around its flags, and defines ``texts``."""
        if self.syntax == "json":
            return self.head + _MARK + b",\n".join(texts) + _TAIL
        body = b"".join(texts)
        return self.head + (b"flags:\n" + body if body else b"flags: {}\n")


def is_lined(data: bytes) -> bool:
    """Whether a text seems to be laid out with a flag a line (see :mod:`.lines`)."""
    place = data.find(_MARK)
    return data[:1] == b"{" and place >= 0 and data.find(b"\n", 0, place) < 0


def cut(data: bytes) -> Pieces | None:
    r"""The pieces of a text; None where it cannot be told with certainty where a flag ends.

    >>> list(cut(b"version: 1\nflags:\n  a: {}\n  b:\n    enabled: false\n").texts)
    [b'  a: {}\n', b'  b:\n    enabled: false\n']
    """
    if data[:1] == b"{":
        return (_cut_lines(data) if is_lined(data) else None) or _cut_json(data)
    return _cut_yaml(data)


def _cut_lines(data: bytes) -> Pieces | None:
    head = data[: data.find(_MARK)]
    start, end = len(head) + len(_MARK), len(data) - data.endswith(b"\n") - len(_TAIL)
    if b"\n" in head or not data.startswith(_TAIL, end) or end <= start:
        return None
    ends = [match.start() for match in re.compile(rb",\n").finditer(data, start, end)]
    starts = [start, *[place + 2 for place in ends]]
    ends.append(end)
    is_odd = data.count(b"\n", start, end) != len(starts) - 1 or data.find(b",,\n", start, end) >= 0
    if is_odd or data[end - 1 : end] == b"," or any(map(int.__eq__, starts, ends)):
        return None
    return Pieces("json", head, (), _Slices(data, starts, ends))


def _cut_json(data: bytes) -> Pieces | None:
    try:
        top = _OBJECT.decode(data)
        flags = _OBJECT.decode(top.pop("flags"))
    except (msgspec.MsgspecError, KeyError, RecursionError, ValueError):
        return None
    head = b"{" + b"".join([_field(key, raw) + b"," for key, raw in top.items()])
    texts = _Fields(list(flags), list(flags.values()))
    # A key that came twice is in the text and not in the pieces: its quotes are missing here.
    quotes = head.count(b'"') + sum([text.count(b'"') for text in texts]) + 2
    if not texts or b"\\u0022" in data or data.count(b'"') != quotes:
        return None
    return Pieces("json", head, list(flags), texts)


def _field(key: str, raw: msgspec.Raw) -> bytes:
    return msgspec.json.encode(key) + b":" + bytes(raw)


def _cut_yaml(data: bytes) -> Pieces | None:
    first_line = _FLAGS_AT_THE_START.match(data)
    fields = [*([first_line] if first_line else ()), *_FLAGS_LATER.finditer(data)]
    if len(fields) != 1 or _is_odd_yaml(data) or data[-1:] != b"\n":
        return None
    start = fields[0].end("field") + 1
    following = _NEXT_FIELD.search(data, start - 1)
    end = len(data) if following is None else following.end()
    first = _FIRST.match(data, start, end)
    if first is None:
        return None
    indented = re.compile(rb"\n%b(?=[^\s#])" % first["indent"])
    begins = [match.start() + 1 for match in indented.finditer(data, start - 1, end)]
    keys: list[str] = []
    for begin in begins:
        key = _KEY.match(data, begin, end)
        if key is None:
            return None
        keys.append(key[1].decode())
    head = data[: fields[0].start("field")] + data[end:] + data[start : begins[0]]
    texts = _Slices(data, begins, [*begins[1:], end])
    return Pieces("yaml", head, keys, texts)


def _is_odd_yaml(data: bytes) -> bool:
    # One plain search after the other: a pattern of all of them takes fifty times as long.
    return (
        any(odd in data for odd in _ODD)
        or (not data.isascii() and any(odd in data for odd in _ODD_LETTERS))
        or data.startswith(_ODD_STARTS)
        or any(b"\n" + odd in data for odd in _ODD_STARTS)
    )
