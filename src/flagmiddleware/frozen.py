"""JSON values that all requests share and none can change."""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NoReturn, TypeVar, overload

__all__ = ["FrozenDict", "FrozenList", "Packed", "freeze"]

T = TypeVar("T")


def _refuse(*_: object, **__: object) -> NoReturn:
    raise TypeError("what a flag serves is shared by all requests and read-only; copy it first")


class FrozenDict(dict[str, Any]):
    """A variant's object value: a ``dict`` to every reader, and one that nobody can change for the others."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)

    def __copy__(self) -> dict[str, Any]:
        return dict(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        from copy import deepcopy

        return deepcopy(dict(self), memo)


class FrozenList(list[Any]):
    """A variant's array value: a ``list`` to every reader, and one that nobody can change for the others."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)

    def __copy__(self) -> list[Any]:
        return list(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        from copy import deepcopy

        return deepcopy(list(self), memo)


def freeze(value: Any) -> Any:
    """``value`` (any JSON value) with every object and array in it made read-only.

    >>> freeze({"a": [1]})["a"].append(2)
    Traceback (most recent call last):
    TypeError: what a flag serves is shared by all requests and read-only; copy it first
    """
    if isinstance(value, dict):
        return FrozenDict({key: freeze(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return FrozenList(freeze(item) for item in value)
    return value


class Packed(Sequence[T], Generic[T]):
    """What decisions never read, kept as bytes until somebody asks: ``make(*row)`` for each of ``rows``, plain data.

    Objects for the examples of ten thousand flags are several times the file that they came from.

    >>> Packed([("a", 1)], lambda name, size: name * (size + 1))[0]
    'aa'
    """

    __slots__ = ("_data", "_make")

    def __init__(self, rows: Sequence[tuple[Any, ...]], make: Callable[..., T]) -> None:
        self._data, self._make = marshal.dumps(list(rows)), make  # bytes that never leave this process

    def _rows(self) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = marshal.loads(self._data)  # noqa: S302 - what this object wrote itself
        return rows

    def __len__(self) -> int:
        return len(self._rows())

    def __bool__(self) -> bool:
        return self._data != _NOTHING

    def __iter__(self) -> Iterator[T]:
        return iter([self._make(*row) for row in self._rows()])

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[T, ...]: ...
    def __getitem__(self, place: int | slice) -> T | tuple[T, ...]:
        return tuple(self)[place]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Packed):
            return (self._data == other._data and self._make is other._make) or tuple(self) == tuple(other)
        return tuple(self) == other if isinstance(other, tuple) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # like the mappings in it

    def __repr__(self) -> str:
        return repr(tuple(self))


_NOTHING = marshal.dumps([])
