"""One record for each flag that a change touched: what, from what to what, by whom, why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from ..errors import FlagMiddlewareError
from ..model import Flag, Ruleset
from ..plan import is_same
from ..sources.base import FlagChange
from .documents import Documents
from .stages import Stage, StageKind, stage_of, stage_pair
from .words import describe

__all__ = [
    "UNCHANGED",
    "ChangeRecord",
    "Origin",
    "changed_keys",
    "document_changes",
    "flag_changes",
    "record_changes",
    "told_changes",
]


UNCHANGED: Final = "unchanged"
"""The kind of a record that says only that an environment was not touched."""


class Origin(msgspec.Struct, frozen=True):
    """What all records of one change share.

    ``time`` is seconds since 1970, ``revision`` that of the definitions, ``app_revision`` that of the code that read
    them: one and the same where they lie in one repository.
    """

    id: str
    time: float
    actor: str = ""
    via: str = ""
    reason: str = ""
    revision: str = ""
    environment: str | None = None
    app_revision: str = ""


class ChangeRecord(msgspec.Struct, frozen=True):
    """One flag, changed. ``before`` and ``after`` are shares of everyone (0 … 1); ``old`` and ``new`` say it in words.

    ``kind`` is ``created``, ``removed``, ``killed``, ``restored``, ``increased``, ``decreased`` or ``edited``.
    """

    origin: Origin
    flag: str
    kind: str
    old: str
    new: str
    before: float
    after: float
    stage_before: StageKind | None = None
    stage_after: StageKind | None = None

    @property
    def id(self) -> str:
        """What ``flags revert`` takes."""
        return f"{self.origin.id[:10]}:{self.flag}"

    def to_dict(self) -> dict[str, Any]:
        """The record as plain data."""
        origin = self.origin
        return {
            "id": self.id,
            "time": origin.time,
            "environment": origin.environment,
            "flag": self.flag,
            "kind": self.kind,
            "actor": origin.actor,
            "via": origin.via,
            "from": self.old,
            "to": self.new,
            "exposure_before": self.before,
            "exposure_after": self.after,
            "stage_before": self.stage_before.value if self.stage_before else None,
            "stage_after": self.stage_after.value if self.stage_after else None,
            "reason": origin.reason,
            "revision": origin.revision,
            "app_revision": origin.app_revision,
        }


def changed_keys(old: Ruleset, new: Ruleset) -> list[str]:
    """The flags whose own definition differs, in order of their keys; what segments do to others is not asked."""
    keys = {**old.flags, **new.flags}
    return sorted(key for key in keys if not is_same(_decides(old.flags.get(key)), _decides(new.flags.get(key))))


def _decides(flag: Flag | None) -> Flag | None:
    """The flag without what changes no decision, and whose wording nobody needs a record of."""
    return None if flag is None else msgspec.structs.replace(flag, tests=())


def record_changes(old: Ruleset, new: Ruleset, origin: Origin) -> Iterator[ChangeRecord]:
    """A record for each flag that differs."""
    for key in changed_keys(old, new):
        yield _record(old.flags.get(key), new.flags.get(key), old, new, origin)


def _record(before: Flag | None, after: Flag | None, old: Ruleset, new: Ruleset, origin: Origin) -> ChangeRecord:
    first, then = stage_pair(before, after, origin.time)
    flag = after or before
    assert flag is not None  # noqa: S101 - it differs, so it is on one side
    return ChangeRecord(
        origin,
        flag.key,
        _kind(before, after, first, then),
        describe(before, old, now=origin.time) if before is not None else "absent",
        describe(after, new, now=origin.time) if after is not None else "absent",
        first.threshold / 2**32 if first is not None else 0.0,
        then.threshold / 2**32 if then is not None else 0.0,
        first.kind if first is not None else None,
        then.kind if then is not None else None,
    )


def _kind(before: Flag | None, after: Flag | None, first: Stage | None, then: Stage | None) -> str:
    if before is None or first is None:
        return "created"
    if after is None or then is None:
        return "removed"
    if before.enabled != after.enabled:
        return "restored" if after.enabled else "killed"
    if then.threshold != first.threshold:
        return "increased" if then.threshold > first.threshold else "decreased"
    return "edited"


def flag_changes(old: Ruleset, new: Ruleset, *, now: float) -> tuple[FlagChange, ...]:
    """What became of each flag that differs, in the environment that the rulesets are of."""
    return tuple(
        FlagChange(
            flag=record.flag,
            kind=record.kind,
            old=record.old,
            new=record.new,
            before=record.before,
            after=record.after,
            environment=new.environment or "",
        )
        for record in record_changes(old, new, Origin("", now))
    )


def document_changes(old: Documents | None, new: Documents, *, now: float) -> tuple[FlagChange, ...]:
    """The same for what all environments share, then for each environment in which something else is told.

    An environment that a change of what is shared does not reach has a record of kind ``unchanged``.
    """
    shared = {record.flag: record for record in _in_environment(old, new, None, now)}
    found = list(shared.values())
    for name in dict.fromkeys([*(old.environments() if old is not None else ()), *new.environments()]):
        told = {record.flag: record for record in _in_environment(old, new, name, now)}
        missed = _flags_as_they_are(new, name, shared.keys() - told.keys(), now)
        differing = (one for one in told.values() if replace(one, environment="") != shared.get(one.flag))
        found += sorted([*differing, *missed], key=attrgetter("flag"))
    return tuple(found)


def told_changes(old: Documents | None, new: Documents, *, now: float) -> tuple[FlagChange, ...]:
    """The same, or nothing where the definitions are broken: a kill is written all the same, only less is told."""
    try:
        return document_changes(old, new, now=now)
    except FlagMiddlewareError:
        return ()


def _in_environment(old: Documents | None, new: Documents, name: str | None, now: float) -> tuple[FlagChange, ...]:
    before = old.parse(name) if old is not None else Ruleset(flags={}, environment=name)
    return flag_changes(before, new.parse(name), now=now)


def _flags_as_they_are(new: Documents, name: str, keys: Iterable[str], now: float) -> Iterator[FlagChange]:
    wanted = frozenset(keys)
    if not wanted:
        return
    ruleset = new.parse(name)
    for key in wanted & ruleset.flags.keys():
        words = describe(ruleset.flags[key], ruleset, now=now)
        share = stage_of(ruleset.flags[key], now).threshold / 2**32
        yield FlagChange(flag=key, kind=UNCHANGED, old=words, new=words, before=share, after=share, environment=name)
