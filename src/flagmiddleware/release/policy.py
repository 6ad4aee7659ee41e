"""The four strategies of the Blast Radius Matrix, and what a team may change about them.

The matrix is data: :data:`DEFAULT_POLICY` is what holds where a flag file says nothing, :func:`read_policy` lays a
``policy:`` section over it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import pairwise
from typing import Any, Final

import msgspec

from ..errors import Problem, RulesetError
from ..model import Risk, Share
from .shares import parse_percent

__all__ = [
    "DAY",
    "DEFAULT_POLICY",
    "GATES",
    "LEVELS",
    "ROLES",
    "Place",
    "Policy",
    "Strategy",
    "parse_duration",
    "read_policy",
]

DAY: Final = 86_400.0
LEVELS: Final = ("low", "high")

GATES: Final[Mapping[str, str]] = {
    "person": "a person's word, after support tickets and conversion were looked at",
    "metrics": "p95 latency and error rate not worse",
}
"""What can stand between two stages, and what it asks; a policy may add its own."""

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY, "w": 7 * DAY}


class Strategy(msgspec.Struct, frozen=True):
    """How flags of one quadrant are released.

    ``stages`` are the shares on the way from dark to 100 %; ``cohort`` asks for an internal cohort before the first
    of them; ``gates`` (names in :attr:`Policy.gates`) stand before each next stage; ``soak`` is the time, in seconds,
    that a stage lasts at least; all of ``owners`` must own the flag. ``conditional`` tells what becomes of a step for
    those who meet a condition, of whom nobody said how many they are: ``warn`` or ``deny``.
    """

    name: str
    technical: str
    business: str
    stages: tuple[Share, ...]
    owners: tuple[str, ...]
    gates: tuple[str, ...] = ()
    soak: float = 0.0
    cohort: bool = False
    conditional: str = "warn"

    @property
    def title(self) -> str:
        """The name as a heading."""
        return self.name.replace("-", " ")

    def next_stage(self, threshold: int) -> Share | None:
        """The stage after ``threshold`` buckets; None where everyone is in."""
        return next((stage for stage in self.stages if stage.threshold > threshold), None)


class Policy(msgspec.Struct, frozen=True):
    """Every strategy by name, how long a settled flag may stay (seconds), and who may do what.

    ``roles`` maps a person or team to a role, ``environments`` the same for one environment; what is not listed
    follows the owners of the flag. ``gates`` are the gates that there are, and what each asks. ``internal`` names the
    segments, and the attributes that are true, by which one's own people are known. ``undeclared`` is the strategy of
    flags that state no risk; empty: none, which is told and breaks nothing.
    """

    strategies: Mapping[str, Strategy]
    settled_after: float = 30 * DAY
    roles: Mapping[str, str] = {}
    environments: Mapping[str, Mapping[str, str]] = {}
    teams: Mapping[str, tuple[str, ...]] = {}
    gates: Mapping[str, str] = msgspec.field(default_factory=lambda: GATES)
    internal: tuple[str, ...] = ("is_staff", "internal", "insiders")
    undeclared: str = ""

    def strategy_of(self, risk: Risk | None) -> Strategy | None:
        """The strategy of a flag's quadrant, or of flags without one; None where the policy names none for them."""
        if risk is None:
            return self.strategies.get(self.undeclared)
        found = (s for s in self.strategies.values() if (s.technical, s.business) == (risk.technical, risk.business))
        return next(found, None)


def _stages(*texts: str) -> tuple[Share, ...]:
    return tuple(map(parse_percent, texts))


_FOUR: Final = (
    Strategy("fast-lane", "low", "low", _stages("100%"), ("product",)),
    Strategy("product-canary", "low", "high", _stages("5%", "25%", "50%", "100%"), ("product",), ("person",)),
    Strategy(
        "engineering-sandbox",
        "high",
        "low",
        _stages("1%", "5%", "25%", "50%", "100%"),
        ("engineering",),
        ("metrics",),
        cohort=True,
    ),
    Strategy(
        "measured-crawl",
        "high",
        "high",
        _stages("1%", "5%", "10%", "25%", "50%", "100%"),
        ("engineering", "product"),
        ("person", "metrics"),
        soak=DAY,
        conditional="deny",
    ),
)

