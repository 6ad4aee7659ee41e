"""Who may do what: roles, teams, environments, owners."""

from __future__ import annotations

import pytest

from flagmiddleware.model import Flag
from flagmiddleware.release.permissions import ACTIONS, Actor, Role, may, role_of
from flagmiddleware.release.policy import DEFAULT_POLICY, read_policy

ANN, BEN, EVE = (Actor.from_git(f"{name} <{name.lower()}@example.com>") for name in ("Ann", "Ben", "Eve"))
POLICY = read_policy(
    {
        "teams": {"engineering": ["ann@example.com"], "product": ["ben@example.com"]},
        "roles": {"eve@example.com": "admin", "product": "approve"},
        "environments": {"production": {"product": "view", "eve@example.com": "approve"}},
    }
)
FLAG = Flag(key="a", owner=("engineering",))


def test_without_roles_the_review_is_the_gate() -> None:
    """A policy that names no role trusts everybody."""
    assert role_of(EVE, DEFAULT_POLICY) is Role.ADMIN


@pytest.mark.parametrize(
    ("actor", "environment", "role"),
    [
        (EVE, None, Role.ADMIN),
        (BEN, None, Role.APPROVE),
        (ANN, None, Role.OPERATE),
        (EVE, "production", Role.APPROVE),
        (BEN, "production", Role.VIEW),
        (ANN, "production", Role.VIEW),
        (EVE, "staging", Role.ADMIN),
    ],
)
def test_roles_by_person_team_and_environment(actor: Actor, environment: str | None, role: Role) -> None:
    """A person's or team's role, the environment's first; owners operate their own flags elsewhere."""
    assert role_of(actor, POLICY, flag=FLAG, environment=environment) is role


def test_owners_operate_their_own_flags_only() -> None:
    """Owning one flag gives nothing on another."""
    assert may(ANN, "ramp", POLICY, flag=FLAG)
    assert not may(ANN, "ramp", POLICY, flag=Flag(key="b", owner=("product",)))


def test_a_kill_is_always_allowed() -> None:
    """No role stands before a kill, in no environment."""
    assert may(Actor(("nobody",)), "kill", POLICY, flag=FLAG, environment="production")


def test_a_refusal_names_the_role_that_it_wants() -> None:
    """The answer says which role is needed and which one there is."""
    assert may(ANN, "override", POLICY, flag=FLAG).why == "override needs the role approve; ann@example.com has operate"


def test_every_action_has_a_role() -> None:
    """Each role may do what the lower ones may."""
    for action in ACTIONS:
        assert may(EVE, action, POLICY)
