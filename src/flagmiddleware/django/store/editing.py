"""What the admin does to flags: each change judged, checked as a whole document, written once with its reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ... import formats
from ...errors import ConfigurationError, ConflictError, Problem, RulesetError
from ...formats.native.lines import lay_out, parts
from ...model import Flag, Ruleset
from ...release import edits
from ...release.documents import Documents
from ...release.everywhere import Reached, judge_everywhere, reached, refusals
from ...release.permissions import Actor, Permission, may
from ...release.policy import Policy, read_policy
from ...release.reach import uses_changed_segment
from ...sources.base import Change
from .source import OrmSource
from .writing import document

__all__ = ["Desk", "actor_of", "actor_text", "pretty"]

_NAME = "flags"


def actor_of(user: Any) -> Actor:
    """The user by every name that a policy may know, with the names of the groups as teams."""
    full_name = user.get_full_name() if hasattr(user, "get_full_name") else ""
    names = (full_name, user.get_username(), getattr(user, "email", ""))
    teams = tuple(user.groups.values_list("name", flat=True)) if hasattr(user, "groups") else ()
    return Actor(tuple(dict.fromkeys(name for name in names if name)), teams)


def actor_text(user: Any) -> str:
    """The user as the change log names them."""
    name = (user.get_full_name() if hasattr(user, "get_full_name") else "") or user.get_username()
    email = getattr(user, "email", "")
    return f"{name} <{email}>" if email and email != name else name


class Desk:
    """The flags of one database as they are at this moment, and what may be done to them by one user."""

    def __init__(self, user: Any, using: str = "default") -> None:
        self.user, self.using = user, using
        self.revision, self.data = document(using)
        self.documents = Documents(_NAME, {_NAME: self.data}, dialect="json")
        self.ruleset = self._parse(self.data, strict=False) if self.data else Ruleset(flags={})

    @staticmethod
    def _parse(data: bytes, *, strict: bool = True, environment: str | None = None) -> Ruleset:
        return formats.parse(data, format="json", name=_NAME, strict=strict, environment=environment)

    @property
    def policy(self) -> Policy:
        """The release policy in force."""
        return read_policy(self.ruleset.policy)

    def may(self, action: str, flag: Flag | None) -> Permission:
        """Whether the user may do this to the flag. Superusers may do everything."""
        if self.user.is_superuser:
            return Permission(True, "a superuser may do everything")
        return may(actor_of(self.user), action, self.policy, flag=flag)

    # -- changes --------------------------------------------------------------------------------------------------

    def with_flag(self, key: str, body: Any) -> tuple[bytes, Ruleset]:
        """The document with one flag defined so, and what it means; raises RulesetError with every problem."""
        top, flags = parts(self.documents.files) if self.data else ({"version": 1}, {})
        flags[key] = body
        data = lay_out(top, flags)
        return data, self._parse(data)

    @property
    def shared(self) -> dict[str, Any]:
        """What all flags share: the document without them."""
        return parts(self.documents.files)[0] if self.data else {"version": 1}

    def with_shared(self, fields: Mapping[str, Any]) -> bytes:
        """The document with these top-level fields replaced; an empty one is left out.

        Raises RulesetError with every problem, the policy's own included.
        """
        top, flags = parts(self.documents.files) if self.data else ({"version": 1}, {})
        data = lay_out({name: value for name, value in {**top, **fields}.items() if value != {}}, flags)
        problems: list[Problem] = []
        for check in (lambda: self._parse(data), lambda: read_policy(fields.get("policy", {}))):
            try:
                check()
            except RulesetError as error:
                problems += error.problems
        if problems:
            raise RulesetError(problems)
        return data

    def moved_by(self, data: bytes) -> list[Flag]:
        """The flags that decide otherwise, in any environment, because a segment says something else in ``data``."""
        found: dict[str, Flag] = {}
        for environment in (None, *self.documents.environments()):
            old, new = (self._parse(text, strict=False, environment=environment) for text in (self.data, data))
            found |= {key: flag for key, flag in old.flags.items() if uses_changed_segment(flag, old, flag, new)}
        return [self.ruleset.flags[key] for key in found]

    def broken_rules(self, data: bytes, now: float) -> list[str]:
        """What the policy has against these definitions, in each environment that they change."""
        found = judge_everywhere(self._places(data), self.policy, now=now)
        return [one.text for one in found if one.verdict.breaks]

    def refusals(self, data: bytes, action: str) -> list[str]:
        """Why the user may not do this in some environment that the definitions change; superusers always may."""
        if self.user.is_superuser:
            return []
        return list(dict.fromkeys(refusals(self._places(data), actor_of(self.user), self.policy, action)))

    def _places(self, data: bytes) -> list[Reached]:
        old = self.documents if self.data else Documents("nothing", {})
        return reached(old, Documents(_NAME, {_NAME: data}, dialect="json"), self.policy)

    def edited(self, keys: Iterable[str], action: str) -> bytes:
        """The document with each flag killed, restored or removed."""
        change: Callable[[Documents, str], bytes] = {"kill": _kill, "restore": _restore, "remove": _remove}[action]
        documents = self.documents
        for key in keys:
            documents = Documents(_NAME, {_NAME: change(documents, key)}, dialect="json")
        if action != "kill":  # a kill waits for nothing, not even for what is wrong elsewhere
            documents.parse()
        return documents.files[_NAME]

    def write(self, data: bytes, *, reason: str, via: str, keys: Iterable[str], expected: str | None = None) -> str:
        """Write over the revision that was looked at; raises ConflictError where there is a newer one."""
        change = Change(data=data, actor=actor_text(self.user), reason=reason, via=via, keys=tuple(keys))
        if expected is not None and expected != (self.revision or ""):
            raise ConflictError(f"the flags are at revision {self.revision}, not {expected}, which you looked at")
        return OrmSource(self.using).write(change, self.revision)


def _kill(documents: Documents, key: str) -> bytes:
    return edits.kill(documents, key).after


def _restore(documents: Documents, key: str) -> bytes:
    return edits.restore(documents, key).after


def _remove(documents: Documents, key: str) -> bytes:
    top, flags = parts(documents.files)
    if flags.pop(key, None) is None:
        raise ConfigurationError(f"there is no flag {key!r}")
    return lay_out(top, flags)


def pretty(definition: str) -> str:
    """A definition for people to edit."""
    return json.dumps(json.loads(definition or "{}"), indent=2, ensure_ascii=False)
