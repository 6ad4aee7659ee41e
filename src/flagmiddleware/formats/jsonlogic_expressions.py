"""What a JsonLogic rule becomes: an expression, a function of the data; and how such a function reads the data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from ..errors import FlagMiddlewareError
from .javascript import UNDEFINED, property_of

__all__ = [
    "ELEMENT",
    "Element",
    "Expression",
    "LogicError",
    "Run",
    "Scope",
    "array",
    "constant",
    "failing",
    "path_reader",
]

Run: TypeAlias = "Callable[[Any], Any]"


class LogicError(FlagMiddlewareError):
    """A rule that cannot be read, or an operator that nobody knows."""


class Expression(NamedTuple):
    """A compiled rule: ``run(data)``, and its value where that is the same for all data."""

    run: Run
    is_constant: bool = False
    value: Any = None


def constant(value: Any) -> Expression:
    """A rule that is its own value."""
    return Expression(lambda data: value, True, value)


class Scope(Protocol):
    """What ``var`` reads from."""

    def read(self, name: str) -> Expression:
        """The value under a name; None where there is none."""

    def find(self, name: str) -> Expression:
        """The value under a name; UNDEFINED where there is none."""

    def everything(self) -> Expression:
        """All of the data."""


def path_reader(first: Run, parts: Iterable[str]) -> Run:
    """Go on from what ``first`` gives, one property after another; UNDEFINED where the path ends early."""
    names = tuple(parts)

    def run(data: Any) -> Any:
        value = first(data)
        for name in names:
            if value is None or value is UNDEFINED:
                return UNDEFINED
            value = value.get(name, UNDEFINED) if value.__class__ is dict else property_of(value, name)
        return value

    return run


def _null_for_undefined(run: Run) -> Run:
    return lambda data: None if (value := run(data)) is UNDEFINED else value


class Element:
    """The scope inside ``map``, ``filter``, ``reduce``, ``all``, ``some`` and ``none``: the element itself."""

    def read(self, name: str) -> Expression:
        """The value under a name; None where there is none."""
        return Expression(_null_for_undefined(self.find(name).run))

    def find(self, name: str) -> Expression:
        """The value under a name; UNDEFINED where there is none."""
        return Expression(path_reader(lambda data: data, name.split(".")))

    def everything(self) -> Expression:
        """The element."""
        return Expression(lambda data: data)


ELEMENT: Final = Element()


def failing(message: str) -> Expression:
    """A rule that cannot be decided."""

    # Only when it is reached: a rule that never gets there is decided as if the operator were not there.
    def run(data: Any) -> Any:
        raise LogicError(message)

    return Expression(run)


def array(items: list[Expression]) -> Expression:
    """An array of rules."""
    if all(item.is_constant for item in items):
        return constant([item.value for item in items])
    runs = [item.run for item in items]
    return Expression(lambda data: [run(data) for run in runs])
