"""Unleash's activation strategies as conditions: in Unleash a subject outside a rollout goes on to the next one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from ..bucketing import encode_key, murmur
from ..errors import ContextNotReadyError
from ..model import AllOf, Condition, Dialect, InSegment, Not, Predicate, Test
from .unleash_context import Read
from .unleash_document import Strategy
from .unleash_operators import IN, NETWORKS, NEVER, condition, instant_of, quoted
from .unleash_variants import sticky_on, sticky_reads

__all__ = ["ALWAYS", "Strategies", "fields", "holds"]

ALWAYS: Final = AllOf(())
_INTEGER: Final = re.compile(r"\+?[0-9]{1,20}")

Custom = Callable[[Mapping[str, Any], Any], Any]


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and _INTEGER.fullmatch(text) and int(text) < 2**64 else None


def _split(text: str, *, escaped: bool) -> list[str]:
    return [quoted(part.strip(), escaped=escaped) for part in text.split(",")]


class Strategies:
    """Turns strategies into conditions; ValueError says what turns the whole feature off.

    ``segments`` are those that are well formed, ``broken`` tells what is wrong with the others.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        segments: Mapping[int, Condition],
        broken: Mapping[int, str],
        hostname: str,
        custom: Mapping[str, Custom],
    ) -> None:
        assert dialect.read is not None  # noqa: S101 - this dialect always has one
        self.read = dialect.read
        self.reads = dialect.reads
        self.segments = segments
        self.broken = broken
        self.hostname = hostname.lower()
        self.custom = custom
        self._waited_for: dict[str, frozenset[float]] = {}

    def condition(self, strategy: Strategy, feature: str) -> Condition:
        """When ``strategy`` holds; ``feature`` is hashed where a rollout names no group."""
        build = _BUILT_IN.get(strategy.name)
        first = self._custom(strategy) if build is None else build(self, strategy, feature)
        every = [first, *map(condition, strategy.constraints or ()), *map(self._segment, strategy.segments or ())]
        if NEVER in every:
            return NEVER
        every = [part for part in every if part != ALWAYS]
        return every[0] if len(every) == 1 else AllOf(tuple(every))

    def named(self, fields: set[str]) -> tuple[str, ...]:
        """The context attributes that these fields of Unleash's may touch."""
        return tuple(sorted({name for field in fields for name in self.reads(field)}))

    def instants(self, condition: Condition) -> frozenset[float]:
        """The instants (seconds since 1970) at which a condition may change; a segment is looked through once."""
        if isinstance(condition, Test | Predicate):
            instant = instant_of(condition) if isinstance(condition, Test) else None
            return frozenset(() if instant is None else (instant,))
        if isinstance(condition, InSegment):
            name = condition.segment
            if name not in self._waited_for:
                self._waited_for[name] = self.instants(self.segments[int(name)])
            return self._waited_for[name]
        inner = (condition.condition,) if isinstance(condition, Not) else condition.conditions
        return frozenset().union(*map(self.instants, inner))

    def _segment(self, number: int) -> Condition:
        if number in self.broken:
            raise ValueError(f"segment {number}: {self.broken[number]}")
        if number not in self.segments:
            raise ValueError(f"there is no segment {number}")
        return InSegment(str(number))

    # -- one method a strategy ------------------------------------------------------------------------------------

    def _default(self, strategy: Strategy, feature: str) -> Condition:
        return ALWAYS

    def _users(self, strategy: Strategy, feature: str) -> Condition:
        users = strategy.parameter("userIds")
        return NEVER if users is None else Test("userId", IN, _split(users, escaped=True))

    def _addresses(self, strategy: Strategy, feature: str) -> Condition:
        addresses = strategy.parameter("IPs")
        return NEVER if addresses is None else Test("remoteAddress", NETWORKS, _split(addresses, escaped=False))

    def _hosts(self, strategy: Strategy, feature: str) -> Condition:
        hosts = _split(strategy.parameter("hostNames") or "", escaped=False)
        return ALWAYS if self.hostname in map(str.lower, hosts) else NEVER

    def _flexible(self, strategy: Strategy, feature: str) -> Condition:
        percent, group = _whole(strategy.parameter("rollout")), strategy.parameter("groupId")
        if percent is None:
            return NEVER
        named = strategy.parameter("stickiness")
        stickiness = "default" if named is None else quoted(named, escaped=False)
        return self._rollout(percent, stickiness, feature if group is None else quoted(group, escaped=False))

    def _by_user(self, strategy: Strategy, feature: str) -> Condition:
        return self._gradual(strategy, "userId")

    def _by_session(self, strategy: Strategy, feature: str) -> Condition:
        return self._gradual(strategy, "sessionId")

    def _gradual(self, strategy: Strategy, field: str) -> Condition:
        percent, group = _whole(strategy.parameter("percentage")), strategy.parameter("groupId")
        if percent is None or group is None:
            return NEVER
        return self._rollout(percent, field, quoted(group, escaped=False))

    def _random(self, strategy: Strategy, feature: str) -> Condition:
        percent = _whole(strategy.parameter("percentage"))
        if not percent:
            return NEVER
        return ALWAYS if percent >= 100 else self._rollout(percent, "random", feature)

    def _custom(self, strategy: Strategy) -> Condition:
        decide = self.custom.get(strategy.name)
        if decide is None:
            return NEVER
        parameters = dict(strategy.parameters or {})

        def custom(context: Any, here: Any) -> bool:
            try:
                return bool(decide(parameters, context))
            except ContextNotReadyError:
                raise
            except Exception:  # the site's function failed: its strategy does not hold, the others still may
                return False

        return Predicate(custom, (), f"strategy {strategy.name}")

    def _rollout(self, percent: int, stickiness: str, group: str) -> Condition:
        if percent > 100:
            raise ValueError(f"expected a percentage from 0 to 100, found {percent}")
        if percent == 0:
            return NEVER
        if percent == 100 and stickiness in ("default", "random"):
            return ALWAYS
        sticky = sticky_on(stickiness, self.read, fallback=False)
        prefix = f"{group}:".encode("utf-8", "surrogatepass")

        def inside(context: Any, here: Any) -> bool:
            identifier = sticky(context, here)
            return identifier is not None and murmur(prefix + encode_key(identifier), 0) % 100 < percent

        text = f"those in the {percent} % rollout by {stickiness}"
        return Predicate(inside, self.named(sticky_reads(stickiness)), text)


