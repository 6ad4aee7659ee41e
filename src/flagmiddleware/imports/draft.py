"""A native flag file in the making, and the notes on what each flag lost or kept on its way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple

from ..errors import FlagMiddlewareError

__all__ = [
    "Draft",
    "FlagDraft",
    "ImportProblem",
    "Kept",
    "Note",
    "check_values",
    "kebab",
    "moved_by_rollout",
    "moved_by_split",
    "percent",
]

_NOT_IN_KEYS: Final = re.compile(r"[^a-z0-9]+")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
RESERVED: Final = frozenset({"all", "any", "not", "segment", "targeting_key"})


class ImportProblem(FlagMiddlewareError):
    """The file is not what the import was told it is."""


class Kept(str, Enum):
    """How well something came over."""

    EXACT = "exact"
    RESHUFFLES = "reshuffles"
    LOST = "lost"

    __str__ = str.__str__


class Note(NamedTuple):
    """One thing to know about one flag; ``share`` is the part of the subjects (0 to 1) who change sides."""

    flag: str
    kept: Kept
    text: str
    share: float | None = None


def moved_by_rollout(percentage: float) -> float:
    """The share of the subjects who change sides when a rollout is hashed anew: in before, out after, or vice versa.

    >>> moved_by_rollout(50), round(moved_by_rollout(1), 4), moved_by_rollout(100)
    (0.5, 0.0198, 0.0)
    """
    part = min(max(percentage, 0), 100) / 100
    return 2 * part * (1 - part)


def moved_by_split(weights: Sequence[float]) -> float:
    """The share of the subjects who get another variant when a split is hashed anew.

    >>> moved_by_split([1, 1]), moved_by_split([1, 0])
    (0.5, 0.0)
    """
    total = sum(weights)
    return 1 - sum((weight / total) ** 2 for weight in weights) if total else 0.0


def percent(value: float) -> str:
    """A percentage as a flag file writes it.

    >>> percent(25.0), percent(0.1)
    ('25%', '0.1%')
    """
    return f"{round(min(max(float(value), 0.0), 100.0), 12):.12f}".rstrip("0").rstrip(".") + "%"


class _Names:
    """Names that are given once each: the second of one name is ``name-2``."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._last: dict[str, int] = {}

    def give(self, wanted: str) -> str:
        """``wanted``, or the first of ``wanted-2``, ``wanted-3`` … that is free."""
        name, number = wanted, self._last.get(wanted, 1)
        while name in self._taken:
            number += 1
            name = f"{wanted}-{number}"
        self._last[wanted] = number  # counting from the start for each would be quadratic in a file of one name
        self._taken.add(name)
        return name


class FlagDraft:
    """One flag in the making: ``body`` is its part of the file, ``name`` what the other system calls it."""

    def __init__(self, key: str, name: Any = None) -> None:
        self.key = key
        self.name = name
        self.body: dict[str, Any] = {}
        self.rules: list[dict[str, Any]] = []
        self.notes: list[Note] = []
        self._names: dict[str, str] = {}
        self._given = _Names()

    @property
    def is_exact(self) -> bool:
        """Whether nothing was said so far but that something came over as it was."""
        return all(note.kept is Kept.EXACT for note in self.notes)

    def exact(self, text: str) -> None:
        """Say that something came over as it was."""
        self.notes.append(Note(self.key, Kept.EXACT, text))

    def reshuffles(self, share: float, text: str) -> None:
        """Say that ``share`` of the subjects change sides."""
        if share > 0:
            self.notes.append(Note(self.key, Kept.RESHUFFLES, text, share))

    def lost(self, text: str) -> None:
        """Say what could not be expressed."""
        self.notes.append(Note(self.key, Kept.LOST, text))

    def abandon(self, why: str) -> None:
        """Leave the flag empty, which is off, and take back whatever was said to have come over."""
        self.body.clear()
        self.rules.clear()
        self.notes.clear()
        called = f" (it was called {self.name!r})" if self.name not in (None, self.key) else ""
        self.lost(f"it is off, for nothing of it came over{called}: {why}")

    def rule(self, condition: Any = None, **payload: Any) -> None:
        """Add a rule; ``condition`` is what stands under ``if`` (None, True or empty: everybody)."""
        self.rules.append({**({"if": condition} if condition and condition is not True else {}), **payload})

    def describe(self, text: Any) -> None:
        """Keep a description, where there is one."""
        if isinstance(text, str) and text.strip():
            self.body["description"] = text.strip()

    def variant(self, value: Any, name: str | None = None) -> Any:
        """The name under which a value is a variant of this flag; true and false are themselves."""
        if isinstance(value, bool) and name is None:
            return value
        tag = json.dumps([name, value], sort_keys=True)
        if tag not in self._names:
            wanted = kebab(name if name is not None else _short(value)) or "variant"
            self._names[tag] = self._given.give(wanted)
            self.body.setdefault("variants", {})[self._names[tag]] = value
        return self._names[tag]

    def finish(self) -> dict[str, Any]:
        """The flag's part of the file."""
        return {**self.body, **({"rules": self.rules} if self.rules else {})}


class Draft:
    """A flag file in the making; ``notes`` are on what is no flag of it."""

    def __init__(self) -> None:
        self.flags: dict[str, FlagDraft] = {}
        self.segments: dict[str, Any] = {}
        self.notes: list[Note] = []
        self._given = _Names()
        self._segments = _Names()
        self._segment_names: dict[str, str] = {}

    def segment(self, name: str) -> str:
        """The native name of the segment of that name: two that differ in case only are two here, as well."""
        if name not in self._segment_names:
            self._segment_names[name] = self._segments.give(kebab(name) or "segment")
        return self._segment_names[name]

    def flag(self, name: Any, *fallbacks: Any) -> FlagDraft:
        """A new flag under the native spelling of ``name``, or of the first fallback where that has none."""
        candidates = (kebab(str(each)) for each in (name, *fallbacks) if each is not None)
        key = self._given.give(next((each for each in candidates if each), "flag"))
        flag = self.flags[key] = FlagDraft(key, name)
        if key != name:
            flag.exact(f"was called {name!r}")
        return flag

    def all_notes(self) -> tuple[Note, ...]:
        """What to know about each flag, and about what is none."""
        return (*(note for flag in self.flags.values() for note in flag.notes), *self.notes)

    def document(self) -> dict[str, Any]:
        """The native document."""
        segments = {"segments": self.segments} if self.segments else {}
        return {"version": 1, **segments, "flags": {key: flag.finish() for key, flag in self.flags.items()}}


def kebab(name: str) -> str:
    """The native spelling of a key; empty where none of its letters can be kept.

    >>> kebab("newCheckout_v2"), kebab("IFldMzqP"), kebab("日本")
    ('new-checkout-v2', 'ifld-mzq-p', '')
    """
    return _NOT_IN_KEYS.sub("-", _CAMEL.sub("-", name).lower()).strip("-")


def _short(value: Any) -> str:
    return str(value)[:40] if isinstance(value, str | int | float) else "object"


def check_values(values: Iterable[Any]) -> str | None:
    """What is wrong with values that one flag is to have; None where nothing is."""
    kinds = {_kind(value) for value in values}
    if None in kinds:
        return "null is no value of a flag"
    return f"its values are of several types ({', '.join(sorted(map(str, kinds)))})" if len(kinds) > 1 else None


def _kind(value: Any) -> str | None:
    for kind, name in ((bool, "boolean"), (str, "text"), (int | float, "number"), (Mapping, "object"), (list, "list")):
        if isinstance(value, kind):
            return name
    return None
