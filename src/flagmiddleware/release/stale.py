"""Flags that have done their work: why they can go, what they settled on, and where they stand in the code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ..answers import is_on
from ..bucketing import BUCKETS
from ..model import Flag, Ramp, Rule, Ruleset
from .changes import ChangeRecord
from .documents import Documents
from .exposure import branches
from .matrix import format_age
from .policy import Policy
from .strict import expired_on, history_of, is_unread, place_of, required_keys, settled_for
from .usage import Mention, Usage, find_usage

__all__ = ["StaleFlag", "find_stale", "settled_variant"]

Watch = Callable[[Iterable[Any], str], Iterable[Any]]


class StaleFlag(msgspec.Struct, frozen=True):
    """A flag that can be deleted. ``variant`` is what everybody gets, None where the flag still decides something;
    ``settled`` whether that counts as on, and ``value`` what it holds. ``constants`` are names that hold the key.
    """

    key: str
    reasons: tuple[str, ...]
    settled: bool | None
    mentions: tuple[Mention, ...]
    variant: str | None = None
    value: Any = None
    constants: frozenset[str] = frozenset()

    def to_dict(self) -> dict[str, Any]:
        """The flag as plain data."""
        places = [{"file": one.file, "line": one.line, "sure": one.sure} for one in self.mentions]
        settled = {"settled": self.settled, "variant": self.variant}
        return {"key": self.key, "reasons": list(self.reasons), **settled, "mentions": places}


def settled_variant(flag: Flag, ruleset: Ruleset, now: float) -> str | None:
    """The variant that everybody gets, by whatever way; None where the flag tells people, or times, apart."""
    if flag.error is not None or (flag.enabled and any(_is_to_come(rule, now) for rule in flag.rules)):
        return None
    served: set[str | None] = set()
    for branch in branches(flag, ruleset, now):
        if branch.threshold:
            starts = [0, *(cut for _, cut in branch.ranges)]
            served.update(variant for start, (variant, cut) in zip(starts, branch.ranges, strict=False) if start < cut)
        if branch.threshold < BUCKETS:
            served.add(branch.outside)
    served = {flag.off if variant is None else variant for variant in served}
    only = served.pop() if len(served) == 1 else None
    return only if only in flag.variants else None


def _is_to_come(rule: Rule, now: float) -> bool:
    """Whether time alone will change what the rule serves."""
    dates = [] if rule.schedule is None else [rule.schedule.start, rule.schedule.until]
    if isinstance(rule.gate, Ramp):
        dates += [step.at for step in rule.gate.steps]
    return any(date is not None and date > now for date in dates)


def find_stale(
    documents: Documents | None,
    ruleset: Ruleset,
    policy: Policy,
    *,
    folders: Iterable[str],
    now: float,
    watch: Watch = lambda items, _: items,
) -> list[StaleFlag]:
    """Every flag that can go: settled for long, expired, or read by nobody; flags of a store come without documents."""
    history = (None if documents is None else history_of(documents, ruleset, now)) or []
    usage = find_usage(folders, ruleset.flags, watch=watch)
    required = frozenset[str]() if documents is None else required_keys(documents)
    found = []
    for key in sorted(ruleset.flags):
        flag = ruleset.flags[key]
        reasons = tuple(_reasons(flag, policy, history, is_unread(key, required, usage), now))
        if reasons:
            found.append(_stale(flag, settled_variant(flag, ruleset, now), reasons, usage))
    return found


def _stale(flag: Flag, variant: str | None, reasons: tuple[str, ...], usage: Usage) -> StaleFlag:
    mentions = tuple(sorted({(one.file, one.line): one for one in usage.of(flag.key)}.values()))
    if variant is None:
        return StaleFlag(flag.key, reasons, None, mentions)
    value = flag.variants[variant]
    constants = usage.constants.get(flag.key, frozenset())
    return StaleFlag(flag.key, reasons, is_on(flag, variant), mentions, variant, value, constants)


def _reasons(flag: Flag, policy: Policy, history: list[ChangeRecord], unread: bool, now: float) -> Iterable[str]:
    lasted = settled_for(flag, history, now)
    if lasted is not None and lasted > policy.settled_after:
        yield f"{place_of(flag, now)} for {format_age(lasted)}"
    date = expired_on(flag, now)
    if date is not None:
        yield f"expired on {date}"
    if unread:
        yield "no code or template reads it"
