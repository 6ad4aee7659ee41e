"""A flip reaches every worker of every server, and no request fails meanwhile."""

from __future__ import annotations

import pytest

from benchmarks.propagation import KINDS, WORKERS, measure_kind

FLIPS = 3  # the long runs are `make propagation`
# A refresher lives or dies with how the server forks and schedules: one kind of each is enough in CI.
THREADED = ["gunicorn sync --preload", "gunicorn gthread", "gunicorn gevent --preload", "uvicorn --workers", "uwsgi"]
CASES = [*((kind, "file") for kind in KINDS), *((kind, "redis") for kind in THREADED)]


@pytest.mark.faults
@pytest.mark.services
@pytest.mark.parametrize(("kind", "source"), CASES)
def test_every_worker_follows_every_flip(kind: str, source: str) -> None:
    """However the server forks and schedules: no failed request, no worker left behind, every revision arrives."""
    run = measure_kind(kind, source=source, flips=FLIPS, longest=20.0)
    assert run.failed == 0
    assert run.requests > 100
    assert len(run.workers) == WORKERS
    assert len(run.delays) == FLIPS
    assert max(run.delays) < 10.0  # arrived at all; how fast is a benchmark's matter, not a test's
