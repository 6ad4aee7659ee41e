"""Flags that have done their work: why they can go, what they settled on, and where they stand in the code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..model import Flag, Ruleset
from .changes import ChangeRecord
from .git import GitError
from .history import flag_history
from .matrix import format_age
from .policy import Policy
from .stages import StageKind, stage_of
from .strict import expired_on, settled_for
from .usage import Mention, find_usage

__all__ = ["StaleFlag", "find_stale", "settled_value"]

Watch = Callable[[Iterable[Any], str], Iterable[Any]]


class StaleFlag(msgspec.Struct, frozen=True):
    """A flag that can be deleted; ``settled`` is what everybody gets, None where the flag still decides something."""

    key: str
    reasons: tuple[str, ...]
    settled: bool | None
    mentions: tuple[Mention, ...]

    def to_dict(self) -> dict[str, Any]:
        """The flag as plain data."""
        places = [{"file": one.file, "line": one.line, "sure": one.sure} for one in self.mentions]
        return {"key": self.key, "reasons": list(self.reasons), "settled": self.settled, "mentions": places}


def settled_value(flag: Flag, now: float) -> bool | None:
    """What a boolean flag gives everybody: true, false, or None where it tells people apart."""
    kind = stage_of(flag, now).kind
    if not flag.is_boolean or kind in (StageKind.PARTIAL, StageKind.INTERNAL):
        return None
    return kind is StageKind.RELEASED


def find_stale(
    path: Path | None,
    ruleset: Ruleset,
    policy: Policy,
    *,
    folders: Iterable[str],
    now: float,
    watch: Watch = lambda items, _: items,
) -> list[StaleFlag]:
    """Every flag that can go: settled for long, expired, or read by nobody."""
    history = _history(path)
    usage = find_usage(folders, ruleset.flags, watch=watch)
    found = []
    for key in sorted(ruleset.flags):
        flag = ruleset.flags[key]
        mentions = tuple(sorted({(one.file, one.line): one for one in usage.of(key)}.values()))
        reasons = tuple(_reasons(flag, policy, history, mentions, now))
        if reasons:
            found.append(StaleFlag(key, reasons, settled_value(flag, now), mentions))
    return found


def _history(path: Path | None) -> list[ChangeRecord]:
    try:
        return flag_history(path) if path is not None else []
    except GitError:
        return []


def _reasons(
    flag: Flag, policy: Policy, history: list[ChangeRecord], mentions: Sequence[Mention], now: float
) -> Iterable[str]:
    lasted = settled_for(flag, history, now)
    if lasted is not None and lasted > policy.settled_after:
        yield f"at {stage_of(flag, now).text} for {format_age(lasted)}"
    date = expired_on(flag, now)
    if date is not None:
        yield f"expired on {date}"
    if not mentions:
        yield "no code or template reads it"
