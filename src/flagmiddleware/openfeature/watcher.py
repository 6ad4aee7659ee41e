"""Notices changes of the flags while nobody reads any."""

from __future__ import annotations

import logging
import os
from threading import Event, Thread
from typing import Final

from ..flags import Flags

__all__ = ["Watcher"]

logger = logging.getLogger("flagmiddleware")

_EACH: Final = 1.0  # seconds


class Watcher:
    """A daemon thread that asks ``flags`` for its plan once a second, as a request would.

    That takes the look at the source that is due by then, and wakes the refresher of a source that has a thread.
    """

    def __init__(self, flags: Flags) -> None:
        self._flags = flags
        self._stop: Event | None = None
        self._pid = 0

    def start(self) -> None:
        """Watch, if no thread of this process does."""
        if self._stop is not None and self._pid == os.getpid():
            return
        self._stop, self._pid = Event(), os.getpid()
        Thread(target=self._run, args=(self._stop,), name="flagmiddleware-openfeature", daemon=True).start()

    def stop(self) -> None:
        """Let the thread leave."""
        if self._stop is not None:
            self._stop.set()
            self._stop = None

    def _run(self, stop: Event) -> None:
        failed = False
        while not stop.wait(_EACH):
            try:
                self._flags.plan  # noqa: B018 - looks at the source where that is due
                failed = False
            except Exception:  # a source of somebody else's, which must not end the watch
                if not failed:
                    logger.exception("the flags could not be looked at")
                failed = True
