"""The texts of other systems: read as they read them, refused with the place of what is wrong."""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import Problem, RulesetError
from .syntax import Document, read, syntax_of
from .words import where

__all__ = ["decode"]


def decode(data: bytes, *, name: str = "") -> Any:
    """The data of a JSON, YAML or TOML text: of a key that is there twice, the last one counts.

    Raises RulesetError with file, line and path for a text that is malformed, or holds a number beyond all bounds.

    >>> decode(b'{"flags": {}, "flags": []}')
    {'flags': []}
    """
    syntax = syntax_of(name, data)
    if syntax == "json":
        try:
            return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            _refuse_scalars(read(data, name=name, syntax=syntax))
            raise RulesetError([Problem(f"this is not valid JSON: {error}", file=name)]) from error
    document = read(data, name=name, syntax=syntax)
    _refuse_scalars(document)
    return document.tree


def _refuse_scalars(document: Document) -> None:
    """Raise for the scalars that no value could be made of; keys that are odd or there twice are taken as they are."""
    found = [one for one in document.findings if isinstance(one.holder, tuple) and not one.again]
    if found:
        lines, name = document.lines(), document.name
        raise RulesetError(
            [Problem(one.message, where(one.holder), one.line or lines.get(one.holder, 0), name) for one in found]
        )
