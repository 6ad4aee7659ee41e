"""Change single values in a TOML text; everything else, comments and spacing included, stays as it is."""

from __future__ import annotations

from typing import Any

from ..errors import ConfigurationError
from .splice import EditError, Path

try:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError
    from tomlkit.items import AoT, InlineTable, Item, Table
except ImportError as error:
    raise ConfigurationError("editing TOML needs tomlkit: pip install 'flagmiddleware[cli]'") from error

__all__ = ["TomlSplicer"]


class TomlSplicer:
    """Splices TOML by its syntax tree, which keeps what it was read from."""

    def __init__(self, text: str, name: str = "") -> None:
        self.name = name
        self._bom = "\ufeff" if text.startswith("\ufeff") else ""
        self._has_crlf = "\r\n" in text and text.count("\n") == text.count("\r\n")
        try:
            self._root: Any = tomlkit.parse(text[len(self._bom) :])
        except TOMLKitError as error:
            raise EditError(f"{name}: not valid TOML: {error}") from error

    @property
    def data(self) -> bytes:
        """The text as it is now."""
        text: str = tomlkit.dumps(self._root)
        if self._has_crlf:  # new lines end as the others do
            text = text.replace("\r\n", "\n").replace("\n", "\r\n")
        return (self._bom + text).encode("utf-8")

    def _find(self, path: Path) -> Any:
        node = self._root
        for part in path:
            try:
                node = node[part]
            except (KeyError, IndexError, TypeError, TOMLKitError):
                return None
        return node

    def has(self, *path: str | int) -> bool:
        """Whether something stands at ``path``."""
        return self._find(path) is not None

    def names(self, *path: str | int) -> tuple[str | int, ...]:
        """The keys of a table, or the places of an array; empty where there is neither."""
        found = self._find(path)
        if isinstance(found, dict):
            return tuple(map(str, found))
        return tuple(range(len(found))) if isinstance(found, list) else ()

    def put(self, path: Path, value: Any, *, first: bool = False) -> None:
        """Make the field at ``path`` hold ``value``; a new one goes to the end of its table, before inner tables."""
        around = self._find(path[:-1])
        if not isinstance(around, dict):
            self.put(path[:-1], {path[-1]: value})
        else:
            around[path[-1]] = _item(value)

    def append(self, path: Path, value: Any) -> None:
        """Add an item to the end of an array, or a table to an array of tables; one that is missing is made."""
        found = self._find(path)
        if found is None:
            self.put(path, [value])
        elif isinstance(found, AoT):
            found.append(tomlkit.item({name: _item(inner) for name, inner in value.items()}))
        else:
            found.append(_item(value))

    def rename(self, path: Path, name: str, value: Any) -> None:
        """Put another field, with another name, in the table in place of the one at ``path``."""
        around = self._find(path[:-1])
        del around[path[-1]]
        around[name] = _item(value)

    def insert(self, path: Path, name: str, value: Any) -> None:
        """Put another field into the table of the one at ``path``; its order means nothing, so it goes to the end."""
        self.put((*path[:-1], name), value)

    def adopt(self, path: Path, other: TomlSplicer) -> None:
        """Make the field at ``path`` what it is in ``other``."""
        self._find(path[:-1])[path[-1]] = other._find(path)

    def remove(self, path: Path) -> None:
        """Take a field, or a table with its header, out of the table around it.

        Comments below a table, after a blank line, are about what follows: they stay.
        """
        before, below = tomlkit.dumps(self._root), _comments_below(self._find(path))
        del self._find(path[:-1])[path[-1]]
        after = tomlkit.dumps(self._root)
        if below:
            # Where the two texts end alike, what follows the table begins.
            ends = (size for size in range(len(after) + 1) if before.endswith(below + after[len(after) - size :]))
            fits = (size for size in ends if before.startswith(after[: len(after) - size]))
            place = len(after) - next(fits, 0)
            self._root = tomlkit.parse(after[:place] + below + after[place:])


def _comments_below(item: Any) -> str:
    """The text that ends a table and is about something else: from the first blank line after its last field on."""
    lines = _quiet_end(item)
    blank = next((place for place, line in enumerate(lines) if not line.strip()), len(lines))
    below = "".join(lines[blank:])
    return below if "#" in below else ""


def _quiet_end(item: Any) -> list[str]:
    """The blank lines and comments that end a table, or the last of the tables in it."""
    last = item[-1] if isinstance(item, AoT) and len(item) else item
    if not isinstance(last, Table):
        return []
    lines: list[str] = []
    for key, inner in reversed(last.value.body):
        if key is not None:
            return _quiet_end(inner) + lines
        lines = inner.as_string().splitlines(keepends=True) + lines
    return lines


def _item(value: Any) -> Item:
    """Tables are written in one line: a header would end the table that they are put in."""
    if isinstance(value, dict):
        table: InlineTable = tomlkit.inline_table()
        for name, inner in value.items():
            table.append(name, _item(inner))
        return table
    if isinstance(value, list):
        array = tomlkit.array()
        for inner in value:
            array.append(_item(inner))
        return array
    plain: Item = tomlkit.item(value)
    return plain