DEFAULT_POLICY: Final = Policy({strategy.name: strategy for strategy in _FOUR})
"""The Blast Radius Matrix as it is where nobody overrides it."""


def parse_duration(value: object) -> float:
    """Seconds of ``90s``, ``15m``, ``24h``, ``30d`` or ``2w``.

    >>> parse_duration("24h")
    86400.0
    """
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"expected a duration such as 24h or 30d, found {value!r}")
    return float(found[1]) * _UNITS[found[2]]


Place = Callable[..., tuple[str, int]]
"""Tells the file and line of a path in a document."""


def read_policy(
    document: Mapping[str, Any], *, base: Policy = DEFAULT_POLICY, file: str = "", place: Place | None = None
) -> Policy:
    """The policy that a ``policy:`` section asks for, laid over ``base``; what it leaves out stays as it is there.

    Raises RulesetError with every problem, each where ``place`` says that it stands, or else in ``file``.

    >>> read_policy({"strategies": {"fast-lane": {"soak": "1h"}}}).strategies["fast-lane"].soak
    3600.0
    """
    reader = _Reader(base, place or (lambda *_: (file, 0)))
    policy = reader.policy(document)
    if reader.problems:
        raise RulesetError(reader.problems)
    return policy


ROLES: Final = ("view", "operate", "approve", "admin")

CONDITIONAL: Final = ("warn", "deny")

_SECTIONS: Final = ("strategies", "roles", "environments", "teams", "gates")

_Where = tuple[str, ...]


