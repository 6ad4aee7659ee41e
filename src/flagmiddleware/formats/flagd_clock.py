"""When the clock alone changes what a flagd rule says, so that nobody keeps its answer for longer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

__all__ = ["follow_clock"]

_TIMESTAMP: Final = "$flagd.timestamp"
_COMPARISONS: Final = frozenset({"<", "<=", ">", ">=", "==", "!=", "===", "!=="})


def follow_clock(rules: Iterable[Any]) -> tuple[tuple[float, ...], bool]:
    """The instants at which the rules may change, and whether they may do so at any time.

    A comparison of the timestamp with a number has its instants: the timestamp is in whole seconds, so those are the
    number and the second after it. Whatever else is done with the timestamp moves.

    >>> follow_clock([{">": [{"var": "$flagd.timestamp"}, 1740000000]}])
    ((1740000000.0, 1740000001.0), False)
    >>> follow_clock([{"-": [{"var": "$flagd.timestamp"}, 1740000000]}])
    ((), True)
    """
    instants: set[float] = set()
    moves = False
    waiting = list(rules)
    while waiting:
        node = waiting.pop()
        if _is_timestamp(node):
            moves = True
        elif isinstance(node, list):
            waiting += node
        elif isinstance(node, dict) and len(node) == 1:
            waiting += _looked_into(*next(iter(node.items())), instants)
    return tuple(sorted(instants)), moves


def _is_timestamp(node: Any) -> bool:
    if not isinstance(node, dict) or set(node) != {"var"}:
        return False
    name = node["var"][0] if isinstance(node["var"], list) and node["var"] else node["var"]
    return isinstance(name, str) and name in (_TIMESTAMP, "$flagd")


def _looked_into(operator: str, arguments: Any, instants: set[float]) -> list[Any]:
    """The arguments that have to be looked into; the instants of a comparison are put away."""
    listed = arguments if isinstance(arguments, list) else [arguments]
    others = [argument for argument in listed if not _is_timestamp(argument)]
    numbers = [number for number in others if isinstance(number, int | float) and not isinstance(number, bool)]
    if operator not in _COMPARISONS or len(others) == len(listed) or len(numbers) < len(others):
        return listed
    instants.update(edge for number in numbers if abs(number) < 2**53 for edge in (float(number), number + 1.0))
    return []
