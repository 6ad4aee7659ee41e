"""Reading what other systems write: JSON, YAML, Django fixtures and SQLite databases."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import RulesetError
from ..formats.syntax import read
from .draft import ImportProblem

__all__ = ["Row", "is_sqlite", "load", "rows"]


class Row(NamedTuple):
    """One object of a Django fixture."""

    model: str
    pk: Any
    fields: dict[str, Any]


def load(data: bytes, name: str) -> Any:
    """The document of a JSON or YAML file as plain data."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        pass
    try:
        return read(data, name=name, syntax="yaml").tree
    except RulesetError as error:
        raise ImportProblem(f"{name or 'the file'} is neither JSON nor YAML: {error}") from error


def is_sqlite(data: bytes) -> bool:
    """Whether these are the bytes of an SQLite database."""
    return data.startswith(b"SQLite format 3\0")


def rows(data: bytes, name: str, tables: Iterable[str]) -> list[Row]:
    """The objects of a ``dumpdata`` fixture, or the rows of ``tables`` of an SQLite database."""
    if is_sqlite(data):
        try:
            return _database(data, tables)
        except sqlite3.Error as error:
            raise ImportProblem(f"{name or 'the file'} is no SQLite database that can be read: {error}") from error
    document = load(data, name)
    if not isinstance(document, list):
        raise ImportProblem(f"{name or 'the file'}: expected the list that `manage.py dumpdata` writes")
    return [
        Row(
            str(item["model"]).lower(), item.get("pk"), fields if isinstance(fields := item.get("fields"), dict) else {}
        )
        for item in document
        if isinstance(item, dict) and "model" in item
    ]


def _database(data: bytes, tables: Iterable[str]) -> list[Row]:
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "copy.sqlite3"
        path.write_bytes(data)
        with closing(sqlite3.connect(path)) as connection:
            connection.row_factory = sqlite3.Row
            present = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for table in tables:
                if table in present:
                    # `table` is one of our own constants, never text from the file.
                    for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608
                        found.append(Row(table, row["id"], dict(row)))
    return found
