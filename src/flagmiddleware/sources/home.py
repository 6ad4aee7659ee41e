"""What a connection belongs to."""

from __future__ import annotations

import os
import socket

__all__ = ["home"]


def home() -> tuple[int, type]:
    """This process, and the kind of sockets it uses now: a fork changes the one, gevent's patching the other.

    A connection that was made elsewhere belongs to the parent, or would hold up every greenlet while it waits.
    """
    return os.getpid(), socket.socket
