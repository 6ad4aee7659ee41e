"""YAML 1.2's core schema: no node tree, no tags of other languages, no anchors.

A text in the usual layout is read line by line (:mod:`.blocks`), any other from libyaml's events.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from . import DEEPEST, Finding, Path, Refusal, blocks, refuse, too_deep, too_long, within_bounds
from .places import lines_of

__all__ = ["by_events", "lines", "read", "resolve"]

# libyaml where PyYAML was built with it; the same events, slower, where it was not.
_Parser: Final[Any] = getattr(yaml, "CLoader", yaml.Loader)

_CORE = re.compile(
    r"(?P<null>~|null|Null|NULL|)"
    r"|(?P<true>true|True|TRUE)|(?P<false>false|False|FALSE)"
    r"|(?P<int>[-+]?[0-9]+)|(?P<oct>0o[0-7]+)|(?P<hex>0x[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<infinite>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_FIRST = frozenset("~nNtTfF.+-0123456789")
_KINDS: Final[Mapping[str, Any]] = {
    "null": lambda text: None,
    "true": lambda text: True,
    "false": lambda text: False,
    "int": int,
    "oct": lambda text: within_bounds(int(text[2:], 8)),
    "hex": lambda text: within_bounds(int(text[2:], 16)),
    "float": float,
    "infinite": lambda text: float(text.lower().replace(".", "", 1)),
}
_TAG: Final = "tag:yaml.org,2002:"
_NUMBERS: Final = (f"{_TAG}int", f"{_TAG}float")


def resolve(text: str) -> Any:
    """What a plain scalar stands for in the core schema: `NO` and `on` are text, `010` is ten.

    >>> [resolve(text) for text in ("NO", "on", "010", "0x1F", "12:30", "1.5", "25%", "true", "~", "2026-12-01")]
    ['NO', 'on', 10, 31, '12:30', 1.5, '25%', True, None, '2026-12-01']
    """
    if text and text[0] not in _FIRST:
        return text
    match = _CORE.fullmatch(text)
    return _KINDS[match.lastgroup or "null"](text) if match is not None else text


def read(data: bytes, definition: int | None = None) -> tuple[Any, list[Finding]]:
    """The data, and what is wrong with the text although it is well-formed.

    Of a key that comes more than once, the last definition counts, or the one of that number (from 0).
    """
    if definition is not None:
        return by_events(data, definition)
    usual = blocks.read(data, _scalar, _flow)
    return by_events(data) if usual is None else (usual, [])


def by_events(data: bytes, definition: int | None = None) -> tuple[Any, list[Finding]]:
    """The same, whatever the layout of the text."""
    try:
        builder = _Builder(data, definition=definition)
        tree = builder.document()
    except yaml.YAMLError as error:
        raise _refusal(error, data) from error
    if builder.scalars.refused:
        builder.findings.extend(_find(data, builder.scalars.refused))
    return tree, builder.findings


def _scalar(text: str) -> Any:
    value = resolve(text)
    if value.__class__ is float and value - value != 0:
        raise ValueError("no number that a flag file may hold")
    return value


def _flow(data: bytes, depth: int) -> Any:
    try:
        builder = _Builder(data, depth=depth)
        tree = builder.document()
    except (yaml.YAMLError, Refusal):
        return None
    return None if builder.findings or builder.scalars.refused else tree


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


class _Scalars(dict[str, Any]):
    """What each plain scalar stands for; the same text is the same object. ``refused`` are no numbers of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: dict[str, str] = {}

    def __missing__(self, text: str) -> Any:
        try:
            value = resolve(text)
        except ValueError:  # more digits than Python converts
            value = None
            self.refused[text] = too_long(text)
        if value.__class__ is float and value - value != 0:
            value = None
            hint = "write it in quotes if it is a text"
            self.refused[text] = f"{text[:40]} is no number that a flag file may hold; {hint}"
        self[text] = value
        return value


