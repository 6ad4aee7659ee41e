"""Real users, one a row: read from CSV, JSON Lines, Parquet or a database, as evaluation contexts."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from ..context import Context
from ..errors import ConfigurationError, FlagMiddlewareError, Problem

__all__ = ["Population", "PopulationError", "parse_attribute", "read_population"]

_BROKEN_LIMIT: Final = 100
_KEY_COLUMNS: Final = ("targeting_key", "user", "user_id", "id")
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)


class PopulationError(FlagMiddlewareError):
    """A population cannot be read; ``problems`` has the first lines that are wrong."""

    def __init__(self, message: str, problems: tuple[Problem, ...] = ()) -> None:
        self.problems = problems
        super().__init__("\n".join([message, *(f"  {problem}" for problem in problems[:10])]))


def parse_attribute(text: str) -> Any:
    """The value of ``attribute=text``: a number, ``true`` or ``false`` as JSON writes them, else text.

    Text in double quotes is text whatever it looks like.

    >>> [parse_attribute(text) for text in ("5", "true", "AU", '"5"', "007")]
    [5, True, 'AU', '5', '007']
    """
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text) and len(text) < 400:
        return json.loads(text)
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


class Population:
    """The rows of one file or query; iterating reads them from the start."""

    def __init__(self, name: str, columns: tuple[str, ...], key: str) -> None:
        self.name = name
        self.columns = columns
        self.key = key
        self._wanted: frozenset[str] | None = None

    def narrow(self, attributes: Collection[str]) -> None:
        """Keep only ``attributes`` of each row, and the key: the others decide nothing."""
        self._wanted = frozenset(attributes)

    def wants(self, column: str) -> bool:
        """Whether an attribute is to be read from a column."""
        return column != self.key and (self._wanted is None or column in self._wanted)

    @property
    def total(self) -> int | None:
        """How many users there are, where that is known without reading them all."""
        return None

    def rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Each row with its line number."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Context]:
        key, wanted = self.key, self._wanted
        for _, row in self.rows():
            names = row.keys() if wanted is None else row.keys() & wanted
            yield Context(row.get(key), {name: row[name] for name in names if name != key and row[name] is not None})


def read_population(location: str, *, key: str | None = None) -> Population:
    """The users at ``location``: a path that ends in ``.csv``, ``.jsonl`` (``.ndjson``) or ``.parquet``, or an SQL URL.

    An SQL URL is ``sqlite:///users.db?query=SELECT…`` or ``postgresql://…?query=SELECT…``. ``key`` names the column
    with the targeting key; by default the first of ``targeting_key``, ``user``, ``user_id``, ``id``.
    """
    scheme = urlsplit(location).scheme
    if scheme in ("sqlite", "postgresql", "postgres"):
        return _Sql(location, key)
    path = Path(location)
    kinds = {".csv": _Csv, ".jsonl": _JsonLines, ".ndjson": _JsonLines, ".parquet": _Parquet}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        shown = f"{scheme}://…" if "://" in location else location  # never the whole URL: it may hold a password
        raise PopulationError(f"{shown}: expected a .csv, .jsonl or .parquet file, or an sqlite: or postgresql: URL")
    if not path.is_file():
        raise PopulationError(f"{location}: there is no such file")
    try:
        return kind(path, key)
    except OSError as error:
        raise PopulationError(f"{location}: cannot be read: {error.strerror or error}") from error


def _key_column(name: str, columns: tuple[str, ...], wanted: str | None) -> str:
    found = next((column for column in ((wanted,) if wanted else _KEY_COLUMNS) if column in columns), None)
    if found is None:
        shown = wanted or " or ".join(_KEY_COLUMNS)
        raise PopulationError(
            f"{name}: no column {shown}, which holds the targeting key; columns: {', '.join(columns)}"
        )
    return found


class _Broken:
    """Counts the lines that are wrong, and gives up before a million of them are read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[Problem] = []

    def add(self, line: int, message: str) -> None:
        self.problems.append(Problem(message, "", line, self.name))
        if len(self.problems) >= _BROKEN_LIMIT:
            raise self.error(f"{self.name}: {_BROKEN_LIMIT} broken lines up to line {line}; nothing was computed")

    def error(self, message: str) -> PopulationError:
        return PopulationError(message, tuple(self.problems))

    def finish(self) -> None:
        if self.problems:
            count = len(self.problems)
            raise self.error(f"{self.name}: {count} broken line{'s' * (count > 1)}; nothing was computed")


