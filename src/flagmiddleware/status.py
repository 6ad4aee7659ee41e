"""How the definitions of a set of flags are doing."""

from __future__ import annotations

from enum import Enum

import msgspec

__all__ = ["State", "Status"]


class State(str, Enum):
    """What a source is like; STALE means that the answers are the last good ones."""

    NOT_READY = "NOT_READY"
    READY = "READY"
    STALE = "STALE"
    ERROR = "ERROR"

    __str__ = str.__str__


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the definitions are doing.

    ``age`` is seconds since the source last confirmed them, ``since`` the time (seconds since 1970) of the last change
    of ``state``, ``last_error`` what went wrong last (empty when all is well), ``fallbacks`` how many decisions
    compiled code had to leave to the interpreter, ``reloads`` how many plans were put in place after the first.
    """

    state: State
    source: str
    revision: str = ""
    flags: int = 0
    age: float = 0.0
    since: float = 0.0
    last_error: str = ""
    fallbacks: int = 0
    reloads: int = 0
