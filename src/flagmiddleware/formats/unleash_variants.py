"""Which variant Unleash gives to whom: overrides first, then MurmurHash3 over ``group:identifier``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, chain, count
from typing import Any, Final

import msgspec

from ..bucketing import encode_key, murmur
from .unleash_context import Read, draw
from .unleash_document import Payload, Variant

__all__ = ["Choose", "Names", "Sticky", "choice_reads", "chooser", "payload_value", "sticky_on", "sticky_reads"]

_SEED: Final = 86028157  # a prime of Unleash's own, so that variants do not follow the rollout
_UNSIGNED: Final = 2**32 - 1

Sticky = Callable[[Any, Any], "str | None"]
Choose = Callable[[Any, Any], str]


def sticky_on(stickiness: str | None, read: Read, *, fallback: bool) -> Sticky:
    """What a rollout or a draw between variants hashes; ``fallback``: a missing field is drawn at random."""

    def default(context: Any, here: Any) -> str | None:
        found = read(context, "userId")
        if found is None:
            found = read(context, "sessionId")
        return draw(here) if found is None else found

    def field(context: Any, here: Any) -> str | None:
        found = read(context, stickiness)  # type: ignore[arg-type]
        return draw(here) if found is None and fallback else found

    if stickiness is None or stickiness == "default":
        return default
    return (lambda context, here: draw(here)) if stickiness == "random" else field


def payload_value(variant: Variant) -> Any:
    """A variant's value: its payload, parsed where it is a number or a JSON object or array, else its name."""
    payload: Payload | None = variant.payload
    if payload is None:
        return variant.name
    if payload.type not in ("json", "number"):
        return payload.value
    try:
        value = msgspec.json.decode(payload.value)
    except (msgspec.DecodeError, RecursionError):
        return payload.value
    # A JSON true, false or null stays text: a variant is served, and its value must not read as "off".
    return payload.value if value is None or isinstance(value, bool) else value


class Names:
    """The variants of one flag: one internal name for each pair of a name and a value.

    Two strategies of a feature may give one variant name two payloads; the second gets a key of its own, and the
    flag's labels say that both are called the same. ``on`` and ``off`` stand for a feature without a variant, and
    give way where a variant is called so.
    """

    def __init__(self, variants: Sequence[Variant]) -> None:
        taken = {variant.name for variant in variants}
        self.on = _free("on", taken)
        self.off = _free("off", taken)
        self.values: dict[str, Any] = {self.on: True, self.off: False}
        self.labels: dict[str, str] = {}
        self._keys: dict[tuple[str, bytes], str] = {}
        self._numbers: dict[str, int] = {}
        for variant in variants:
            self.key(variant)

    def key(self, variant: Variant) -> str:
        """The internal name of a variant."""
        value = payload_value(variant)
        # Python says that 1 == 1.0 == True; JSON does not.
        pair = (variant.name, msgspec.json.encode(value, order="deterministic"))
        if pair not in self._keys:
            self._keys[pair] = name = self._free(variant.name)
            self.values[name] = value
            if name != variant.name:
                self.labels[name] = variant.name
        return self._keys[pair]

    def _free(self, wanted: str) -> str:
        name, number = wanted, self._numbers.get(wanted, 1)
        while name in self.values:
            number += 1
            name = f"{wanted} ({number})"
        self._numbers[wanted] = number
        return name


def _free(name: str, taken: set[str]) -> str:
    candidates = chain((name, f"feature-{name}"), (f"{name}-{number}" for number in count(2)))
    return next(candidate for candidate in candidates if candidate not in taken)


def chooser(variants: Sequence[Variant], group: str, stickiness: str | None, names: Names, read: Read) -> Choose:
    """The function that gives a subject one of ``variants``; the flag's plain ``on`` where there is none to give."""
    on = names.on
    keys = [names.key(variant) for variant in variants]
    # Weights are unsigned 32-bit numbers there, so a negative one wraps around.
    ends = list(accumulate((variant.weight & _UNSIGNED for variant in variants), lambda a, b: a + b & _UNSIGNED))
    total = ends[-1] if ends else 0
    prefix = f"{group}:".encode("utf-8", "surrogatepass")
    sticky = sticky_on(stickiness, read, fallback=True)
    served = list(zip(ends, keys, strict=True))

    def choose(context: Any, here: Any) -> str:
        if not total:
            return on
        identifier = sticky(context, here) or ""
        target = murmur(prefix + encode_key(identifier), _SEED) % total + 1
        for end, key in served:
            if end >= target:
                return key
        return on

    pins = [
        (override.context_name, frozenset(override.values), key)
        for variant, key in zip(variants, keys, strict=True)
        for override in variant.overrides or ()
    ]
    if not pins:
        return choose

    def choose_pinned(context: Any, here: Any) -> str:
        for name, values, key in pins:
            if read(context, name) in values:
                return key
        return choose(context, here)

    return choose_pinned


def choice_reads(variants: Sequence[Variant], stickiness: str | None) -> set[str]:
    """The fields that :func:`chooser` may read, by Unleash's names."""
    names = {override.context_name for variant in variants for override in variant.overrides or ()}
    return names | sticky_reads(stickiness)


def sticky_reads(stickiness: str | None) -> set[str]:
    """The fields that a stickiness may read, by Unleash's names."""
    if stickiness is None or stickiness == "default":
        return {"userId", "sessionId"}
    return set() if stickiness == "random" else {stickiness}
