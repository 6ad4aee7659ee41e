"""The request's context is the evaluation context without any code in a view: in each adapter, and in a task."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from openfeature import api
from starlette.testclient import TestClient

from flagmiddleware import Context, Flags
from flagmiddleware.celery import CeleryFlags
from flagmiddleware.openfeature import FlagMiddlewareProvider, RequestContextPropagator
from flagmiddleware.web.current import activate, deactivate
from tests.dialects.openfeature_views import DOCUMENT, TELLS, fastapi_site, flask_site, greeting, starlette_site

WANTED = ["g'day", "hello", "hello"]  # in Australia, in New Zealand, nobody knows


@pytest.fixture
def flags() -> Iterator[Flags]:
    """Flags whose provider and propagator are set."""
    found = Flags(DOCUMENT)
    api.set_provider_and_wait(FlagMiddlewareProvider(found))
    api.set_transaction_context_propagator(RequestContextPropagator())
    yield found
    api.shutdown()


@pytest.mark.parametrize("where", ["/sync", "/async"])
@pytest.mark.parametrize("site", [starlette_site, fastapi_site], ids=["starlette", "fastapi"])
def test_in_asgi_frameworks(site: Callable[[Flags], Any], where: str, flags: Flags) -> None:
    """Each request decides for itself, in threads and on the loop, and no cache may share what was read from it."""
    client = TestClient(site(flags))
    replies = [client.get(where, headers=sent) for sent in TELLS]
    assert [reply.text for reply in replies] == WANTED
    assert all("private" in reply.headers["Cache-Control"] for reply in replies)


@pytest.mark.parametrize("where", ["/sync", "/async"])
def test_in_flask(where: str, flags: Flags) -> None:
    """Each request decides for itself, and no cache may share what was read from it."""
    client = flask_site(flags).test_client()
    replies = [client.get(where, headers=sent) for sent in TELLS]
    assert [reply.text for reply in replies] == WANTED
    assert all("private" in reply.headers["Cache-Control"] for reply in replies)


def test_in_django() -> None:
    """Views of both kinds, under WSGI and ASGI: each request decides for itself, and no cache may share the answer."""
    command = [sys.executable, "-m", "tests.dialects.openfeature_django"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert answers == [[[wanted, "private"]] * 2 for wanted in WANTED * 2]


@pytest.fixture
def task(flags: Flags) -> Iterator[Any]:
    """A task on a worker that knows OpenFeature only."""
    app = Celery("shop", broker="memory://", backend="cache+memory://")
    app.conf.worker_hijack_root_logger = False
    found = app.task(name="greet")(greeting)
    link = CeleryFlags(flags, "country").connect()
    # A starting worker sets the root logger's level to ERROR, hijacked or not: later tests want theirs back.
    root, level = logging.getLogger(), logging.getLogger().level
    with start_worker(app, perform_ping_check=False, pool="solo", shutdown_timeout=10):
        yield found
    link.disconnect()
    root.setLevel(level)


def test_in_a_task_of_celery(task: Any, flags: Flags) -> None:
    """A task decides for whoever caused it: what is known of the request is the task's evaluation context."""
    sent = []
    for country in ("AU", "NZ"):
        token = activate(flags.bind(Context("user-1", country=country)))
        try:
            sent.append(task.delay())
        finally:
            deactivate(token)
    sent.append(task.delay())
    assert [each.get(timeout=20) for each in sent] == WANTED
