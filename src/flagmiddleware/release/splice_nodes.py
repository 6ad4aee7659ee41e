"""Where the nodes of a YAML text end, and what may stand in their place."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from .splice import Path

__all__ = ["is_alias", "last_leaf", "node_end", "shifted", "spell_path", "yaml_escape"]

_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]|\\.|[\x7f-\x9f\u2028\u2029\ufffe\uffff]", re.DOTALL)


def is_alias(around: Any, key: Any, value: Any, part: str | int) -> bool:
    """Whether a value stands somewhere else, and only its alias here."""
    if key is not None:
        return bool(value.start_mark.index < key.start_mark.index)
    return bool(value.start_mark.index < around.start_mark.index or around.value.index(value) != part)


def yaml_escape(text: str) -> str:
    """JSON as text of the same length that YAML may hold.

    What YAML may not are the halves of a wide character, control characters beyond ASCII's first, and what ends a line.
    """
    return _ESCAPE.sub(_same_length, text)


def _same_length(found: re.Match[str]) -> str:
    text = found[0]
    if text.startswith("\\"):
        return f"\\ue{'01234567'[int(text[3], 16) - 8]}" if len(text) == 4 else text
    return "?"


def node_end(node: Any) -> int:
    """Where a node's own text ends; a block's end mark lies at the next token, beyond comments that are not its."""
    return int(last_leaf(node).end_mark.index)


def last_leaf(node: Any) -> Any:
    """What a node ends with: itself where it is a scalar or in brackets, else that of its last item."""
    while not isinstance(node, yaml.ScalarNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return node


def shifted(text: str, by: int) -> str:
    """The lines after the first, indented ``by`` more (or less)."""
    if by == 0:
        return text
    first, *rest = text.splitlines(keepends=True)
    moved = (" " * by + line if by > 0 else line[min(-by, len(line) - len(line.lstrip(" "))) :] for line in rest)
    return first + "".join(line if not line.strip() else new for line, new in zip(rest, moved, strict=True))


def spell_path(path: Path) -> str:
    """A path as people write it.

    >>> spell_path(("flags", "beta", "rules", 0))
    'flags.beta.rules[0]'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
