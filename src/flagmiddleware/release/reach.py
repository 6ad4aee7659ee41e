"""Which flags a change reaches: those that it defines otherwise, and those that use or require what it changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from ..model import Condition, Flag, Rule, Ruleset
from ..plan import is_same
from .logic import expand

__all__ = ["SEGMENT", "core", "governed", "reached_flags", "uses_changed_segment"]

SEGMENT: Final = "a segment that it uses has changed"


def reached_flags(before: Ruleset, after: Ruleset) -> dict[str, str]:
    """Every flag whose decisions, owners or risk may differ, and what reaches it; empty: its own definition."""
    reached: dict[str, str] = {}
    for key in {**before.flags, **after.flags}:
        old, new = before.flags.get(key), after.flags.get(key)
        if not is_same(core(old), core(new)):
            reached[key] = ""
        elif old is not None and new is not None and uses_changed_segment(old, before, new, after):
            reached[key] = SEGMENT
    _add_dependents(reached, after.flags)
    for key in before.flags.keys() & after.flags.keys():
        if key not in reached and governed(before.flags[key], after.flags[key]):
            reached[key] = ""
    return reached


def _add_dependents(reached: dict[str, str], flags: Mapping[str, Flag]) -> None:
    dependents: dict[str, list[str]] = {}
    for flag in flags.values():
        for requirement in flag.requires:
            dependents.setdefault(requirement.key, []).append(flag.key)
    waiting = list(reached)
    while waiting:
        key = waiting.pop()
        for other in dependents.get(key, ()):
            if other not in reached:
                reached[other] = f"it requires {key}, which changes"
                waiting.append(other)


def governed(old: Flag, new: Flag) -> list[str]:
    """What a change does to the owners and the risk of a flag, in words: who may raise it, and how fast."""
    return list(_governed(old, new))


def _governed(old: Flag, new: Flag) -> Iterator[str]:
    if old.owner != new.owner:
        yield f"owner goes from {' + '.join(old.owner) or 'nobody'} to {' + '.join(new.owner) or 'nobody'}"
    if old.risk != new.risk:
        yield f"risk goes from {_risk(old)} to {_risk(new)}"


def _risk(flag: Flag) -> str:
    risk = flag.risk
    return f"technical {risk.technical}, business {risk.business}" if risk is not None else "undeclared"


def core(flag: Flag | None) -> Flag | None:
    """The flag without what decides nothing."""
    if flag is None:
        return None
    return msgspec.structs.replace(
        flag, description="", owner=(), risk=None, expires=None, metadata={}, tests=(), qa=False, public=False
    )


def uses_changed_segment(old: Flag, before: Ruleset, new: Flag, after: Ruleset) -> bool:
    """Whether a condition of the flag means something else, written out."""
    # True is not 1, although Python finds them equal.
    return repr(_expanded(old.rules, before)) != repr(_expanded(new.rules, after))


def _expanded(rules: tuple[Rule, ...], ruleset: Ruleset) -> list[Condition | None]:
    return [expand(rule.condition, ruleset.segments) for rule in rules]