_BUILT_IN: Final[Mapping[str, Callable[[Strategies, Strategy, str], Condition]]] = MappingProxyType(
    {
        "default": Strategies._default,
        "userWithId": Strategies._users,
        "gradualRolloutUserId": Strategies._by_user,
        "gradualRolloutSessionId": Strategies._by_session,
        "gradualRolloutRandom": Strategies._random,
        "flexibleRollout": Strategies._flexible,
        "remoteAddress": Strategies._addresses,
        "applicationHostname": Strategies._hosts,
    }
)


def holds(condition: Condition, strategies: Strategies) -> Callable[[Any, Any], bool]:
    """The function that decides a condition of this dialect outside a plan: for parents, whose answer to a child is
    not always their own.
    """
    if isinstance(condition, Predicate):
        return condition.function
    if isinstance(condition, Test):
        return _test(condition, strategies.read)
    if isinstance(condition, Not):
        inner = holds(condition.condition, strategies)
        return lambda context, here: not inner(context, here)
    if isinstance(condition, InSegment):
        return holds(strategies.segments[int(condition.segment)], strategies)
    decides = [holds(part, strategies) for part in condition.conditions]
    if isinstance(condition, AllOf):
        return lambda context, here: all(decide(context, here) for decide in decides)
    return lambda context, here: any(decide(context, here) for decide in decides)


def _test(test: Test, read: Read) -> Callable[[Any, Any], bool]:
    name, decide, operand = test.attribute, test.operator.test, test.operator.prepare(test.operand)
    return lambda context, here: decide(read(context, name), operand)


def fields(condition: Condition, strategies: Strategies) -> Iterator[str]:
    """The context attributes that a condition may read."""
    if isinstance(condition, Test | Predicate):
        yield from condition.reads if isinstance(condition, Predicate) else strategies.reads(condition.attribute)
    elif isinstance(condition, Not):
        yield from fields(condition.condition, strategies)
    elif isinstance(condition, InSegment):
        yield from fields(strategies.segments[int(condition.segment)], strategies)
    else:
        for part in condition.conditions:
            yield from fields(part, strategies)
