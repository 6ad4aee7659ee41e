"""``current_flags()``: the flags of the request that is running here, or the nearest thing to it."""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from ..bound import BoundFlags

__all__ = ["CURRENT", "activate", "current_flags", "deactivate", "register", "running_flags"]

CURRENT: Final[ContextVar[Any]] = ContextVar("flagmiddleware_current", default=None)

_installed: Final[WeakSet[Any]] = WeakSet()
"""Every living installation. The one thing at module level that changes: a management command or a task has no
object to reach the process's only installation by, and ``current_flags()`` must find it."""


def activate(here: BoundFlags) -> Token[Any]:
    """Make these the current flags of this thread of control; give the token to :func:`deactivate`."""
    return CURRENT.set(here)


def deactivate(token: Token[Any]) -> None:
    """What was current before is current again. A token of another context (a generator that was closed elsewhere)
    has nothing left to restore.
    """
    with suppress(ValueError):
        CURRENT.reset(token)


def register(installation: Any) -> None:
    """An installation exists."""
    _installed.add(installation)


def running_flags() -> BoundFlags | None:
    """The running request's flags; None outside a request."""
    here: BoundFlags | None = CURRENT.get()
    if here is None:
        for installation in list(_installed):
            here = installation.facts.running()
            if here is not None:
                break
    return here


def current_flags() -> BoundFlags:
    """The running request's flags; outside one, the process's only installation, bound to nobody in particular."""
    here = running_flags()
    if here is not None:
        return here
    installed = [installation for installation in _installed if not installation.closed]
    if len(installed) == 1:
        bound: BoundFlags = installed[0].flags.bind()
        return bound
    count = "no" if not installed else str(len(installed))
    raise ConfigurationError(
        f"current_flags(): no request is running here and {count} FlagMiddleware is installed in this process; "
        "bind the flags that you mean: flags.bind(Context(…))"
    )
