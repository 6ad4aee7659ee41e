"""Joining conditions of the native grammar; True and False are the "always" and "never" that it has no words for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["every", "negated", "some"]


def every(parts: Iterable[Any]) -> Any:
    """All of ``parts``; True where there is none.

    >>> every([]), every([True, {"a": 1}]), every([{"a": 1}, False]), every([{"a": 1}, {"b": 2}])
    (True, {'a': 1}, False, {'all': [{'a': 1}, {'b': 2}]})
    """
    kept = [part for part in parts if part is not True]
    if any(part is False for part in kept):
        return False
    return (kept[0] if len(kept) == 1 else {"all": kept}) if kept else True


def some(parts: Iterable[Any]) -> Any:
    """Any of ``parts``; False where there is none.

    >>> some([]), some([False, {"a": 1}]), some([{"a": 1}, True])
    (False, {'a': 1}, True)
    """
    kept = [part for part in parts if part is not False]
    if any(part is True for part in kept):
        return True
    return (kept[0] if len(kept) == 1 else {"any": kept}) if kept else False


def negated(part: Any) -> Any:
    """Not ``part``.

    >>> negated(True), negated({"a": 1})
    (False, {'not': {'a': 1}})
    """
    return not part if isinstance(part, bool) else {"not": part}
