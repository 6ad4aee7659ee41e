"""Definitions as bytes that another interpreter can open: what both have by name is sent by name."""

from __future__ import annotations

import io
import pickle
from types import MappingProxyType
from typing import Any

from ..conditions import OPERATORS
from ..model import NATIVE, Operator

__all__ = ["pack", "unpack"]

_Name = tuple[str, str]


class _Packer(pickle.Pickler):
    def persistent_id(self, value: Any) -> _Name | None:
        """The compiler knows operators by identity, so a copy of one would not do."""
        if value is NATIVE:
            return ("dialect", "native")
        if isinstance(value, Operator) and OPERATORS.get(value.name) is value:
            return ("operator", value.name)
        return None

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, MappingProxyType):
            return _read_only, (dict(value),)
        return NotImplemented


class _Unpacker(pickle.Unpickler):
    def persistent_load(self, name: _Name) -> Any:
        return NATIVE if name[0] == "dialect" else OPERATORS[name[1]]


def _read_only(values: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(values)


def pack(value: Any) -> bytes | None:
    """The value for another process of ours; None where it cannot go there: other dialects hold functions."""
    packed = io.BytesIO()
    try:
        _Packer(packed).dump(value)
    except (pickle.PicklingError, TypeError, AttributeError):
        return None
    return packed.getvalue()


def unpack(packed: bytes) -> Any:
    """What :func:`pack` was given. Only for bytes that come from our own parent process."""
    return _Unpacker(io.BytesIO(packed)).load()
