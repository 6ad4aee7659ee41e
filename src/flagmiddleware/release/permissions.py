"""Who may do what to which flag: one policy object for the command line, admin pages and consoles."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final

import msgspec

from ..model import Flag
from .policy import Policy

__all__ = ["ACTIONS", "Actor", "Permission", "Role", "may", "role_of", "teams_of"]


class Role(IntEnum):
    """Each role may do what those before it may.

    VIEW reads, OPERATE changes flags, APPROVE opens gates and overrides the policy, ADMIN changes the policy.
    """

    VIEW = 0
    OPERATE = 1
    APPROVE = 2
    ADMIN = 3


ACTIONS: Final = {
    **{"view": Role.VIEW, "kill": Role.VIEW, "restore": Role.OPERATE, "ramp": Role.OPERATE, "next": Role.OPERATE},
    **{"schedule": Role.OPERATE, "revert": Role.OPERATE, "approve": Role.APPROVE, "override": Role.APPROVE},
    "policy": Role.ADMIN,
}
"""The role that each action asks for; a kill asks for none beyond being somebody."""


class Actor(msgspec.Struct, frozen=True):
    """Somebody, by every name that a policy may know them by, and the teams that they say they are in."""

    names: tuple[str, ...]
    teams: tuple[str, ...] = ()

    @classmethod
    def from_git(cls, identity: str) -> Actor:
        """The actor that a git identity stands for.

        >>> Actor.from_git("Ann Example <ann@example.com>").names
        ('Ann Example', 'ann@example.com')
        """
        found = re.fullmatch(r"\s*(.*?)\s*<(.*)>\s*", identity)
        names = found.groups() if found else (identity.strip(),)
        return cls(tuple(name for name in names if name))


class Permission(msgspec.Struct, frozen=True):
    """Whether it is allowed, and why or why not."""

    allowed: bool
    why: str

    def __bool__(self) -> bool:
        return self.allowed


def teams_of(actor: Actor, policy: Policy) -> tuple[str, ...]:
    """The teams that list the actor, and those that the caller vouches for."""
    listed = (team for team, members in policy.teams.items() if set(members) & set(actor.names))
    return tuple(dict.fromkeys([*actor.teams, *listed]))


def role_of(actor: Actor, policy: Policy, *, flag: Flag | None = None, environment: str | None = None) -> Role:
    """The highest role that the policy, or owning the flag, gives the actor; what an environment says goes first.

    Where a policy names no roles, everybody is trusted: the repository's own review is the gate.
    """
    here = policy.environments.get(environment or "", {})
    if not policy.roles and not here:
        return Role.ADMIN
    teams = teams_of(actor, policy)
    for table in (here, policy.roles):
        found = [Role[table[name].upper()] for name in (*actor.names, *teams) if name in table]
        if found:
            return max(found)
    owns = flag is not None and bool(set(flag.owner) & {*teams, *actor.names})
    return Role.OPERATE if owns and not here else Role.VIEW


def may(
    actor: Actor, action: str, policy: Policy, *, flag: Flag | None = None, environment: str | None = None
) -> Permission:
    """Whether the actor may do ``action`` (a key of :data:`ACTIONS`). A kill is always allowed."""
    needed = ACTIONS[action]
    if action == "kill":
        return Permission(True, "a kill is always allowed")
    role = role_of(actor, policy, flag=flag, environment=environment)
    place = f" in {environment}" if environment else ""
    who = actor.names[-1] if actor.names else "an unknown person"
    if role >= needed:
        return Permission(True, f"{who} has the role {role.name.lower()}{place}")
    return Permission(False, f"{action} needs the role {needed.name.lower()}{place}; {who} has {role.name.lower()}")
