"""YAML 1.2's core schema, from libyaml's events: no node tree, no tags of other languages, no anchors."""

from __future__ import annotations

import re
from collections.abc import Mapping
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

from . import DEEPEST, Finding, Path, refuse, too_deep

__all__ = ["lines", "read", "resolve"]

# libyaml where PyYAML was built with it; the same events, slower, where it was not.
_Parser: Final[Any] = getattr(yaml, "CLoader", yaml.Loader)

_NO_KEY: Final = object()
_UNSEEN: Final = object()

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
    "oct": lambda text: int(text[2:], 8),
    "hex": lambda text: int(text[2:], 16),
    "float": float,
    "infinite": lambda text: float(text.lower().replace(".", "", 1)),
}
_TAG: Final = "tag:yaml.org,2002:"


def resolve(text: str) -> Any:
    """What a plain scalar stands for in the core schema: `NO` and `on` are text, `010` is ten.

    >>> [resolve(text) for text in ("NO", "on", "010", "0x1F", "12:30", "1.5", "25%", "true", "~", "2026-12-01")]
    ['NO', 'on', 10, 31, '12:30', 1.5, '25%', True, None, '2026-12-01']
    """
    if text and text[0] not in _FIRST:
        return text
    match = _CORE.fullmatch(text)
    return _KINDS[match.lastgroup or "null"](text) if match is not None else text


def read(data: bytes) -> tuple[Any, list[Finding]]:
    """The data, and what is wrong with the text although it is well-formed."""
    builder = _Builder()
    try:
        builder.run(_Parser(data).get_event)
    except yaml.YAMLError as error:
        raise _refusal(error, data) from error
    return builder.root, builder.findings


