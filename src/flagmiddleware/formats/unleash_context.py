"""How Unleash's names are read from our evaluation context, as the text that Unleash compares.

Unleash knows six fields of its own and any property by name; all of them are text. Where a field is missing ours
stands in: ``user`` for userId, ``visitor`` for sessionId, ``ip`` for remoteAddress; the environment and the
application's name come from the options, the time from the clock.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from ..model import Dialect

__all__ = ["Read", "draw", "make_dialect", "text"]

Read = Callable[[Any, str], "str | None"]

_STAND_INS: Final[Mapping[str, str]] = MappingProxyType(
    {"userId": "user", "sessionId": "visitor", "remoteAddress": "ip"}
)
_FIELDS: Final = frozenset({*_STAND_INS, "environment", "appName", "currentTime"})


def text(value: Any) -> str | None:
    """An attribute as Unleash compares it: its JSON text; None (missing) for containers and unknown types.

    >>> text(5), text(True), text(2.0), text("x"), text(["x"])
    ('5', 'true', '2', 'x', None)
    """
    if isinstance(value, str):
        return value if value.__class__ is str else str.__str__(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e16 else float.__repr__(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal | UUID) else None


def _python_text(value: Any) -> str | None:
    """An attribute as UnleashClient for Python hands it to its engine: ``True``, ``None``, ``2.0``."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def draw(here: Any) -> str:
    """The random identifier of a subject without one: one per BoundFlags, a new one per call without it."""
    if here is None:
        return repr(random.random())  # noqa: S311 - a rollout, not a secret
    if here.draw is None:
        here.draw = random.random()  # noqa: S311
    return repr(here.draw)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()


def _lookup(context: Any, name: str) -> tuple[bool, Any]:
    """Whether the context holds ``name``, and what; a lazy context is only asked for what it can resolve."""
    if name in context:
        return True, context[name]
    resolvers = getattr(context, "resolvers", None)
    if resolvers is None:
        return False, None
    # Unleash's own field names are never asked of a lazy context that has no resolver for them: a key that was asked
    # for counts as read, and would make a page private for nothing.
    if name not in resolvers and (name in _FIELDS or name == "properties"):
        return False, None
    return True, context[name]


def make_dialect(*, environment: str | None, app_name: str | None, python_text: bool) -> Dialect:
    """The dialect of one payload.

    >>> from flagmiddleware.context import Context
    >>> read = make_dialect(environment="production", app_name=None, python_text=False).read
    >>> ann = Context("user-42", properties={"plan": "pro"}, seats=5)
    >>> [read(ann, name) for name in ("userId", "plan", "seats", "environment", "sessionId")]
    ['user-42', 'pro', '5', 'production', None]
    """
    write = _python_text if python_text else text
    constants = {"environment": environment, "appName": app_name}

    def field(context: Any, name: str) -> str | None:
        held, value = _lookup(context, name)
        if not held or (value is None and not python_text):
            stand_in = _STAND_INS.get(name)
            if stand_in is None:
                return _now() if name == "currentTime" else constants[name]
            value = context[stand_in]
            return None if value is None else write(value)
        return write(value)

    def read(context: Any, name: str) -> str | None:
        if name in _FIELDS:
            return field(context, name)
        held, value = _lookup(context, name)
        if value is not None or (held and python_text):
            return write(value)
        held, properties = _lookup(context, "properties")
        if not isinstance(properties, Mapping) or name not in properties:
            # `email_domain` and its like are derived when they are asked for.
            value = context[name]
            return None if value is None else write(value)
        value = properties[name]
        return None if value is None and not python_text else write(value)

    return Dialect("unleash", read, _reads)


def _reads(name: str) -> tuple[str, ...]:
    if name in _STAND_INS:
        return (_STAND_INS[name],)
    return () if name in _FIELDS else (name,)
