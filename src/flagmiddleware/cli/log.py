"""``flags log`` and ``flags revert``: what was changed, by whom, why, and how to take it back."""

from __future__ import annotations

from datetime import datetime, timezone
from fractions import Fraction
from typing import Any

import click

from ..conditions import instant
from ..release import edits
from ..release.changes import ChangeRecord
from ..release.documents import Documents
from ..release.git import GitError, Repository
from ..release.history import flag_history
from ..release.policy import parse_duration
from ..release.shares import format_fraction
from ..release.words import describe_instant
from ..sources.chain import verify
from .bench import Bench, format_option, pass_bench
from .change import Step, change_options, gated_options
from .output import echo, print_json, print_table, progress, shout

__all__ = ["log", "parse_since", "revert", "since_option"]

_STYLES = {"killed": "bold red", "decreased": "red", "increased": "yellow", "removed": "dim", "created": "green"}


def parse_since(text: str | None, now: float) -> float:
    """The instant that ``--since`` names: a date, an instant, or a time span ago."""
    if text is None:
        return float("-inf")
    found = instant(text) if len(text) > 10 else instant(f"{text}T00:00:00Z")
    if found is not None:
        return found
    try:
        return now - parse_duration(text)
    except ValueError:
        raise click.UsageError(f"--since wants 2026-12-01, an instant with offset, or 30d; found {text!r}") from None


since_option = click.option("--since", metavar="TIME", help="Only later changes: 2026-12-01, or 30d.")


@click.command()
@click.argument("key", required=False)
@since_option
@format_option()
@pass_bench
def log(bench: Bench, key: str | None, since: str | None, style: str) -> None:
    """Tell what was changed (of KEY), newest last: from git for files, from the store elsewhere."""
    start = parse_since(since, bench.now())
    if bench.path is None:
        _store_log(bench, key, start, style)
        return
    records = flag_history(bench.path, environment=bench.environment, watch=progress)
    wanted = [record for record in records if record.origin.time >= start and key in (None, record.flag)]
    if style == "json":
        print_json([record.to_dict() for record in wanted])
        return
    if Repository.around(bench.path).is_shallow:
        shout("The clone is shallow: older changes are missing (git fetch --unshallow).")
    print_table(("ID", "WHEN", "FLAG", "WHAT", "FROM", "TO", "EXPOSURE", "WHO", "WHY"), map(_row, wanted))


def _row(record: ChangeRecord) -> tuple[Any, ...]:
    exposure = f"{_percent(record.before)} → {_percent(record.after)}"
    what = (record.kind, _STYLES.get(record.kind, ""))
    origin = record.origin
    when = describe_instant(origin.time)
    return record.id, when, record.flag, what, record.old, record.new, exposure, origin.actor, origin.reason


def _percent(share: float) -> str:
    return format_fraction(Fraction(share))


def _store_log(bench: Bench, key: str | None, start: float, style: str) -> None:
    source = bench.flags.source
    history = getattr(source, "history", None)
    if history is None:
        raise click.UsageError(f"{source.name} keeps no change log")
    entries = list(reversed(history(10_000)))
    broken = verify(entries, None) if any("link" in entry for entry in entries) else None
    wanted = [
        entry
        for entry in entries
        if float(entry.get("time", 0)) >= start and (key is None or key in entry.get("keys", "").split(","))
    ]
    if style == "json":
        print_json(wanted)
    else:
        rows = [
            (
                entry.get("revision"),
                _when(entry),
                entry.get("keys"),
                entry.get("via"),
                entry.get("actor"),
                entry.get("reason"),
            )
            for entry in wanted
        ]
        print_table(("REVISION", "WHEN", "FLAGS", "VIA", "WHO", "WHY"), rows)
    if broken is not None:
        shout(f"The change log was tampered with at revision {entries[broken].get('revision')}.")
        click.get_current_context().exit(1)


def _when(entry: Any) -> str:
    moment = datetime.fromtimestamp(float(entry.get("time", 0)), timezone.utc)
    return describe_instant(moment.timestamp())


@click.command()
@click.argument("id")
@change_options
@gated_options
@pass_bench
def revert(bench: Bench, id: str, gate: tuple[str, ...], override: str | None, **options: Any) -> None:
    """Take one change back: give its flag the lines that it had before. ID is as in `flags log`."""
    if bench.path is None:
        raise click.UsageError("only changes of files are reverted: in a store, write the earlier definitions again")
    records = flag_history(bench.path, environment=bench.environment)
    record = next((record for record in records if record.id == id), None)
    if record is None:
        raise click.UsageError(f"there is no change {id!r}: see flags log")
    later = [other for other in records[records.index(record) + 1 :] if other.flag == record.flag]
    if later:
        raise click.UsageError(f"{record.flag} was changed since, by {later[-1].id}: revert that one first")
    step = Step(bench, record.flag, via="flags revert", known=record.kind != "removed", **options)
    step.allow("revert")
    edited = edits.revert(step.documents, record.flag, _before(bench, record))
    step.check(edited, gate, override)
    step.finish(edited, f"reverted {record.id}")
    echo(f"  was: {record.new}", "dim")


def _before(bench: Bench, record: ChangeRecord) -> Documents:
    """The definitions as they were before the change."""
    assert bench.path is not None  # noqa: S101 - the caller looked
    repository = Repository.around(bench.path)
    try:
        parent = repository.resolve(f"{record.origin.revision}^1")
    except GitError:  # the first commit of all
        return Documents("nothing", {})
    return Documents(parent[:10], repository.files(parent, repository.relative(bench.path)))
