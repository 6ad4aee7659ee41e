"""The shape of Unleash's client features payload, read one feature at a time so that one bad one is alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["Constraint", "Dependency", "Feature", "Payload", "Segment", "Strategy", "Variant", "convert"]


class _Shape(msgspec.Struct, frozen=True, rename="camel", gc=False):
    pass


class Constraint(_Shape, frozen=True):
    """One comparison of a context field."""

    context_name: str
    operator: str
    case_insensitive: bool = False
    inverted: bool = False
    values: list[str] | None = None
    value: str | None = None


class Segment(_Shape, frozen=True):
    """Constraints with a number that strategies refer to."""

    id: int
    constraints: list[Constraint] = []


class Payload(_Shape, frozen=True):
    """What a variant carries."""

    type: str
    value: str


class Override(_Shape, frozen=True):
    """Context values that get a variant without a draw."""

    context_name: str
    values: list[str]


class Variant(_Shape, frozen=True):
    """One variant of a feature or of a strategy."""

    name: str
    weight: int
    stickiness: str | None = None
    payload: Payload | None = None
    overrides: list[Override] | None = None


class Strategy(_Shape, frozen=True):
    """One activation strategy."""

    name: str
    title: str | None = None
    parameters: dict[str, str | None] | None = None
    constraints: list[Constraint] | None = None
    segments: list[int] | None = None
    variants: list[Variant] | None = None

    def parameter(self, name: str) -> str | None:
        """A parameter; None where it is missing."""
        return (self.parameters or {}).get(name)


class Dependency(_Shape, frozen=True):
    """What a parent feature must be."""

    feature: str
    enabled: bool | None = None
    variants: list[str] | None = None


class Feature(_Shape, frozen=True):
    """One feature."""

    name: str
    enabled: bool
    strategies: list[Strategy] | None = None
    variants: list[Variant] | None = None
    dependencies: list[Dependency] | None = None
    description: str | None = None
    project: str | None = None
    type: str | None = None
    stale: bool | None = None


def convert(items: Any, kind: type[Any], name: str, named_by: type[Any]) -> tuple[dict[Any, Any], dict[Any, str]]:
    """The items of a list by the field ``name``, and what is wrong with those that have another shape.

    An item without a usable name cannot be asked for by anybody and is left out. A name given twice: the last counts.
    """
    good: dict[Any, Any] = {}
    bad: dict[Any, str] = {}
    for item in items if isinstance(items, list) else ():
        key = item.get(name) if isinstance(item, Mapping) else None
        if not isinstance(key, named_by):
            continue
        good.pop(key, None)
        bad.pop(key, None)
        try:
            good[key] = msgspec.convert(item, kind)
        except msgspec.ValidationError as error:
            bad[key] = str(error)
    return good, bad
