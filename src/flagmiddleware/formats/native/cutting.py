"""A document cut up: what stands around its flags, and the text of each flag.

A reload then reads only the flags whose text changed: one of ten thousand must not cost what ten thousand cost, since
the interpreter's lock would stall the requests meanwhile. Nothing here judges a text. Pieces are only believed where
each was read before, in a document that was right; what cannot be cut with certainty is not cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

__all__ = ["Pieces", "cut", "is_lined"]

_MARK: Final = b'"flags":{\n'
_TAIL: Final = b"\n}}"
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])

# What may hide the end of a flag from who looks at lines: other line ends, tabs, documents, directives, a twin.
_ODD_YAML: Final = re.compile(rb"[\r\t\0]|^(?:---|\.\.\.|%|\xef\xbb\xbf)|\xc2\x85|\xe2\x80[\xa8\xa9]", re.MULTILINE)
_FLAGS: Final = re.compile(rb"^flags:[ ]*(?:#[^\n]*)?\n", re.MULTILINE)
_FIRST: Final = re.compile(rb"(?:[ ]*(?:#[^\n]*)?\n)*(?P<indent>[ ]+)(?=[^\s#-])")
_NEXT_FIELD: Final = re.compile(rb"^(?=[^\s#])", re.MULTILINE)
_KEY: Final = re.compile(rb" *([a-z0-9]+(?:-[a-z0-9]+)*):(?=[ \n])")


class Pieces(NamedTuple):
    """``texts[i]`` defines the flag ``keys[i]``; ``keys`` is empty where the texts have to be read to know."""

    syntax: str
    head: bytes
    keys: Sequence[str]
    texts: Sequence[bytes]

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

    >>> cut(b"version: 1\nflags:\n  a: {}\n  b:\n    enabled: false\n").texts
    [b'  a: {}\n', b'  b:\n    enabled: false\n']
    """
    if data[:1] == b"{":
        return (_cut_lines(data) if is_lined(data) else None) or _cut_json(data)
    return _cut_yaml(data)


def _cut_lines(data: bytes) -> Pieces | None:
    head, mark, body = data.rstrip(b"\n").partition(_MARK)
    if not mark or b"\n" in head or not body.endswith(_TAIL):
        return None
    body = body[: -len(_TAIL)]
    lines = body.split(b",\n")
    if body.count(b"\n") != len(lines) - 1 or b",,\n" in body or body[-1:] == b"," or not all(lines):
        return None
    return Pieces("json", head, (), lines)


def _cut_json(data: bytes) -> Pieces | None:
    try:
        top = _OBJECT.decode(data)
        flags = _OBJECT.decode(top.pop("flags"))
    except (msgspec.MsgspecError, KeyError, RecursionError, ValueError):
        return None
    head = b"{" + b"".join([_field(key, raw) + b"," for key, raw in top.items()])
    texts = [_field(key, raw) for key, raw in flags.items()]
    # A key that came twice is in the text and not in the pieces: its quotes are missing here.
    quotes = head.count(b'"') + sum([text.count(b'"') for text in texts]) + 2
    if not texts or b"\\u0022" in data or data.count(b'"') != quotes:
        return None
    return Pieces("json", head, list(flags), texts)


def _field(key: str, raw: msgspec.Raw) -> bytes:
    return msgspec.json.encode(key) + b":" + bytes(raw)


def _cut_yaml(data: bytes) -> Pieces | None:
    fields = list(_FLAGS.finditer(data))
    if len(fields) != 1 or _ODD_YAML.search(data) or data[-1:] != b"\n":
        return None
    start = fields[0].end()
    following = _NEXT_FIELD.search(data, start)
    end = len(data) if following is None else following.start()
    first = _FIRST.match(data, start, end)
    if first is None:
        return None
    begins = [
        match.start() for match in re.finditer(rb"^%b(?=[^\s#])" % first["indent"], data[start:end], re.MULTILINE)
    ]
    body = data[start:end]
    texts = [body[begin:until] for begin, until in zip(begins, [*begins[1:], len(body)], strict=True)]
    keys = [_KEY.match(text) for text in texts]
    if not all(keys):
        return None
    head = data[: fields[0].start()] + data[end:] + body[: begins[0]]
    return Pieces("yaml", head, [match[1].decode() for match in keys if match is not None], texts)
