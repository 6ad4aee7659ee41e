"""What a change does to the policy, in words: it judges nothing yet, and all that comes after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .matrix import format_age
from .policy import Policy, Strategy
from .shares import format_share

__all__ = ["policy_changes"]

_PARTS: Final = ("roles", "environments", "teams", "gates")
_FIELDS: Final = ("stages", "owners", "gates", "soak", "cohort", "conditional")


def policy_changes(old: Policy, new: Policy) -> list[str]:
    """Each part that differs, from what to what; empty where the two judge alike.

    >>> from .policy import DEFAULT_POLICY, read_policy
    >>> policy_changes(DEFAULT_POLICY, read_policy({"strategies": {"measured-crawl": {"soak": "1h"}}}))
    ['measured crawl: soak from 1 d to 1 h']
    """
    return list(_changes(old, new))


def _changes(old: Policy, new: Policy) -> Iterator[str]:
    for name in old.strategies.keys() & new.strategies.keys():
        yield from _of_strategy(old.strategies[name], new.strategies[name])
    if old.settled_after != new.settled_after:
        yield f"settled_after from {format_age(old.settled_after)} to {format_age(new.settled_after)}"
    for field in ("internal", "undeclared"):
        yield from _moved(field, getattr(old, field), getattr(new, field))
    for part in _PARTS:
        was, will = getattr(old, part), getattr(new, part)
        for name in sorted({**was, **will}):
            yield from _moved(f"{part}.{name}", was.get(name), will.get(name))


def _of_strategy(old: Strategy, new: Strategy) -> Iterator[str]:
    for field in _FIELDS:
        yield from _moved(f"{old.title}: {field}", getattr(old, field), getattr(new, field), field)


def _moved(what: str, was: Any, will: Any, field: str = "") -> Iterator[str]:
    if was != will:
        yield f"{what} from {_words(was, field)} to {_words(will, field)}"


def _words(value: Any, field: str) -> str:
    if field == "stages":
        return " → ".join(map(format_share, value))
    if field == "soak":
        return format_age(value) if value else "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {role}" for name, role in value.items()) or "nothing"
    return ("+".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")) or "nothing"
