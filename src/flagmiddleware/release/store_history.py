"""The change log of a store, in the same records as that of a file in git."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from ..sources.base import FlagChange
from .changes import UNCHANGED, ChangeRecord, Origin
from .stages import StageKind

__all__ = ["LONGEST", "store_history", "store_rows", "time_of"]

LONGEST: Final = 1_000_000
"""How many of the newest entries are looked at: all, in any store that anybody will see."""

_LATEST: Final = 253_402_300_800.0
"""The year 10000, in seconds since 1970: no calendar has what is beyond."""

_Entries = Sequence[Mapping[str, str]]


def store_rows(entries: _Entries, environment: str | None = None) -> list[dict[str, Any]]:
    """A row for each flag of each entry, in the order of ``entries``: those of an environment, or all.

    Entries from before a store kept them tell neither from, to nor exposure: those are None.
    """
    return [row for entry in entries for row in _rows(entry, environment)]


def store_history(entries: _Entries, environment: str | None = None) -> list[ChangeRecord]:
    """The changes of the entries that tell what they did; without an environment, of what all environments share."""
    return [
        record
        for entry in entries
        for record in (_record(entry, change) for change in _chosen(_changes(entry), environment or ""))
    ]


def _rows(entry: Mapping[str, str], environment: str | None) -> Iterator[dict[str, Any]]:
    changes = _changes(entry)
    if environment is not None:
        changes = _chosen(changes, environment)
    for change in changes:
        if change.kind != UNCHANGED:
            yield {**_plain(entry), **_record(entry, change).to_dict(), "keys": entry.get("keys", "")}
    told = {change.flag for change in _changes(entry)}
    for key in entry.get("keys", "").split(","):
        if key not in told:
            yield _without_words(entry, key)


def _changes(entry: Mapping[str, str]) -> list[FlagChange]:
    """What an entry says of each flag: a JSON list, or the fields of one; nothing where somebody spoilt it.

    That it was spoilt is for the chain to tell: the rest of the log is to be read all the same.
    """
    if "changes" in entry:
        try:
            return msgspec.json.decode(entry["changes"], type=list[FlagChange])
        except msgspec.MsgspecError:
            return []
    if "exposure_before" not in entry:
        return []
    names = {"flag": "keys", "kind": "kind", "old": "from", "new": "to", "environment": "environment"}
    words = {name: entry.get(field, "") for name, field in names.items()}
    before, after = (_number(entry, name) for name in ("exposure_before", "exposure_after"))
    return [FlagChange(before=before, after=after, **words)]


def time_of(entry: Mapping[str, str]) -> float:
    """When an entry was written, in seconds since 1970; 0 where that cannot be told."""
    return _number(entry, "time")


def _number(entry: Mapping[str, str], name: str) -> float:
    """A number that an entry holds; 0 where it is none, or none that a clock or a share has."""
    try:
        number = float(entry.get(name) or 0)
    except ValueError:
        return 0.0
    return number if abs(number) < _LATEST else 0.0


def _chosen(changes: Iterable[FlagChange], environment: str) -> list[FlagChange]:
    """For each flag its record in the environment, else that of what all share."""
    found: dict[str, FlagChange] = {}
    for change in changes:
        if change.environment == environment or (not change.environment and change.flag not in found):
            found[change.flag] = change
    return [change for change in found.values() if change.kind != UNCHANGED]


def _record(entry: Mapping[str, str], change: FlagChange) -> ChangeRecord:
    return ChangeRecord(
        _origin(entry, change.environment or None),
        change.flag,
        change.kind,
        change.old,
        change.new,
        change.before,
        change.after,
        None if change.kind == "created" else StageKind.KILLED if change.kind == "restored" else _stage(change.before),
        None if change.kind == "removed" else StageKind.KILLED if change.kind == "killed" else _stage(change.after),
    )


def _origin(entry: Mapping[str, str], environment: str | None) -> Origin:
    revision = entry.get("revision", "")
    return Origin(
        revision,
        time_of(entry),
        actor=entry.get("actor", ""),
        via=entry.get("via", ""),
        reason=entry.get("reason", ""),
        revision=revision,
        environment=environment,
        app_revision=entry.get("app_revision", ""),
    )


def _stage(share: float) -> StageKind:
    """The stage by the share alone: a log does not tell an internal cohort from nobody."""
    return StageKind.RELEASED if share >= 1 else StageKind.PARTIAL if share > 0 else StageKind.DARK


def _plain(entry: Mapping[str, str]) -> dict[str, Any]:
    return {name: text for name, text in entry.items() if name in ("sha256", "link")}


def _without_words(entry: Mapping[str, str], key: str) -> dict[str, Any]:
    unknown = FlagChange(flag=key, kind="", old="", new="", before=0, after=0)
    row = {**_plain(entry), **_record(entry, unknown).to_dict(), "keys": entry.get("keys", "")}
    nothing = ("kind", "from", "to", "exposure_before", "exposure_after", "stage_before", "stage_after")
    return {**row, **dict.fromkeys(nothing)}
