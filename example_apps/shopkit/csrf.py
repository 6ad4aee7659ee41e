"""A token in the session that every form repeats, for the shops whose framework brings none."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, MutableMapping
from typing import Any

__all__ = ["FIELD", "matches", "token"]

FIELD = "csrf_token"


def token(session: MutableMapping[str, Any]) -> str:
    """The session's token, made when a form first asks for it."""
    if FIELD not in session:
        session[FIELD] = secrets.token_urlsafe(24)
    return str(session[FIELD])


def matches(session: Mapping[str, Any], given: object) -> bool:
    """Whether a form carried this session's token."""
    known = session.get(FIELD)
    return isinstance(known, str) and isinstance(given, str) and hmac.compare_digest(known.encode(), given.encode())
