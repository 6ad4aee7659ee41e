"""The Blast Radius Matrix: every flag in its quadrant, with its stage, its age and its next step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..model import Ruleset
from .policy import DAY, DEFAULT_POLICY, LEVELS, Policy, Strategy
from .shares import format_share
from .stages import Stage, next_step, stage_of

__all__ = ["Matrix", "Placement", "draw_matrix", "format_age"]


class Placement(msgspec.Struct, frozen=True):
    """One flag in the matrix; ``age`` is the time, in seconds, since its stage was last changed, where known."""

    key: str
    strategy: str | None
    stage: Stage
    next: str
    owner: tuple[str, ...] = ()
    age: float | None = None
    description: str = ""

    @property
    def line(self) -> str:
        """The flag in one line."""
        age = f", {format_age(self.age)}" if self.age is not None else ""
        return f"{self.key}: {self.stage.text}{age} → {self.next}"


class Matrix(msgspec.Struct, frozen=True):
    """Every flag placed, the strategies that they were placed by, and the instant of the drawing."""

    placements: tuple[Placement, ...]
    policy: Policy
    at: float
    environment: str | None = None

    def quadrant(self, technical: str, business: str) -> tuple[Strategy | None, tuple[Placement, ...]]:
        """The strategy of a quadrant, and the flags in it."""
        found = (s for s in self.policy.strategies.values() if (s.technical, s.business) == (technical, business))
        strategy = next(found, None)
        name = strategy.name if strategy else ""
        return strategy, tuple(placed for placed in self.placements if placed.strategy == name)

    @property
    def unplaced(self) -> tuple[Placement, ...]:
        """The flags that state no risk, and so have no quadrant."""
        return tuple(placed for placed in self.placements if placed.strategy is None)

    def to_dict(self) -> dict[str, Any]:
        """The matrix as plain data: quadrants in reading order, then what has no quadrant."""
        quadrants = [self._quadrant_dict(t, b) for b in reversed(LEVELS) for t in LEVELS]
        unplaced = [_placement_dict(placed) for placed in self.unplaced]
        return {"environment": self.environment, "quadrants": quadrants, "unplaced": unplaced}

    def _quadrant_dict(self, technical: str, business: str) -> dict[str, Any]:
        strategy, placed = self.quadrant(technical, business)
        return {
            "strategy": strategy.name if strategy else None,
            "technical_risk": technical,
            "business_risk": business,
            "owners": list(strategy.owners) if strategy else [],
            "stages": [format_share(stage) for stage in strategy.stages] if strategy else [],
            "gates": list(strategy.gates) if strategy else [],
            "soak_seconds": strategy.soak if strategy else 0.0,
            "flags": [_placement_dict(one) for one in placed],
        }


def _placement_dict(placed: Placement) -> dict[str, Any]:
    return {
        "key": placed.key,
        "stage": placed.stage.kind.value,
        "stage_text": placed.stage.text,
        "share": placed.stage.threshold / 2**32,
        "next": placed.next,
        "owner": list(placed.owner),
        "age_seconds": placed.age,
    }


def draw_matrix(
    ruleset: Ruleset, policy: Policy = DEFAULT_POLICY, *, now: float, changed: Mapping[str, float] | None = None
) -> Matrix:
    """Place every flag; ``changed`` tells when each was last changed (seconds since 1970), where that is known."""
    placements = []
    for key in sorted(ruleset.flags):
        flag = ruleset.flags[key]
        strategy = policy.strategy_of(flag.risk)
        then = (changed or {}).get(key)
        placements.append(
            Placement(
                key,
                strategy.name if strategy else None,
                stage_of(flag, now),
                next_step(flag, strategy, now),
                flag.owner,
                None if then is None else max(0.0, now - then),
                flag.description,
            )
        )
    return Matrix(tuple(placements), policy, now, ruleset.environment)


def format_age(seconds: float) -> str:
    """A time span in its two largest units, or one.

    >>> format_age(90061), format_age(59), format_age(7200)
    ('1 d 1 h', '59 s', '2 h')
    """
    if seconds < 60:
        return f"{int(seconds)} s"
    units = (("d", DAY), ("h", 3600.0), ("min", 60.0))
    index = next(place for place, (_, size) in enumerate(units) if seconds >= size)
    name, size = units[index]
    rest = units[index + 1 : index + 2]
    text = f"{int(seconds // size)} {name}"
    smaller = [f" {int(seconds % size // unit)} {label}" for label, unit in rest if seconds % size >= unit]
    return text + "".join(smaller)