def _find(data: bytes, refused: Mapping[str, str]) -> Iterator[Finding]:
    for path, event, _ in _walk(data):
        if event.__class__ is ScalarEvent and event.value in refused and (event.implicit[0] or event.tag in _NUMBERS):
            yield Finding(path, None, refused[event.value], _line(event))


class _Builder:
    """Builds plain data from events, going down with the nesting, which is limited."""

    # The loops below see every event of the file: what they do not call, and do not look at, is what makes them fast.

    def __init__(self, data: bytes, *, depth: int = 0, definition: int | None = None) -> None:
        self.findings: list[Finding] = []
        self.next_event: Any = _Parser(data).get_event
        self.scalars = _Scalars()
        # Without these two characters there is neither an anchor nor a tag to look for.
        self.is_careful = b"&" in data or b"!" in data
        self.depth = depth
        self.definition = definition
        self.again: dict[tuple[int, str], int] = {}

    def document(self) -> Any:
        root: list[Any] = []
        while (event := self.next_event()).__class__ is not StreamEndEvent:
            if event.__class__ is DocumentStartEvent:
                if root:
                    raise refuse("one document a file: a second one starts here", _line(event))
                self.value(self.next_event(), root, 0)
        return root[0] if root else None

    def value(self, event: Any, holder: Any, key: Any) -> None:
        """Put the value that starts with this event at ``holder[key]``."""
        kind = event.__class__
        fresh: Any
        if kind is MappingStartEvent:
            fresh = {}
        elif kind is SequenceStartEvent:
            fresh = []
        elif kind is ScalarEvent:
            fresh = self.scalars[event.value] if event.implicit[0] else event.value
        else:
            fresh = None
            self.note(event, holder, key, f"aliases are refused (*{event.anchor}); write it out, or use a segment")
        if self.is_careful and kind is not AliasEvent:
            fresh = self.decorated(event, fresh, holder, key)
        if holder.__class__ is list:
            holder.append(fresh)
        else:
            holder[key] = fresh
        if kind is MappingStartEvent or kind is SequenceStartEvent:
            self.depth += 1
            if self.depth > DEEPEST:
                raise too_deep(_line(event))
            (self.mapping if kind is MappingStartEvent else self.sequence)(fresh)
            self.depth -= 1

    def mapping(self, node: dict[str, Any]) -> None:
        next_event, scalars, is_careful = self.next_event, self.scalars, self.is_careful
        while (event := next_event()).__class__ is ScalarEvent:
            key = scalars[event.value] if event.implicit[0] else event.value
            holder = node
            if is_careful:
                self.decorated(event, key, node, key)
            if key in node or key.__class__ is not str or key == "<<":
                key = self.odd_key(event, key, node)
                if self.is_past(node, key):
                    holder = {}
            event = next_event()
            if event.__class__ is ScalarEvent and not is_careful:
                holder[key] = scalars[event.value] if event.implicit[0] else event.value
            else:
                self.value(event, holder, key)
        if event.__class__ is not MappingEndEvent:
            raise refuse("a key must be text, found a mapping, a list or an alias", _line(event))

    def sequence(self, node: list[Any]) -> None:
        next_event, scalars, is_careful = self.next_event, self.scalars, self.is_careful
        while (event := next_event()).__class__ is not SequenceEndEvent:
            if event.__class__ is ScalarEvent and not is_careful:
                node.append(scalars[event.value] if event.implicit[0] else event.value)
            else:
                self.value(event, node, len(node))

    def note(self, event: Any, holder: Any, key: Any, message: str) -> None:
        self.findings.append(Finding(holder, key, message, _line(event)))

    def decorated(self, event: Any, value: Any, holder: Any, key: Any) -> Any:
        if event.anchor is not None:
            message = f"anchors are refused (&{event.anchor}); write it out, or use a segment"
            self.note(event, holder, key, message)
        tag = event.tag
        if tag is None:
            return value
        if tag == "!":  # "not to be guessed at"
            return event.value if event.__class__ is ScalarEvent else value
        name = tag[len(_TAG) :] if tag.startswith(_TAG) else ""
        if name == "str" and event.__class__ is ScalarEvent:
            return event.value
        if name in ("map", "seq"):
            return value
        if name in ("int", "float", "bool", "null") and event.__class__ is ScalarEvent:
            return self.scalars[event.value]
        self.note(event, holder, key, f"the tag {tag[:60]} is refused: only YAML's core schema is read")
        return value

    def odd_key(self, event: Any, value: Any, node: Any) -> str:
        text = str(event.value)
        if value.__class__ is not str:
            short = text if len(text) <= 60 else f"{text[:60]}…"
            self.note(event, node, text, f'the key {short or "(empty)"} is not text; write it in quotes: "{short}"')
        elif value in node:
            again = self.again[id(node), text] = self.again.get((id(node), text), 0) + 1
            self.findings.append(Finding(node, text, f'the key "{text}" is here twice', _line(event), again))
        elif event.implicit[0]:
            self.note(event, node, text, "merge keys (<<) are refused; write the fields out, or use a segment")
        return text

    def is_past(self, node: Any, key: str) -> bool:
        """Whether the definition of this key that counts was read already."""
        return self.definition is not None and self.again.get((id(node), key), 0) > self.definition


