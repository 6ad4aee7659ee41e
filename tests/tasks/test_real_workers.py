"""Celery's and RQ's own workers, over a real Redis: a task decides for whoever caused it, whichever process runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.services import stop

pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[2]

# The web process: two users and a visitor send work from their requests, and a shell sends some for nobody.
SENDERS = """
import json, sys
from flagmiddleware import Context
from flagmiddleware.context import LazyContext
from flagmiddleware.web.current import activate, deactivate
from tests.tasks.worker_site import DOCUMENT, FLAGS, app
visitor = LazyContext({"user": lambda c: None, "visitor": lambda c: "v-1", "targeting_key": lambda c: c["visitor"],
                       "plan": lambda c: None})
people = [Context("user-42", plan="pro"), Context("user-1", plan="free"), visitor]
def during(context, send):
    here = FLAGS.bind(context)
    token = activate(here)
    try:
        return {key: here.variant(key) for key in DOCUMENT["flags"]}, send()
    finally:
        deactivate(token)
"""
CELERY = (
    SENDERS
    + """
from tests.tasks.worker_site import decide, fail, hand_on
send = lambda: (fail.delay(), decide.delay(), hand_on.delay())
sent = [during(context, send) for _ in range(4) for context in people]
nobody = [decide.delay() for _ in range(8)]
pids = set()
for wanted, (failing, direct, handed) in sent:
    assert isinstance(failing.get(timeout=60, propagate=False), RuntimeError)
    for result in (direct, app.AsyncResult(handed.get(timeout=60))):
        pid, found = result.get(timeout=60)
        pids.add(pid)
        assert found == wanted, (found, wanted)
for result in nobody:
    assert result.get(timeout=60)[1] is None
print(json.dumps(len(pids)))
"""
)
RQ = (
    SENDERS
    + """
from redis import Redis
from rq import Queue
from tests.tasks.worker_site import ShopJob, decided
queue = Queue("real-workers", connection=Redis.from_url(sys.argv[1]), job_class=ShopJob)
sent = [during(context, lambda: queue.enqueue(decided).id) for context in people] + [(None, queue.enqueue(decided).id)]
print(json.dumps(sent))
"""
)


@pytest.fixture
def environment(redis_url: str) -> dict[str, str]:
    """Where workers and senders find the broker (a database of its own in it) and this package's tests."""
    return {**os.environ, "BROKER": f"{redis_url[:-1]}2", "PYTHONPATH": str(ROOT)}


def ask(program: str, environment: dict[str, str], *arguments: str) -> Any:
    """What a sender prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=150,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def celery_worker(environment: dict[str, str], log: Path, *pool: str) -> Iterator[None]:
    """``celery worker``, as it is started in production."""
    command = [
        *(sys.executable, "-m", "celery", "-A", "tests.tasks.worker_site", "worker", *pool, "-l", "warning"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]
    with open(log, "ab") as output:
        worker = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=ROOT, env=environment, start_new_session=True
        )
    try:
        yield
    finally:
        stop(worker)


@pytest.mark.parametrize(
    ("pool", "processes"), [(("-P", "prefork", "-c", "2"), 2), (("-P", "threads", "-c", "4"), 1), (("-P", "gevent"), 1)]
)
def test_celery_worker(environment: dict[str, str], tmp_path: Path, pool: tuple[str, ...], processes: int) -> None:
    """Failing tasks and tasks of nobody in between, two children: each task has its own sender's answers."""
    with celery_worker(environment, tmp_path / "log", *pool):
        assert ask(CELERY, environment) == processes, (tmp_path / "log").read_text()


def test_rq_worker(environment: dict[str, str], tmp_path: Path) -> None:
    """``rq worker``, which forks for each job: the job has its sender's answers, and nobody's job knows nobody."""
    from redis import Redis
    from rq.job import Job

    url = environment["BROKER"]
    sent = ask(RQ, environment, url)
    command = [
        *(sys.executable, "-m", "rq.cli", "worker", "--burst", "--url", url),
        *("--job-class", "tests.tasks.worker_site.ShopJob", "real-workers"),
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    connection = Redis.from_url(url)
    answers = [Job.fetch(id, connection=connection).return_value() for _, id in sent]
    assert None not in answers, done.stderr
    assert [found for _, found in answers] == [wanted for wanted, _ in sent]
    assert len({pid for pid, _ in answers}) == len(sent)
