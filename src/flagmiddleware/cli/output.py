"""How commands speak: tables and JSON on standard output, words and progress on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence, Sized
from enum import Enum
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

__all__ = [
    "LONG_WORK",
    "SHALLOW",
    "clean",
    "console",
    "echo",
    "print_json",
    "print_line",
    "print_table",
    "progress",
    "shout",
    "warn",
]

_Item = TypeVar("_Item")

LONG_WORK = 2000
"""From how many items on a progress bar is worth its place."""

SHALLOW = "The clone is shallow: a stage may have lasted longer than what was fetched tells (git fetch --unshallow)."
"""Said where a step is judged by a history that was cut off."""

_WIDE = 10_000
"""What is piped to another program is not folded: one row, one line."""


def console(*, stderr: bool = False) -> Console:
    """A console for the stream as it is now; colours only on a terminal, and not under ``NO_COLOR``."""
    stream = sys.stderr if stderr else sys.stdout
    made = Console(file=stream, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = _WIDE
    return made


def clean(value: object) -> str:
    """Text from a definition, made harmless for a terminal: no escape sequences, no lone surrogates."""
    text = str(value).encode("utf-8", "replace").decode()
    return "".join(char if char.isprintable() or char == "\n" else "�" for char in text)


def echo(text: str, style: str = "") -> None:
    """One line on standard output."""
    console().print(Text(clean(text), style=style), soft_wrap=True)


def warn(text: str) -> None:
    """One line on standard error."""
    console(stderr=True).print(Text(clean(text), style="yellow"), soft_wrap=True)


def shout(text: str) -> None:
    """One line on standard error that nobody should miss."""
    console(stderr=True).print(Text(clean(text), style="bold red"), soft_wrap=True)


def print_json(document: object) -> None:
    """A document as JSON: stable order, ASCII only, so that it survives every pipe."""
    click.echo(json.dumps(document, indent=2, default=_plain))


def print_line(document: object) -> None:
    """A document as one line of JSON: for what comes bit by bit and is read by a program."""
    click.echo(json.dumps(document, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return list(value) if isinstance(value, Iterable) else str(value)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
    """A table; a cell is text, or a pair of text and style."""
    out = console()
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=index == 0)
    for row in rows:
        table.add_row(*(_cell(cell) for cell in row))
    out.print(table)


def _cell(cell: Any) -> Text:
    if isinstance(cell, tuple):
        text, style = cell
        return Text(clean(text), style=style)
    return Text(clean("" if cell is None else cell))


def progress(items: Iterable[_Item], label: str, *, total: int | None = None) -> Iterable[_Item]:
    """``items``, with a bar on standard error where the work is long and somebody is watching."""
    size = len(items) if total is None and isinstance(items, Sized) else total
    out = console(stderr=True)
    if not out.is_terminal or (size is not None and size < LONG_WORK):
        yield from items
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task(label, total=size)
        for count, item in enumerate(items, 1):
            yield item
            if count % 512 == 0:
                bar.update(task, completed=count)
