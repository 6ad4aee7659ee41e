"""One state of a RocketFlag flag as rules: cohort, audience, percentage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from ..conditions import OPERATORS
from ..model import AllOf, Compute, Condition, ErrorCode, Fault, Reason, Rule, Serve, Test
from .rocketflag_context import KEY_READS, sticky_key

__all__ = ["State", "fnv1a", "rules"]

_OFFSET: Final = 0xCBF29CE484222325
_PRIME: Final = 0x100000001B3
_MASK: Final = 2**64 - 1


class State(NamedTuple):
    """What decides a flag that is enabled."""

    percent: float
    cohorts: tuple[str, ...]
    audience: str | None


def fnv1a(data: bytes, start: int = _OFFSET) -> int:
    """FNV-1a, 64 bit, of ``data`` after what ``start`` has seen (Fowler, Noll, Vo; draft-eastlake-fnv).

    >>> [fnv1a(text) % 100 for text in (b"flag_123:user-42", b"flag_123:user-43", b"abc:alice@example.com")]
    [10, 21, 92]
    """
    for byte in data:
        start = (start ^ byte) * _PRIME & _MASK
    return start


def rules(key: str, state: State, audiences: Mapping[str, Condition]) -> Iterator[Rule]:
    """The rules of one state. Who meets none of them gets ``off``."""
    if state.cohorts:
        yield Rule(Serve("on"), Test("cohort", OPERATORS["in"], state.cohorts), name="cohort")
    if state.audience is None:
        if not state.cohorts:
            yield Rule(_percentage(key, state.percent), name="percentage")
    elif state.audience in audiences:
        yield Rule(_percentage(key, state.percent), AllOf((audiences[state.audience],)), name="audience")
    else:
        yield Rule(Compute(_undeclared(key, state.audience)), name="audience")


def _undeclared(key: str, audience: str) -> Callable[[Any, Any], Fault]:
    message = f"flag {key!r} is for audience {audience!r}, which options={{'audiences': …}} does not declare"
    fault = Fault(ErrorCode.GENERAL, message)
    return lambda context, here: fault


def _percentage(key: str, percent: float) -> Serve | Compute:
    if percent >= 100:
        return Serve("on")
    if percent <= 0:
        return Serve("off")
    start = fnv1a(f"{key}:".encode("utf-8", "surrogatepass"))
    keyless = Fault(
        ErrorCode.TARGETING_KEY_MISSING, f"flag {key!r} needs a targeting key or a cohort to place the subject"
    )

    def decide(context: Any, here: Any) -> str | Fault:
        subject = sticky_key(context)
        if subject is None:
            return keyless
        return "on" if fnv1a(subject.encode("utf-8", "surrogatepass"), start) % 100 < percent else "off"

    return Compute(decide, KEY_READS, Reason.SPLIT, f"{percent:g} % of the subjects")
