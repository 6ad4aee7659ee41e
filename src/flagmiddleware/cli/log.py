"""``flags log``: what was changed, by whom, from what to what, why."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

import click

from ..conditions import instant
from ..errors import FlagMiddlewareError, SourceError
from ..formats.words import nearest
from ..release.git import Repository
from ..release.history import whole_history
from ..release.policy import parse_duration
from ..release.shares import format_fraction
from ..release.store_history import store_rows, time_of
from ..release.words import describe_instant
from ..sources.base import Snapshot
from ..sources.chain import checkpoint_of
from ..sources.chain import faults as faults_of
from ..sources.wrappers import base_of
from .bench import Bench, format_option, pass_bench
from .changelog import changes_of, store_entries
from .output import console, echo, print_json, print_table, progress, shout, warn

__all__ = ["log", "parse_since", "since_option"]

_STYLES = {"killed": "bold red", "decreased": "red", "increased": "yellow", "removed": "dim", "created": "green"}
_TRIES: Final = 5
"""How often the log is read again where somebody writes to it meanwhile."""

_COLUMNS = ("ID", "WHEN", "ENVIRONMENT", "FLAG", "WHAT", "FROM", "TO", "EXPOSURE", "WHO", "VIA", "WHY")


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
    """Tell what was changed (of KEY), newest last: from git for files, from the store elsewhere.

    Every environment in which something else became of a flag is told, unless --environment names one.
    """
    start = parse_since(since, bench.now())
    faults: list[str] = []
    if bench.path is None:
        newest = _newest(bench)  # before the log is read: what is written meanwhile is in it, too
        entries, head = _whole_log(bench)
        rows = store_rows(entries, bench.environment)
        faults = list(_faults(entries, newest, head))
        _tell_trimmed(entries)
    elif bench.environment is None:
        rows = [record.to_dict() for record in whole_history(bench.path, watch=progress)]
    else:
        rows = [record.to_dict() for record in changes_of(bench, watch=progress)]
    _check_key(bench, key, rows)
    wanted = [row for row in rows if row["time"] >= start and key in (None, row["flag"])]
    if style == "json":
        print_json(wanted)
    else:
        _print(bench, wanted)
    for fault in faults:
        shout(f"The change log was tampered with{fault}.")
    if faults:
        click.get_current_context().exit(1)


def _check_key(bench: Bench, key: str | None, rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise UsageError for a flag that nobody defined or changed: an empty log would look like an answer."""
    if key is None or any(row["flag"] == key for row in rows):
        return
    try:
        defined = set(bench.ruleset.flags)
    except FlagMiddlewareError:  # a file that is broken now has a history all the same
        defined = set()
    if key not in defined:
        known = {row["flag"] for row in rows} | defined
        raise click.UsageError(f"no flag {key!r} is defined or was ever changed{nearest(key, known)}")


def _newest(bench: Bench) -> Snapshot | None:
    """The definitions themselves; None where they cannot be read."""
    try:
        return base_of(bench.flags.source).fetch(None)
    except SourceError:
        return None


def _whole_log(bench: Bench) -> tuple[Sequence[Mapping[str, str]], str | None]:
    """The entries, oldest first, and what the definitions say of the newest (None: nothing that can be asked).

    Read until nobody wrote between the two.
    """
    source: Any = base_of(bench.flags.source)
    head_of_source = getattr(source, "head", None)
    for _ in range(_TRIES):
        before = _head(head_of_source)
        entries = store_entries(bench)[::-1]
        if _head(head_of_source) == before:
            return entries, before
    return entries, None


def _head(ask: Callable[[], str] | None) -> str | None:
    try:
        return None if ask is None else ask()
    except SourceError:
        return None


def _faults(entries: Sequence[Mapping[str, str]], newest: Snapshot | None, head: str | None) -> Iterator[str]:
    """What does not fit: an entry that is not what the one after it was written upon, or one missing at either end."""
    yield from faults_of(entries, head)
    if newest is None or not newest.revision or not any("link" in entry for entry in entries):
        return
    mine = [entry for entry in entries if entry.get("revision") == newest.revision]
    written = mine[-1].get("sha256") if mine else None
    if not mine:
        yield f": the definitions are at revision {newest.revision}, and no entry is of it"
    elif written and isinstance(newest.data, bytes) and written != hashlib.sha256(newest.data).hexdigest():
        yield f": the definitions are not those that revision {newest.revision} was written with"


def _tell_trimmed(entries: Sequence[Mapping[str, str]]) -> None:
    """Say what the store let go by itself, so that nobody takes it for the beginning."""
    checkpoint = checkpoint_of(entries)
    if checkpoint is not None:
        when = describe_instant(time_of(checkpoint))
        warn(f"Entries before {entries[0].get('place')} were trimmed on {when}, as revision {checkpoint['revision']}.")


def _print(bench: Bench, rows: Sequence[Mapping[str, Any]]) -> None:
    if bench.path is not None and Repository.around(bench.path).is_shallow:
        shout("The clone is shallow: older changes are missing (git fetch --unshallow).")
    if console().is_terminal:  # eleven columns are for programs and wide screens
        for row in rows:
            _print_block(row)
    else:
        print_table(_COLUMNS, map(_row, rows))


def _print_block(row: Mapping[str, Any]) -> None:
    where = f" in {row['environment']}" if row["environment"] else ""
    kind = row["kind"] or "changed"
    echo(f"{row['id']} {kind}{where}", _STYLES.get(kind, "bold"))
    echo(f"  {describe_instant(row['time'])} by {row['actor'] or '?'} ({row['via'] or '?'}): {row['reason']}")
    if row["exposure_before"] is not None:
        echo(f"  {_exposure(row)}: {row['from']} → {row['to']}", "dim")


def _row(row: Mapping[str, Any]) -> tuple[Any, ...]:
    what = (row["kind"] or "", _STYLES.get(row["kind"] or "", ""))
    when = describe_instant(row["time"])
    told = (row["flag"], what, row["from"], row["to"], _exposure(row), row["actor"], row["via"], row["reason"])
    return row["id"], when, row["environment"], *told


def _exposure(row: Mapping[str, Any]) -> str:
    if row["exposure_before"] is None:
        return ""
    return f"{_percent(row['exposure_before'])} → {_percent(row['exposure_after'])}"


def _percent(share: float) -> str:
    return format_fraction(Fraction(share))
