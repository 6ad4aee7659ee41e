"""Short ways for the shapes that rules mostly have: an attribute compared with a constant.

Each asks for the exact types first, where Python's own comparison gives JavaScript's answer; everything else takes
the general operator. They change how fast an answer comes, never the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias

from .javascript import at_most, less, loose_equal, strict_equal
from .jsonlogic_operators import contains

__all__ = ["shortcut"]

Run: TypeAlias = Callable[[Any], Any]


class _Argument(Protocol):
    @property
    def run(self) -> Run: ...
    @property
    def is_constant(self) -> bool: ...
    @property
    def value(self) -> Any: ...


def shortcut(name: str, arguments: Sequence[_Argument]) -> Run | None:
    """The short way for ``name`` applied to ``arguments``; None where there is none."""
    make = _SHORTCUTS.get(name)
    if make is None or len(arguments) != 2:
        return None
    left, right = arguments
    if right.is_constant:
        return make(left.run, right.value, True)
    return make(right.run, left.value, False) if left.is_constant else None


def _equality(compare: Callable[[Any, Any], bool], wanted: bool) -> Callable[[Run, Any, bool], Run | None]:
    def make(read: Run, fixed: Any, on_the_right: bool) -> Run | None:
        kind = fixed.__class__
        if kind is not str and kind is not int and kind is not bool:
            return None
        if wanted:
            return lambda data: value == fixed if (value := read(data)).__class__ is kind else compare(value, fixed)
        return lambda data: value != fixed if (value := read(data)).__class__ is kind else not compare(value, fixed)

    return make


def _below(read: Run, fixed: Any) -> Run:
    return lambda data: (
        value < fixed if (value := read(data)).__class__ is int or value.__class__ is float else less(value, fixed)
    )


def _above(read: Run, fixed: Any) -> Run:
    return lambda data: (
        value > fixed if (value := read(data)).__class__ is int or value.__class__ is float else less(fixed, value)
    )


def _not_above(read: Run, fixed: Any) -> Run:
    return lambda data: (
        value <= fixed if (value := read(data)).__class__ is int or value.__class__ is float else at_most(value, fixed)
    )


def _not_below(read: Run, fixed: Any) -> Run:
    return lambda data: (
        value >= fixed if (value := read(data)).__class__ is int or value.__class__ is float else at_most(fixed, value)
    )


def _order(direct: Callable[[Run, Any], Run], mirrored: Callable[[Run, Any], Run]) -> Callable[..., Run | None]:
    def make(read: Run, fixed: Any, on_the_right: bool) -> Run | None:
        if fixed.__class__ is not int and fixed.__class__ is not float:
            return None
        return direct(read, fixed) if on_the_right else mirrored(read, fixed)

    return make


def _membership(read: Run, fixed: Any, on_the_right: bool) -> Run | None:
    if not on_the_right:
        if fixed.__class__ is not str or not fixed:
            return None
        return lambda data: fixed in value if (value := read(data)).__class__ is str else contains(fixed, value)
    if fixed.__class__ is not list or not all(item.__class__ is str for item in fixed):
        return None
    members = frozenset(fixed)
    return lambda data: value in members if (value := read(data)).__class__ is str else contains(value, fixed)


_SHORTCUTS: Final[Mapping[str, Callable[[Run, Any, bool], Run | None]]] = MappingProxyType(
    {
        "==": _equality(loose_equal, True),
        "===": _equality(strict_equal, True),
        "!=": _equality(loose_equal, False),
        "!==": _equality(strict_equal, False),
        "<": _order(_below, _above),
        ">": _order(_above, _below),
        "<=": _order(_not_above, _not_below),
        ">=": _order(_not_below, _not_above),
        "in": _membership,
    }
)
