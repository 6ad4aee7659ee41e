"""Carrying a subject out of a request: by hand, through Celery, through RQ."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker

from flagmiddleware import Context, Flags, flags_context
from flagmiddleware.celery import CeleryFlags
from flagmiddleware.context import LazyContext
from flagmiddleware.errors import ContextNotReadyError
from flagmiddleware.rq import FlagsJob
from flagmiddleware.web.current import activate, current_flags, deactivate, running_flags

FLAGS = Flags(
    {
        "version": 1,
        "flags": {
            "for-user": {"rules": [{"if": {"user": "user-42"}, "serve": True}]},
            "for-anybody": {"rules": [{"if": {"user": {"exists": True}}, "serve": True}]},
            "for-plan": {"rules": [{"if": {"plan": "pro"}, "serve": True}]},
            "half": {"rules": [{"rollout": "50%"}]},
            "by-visitor": {"sticky_by": "visitor", "rules": [{"rollout": "50%"}]},
        },
    }
)
KEYS = tuple(FLAGS.ruleset.flags)


def through_json(payload: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(payload))


@pytest.mark.parametrize("key", ["user-1", "user-42", 7, UUID(int=7)])
def test_same_answers(key: Any) -> None:
    """What was dumped and loaded decides as the original did, rollouts included."""
    here = FLAGS.bind(Context(key, plan="pro"))
    payload = through_json(flags_context.dump("plan", here=here))
    with flags_context.load(payload, FLAGS) as there:
        assert current_flags() is there
        assert {k: there.variant(k) for k in KEYS} == {k: here.variant(k) for k in KEYS}
    assert running_flags() is None


def test_only_what_was_named() -> None:
    """Attributes that nobody named stay behind: no personal data travels by accident."""
    payload = flags_context.dump("plan", here=FLAGS.bind(Context("user-42", plan="pro", email="ann@yourcompany.com")))
    assert "ann@yourcompany.com" not in json.dumps(payload)
    assert payload["attributes"]["plan"] == "pro"


def test_visitors_do_not_become_users() -> None:
    """Where only a visitor is known, the key is the visitor's, and rules about users still find none."""
    lazy = LazyContext({"user": lambda c: None, "visitor": lambda c: "v-1", "targeting_key": lambda c: c["visitor"]})
    here = FLAGS.bind(lazy)
    with flags_context.load(through_json(flags_context.dump(here=here)), FLAGS) as there:
        assert not there.is_enabled("for-anybody")
        for key in ("half", "by-visitor"):
            assert there.variant(key) == here.variant(key)


class Awaiting(LazyContext):
    """A context whose user needs I/O."""

    def __init__(self) -> None:
        def not_ready(context: Any) -> Any:
            raise ContextNotReadyError("await first")

        super().__init__({"user": not_ready, "targeting_key": lambda context: context["user"]})

    async def aresolve(self, names: Any) -> None:
        await asyncio.sleep(0)
        self["user"] = "user-42"


def test_asynchronous_dump(caplog: pytest.LogCaptureFixture) -> None:
    """``adump`` awaits what needs I/O; ``dump`` leaves it out with a warning, and breaks nothing."""
    assert flags_context.dump(here=FLAGS.bind(Awaiting()))["targeting_key"] is None
    assert "adump" in caplog.text
    payload = asyncio.run(flags_context.adump(here=FLAGS.bind(Awaiting())))
    assert payload["targeting_key"] == "user-42"


# -- Celery ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def celery_app() -> Iterator[Celery]:
    app = Celery("shop", broker="memory://", backend="cache+memory://")
    app.conf.worker_hijack_root_logger = False
    link = CeleryFlags(lambda: FLAGS, "plan").connect()

    @app.task(name="decide")
    def decide() -> dict[str, Any]:
        here = running_flags()
        return {} if here is None else {key: here.variant(key) for key in KEYS}

    @app.task(name="hand-on")
    def hand_on() -> str:
        return str(decide.delay().id)

    @app.task(name="fail")
    def fail() -> None:
        raise RuntimeError("fail")

    # A starting worker sets the root logger's level to ERROR, hijacked or not: later tests want theirs back.
    root, level = logging.getLogger(), logging.getLogger().level
    with start_worker(app, perform_ping_check=False, pool="solo", shutdown_timeout=10):
        yield app
    link.disconnect()
    root.setLevel(level)


def test_celery(celery_app: Celery) -> None:
    """A task decides for whoever caused it, and so does one that it sends; one without a request knows nobody."""
    here = FLAGS.bind(Context("user-42", plan="pro", email="ann@yourcompany.com"))
    decided = {key: here.variant(key) for key in KEYS}
    tasks = celery_app.tasks
    token = activate(here)
    try:
        direct, failing, handed = tasks["decide"].delay(), tasks["fail"].delay(), tasks["hand-on"].delay()
    finally:
        deactivate(token)
    nobody = tasks["decide"].delay()
    assert direct.get(timeout=20) == decided
    with pytest.raises(RuntimeError):
        failing.get(timeout=20)
    assert celery_app.AsyncResult(handed.get(timeout=20)).get(timeout=20) == decided
    assert nobody.get(timeout=20) == {}


# -- RQ -------------------------------------------------------------------------------------------------------------


class ShopJob(FlagsJob):
    attributes = ("plan",)

    @classmethod
    def worker_flags(cls) -> Flags:
        return FLAGS


def decide_in_job() -> dict[str, Any]:
    here = running_flags()
    return {} if here is None else {key: here.variant(key) for key in KEYS}


@pytest.mark.services
def test_rq(redis_url: str) -> None:
    """A job decides for whoever enqueued it, and a job that nobody caused knows nobody."""
    from redis import Redis
    from rq import Queue, SimpleWorker

    connection = Redis.from_url(redis_url)
    queue = Queue("flagmiddleware-tests", connection=connection, job_class=ShopJob)
    here = FLAGS.bind(Context("user-42", plan="pro"))
    token = activate(here)
    try:
        job = queue.enqueue(decide_in_job)
    finally:
        deactivate(token)
    nobody = queue.enqueue(decide_in_job)
    SimpleWorker([queue], connection=connection, job_class=ShopJob).work(burst=True)
    assert job.return_value(refresh=True) == {key: here.variant(key) for key in KEYS}
    assert nobody.return_value(refresh=True) == {}
