"""The change log of the definitions at hand: git's for files, the store's own elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from ..release.changes import ChangeRecord
from ..release.history import Watch, flag_history
from ..release.store_history import LONGEST, store_history
from .bench import Bench

__all__ = ["changes_of", "store_entries"]


def changes_of(
    bench: Bench,
    *,
    environment: str | None = None,
    until: float | None = None,
    watch: Watch = lambda items, _: items,
) -> list[ChangeRecord]:
    """Every change, oldest first; raises GitError for a file outside git, UsageError where a store keeps no log.

    It is what became of the flags in ``environment``; without one, in the one that the command was given. With
    ``until``, what dates did by themselves up to then is among them, where the flags are in a file.
    """
    environment = environment or bench.environment
    if bench.path is not None:
        return flag_history(bench.path, environment=environment, until=until, watch=watch)
    return store_history(store_entries(bench)[::-1], environment)


def store_entries(bench: Bench) -> list[Mapping[str, str]]:
    """The entries of a store's log, newest first."""
    source: Any = bench.flags.source
    history = getattr(source, "history", None)
    if history is None:
        raise click.UsageError(f"{source.name} keeps no change log")
    entries: list[Mapping[str, str]] = history(LONGEST)
    return entries
