"""A connection that hears PostgreSQL's notifications, or the knowledge that none comes through.

A pooler that hands a server's session to somebody else after each transaction (PgBouncer in transaction mode) accepts
LISTEN and passes nothing on; a standby refuses it. Both look healthy, so they are found out by trying.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

__all__ = ["DEAF", "STANDBY", "listen"]

DEAF: Final = (
    "does not pass notifications on (a pooler in transaction mode, or a standby): changes are found by asking at "
    "every interval; an address past the pooler, at the primary, brings them at once"
)
"""What is said, once, where that was found out; the source's name stands before it."""

STANDBY: Final = "25006"
"""PostgreSQL's code for what only a primary may do."""

_HEARD: Final = 1.0  # seconds that a notification to ourselves may take


def listen(connect: Callable[[], Any], channel: str) -> Any:
    """A connection that listens to ``channel``; None where notifications do not get through.

    ``connect`` makes connections that commit each statement. Raises what they raise.
    """
    listener = connect()
    try:
        if _is_pooled(listener) and not _gets_through(listener, connect):
            listener.close()
            return None
        listener.execute(f"LISTEN {channel}")
    except BaseException as error:
        listener.close()
        if getattr(error, "sqlstate", "") == STANDBY:
            return None
        raise
    return listener


def _is_pooled(connection: Any) -> bool:
    # Whoever stands in between gives its clients numbers of its own.
    (served_by,) = connection.execute("SELECT pg_backend_pid()").fetchone()
    return bool(served_by != connection.info.backend_pid)


def _gets_through(listener: Any, connect: Callable[[], Any]) -> bool:
    """Whether a notification reaches the session that listens: a channel of its own wakes nobody else."""
    probe = f"flagmiddleware_{uuid4().hex}"
    listener.execute(f"LISTEN {probe}")
    with connect() as other:
        other.execute("SELECT pg_notify(%s, '')", (probe,))
    heard = any(True for _ in listener.notifies(timeout=_HEARD, stop_after=1))
    listener.execute(f"UNLISTEN {probe}")
    return heard
