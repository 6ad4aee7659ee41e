"""Delivery figures from the change log and git: deployment beside release, and what harmful steps cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, Final

import msgspec

from .changes import ChangeRecord
from .dated import BY_DATE
from .policy import DAY
from .stages import StageKind

__all__ = ["DEFINITIONS", "ENOUGH", "Dora", "Figure", "measure_dora"]

ENOUGH: Final = 10
"""A figure from fewer samples gets no grade."""

DEFINITIONS: Final = {
    "deployments": "commits on the main line (or tags that match --deploys), a week",
    "releases": "changes, and dates of ramps and schedules in git, that raise the exposure of a flag, a week",
    "lead time": "from the merge that brought a flag to the step that gave it to everyone, median",
    "dark time": "from the merge that brought a flag to its first exposure, median",
    "change failure rate": (
        "releases whose flag's next change of exposure was a kill or a decrease (but not by date), of all releases"
    ),
    "time to restore": "from such a harmful step to the kill or decrease that ended it, median",
    "blast radius spent": "users × minutes: exposure after each harmful step, times how long it lasted, times users",
}

# DORA, Accelerate State of DevOps 2023, the four performance levels; a bound is the worst value of its level.
_GRADES: Final = ("elite", "high", "medium")
_LEAD: Final = (DAY, 7 * DAY, 30 * DAY)
_RESTORE: Final = (3600.0, DAY, 7 * DAY)
_FAILURES: Final = (0.05, 0.10, 0.15)
_WEEKLY: Final = (7.0, 1.0, 7 / 30)  # the least, not the most


class Figure(msgspec.Struct, frozen=True):
    """One figure: its value (None without a sample), how many samples it rests on, and its grade, from ten on."""

    name: str
    value: float | None
    unit: str
    samples: int
    grade: str | None = None


class Dora(msgspec.Struct, frozen=True):
    """All figures of a period, and what happened in each of its weeks: (start, deployments, releases)."""

    start: float
    end: float
    figures: tuple[Figure, ...]
    weeks: tuple[tuple[float, int, int], ...]
    harmful: tuple[tuple[str, str, float, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        return {
            "start": self.start,
            "end": self.end,
            "figures": [
                {**msgspec.to_builtins(figure), "definition": DEFINITIONS[figure.name]} for figure in self.figures
            ],
            "weeks": [
                {"start": at, "deployments": deploys, "releases": releases} for at, deploys, releases in self.weeks
            ],
            "harmful": [
                {"change": id, "flag": flag, "seconds": lasted, "exposure": share}
                for id, flag, lasted, share in self.harmful
            ],
        }


def measure_dora(
    records: Sequence[ChangeRecord], deployments: Iterable[float], *, start: float, end: float, users: int = 1
) -> Dora:
    """The figures of the period from ``start`` to ``end``; ``users`` is how many there are, for the blast radius."""
    deploys = sorted(at for at in deployments if start <= at < end)
    moves = [record for record in records if record.before != record.after]
    releases = [record for record in moves if record.after > record.before and start <= record.origin.time < end]
    ends = _endings(moves)
    harmful = [(record, ends[id(record)]) for record in releases if id(record) in ends]
    # Clocks differ: a commit may be older than the one before it.
    lasted = [max(done.origin.time - record.origin.time, 0.0) for record, done in harmful]
    spent = sum(record.after * users * time / 60 for (record, _), time in zip(harmful, lasted, strict=True))
    weeks = max(end - start, DAY) / (7 * DAY)  # what happened in an hour says nothing about a week
    leads, darks = _waits(records, start, end)
    figures = (
        _figure("deployments", len(deploys) / weeks, "a week", len(deploys), _WEEKLY, most=False),
        _figure("releases", len(releases) / weeks, "a week", len(releases), _WEEKLY, most=False),
        _figure("lead time", median(leads) if leads else None, "seconds", len(leads), _LEAD),
        Figure("dark time", median(darks) if darks else None, "seconds", len(darks)),
        _figure(
            "change failure rate", len(harmful) / len(releases) if releases else None, "share", len(releases), _FAILURES
        ),
        _figure("time to restore", median(lasted) if lasted else None, "seconds", len(lasted), _RESTORE),
        Figure("blast radius spent", spent, "user minutes", len(harmful)),
    )
    costs = tuple((one.id, one.flag, time, one.after) for (one, _), time in zip(harmful, lasted, strict=True))
    return Dora(start, end, figures, _weeks(deploys, releases, start, end), costs)


def _figure(
    name: str, value: float | None, unit: str, samples: int, bounds: tuple[float, ...], *, most: bool = True
) -> Figure:
    grade = None
    if value is not None and samples >= ENOUGH:
        within = (
            level for level, bound in zip(_GRADES, bounds, strict=True) if (value <= bound if most else value >= bound)
        )
        grade = next(within, "low")
    return Figure(name, value, unit, samples, grade)


def _endings(moves: Sequence[ChangeRecord]) -> dict[int, ChangeRecord]:
    """The kill or decrease that ended each release: its flag's next change of exposure, if it was one; by `id`.

    Taking out a flag that everybody has had is no failure: code stays as it was released. Nor is an end that was set
    from the beginning.
    """
    found: dict[int, ChangeRecord] = {}
    following: dict[str, ChangeRecord] = {}
    for record in reversed(moves):
        done = following.get(record.flag)
        if done is not None and done.after < done.before and done.kind != "removed" and done.origin.via != BY_DATE:
            found[id(record)] = done
        following[record.flag] = record
    return found


def _waits(records: Sequence[ChangeRecord], start: float, end: float) -> tuple[list[float], list[float]]:
    """How long flags took from their merge to everyone, and to anyone; for those that got there in the period."""
    born: dict[str, float] = {}
    shown: set[str] = set()
    leads: list[float] = []
    darks: list[float] = []
    for record in records:
        at, key = record.origin.time, record.flag
        if record.kind == "created":
            born[key] = at
            shown.discard(key)
        counts = start <= at < end and key in born
        if record.after > 0 and key not in shown:
            shown.add(key)
            darks += [at - born[key]] if counts else []
        if record.stage_after is StageKind.RELEASED and key in born:
            leads += [at - born[key]] if counts else []
            del born[key]
    return leads, darks


def _weeks(
    deploys: Sequence[float], releases: Sequence[ChangeRecord], start: float, end: float
) -> tuple[tuple[float, int, int], ...]:
    weeks: list[tuple[float, int, int]] = []
    at = start
    while at < end and len(weeks) < 520:
        until = at + 7 * DAY
        count = sum(at <= time < until for time in deploys), sum(at <= one.origin.time < until for one in releases)
        weeks.append((at, *count))
        at = until
    return tuple(weeks)
