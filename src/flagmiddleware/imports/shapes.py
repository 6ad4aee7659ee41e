"""Holding one flag of another system against the shape that it has there, so that a bad one is alone in being bad."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import msgspec

from .draft import FlagDraft, ImportProblem

__all__ = ["STUMBLES", "Malformed", "Percentage", "Shape", "Weight", "alone", "check"]

Percentage: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=100)]
Weight: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]

_DEEPEST: Final = 90  # of the 100 levels that a flag file may have

_S = TypeVar("_S", bound="Shape")

STUMBLES: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""What reading plain data of an unexpected shape raises."""


class Malformed(ValueError):
    """A part that the system does not write."""


class Shape(msgspec.Struct, frozen=True, rename="camel"):
    """The fields that an import reads and their types; others may stand beside them."""


def check(item: Any, shape: type[_S], *, is_lax: bool = False) -> _S:
    """``item`` in that shape, Malformed where it has another; with ``is_lax`` "50.0" is a number and 1 is true.

    >>> class Switch(Shape):
    ...     active: bool = False
    >>> check({"active": True, "note": "kept"}, Switch).active
    True
    >>> check({"active": "maybe"}, Switch)
    Traceback (most recent call last):
    ...
    flagmiddleware.imports.shapes.Malformed: Expected `bool`, got `str` - at `$.active` ("maybe")
    """
    try:
        return msgspec.convert(item, shape, strict=not is_lax)
    except msgspec.ValidationError as error:
        raise Malformed(f"{error}{_found(item, str(error))}") from error


def _found(item: Any, message: str) -> str:
    """What stands at the place that a message ends with, where that is short."""
    from ..formats.words import show

    for step in message.rpartition("`$.")[2].rstrip("`").split(".") if "`$." in message else ():
        item = item.get(step) if isinstance(item, Mapping) else None
    return f" ({show(item)})" if isinstance(item, str | int | float) else ""


def _levels(value: Any) -> int:
    """How deep a value is nested."""
    level, count = [value], 0
    while level:
        count += 1
        holders = [each for each in level if isinstance(each, Mapping | list)]
        level = [item for each in holders for item in (each.values() if isinstance(each, Mapping) else each)]
    return count


@contextmanager
def alone(flag: FlagDraft, system: str) -> Iterator[None]:
    """Fill ``flag``; where its definition is not what ``system`` writes it stays empty, and a note says why."""
    try:
        yield
        if _levels(flag.finish()) > _DEEPEST:
            flag.abandon(f"it is nested deeper than {_DEEPEST} levels")
    except Malformed as error:
        flag.abandon(f"it has a shape that {system} does not write: {error}")
    except ImportProblem as error:
        flag.abandon(str(error))
    except STUMBLES as error:
        flag.abandon(f"it has a shape that {system} does not write: {error!r:.200}")
