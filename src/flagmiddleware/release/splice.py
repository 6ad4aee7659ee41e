"""Change single values in a flag file's text and leave every other byte as it is, whatever syntax it is in."""

from __future__ import annotations

from typing import Any, Protocol

from ..errors import FlagMiddlewareError
from ..formats.syntax import syntax_of
from .documents import CONFLICT, conflict_line

__all__ = ["EditError", "Path", "Splicer", "splicer_for"]

Path = tuple["str | int", ...]


class EditError(FlagMiddlewareError):
    """The text cannot be changed as asked; nothing was written."""


class Splicer(Protocol):
    """One text under the knife; each operation works on the result of the ones before.

    A path is made of keys, and of places in lists. Values are plain data: true, text, lists and objects of them.
    """

    @property
    def data(self) -> bytes:
        """The text as it is now."""
        ...

    def has(self, *path: str | int) -> bool:
        """Whether something stands at ``path``."""
        ...

    def names(self, *path: str | int) -> tuple[str | int, ...]:
        """The keys of a mapping, or the places of a list; empty where there is neither."""
        ...

    def put(self, path: Path, value: Any, *, first: bool = False) -> None:
        """Make the field at ``path`` hold ``value``; what is missing, mappings around it included, is added."""
        ...

    def append(self, path: Path, value: Any) -> None:
        """Add an item to the end of a list; a list that is missing is made."""
        ...

    def rename(self, path: Path, name: str, value: Any) -> None:
        """Put another field, with another name, in the place of the one at ``path``."""
        ...

    def insert(self, path: Path, name: str, value: Any) -> None:
        """Put another field before the one at ``path``."""
        ...

    def adopt(self, path: Path, other: Any) -> None:
        """Make the field at ``path`` what it is in ``other``, a text in the same syntax, comments included."""
        ...

    def remove(self, path: Path) -> None:
        """Take a field out of its mapping."""
        ...


def splicer_for(data: bytes, name: str = "") -> Splicer:
    """A splicer for the syntax that a text is in; raises EditError where it cannot be read."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EditError(f"{name}: not UTF-8 text ({error})") from error
    line = conflict_line(text)
    if line:
        raise EditError(f"{name}:{line}: {CONFLICT}")
    syntax = syntax_of(name, data)
    if syntax == "toml":
        from .splice_toml import TomlSplicer  # tomlkit is asked for by those who have TOML

        return TomlSplicer(text, name)
    from .splice_text import TextSplicer

    return TextSplicer(text, name, is_json=syntax == "json")