def _refusal(error: yaml.YAMLError, data: bytes) -> Exception:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        line = error.problem_mark.line + 1
        text = data.splitlines()[line - 1] if line <= len(data.splitlines()) else b""
        tab = "; YAML indents with spaces, and this line has a tab" if text.lstrip(b" ")[:1] == b"\t" else ""
        context = f" ({error.context})" if error.context else ""
        return refuse(f"this is not valid YAML: {error.problem}{context}{tab}{_long_key(text)}", line)
    position = getattr(error, "position", None)
    line = data.count(b"\n", 0, position) + 1 if isinstance(position, int) else 0
    reason = str(getattr(error, "reason", "") or error).splitlines()[0]
    return refuse(f"this is not valid YAML: {reason}; save the file as UTF-8 text", line)


_LONG_KEY = re.compile(rb"[^\s{},:\[\]]{1025,}[ ]*:")  # what libyaml takes for no key


def _long_key(line: bytes) -> str:
    return "; a key of more than 1,024 characters stands here, use a shorter one" if _LONG_KEY.search(line) else ""


def lines(data: bytes, definition: int | None = None) -> Mapping[Path, int]:
    """The line of every key and list item, by its path, in the definitions that :func:`read` reads."""
    return lines_of(((path, _line(event), is_key) for path, event, is_key in _walk(data)), definition)


def _walk(data: bytes) -> Iterator[tuple[Path, Any, bool]]:
    """Every key and every value of a text that was read before, with its path, and whether it is a key."""
    path: list[Any] = []
    in_mapping: list[bool] = []
    awaiting_key = False
    next_event = _Parser(data).get_event
    while (event := next_event()).__class__ is not StreamEndEvent:
        kind = event.__class__
        if kind is MappingEndEvent or kind is SequenceEndEvent:
            in_mapping.pop()
            path.pop()
            awaiting_key = bool(in_mapping) and in_mapping[-1]
        elif kind in (ScalarEvent, AliasEvent, MappingStartEvent, SequenceStartEvent):
            if awaiting_key:
                path[-1] = event.value
                awaiting_key = False
                yield tuple(path), event, True
                continue
            if in_mapping and not in_mapping[-1]:
                path[-1] += 1
            if path:
                yield tuple(path), event, False
            if kind is MappingStartEvent or kind is SequenceStartEvent:
                in_mapping.append(kind is MappingStartEvent)
                path.append(-1)
            awaiting_key = bool(in_mapping) and in_mapping[-1]
