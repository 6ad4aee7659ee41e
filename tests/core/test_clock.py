"""Schedules and ramps follow the wall clock; the plan's deadline is also their next boundary."""

from __future__ import annotations

from typing import Any

import pytest

from flagmiddleware import Context, Flags, holder
from flagmiddleware.clock import holds, share_at
from flagmiddleware.conditions import instant
from flagmiddleware.model import Ramp, RampStep, Schedule, Share

START, MIDDLE, END = 1_800_000_000.0, 1_800_000_500.0, 1_800_001_000.0


def at(seconds: float) -> str:
    """An instant as a flag file writes it."""
    from datetime import datetime, timezone

    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()


class Clock:
    """A wall clock that the test sets, and a monotonic one that runs along with it or not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, now: float) -> None:
        self.now = now
        monkeypatch.setattr(holder, "time", lambda: self.now)


def scheduled(**rule: Any) -> dict[str, Any]:
    return {"version": 1, "flags": {"sale": {"rules": [rule]}}}


def follow(flags: Flags) -> None:
    """What the expired branch of the deadline does."""
    flags.refresh()


def test_a_schedule_is_on_from_its_start_until_before_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """``from`` is inclusive and ``until`` exclusive; next_change names the next boundary."""
    clock = Clock(monkeypatch, START - 1)
    flags = Flags(scheduled(schedule={"from": at(START), "until": at(END)}, serve=True))
    found = []
    for clock.now in (START - 0.001, START, END - 0.001, END):
        follow(flags)
        found.append((flags.is_enabled("sale"), flags.plan.next_change))
    assert found == [(False, START), (True, END), (True, END), (False, None)]


def test_the_deadline_is_no_later_than_the_boundary(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is looked at once an hour still opens its sale on the second."""
    from time import monotonic

    Clock(monkeypatch, START - 5)
    flags = Flags(scheduled(schedule={"from": at(START)}, serve=True))
    assert flags._holder.deadline - monotonic() == pytest.approx(5, abs=1)


def test_a_clock_set_back_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedules follow the wall clock both ways."""
    clock = Clock(monkeypatch, START + 10)
    flags = Flags(scheduled(schedule={"from": at(START)}, serve=True))
    assert flags.is_enabled("sale")
    clock.now = START - 3600
    follow(flags)
    assert not flags.is_enabled("sale")


def test_a_ramp_takes_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """0 % before the first step, then each step's share."""
    clock = Clock(monkeypatch, START - 1)
    steps = [{"at": at(START), "to": "12%"}, {"at": at(END), "to": "100%"}]
    flags = Flags(scheduled(ramp=steps))
    found = []
    for clock.now in (START - 1, START, END):
        follow(flags)
        found.append([flags.is_enabled("sale", Context(f"user-{number}")) for number in range(50)])
    assert not any(found[0])
    assert 0 < sum(found[1]) < 25
    assert all(found[2])


def test_a_linear_ramp_draws_a_line() -> None:
    """Halfway between two steps it is halfway between their shares, and flat after the last."""
    steps = (RampStep(START, Share("10%", 100)), RampStep(END, Share("50%", 500)))
    linear, stepped = Ramp(steps, linear=True), Ramp(steps)
    shares = [share_at(linear, seconds) for seconds in (START - 1, START, MIDDLE, END, END + 1)]
    assert shares == [0, 100, 300, 500, 500]
    assert share_at(stepped, MIDDLE) == 100


def test_a_linear_ramp_moves_once_a_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan has one instant; caches may keep an answer until the next move."""
    Clock(monkeypatch, MIDDLE)
    steps = [{"at": at(START), "to": "0%"}, {"at": at(END), "to": "100%"}]
    flags = Flags(scheduled(ramp=steps, linear=True))
    assert flags.plan.next_change == pytest.approx(MIDDLE + 1)


def test_raising_a_linear_ramp_never_removes_a_subject(monkeypatch: pytest.MonkeyPatch) -> None:
    """As time goes on the ramp only adds subjects."""
    clock = Clock(monkeypatch, START)
    steps = [{"at": at(START), "to": "0%"}, {"at": at(END), "to": "100%"}]
    flags = Flags(scheduled(ramp=steps, linear=True))
    before: set[int] = set()
    for clock.now in range(int(START), int(END) + 1, 50):
        follow(flags)
        served = {number for number in range(200) if flags.is_enabled("sale", Context(f"user-{number}"))}
        assert before <= served
        before = served
    assert len(before) == 200


def test_an_open_schedule_has_no_other_end() -> None:
    """Either bound may be left out; no schedule holds always."""
    assert holds(None, 0)
    assert holds(Schedule(until=END), START)
    assert not holds(Schedule(until=END), END)
    assert holds(Schedule(start=START), END)
    assert instant(at(START)) == START
