"""Celery: a task decides flags for whoever caused it, under the plan of the worker that runs it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from celery import signals

from . import flags_context
from .bound import BoundFlags
from .flags import Flags
from .web.current import running_flags

__all__ = ["HEADER", "CeleryFlags"]

HEADER: Final = "flagmiddleware"
"""The message header that carries the subject."""


class CeleryFlags:
    """Connects to Celery's signals: ``CeleryFlags(flags, "plan").connect()``, in web processes and workers alike.

    ``flags`` may be a function that returns the worker's ``Flags``, called when a task needs it. ``attributes`` are
    those that tasks may ask for besides the targeting key. In a task, ``current_flags()`` are the subject's.
    """

    def __init__(self, flags: Flags | Callable[[], Flags], *attributes: str) -> None:
        self._flags = flags
        self._attributes = attributes
        self._running: dict[str, AbstractContextManager[BoundFlags]] = {}

    def connect(self) -> CeleryFlags:
        """From now on, tasks that are sent carry who caused them, and tasks that run know it."""
        # Strong references: Celery would otherwise let go of methods of an object that nobody keeps.
        signals.before_task_publish.connect(self._published, weak=False, dispatch_uid=f"{id(self)}.published")
        signals.task_prerun.connect(self._starts, weak=False, dispatch_uid=f"{id(self)}.starts")
        signals.task_postrun.connect(self._ended, weak=False, dispatch_uid=f"{id(self)}.ended")
        return self

    def disconnect(self) -> None:
        """Stop."""
        signals.before_task_publish.disconnect(dispatch_uid=f"{id(self)}.published")
        signals.task_prerun.disconnect(dispatch_uid=f"{id(self)}.starts")
        signals.task_postrun.disconnect(dispatch_uid=f"{id(self)}.ended")

    def _published(self, headers: dict[str, Any] | None = None, **_: Any) -> None:
        here = running_flags()
        if here is not None and headers is not None and HEADER not in headers:
            headers[HEADER] = flags_context.dump(*self._attributes, here=here)

    def _starts(self, task_id: str = "", task: Any = None, **_: Any) -> None:
        payload = task.request.get(HEADER)
        if not isinstance(payload, dict):
            return
        flags = self._flags if isinstance(self._flags, Flags) else self._flags()
        block = self._running[task_id] = flags_context.load(payload, flags)
        block.__enter__()

    def _ended(self, task_id: str = "", **_: Any) -> None:
        block = self._running.pop(task_id, None)
        if block is not None:
            block.__exit__(None, None, None)
