"""A Celery application whose task tells what its worker process decides by; the flags are made before the fork."""

from __future__ import annotations

import os

from celery import Celery

from flagmiddleware import Flags

app = Celery("faults", broker=os.environ["BROKER"], backend=os.environ["BROKER"])
app.conf.update(broker_connection_retry_on_startup=True, worker_prefetch_multiplier=1)

flags = Flags(os.environ["FLAGS_SOURCE"])


@app.task
def ask() -> tuple[int, int]:
    """The worker's process id and the revision it serves."""
    return os.getpid(), flags.value("left", default=-1)