class _Reader:
    """Reads one document and keeps every problem that it finds on the way."""

    def __init__(self, base: Policy, place: Place) -> None:
        self.base, self.place = base, place
        self.gates: dict[str, str] = dict(base.gates)
        self.problems: list[Problem] = []

    def policy(self, document: Mapping[str, Any]) -> Policy:
        base, known = self.base, (*_SECTIONS, "settled_after", "internal", "undeclared")
        section = self._mapping(document, ("policy",), known)
        self.gates.update(self._gates(section.get("gates", {})))
        strategies = {**base.strategies, **dict(self._strategies(section))}
        settled, internal, undeclared = base.settled_after, base.internal, base.undeclared
        if "settled_after" in section:
            settled = self._value(parse_duration, section["settled_after"], ("policy", "settled_after"), settled)
        if "internal" in section:
            internal = self._names(section["internal"], ("policy", "internal"))
        if "undeclared" in section:
            undeclared = self._names(str(section["undeclared"]), ("policy", "undeclared"), tuple(strategies))[0]
        roles = {**base.roles, **self._roles(section.get("roles", {}), ("policy", "roles"))}
        teams = {**base.teams, **dict(self._teams(section))}
        return Policy(strategies, settled, roles, self._environments(section), teams, self.gates, internal, undeclared)

    def _strategies(self, section: Mapping[str, Any]) -> Iterator[tuple[str, Strategy]]:
        for name, fields in self._part(section, "strategies", self.base.strategies).items():
            yield name, self._strategy(self.base.strategies[name], fields, ("policy", "strategies", name))

    def _environments(self, section: Mapping[str, Any]) -> dict[str, Mapping[str, str]]:
        found = dict(self.base.environments)
        for name, roles in self._part(section, "environments").items():
            own = self._roles(roles, ("policy", "environments", name))
            found[name] = {**found.get(name, {}), **own}
        return found

    def _teams(self, section: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
        for name, members in self._part(section, "teams").items():
            yield name, self._names(members, ("policy", "teams", name))

    def _part(self, section: Mapping[str, Any], name: str, known: Iterable[str] = ()) -> dict[str, Any]:
        return self._mapping(section.get(name, {}), ("policy", name), known)

    def _gates(self, value: Any) -> dict[str, str]:
        gates = self._mapping(value, ("policy", "gates"))
        for name, asks in gates.items():
            if not isinstance(asks, str) or not asks.strip():
                self._wrong(("policy", "gates", name), f"expected what the gate asks, in words, found {asks!r}")
        return {name: str(asks) for name, asks in gates.items()}

    def _strategy(self, base: Strategy, fields: Any, where: _Where) -> Strategy:
        known = ("stages", "owners", "gates", "soak", "cohort", "conditional")
        changed: dict[str, Any] = {}
        for field, value in self._mapping(fields, where, known).items():
            place = (*where, field)
            if field == "stages":
                changed[field] = self._stages(value, place, base.stages)
            elif field == "soak":
                changed[field] = self._value(parse_duration, value, place, base.soak)
            elif field == "gates":
                changed[field] = self._names(value, place, tuple(self.gates))
            elif field == "owners":
                changed[field] = self._names(value, place)
            elif field == "conditional":
                changed[field] = self._names(str(value), place, CONDITIONAL)[0]
            elif isinstance(value, bool):
                changed[field] = value
            else:
                self._wrong(place, f"expected true or false, found {value!r}")
        return msgspec.structs.replace(base, **changed)

    def _stages(self, value: Any, where: _Where, fallback: tuple[Share, ...]) -> tuple[Share, ...]:
        texts = [f"{item}%" if isinstance(item, int) and not isinstance(item, bool) else item for item in _list(value)]
        stages = [self._value(_percent, text, where, None) for text in texts]
        shares = tuple(stage for stage in stages if stage is not None)
        rising = all(left.threshold < right.threshold for left, right in pairwise(shares))
        if len(shares) == len(stages) and (not shares or not rising or shares[-1].threshold != 2**32):
            self._wrong(where, f"expected rising percentages that end at 100%, found {value!r}")
            return fallback
        return shares or fallback

    def _roles(self, value: Any, where: _Where) -> dict[str, str]:
        roles = self._mapping(value, where)
        for who, role in roles.items():
            if role not in ROLES:
                wanted = f"expected one of {', '.join(ROLES)}"
                self._wrong((*where, str(who)), f"{wanted}, found {role!r}{_near(role, ROLES)}")
        return {who: role for who, role in roles.items() if role in ROLES}

    def _names(self, value: Any, where: _Where, known: tuple[str, ...] = ()) -> tuple[str, ...]:
        names = tuple(_list(value))
        for name in names:
            if not isinstance(name, str) or (known and name not in known):
                wanted = f"one of {', '.join(known)}" if known else "a name"
                self._wrong(where, f"expected {wanted}, found {name!r}{_near(name, known)}")
        return names

    def _mapping(self, value: Any, where: _Where, known: Iterable[str] = ()) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            self._wrong(where, f"expected a mapping, found {value!r}")
            return {}
        names = tuple(known)
        kept = {}
        for name, item in ((str(name), item) for name, item in value.items()):
            if name.startswith("x-"):
                continue
            if names and name not in names:
                self._wrong((*where, name), f"unknown name {name!r}{_near(name, names)}")
            else:
                kept[name] = item
        return kept

    def _value(self, read: Any, value: Any, where: _Where, fallback: Any) -> Any:
        try:
            return read(value)
        except ValueError as error:
            self._wrong(where, str(error))
            return fallback

    def _wrong(self, where: _Where, message: str) -> None:
        file, line = self.place(*where)
        self.problems.append(Problem(message, ".".join(where), line, file))


def _percent(value: Any) -> Share:
    if not isinstance(value, str):
        raise ValueError(f"expected a percentage such as 5%, found {value!r}")
    return parse_percent(value)


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _near(name: object, known: Iterable[str]) -> str:
    close = get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}" if known else ""
