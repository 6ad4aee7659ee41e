"""What dates did by themselves: the steps of ramps and the ends of schedules, in the records of changes."""

from __future__ import annotations

from collections.abc import Iterator
from math import nextafter
from typing import Final

from ..model import Flag, Ramp, Ruleset
from .changes import ChangeRecord, Origin
from .stages import stage_of
from .words import describe

__all__ = ["BY_DATE", "dated_moves", "dates_of"]

BY_DATE: Final = "clock"
"""By what a record of :func:`dated_moves` came about."""


def dates_of(flag: Flag) -> set[float]:
    """The instants at which a rule of the flag counts otherwise, in seconds since 1970.

    >>> dates_of(Flag(key="beta"))
    set()
    """
    dates: set[float | None] = set()
    for rule in flag.rules:
        if isinstance(rule.gate, Ramp):
            dates |= {step.at for step in rule.gate.steps}
        if rule.schedule is not None:
            dates |= {rule.schedule.start, rule.schedule.until}
    return {date for date in dates if date is not None}


def dated_moves(ruleset: Ruleset, start: float, end: float) -> Iterator[ChangeRecord]:
    """A record for each date after ``start`` and up to ``end`` that changed how many of everyone have a flag."""
    found = [(at, flag) for flag in ruleset.flags.values() for at in dates_of(flag) if start < at <= end]
    for at, flag in sorted(found, key=lambda one: (one[0], one[1].key)):
        record = _move(flag, ruleset, at)
        if record.before != record.after:
            yield record


def _move(flag: Flag, ruleset: Ruleset, at: float) -> ChangeRecord:
    """A line is drawn at its ends: what a ramp did between two steps, it did at the second."""
    earlier = max((date for date in dates_of(flag) if date < at), default=nextafter(at, 0.0))
    was, now = stage_of(flag, earlier), stage_of(flag, at)
    return ChangeRecord(
        Origin(f"{at:.0f}", at, via=BY_DATE, reason="by date", environment=ruleset.environment),
        flag.key,
        "increased" if now.threshold > was.threshold else "decreased",
        describe(flag, ruleset, now=earlier),
        describe(flag, ruleset, now=at),
        was.threshold / 2**32,
        now.threshold / 2**32,
        was.kind,
        now.kind,
    )
