"""What real workers import: a Celery application and an RQ job class, whose flags are made when they are imported."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

from flagmiddleware import Flags
from flagmiddleware.celery import CeleryFlags
from flagmiddleware.rq import FlagsJob
from flagmiddleware.web.current import current_flags, running_flags

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "flags": {
        "for-user": {"rules": [{"if": {"user": "user-42"}, "serve": True}]},
        "for-plan": {"rules": [{"if": {"plan": "pro"}, "serve": True}]},
        "half": {"rules": [{"rollout": "50%"}]},
        "by-visitor": {"sticky_by": "visitor", "rules": [{"rollout": "50%"}]},
    },
}
FLAGS = Flags(DOCUMENT)
app = Celery("tasks", broker=os.environ["BROKER"], backend=os.environ["BROKER"])
app.conf.update(broker_connection_retry_on_startup=True, worker_prefetch_multiplier=1)
CeleryFlags(FLAGS, "plan").connect()


def decided() -> list[Any]:
    """This process's id, and what it decides for whoever caused the work; None where nobody is known."""
    here = running_flags()
    if here is None:
        return [os.getpid(), None]
    assert current_flags() is here
    return [os.getpid(), {key: here.variant(key) for key in DOCUMENT["flags"]}]


@app.task
def decide() -> list[Any]:
    """For Celery."""
    return decided()


@app.task
def fail() -> None:
    """A task that ends badly must leave nothing behind for the next one."""
    raise RuntimeError("fail")


@app.task
def hand_on() -> str:
    """A task that sends a task."""
    return str(decide.delay().id)


class ShopJob(FlagsJob):
    """For RQ."""

    attributes = ("plan",)

    @classmethod
    def worker_flags(cls) -> Flags:
        """The worker's own."""
        return FLAGS
