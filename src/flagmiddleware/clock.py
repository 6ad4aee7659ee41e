"""What schedules and ramps say at an instant."""

from __future__ import annotations

from .model import Ramp, Schedule

__all__ = ["holds", "share_at"]


def share_at(gate: Ramp, instant: float) -> int:
    """How many buckets a ramp lets in at an instant (seconds since 1970)."""
    steps = [step for step in gate.steps if step.at <= instant]
    if not steps:
        return 0
    last = steps[-1]
    if not gate.linear or len(steps) == len(gate.steps):
        return last.to.threshold
    following = gate.steps[len(steps)]
    progress = (instant - last.at) / (following.at - last.at)
    return last.to.threshold + int((following.to.threshold - last.to.threshold) * progress)


def holds(schedule: Schedule | None, instant: float) -> bool:
    """Whether a schedule is on at an instant."""
    if schedule is None:
        return True
    after_start = schedule.start is None or instant >= schedule.start
    return after_start and (schedule.until is None or instant < schedule.until)
