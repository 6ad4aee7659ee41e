"""Finding flags by the names that templates can write."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..bound import BoundFlags

__all__ = ["FlagLookup", "find_key"]


def find_key(keys: Container[str], name: str) -> str:
    """The key that a name stands for: itself, or with ``_`` read as ``-`` where only that exists.

    >>> find_key({"new-checkout", "a_b"}, "new_checkout"), find_key({"new-checkout", "a_b"}, "a_b")
    ('new-checkout', 'a_b')
    """
    if name in keys:
        return name
    dashed = name.replace("_", "-")
    return dashed if dashed in keys else name


class FlagLookup:
    """``flags.new_checkout`` and ``flags["new-checkout"]`` for templates: whether the flag is on. No methods."""

    __slots__ = ("_here",)

    def __init__(self, here: BoundFlags) -> None:
        self._here = here

    def __getitem__(self, name: str) -> bool:
        return self._here.is_enabled(find_key(self._here.plan.table, name))

    def __getattr__(self, name: str) -> bool:
        if name.startswith("__"):  # the protocols of Python and of template engines are not flags
            raise AttributeError(name)
        return self[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and find_key(self._here.plan.table, name) in self._here.plan.table

    def __iter__(self) -> Iterator[str]:
        return iter(self._here.plan.table)
