"""Conditions over columns of users: each is decided by compiled code, once for all who are alike in what it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from ..context import Context
from ..model import NATIVE, Condition, Flag, InSegment, Rule, Ruleset, Serve
from ..plan import Plan
from .logic import expand
from .trees import Variant

if TYPE_CHECKING:
    from .columns import Bits, Users

__all__ = ["Conditions", "Membership", "variants_of"]

_variant: Final = attrgetter("variant")


def variants_of(plan: Plan, key: str) -> Callable[[Sequence[Context]], list[Variant]]:
    """Gives the variant that each of some users gets."""
    flag = plan.ruleset.flags.get(key)
    if flag is None:
        return lambda users: [None] * len(users)
    compiled = plan.compile(flag)

    def carefully(user: Context) -> Variant:
        try:
            return compiled(user, None).variant
        except Exception as error:  # odd attributes: the interpreter decides, as it does in production
            return plan.recover(flag, user, None, error).variant

    def decide(users: Sequence[Context]) -> list[Variant]:
        try:
            return list(map(_variant, map(compiled, users, repeat(None))))
        except Exception:  # one of them is odd
            return [carefully(user) for user in users]

    return decide


class Conditions:
    """The conditions of some flags: equal ones, of whichever flag and side of a change, are one column.

    A flag is made for each, on where it holds, so that they are decided by compiled code as everywhere.
    """

    def __init__(self, flags: Iterable[Flag], ruleset: Ruleset, now: float) -> None:
        self._segments = ruleset.segments
        found: dict[str, Condition] = {}
        for flag in flags:
            for rule in flag.rules:
                if rule.condition is not None:
                    found.setdefault(self.name(rule), rule.condition)
        made = {name: _where(name, condition) for name, condition in found.items()}
        self._plan = Plan(Ruleset(flags=made, segments=ruleset.segments, dialect=ruleset.dialect), now)

    def name(self, rule: Rule) -> str:
        """The same for two conditions exactly if they decide alike as written: true is not 1."""
        return repr(expand(rule.condition, self._segments))

    def reads(self, names: Iterable[str]) -> frozenset[str]:
        """The attributes that these conditions read."""
        return frozenset().union(*map(self._plan.reads, names))

    def column(self, users: Users, name: str) -> Bits:
        """Who meets a condition."""
        return users.kept_bits(name, lambda: _asked(self._plan, users, name))


def _where(name: str, condition: Condition) -> Flag:
    return Flag(key=name, rules=(Rule(Serve("on"), condition=condition),))


def _asked(plan: Plan, users: Users, name: str) -> Bits:
    decide = variants_of(plan, name)
    return users.bits(tuple(sorted(plan.reads(name))), lambda samples: [variant == "on" for variant in decide(samples)])


class Membership:
    """Tells the segments of either ruleset that users are in."""

    def __init__(self, before: Ruleset, after: Ruleset, now: float) -> None:
        self.names = sorted({*before.segments, *after.segments})
        flags = {name: _where(name, InSegment(name)) for name in self.names}
        segments = {**before.segments, **after.segments}
        self._plan = Plan(Ruleset(flags=flags, segments=segments, dialect=after.dialect), now)

    def reads(self) -> frozenset[str]:
        """The attributes that segments read."""
        return frozenset().union(*(self._plan.reads(name) for name in self.names))

    def mark(self, users: Users) -> None:
        """Note each user's segments on ``users``."""
        users.mark(self.names, [self._column(users, name) for name in self.names])

    def _column(self, users: Users, name: str) -> Bits:
        if self._plan.ruleset.dialect is NATIVE:
            return _asked(self._plan, users, name)
        return users.everyone(variant == "on" for variant in variants_of(self._plan, name)(users.contexts))
