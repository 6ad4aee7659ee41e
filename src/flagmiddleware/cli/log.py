"""``flags log`` and ``flags revert``: what was changed, by whom, why, and how to take it back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
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
from ..release.targets import StoreTarget
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
    """Take one change back: give its flag the lines that it had before. ID is as in `flags log`.

    In a store it is the revision, with the flag after it (12:new-checkout) where a revision changed several.
    """
    if bench.path is None:
        key, earlier = _stored_before(bench, id)
        found = earlier.parse(bench.environment).flags.get(key) if earlier.files else None
        words = f"back to what {key} was before revision {id.partition(':')[0]}"
        step = Step(bench, key, via="flags revert", known=_holds(bench, key), **options)
        _take_back(step, earlier, (gate, override), words if found else f"{words}: absent")
        return
    records = flag_history(bench.path, environment=bench.environment)
    record = next((record for record in records if record.id == id), None)
    if record is None:
        raise click.UsageError(f"there is no change {id!r}: see flags log")
    later = [other for other in records[records.index(record) + 1 :] if other.flag == record.flag]
    if later:
        raise click.UsageError(f"{record.flag} was changed since, by {later[-1].id}: revert that one first")
    step = Step(bench, record.flag, via="flags revert", known=record.kind != "removed", **options)
    _take_back(step, _before(bench, record), (gate, override), f"reverted {record.id}")
    echo(f"  was: {record.new}", "dim")


def _take_back(step: Step, earlier: Documents, consent: tuple[tuple[str, ...], str | None], what: str) -> None:
    step.allow("revert")
    edited = edits.revert(step.documents, step.key, earlier)
    step.check(edited, *consent)
    step.finish(edited, what)


def _holds(bench: Bench, key: str) -> bool:
    return key in StoreTarget(bench.flags.source, dialect=bench.dialect).read().parse(bench.environment).flags


def _stored_before(bench: Bench, id: str) -> tuple[str, Documents]:
    """The flag that a store's revision changed, and the definitions before that."""
    source = bench.flags.source
    history, document = getattr(source, "history", None), getattr(source, "document", None)
    if history is None or document is None:
        raise click.UsageError(f"{source.name} keeps no earlier documents: write the earlier definitions again")
    revision, _, wanted = id.partition(":")
    entries = history(10_000)
    place = next((n for n, entry in enumerate(entries) if entry["revision"] == revision), None)
    if place is None:
        raise click.UsageError(f"there is no revision {revision!r}: see flags log")
    key = _one_key(entries[place], revision, wanted)
    later = [entry["revision"] for entry in entries[:place] if key in entry["keys"].split(",")]
    if later:
        raise click.UsageError(f"{key} was changed since, by {later[0]}: revert that one first")
    if place + 1 == len(entries):
        return key, Documents("nothing", {})
    before = entries[place + 1]
    data = document(before["revision"])
    if data is None or hashlib.sha256(data).hexdigest() != before["sha256"]:
        raise click.UsageError(f"the definitions of revision {before['revision']} are not kept as they were")
    return key, Documents(f"revision {before['revision']}", {f"revision {before['revision']}": data})


def _one_key(entry: Mapping[str, str], revision: str, wanted: str) -> str:
    keys = [key for key in entry["keys"].split(",") if key]
    if wanted or len(keys) != 1:
        if wanted not in keys:
            raise click.UsageError(
                f"revision {revision} changed {', '.join(keys) or 'no flag by name'}: say {revision}:KEY"
            )
        return wanted
    return keys[0]


def _before(bench: Bench, record: ChangeRecord) -> Documents:
    """The definitions as they were before the change."""
    assert bench.path is not None  # noqa: S101 - the caller looked
    repository = Repository.around(bench.path)
    try:
        parent = repository.resolve(f"{record.origin.revision}^1")
    except GitError:  # the first commit of all
        return Documents("nothing", {})
    return Documents(parent[:10], repository.files(parent, repository.relative(bench.path)))
