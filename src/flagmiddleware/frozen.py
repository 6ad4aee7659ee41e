"""JSON values that all requests share and none can change."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["FrozenDict", "FrozenList", "freeze"]


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