class _Csv(Population):
    def __init__(self, path: Path, key: str | None) -> None:
        self.path = path
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            try:
                header = tuple(next(csv.reader(file), ()))
            except csv.Error as error:
                raise PopulationError(f"{path}:1: expected names of columns ({error})") from error
        doubled = sorted({column for column in header if header.count(column) > 1})
        if doubled:
            raise PopulationError(f"{path}: column {doubled[0]!r} stands there twice")
        super().__init__(str(path), header, _key_column(str(path), header, key))

    def rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        broken = _Broken(self.name)
        known: dict[str, Any] = {}
        width, key, known[""] = len(self.columns), self.columns.index(self.key), None
        places = [(self.columns.index(column), column) for column in self.columns if self.wants(column)]
        with self.path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            reader = csv.reader(file)
            next(reader, None)
            try:
                for cells in reader:
                    if len(cells) == width:
                        row = {column: _cell(cells[place], known) for place, column in places}
                        row[self.key] = cells[key]
                        yield reader.line_num, row
                    elif cells:
                        broken.add(reader.line_num, f"expected {width} cells, found {len(cells)}")
            except csv.Error as error:
                broken.add(reader.line_num, str(error))
        broken.finish()


def _cell(text: str, known: dict[str, Any]) -> Any:
    """What a cell says; an empty one says nothing. Cells repeat, so what they say is remembered."""
    try:
        return known[text]
    except KeyError:
        value = parse_attribute(text) if text else None
        if len(known) < 10_000:
            known[text] = value
        return value


_NO_OBJECT: Final = "expected a JSON object"


class _JsonLines(Population):
    def __init__(self, path: Path, key: str | None) -> None:
        self.path = path
        # Objects may differ in their names: the columns are those of the first thousand.
        columns: dict[str, None] = {}
        broken = _Broken(str(path))
        with path.open("rb") as file:
            for number, line in zip(range(1, 1001), file, strict=False):
                row = _object(line)
                columns.update(dict.fromkeys(row or ()))
                if row is None and line.strip():
                    broken.add(number, _NO_OBJECT)
        if not columns:
            broken.finish()
        super().__init__(str(path), tuple(columns), _key_column(str(path), tuple(columns), key))

    def rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        broken = _Broken(self.name)
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                row = _object(line)
                if row is not None:
                    yield number, row
                elif line.strip():
                    broken.add(number, _NO_OBJECT)
        broken.finish()


def _object(line: bytes) -> dict[str, Any] | None:
    import msgspec

    try:
        found = msgspec.json.decode(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


class _Parquet(Population):
    def __init__(self, path: Path, key: str | None) -> None:
        try:
            from pyarrow import parquet
        except ImportError as error:
            raise ConfigurationError(f"{path}: reading Parquet needs pyarrow: pip install pyarrow") from error
        try:
            self.file = parquet.ParquetFile(path)
        except Exception as error:  # pyarrow raises its own kinds
            raise PopulationError(f"{path}: not a Parquet file ({error})") from error
        columns = tuple(self.file.schema_arrow.names)
        super().__init__(str(path), columns, _key_column(str(path), columns, key))

    @property
    def total(self) -> int | None:
        """How many users the file's footer counts."""
        return int(self.file.metadata.num_rows)

    def rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        columns = [column for column in self.columns if column == self.key or self.wants(column)]
        number = 0
        try:
            for batch in self.file.iter_batches(columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
        except Exception as error:  # pyarrow raises its own kinds
            raise PopulationError(f"{self.name}: damaged after row {number} ({error})") from error


class _Sql(Population):
    def __init__(self, url: str, key: str | None) -> None:
        parts = urlsplit(url)
        query = parse_qs(parts.query).get("query", [""])[0]
        # Never the whole URL: it may hold a password.
        name = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
        if not query:
            raise PopulationError(f"{name}: say which users: add ?query=SELECT … (URL-encoded) to the URL")
        self.url, self.query = url, query
        cursor = self._execute(name)
        columns = tuple(column[0] for column in cursor.description or ())
        super().__init__(name, columns, _key_column(name, columns, key))

    def _execute(self, name: str) -> Any:
        parts = urlsplit(self.url)
        try:
            if parts.scheme == "sqlite":
                import sqlite3

                return sqlite3.connect(f"file:{parts.path[1:]}?mode=ro", uri=True).execute(self.query)
            try:
                import psycopg
            except ImportError as error:
                raise ConfigurationError(f"{name} needs psycopg: pip install 'flagmiddleware[postgres]'") from error
            cursor = psycopg.connect(parts._replace(query="").geturl()).cursor("population")
            cursor.execute(self.query.encode())
            return cursor
        except ConfigurationError:
            raise
        except Exception as error:  # each driver raises its own kinds
            raise PopulationError(f"{name}: the query failed ({type(error).__name__}: {error})") from error

    def rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        cursor, number = self._execute(self.name), 0
        try:
            for number, row in enumerate(cursor, 1):
                yield number, dict(zip(self.columns, row, strict=True))
        except Exception as error:  # each driver raises its own kinds
            raise PopulationError(f"{self.name}: broke off after row {number} ({error})") from error
