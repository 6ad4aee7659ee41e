"""``flags import``: another system's definitions as a native flag file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click

from ..imports import KINDS, Imported, Kept, Note, convert
from .bench import format_option
from .output import print_json, print_table, shout, warn

__all__ = ["import_flags"]

_STYLES = {Kept.EXACT: "green", Kept.RESHUFFLES: "yellow", Kept.LOST: "bold red"}
_ORDER = (Kept.LOST, Kept.RESHUFFLES, Kept.EXACT)


@click.command("import")
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("file", type=click.File("rb"))
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write the flag file here.")
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@click.option("--audiences", type=click.Path(exists=True, dir_okay=False), help="RocketFlag's audiences, a local file.")
@click.option(
    "--move", multiple=True, metavar="KEY", help="Move this RocketFlag rollout to our hash (repeatable; all: each)."
)
@click.option("--strict", is_flag=True, help="Exit with 1 if something could not be expressed.")
@format_option("table", "json")
def import_flags(
    kind: str, file: Any, output: Path | None, force: bool, strict: bool, style: str, **given: Any
) -> None:
    """Turn FILE of another system into a native flag file, and say what changes on the way.

    The file goes to --output, or to standard output; what came over exactly, what reshuffles which share of the
    subjects, and what could not be expressed is told on standard error. With --format json all of it is one document
    on standard output.
    """
    if output is not None and output.exists() and not force:
        raise click.ClickException(f"{output} exists; give --force to overwrite it")
    options = {name: value for name, value in given.items() if value}
    if options and kind != "rocketflag":
        raise click.UsageError(f"--{min(options)} is for rocketflag, not for {kind}")
    imported = convert(kind, file.read(), name=file.name, options=options)
    if output is not None:
        output.write_text(imported.text, "utf-8")
    if style == "json":
        print_json({"document": imported.document, "notes": [note._asdict() for note in imported.notes]})
    else:
        if output is None:
            click.echo(imported.text.encode(), nl=False)
        _report(imported, to_stdout=output is not None)
    if strict and any(note.kept is Kept.LOST for note in imported.notes):
        raise click.exceptions.Exit(1)


def _report(imported: Imported, *, to_stdout: bool) -> None:
    notes = sorted(imported.notes, key=lambda note: (_ORDER.index(note.kept), note.flag))
    if to_stdout:
        cells = [((note.kept, _STYLES[note.kept]), note.flag, _share(note), note.text) for note in notes]
        print_table(("kept", "flag", "subjects moved", "what"), cells)
    else:
        for note in notes:
            tell = shout if note.kept is Kept.LOST else warn
            tell(f"{note.kept}: {note.flag}: {' '.join(filter(None, (_share(note), note.text)))}")
    worst = {note.flag: note.kept for note in reversed(notes)}  # a flag is counted once, as the worst that was said
    counted = Counter(worst.values())
    flags = len(imported.document["flags"])
    summary = ", ".join(f"{counted[kept]} {words}" for kept, words in _WORDS.items() if counted[kept])
    warn(f"{flags} flag{'' if flags == 1 else 's'} imported.{f' {summary}.' if summary else ''}")


_WORDS = {Kept.EXACT: "came over exactly", Kept.RESHUFFLES: "reshuffle subjects", Kept.LOST: "could not be expressed"}


def _share(note: Note) -> str:
    return "" if note.share is None else f"{100 * note.share:.3g} %"
