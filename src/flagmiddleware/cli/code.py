"""Where a command looks for the code that reads flags."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from ..release.git import GitError, Repository
from ..release.usage import source_files

__all__ = ["code_folders", "code_option"]

code_option = click.option(
    "--code",
    multiple=True,
    metavar="FOLDER",
    help="Where the code is; default: here, or the repository of a flag file that is not below here.",
)


def code_folders(given: Sequence[str], path: Path | None, *, needed: bool = False) -> tuple[str, ...]:
    """The folders to look in: those ``given``, else this one; that of the flags where they lie elsewhere.

    Half of the code would make flags look unused that the other half reads. Raises UsageError with ``needed`` where
    there is no code at all.
    """
    folders = tuple(given) or (_default(path),)
    if needed and not source_files(folders):
        raise click.UsageError(
            f"there is no code in {', '.join(folders)} that could be changed: --code FOLDER names it"
        )
    return folders


def _default(path: Path | None) -> str:
    if path is None or path.resolve().is_relative_to(Path.cwd()):
        return "."
    try:
        root = Repository.around(path).root
    except GitError:
        root = path.resolve().parent
    return os.path.relpath(root)
