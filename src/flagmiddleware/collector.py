"""Python's garbage collector, kept quiet while many objects are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["paused_collector"]


@contextmanager
def paused_collector() -> Iterator[None]:
    """No collection inside of the block; afterwards as it was before.

    Loading makes an object for each flag and no garbage: the collector would go through all of them, over and over.
    One that the site has switched off stays so.

    >>> with paused_collector():
    ...     gc.isenabled()
    False
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
