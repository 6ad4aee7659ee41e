"""How a problem is worded: what was found, what was expected, and which name was probably meant."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

__all__ = ["expected", "listed", "nearest", "show", "where"]

_LONGEST = 60
_COMPARED = 20_000  # names; looking through more of them takes longer than a person waits


def show(value: Any) -> str:
    """A value as a person reads it in a message: short, on one line, safe to print.

    >>> show("25"), show(None), show({"a": 1}), show([1, 2])
    ('"25"', 'nothing (null)', 'a mapping', 'a list')
    """
    if value is None:
        return "nothing (null)"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, str):
        shown = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
        return json.dumps(shown, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    text = format(value, "g") if isinstance(value, int) and abs(value) > 10**18 and abs(value) < 10**300 else ""
    return text or (repr(value) if not isinstance(value, int) or abs(value) <= 10**18 else "a number beyond all bounds")


def expected(what: str, found: Any) -> str:
    """The commonest message.

    >>> expected("true or false", "yes")
    'expected true or false, found "yes"'
    """
    return f"expected {what}, found {show(found)}"


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a message that suggests the name that was probably meant; empty where none is near.

    >>> nearest("rolout", ["rules", "rollout"])
    '; did you mean "rollout"?'
    """
    from difflib import get_close_matches  # only a file with a mistake in it pays for this import

    candidates = list(names)
    if len(name) > _LONGEST or len(candidates) > _COMPARED:
        return ""
    found = get_close_matches(name, candidates, n=1)
    return f"; did you mean {show(found[0])}?" if found else ""


def listed(names: Iterable[str]) -> str:
    """A few names, to choose from.

    >>> listed(["blue", "green"])
    '"blue", "green"'
    """
    candidates = list(names)
    shown = ", ".join(show(name) for name in candidates[:8])
    return shown if len(candidates) <= 8 else f"{shown} and {len(candidates) - 8} more"


def where(path: Iterable[str | int]) -> str:
    """A path inside a document, as messages write it.

    >>> where(("flags", "new-checkout", "rules", 1, "rollout"))
    'flags.new-checkout.rules[1].rollout'
    """
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step and all(letter.isalnum() or letter in "_-$" for letter in step) and len(step) <= _LONGEST:
            text += f".{step}" if text else step
        else:
            text += f"[{show(step)}]"
    return text