class _Builder:
    """Builds plain data from events; the findings name the container and key that they are about."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.root: Any = None

    def run(self, next_event: Any) -> None:
        # One loop, longer than most functions here: a call for each event would double the time that it takes.
        seen: dict[str, Any] = {}
        stack: list[Any] = []
        box: list[Any] = []
        node: Any = box
        key: Any = _NO_KEY
        while True:
            event = next_event()
            kind = event.__class__
            if kind is ScalarEvent:
                value = event.value
                if event.implicit[0]:
                    resolved = seen.get(value, _UNSEEN)
                    if resolved is _UNSEEN:
                        resolved = seen[value] = self.resolve(value, event)
                    value = resolved
                if event.anchor is not None or event.tag is not None:
                    value = self.decorated(event, value, node, key)
                if node.__class__ is list:
                    node.append(value)
                elif key is _NO_KEY:
                    if value.__class__ is not str or value in node or value == "<<":
                        value = self.odd_key(event, value, node)
                    key = value
                else:
                    node[key] = value
                    key = _NO_KEY
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                fresh: Any = {} if kind is MappingStartEvent else []
                if event.anchor is not None or event.tag is not None:
                    self.decorated(event, fresh, node, key)
                if node.__class__ is list:
                    node.append(fresh)
                elif key is _NO_KEY:
                    raise refuse("a key must be text, found a mapping or list", event.start_mark.line + 1)
                else:
                    node[key] = fresh
                    key = _NO_KEY
                stack.append(node)
                node = fresh
                if len(stack) > DEEPEST:
                    raise too_deep(event.start_mark.line + 1)
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                node = stack.pop()
            elif kind is AliasEvent:
                self.aliased(event, node, key)
                if key is _NO_KEY and node.__class__ is dict:
                    raise refuse("a key must be text, found an alias", event.start_mark.line + 1)
                key = _NO_KEY
            elif kind is DocumentStartEvent:
                if box:
                    raise refuse("one document a file: a second one starts here", event.start_mark.line + 1)
            elif kind is StreamEndEvent:
                break
        self.root = box[0] if box else None

    def note(self, event: Any, node: Any, key: Any, message: str) -> None:
        place = key if key is not _NO_KEY else (len(node) if node.__class__ is list else None)
        self.findings.append(Finding(node, place, message, event.start_mark.line + 1))

    def resolve(self, text: str, event: Any) -> Any:
        try:
            value = resolve(text)
        except ValueError as error:  # more digits than Python converts
            raise refuse(f"{text[:20]}… is too long a number", event.start_mark.line + 1) from error
        if value.__class__ is float and value - value != 0:
            message = f"{text[:40]} is no number that a flag file may hold; write it in quotes if it is a text"
            raise refuse(message, event.start_mark.line + 1)
        return value

    def decorated(self, event: Any, value: Any, node: Any, key: Any) -> Any:
        if event.anchor is not None:
            message = f"anchors are refused here (&{event.anchor}); write it out, or use a segment"
            self.note(event, node, key, message)
        tag = event.tag
        if tag is None or tag == "!":
            return value
        name = tag[len(_TAG) :] if tag.startswith(_TAG) else ""
        if name == "str" and event.__class__ is ScalarEvent:
            return event.value
        if name in ("map", "seq"):
            return value
        if name in ("int", "float", "bool", "null") and event.__class__ is ScalarEvent:
            return self.resolve(event.value, event)
        self.note(event, node, key, f"the tag {tag[:60]} is refused: only YAML's core schema is read")
        return value

    def odd_key(self, event: Any, value: Any, node: Any) -> str:
        text = str(event.value)
        if value.__class__ is not str:
            self.note(event, node, text, f'the key {text or "(empty)"} is not text; write it in quotes: "{text}"')
        elif value in node:
            self.note(event, node, text, f'the key "{text}" is here twice')
        elif event.implicit[0]:
            self.note(event, node, text, "merge keys (<<) are refused; write the fields out, or use a segment")
        return text

    def aliased(self, event: Any, node: Any, key: Any) -> None:
        self.note(event, node, key, f"aliases are refused (*{event.anchor}); write it out, or use a segment")
        if node.__class__ is list:
            node.append(None)
        elif key is not _NO_KEY:
            node[key] = None


def _refusal(error: yaml.YAMLError, data: bytes) -> Exception:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        line = error.problem_mark.line + 1
        text = data.splitlines()[line - 1] if line <= len(data.splitlines()) else b""
        tab = "; YAML indents with spaces, and this line has a tab" if text.lstrip(b" ")[:1] == b"\t" else ""
        context = f" ({error.context})" if error.context else ""
        return refuse(f"this is not valid YAML: {error.problem}{context}{tab}", line)
    position = getattr(error, "position", None)
    line = data.count(b"\n", 0, position) + 1 if isinstance(position, int) else 0
    reason = str(getattr(error, "reason", "") or error).splitlines()[0]
    return refuse(f"this is not valid YAML: {reason}; save the file as UTF-8 text", line)


def lines(data: bytes) -> Mapping[Path, int]:
    """The line of every key and list item, by its path."""
    found: dict[Path, int] = {(): 1}
    path: list[Any] = []
    in_mapping: list[bool] = []
    awaiting_key = False
    next_event = _Parser(data).get_event
    while (event := next_event()) is not None and event.__class__ is not StreamEndEvent:
        kind = event.__class__
        if kind is MappingEndEvent or kind is SequenceEndEvent:
            in_mapping.pop()
            path.pop()
            awaiting_key = bool(in_mapping) and in_mapping[-1]
        elif kind in (ScalarEvent, AliasEvent, MappingStartEvent, SequenceStartEvent):
            if awaiting_key:
                path[-1] = event.value
                found[tuple(path)] = event.start_mark.line + 1
                awaiting_key = False
                continue
            if in_mapping and not in_mapping[-1]:
                path[-1] += 1
                found[tuple(path)] = event.start_mark.line + 1
            if kind is MappingStartEvent or kind is SequenceStartEvent:
                in_mapping.append(kind is MappingStartEvent)
                path.append(-1)
            awaiting_key = bool(in_mapping) and in_mapping[-1]
    return found
