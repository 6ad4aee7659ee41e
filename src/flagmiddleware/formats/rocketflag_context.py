"""How RocketFlag's attributes are read from our context: as the text that its SDKs put into the address."""

from __future__ import annotations

from typing import Any, Final

from ..context import TARGETING_KEY
from ..model import Dialect

__all__ = ["DIALECT", "KEY_READS", "sticky_key"]

KEY_READS: Final = (TARGETING_KEY, "cohort")


def _text(value: Any) -> str | None:
    """An attribute as RocketFlag's SDK sends it; None (absent) for what it refuses to send.

    >>> _text(True), _text(5), _text(2.5), _text(None), _text(["x"])
    ('true', '5', '2.5', None, None)
    """
    if isinstance(value, str):
        return value if value.__class__ is str else str.__str__(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


def _read(context: Any, name: str) -> str | None:
    if name == "targetingKey":
        return _text(context.targeting_key)
    return _text(context[name])


def sticky_key(context: Any) -> str | None:
    """What a percentage hashes: the targeting key, else the cohort."""
    return _read(context, "targetingKey") or _read(context, "cohort") or None


DIALECT: Final = Dialect("rocketflag", _read, lambda name: (TARGETING_KEY if name == "targetingKey" else name,))
