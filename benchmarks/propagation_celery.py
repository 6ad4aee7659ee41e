"""A Celery application whose task tells what its child process decides by; the flags are made before the fork.

The answer goes onto a list that the asker named: a result backend would be measured too.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

from celery import Celery

__all__ = ["app", "tell"]

app = Celery("propagation", broker=os.environ.get("BROKER"))
app.conf.update(
    broker_connection_retry_on_startup=True, worker_prefetch_multiplier=1, task_ignore_result=True,
    worker_hijack_root_logger=False,
)  # fmt: skip


@app.task(name="propagation.tell")
def tell(reply: str) -> None:
    """Push the process id and the revisions onto the list ``reply``."""
    from benchmarks import propagation_app

    _client(os.getpid()).rpush(reply, propagation_app.answer())


@lru_cache(maxsize=2)
def _client(pid: int) -> Any:
    """A connection of this process; what was made before a fork belongs to the parent."""
    import redis

    return redis.Redis.from_url(os.environ["BROKER"])


if os.environ.get("FLAGS_SOURCE"):
    from benchmarks import propagation_app  # in the worker's parent, before it forks

    propagation_app.answer()
