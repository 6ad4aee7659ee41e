"""A flip reaches every worker of every server, and no request fails meanwhile."""

from __future__ import annotations

import pytest

from benchmarks.propagation import KINDS, LIMITS, measure_kind

FLIPS = 5  # the long runs are `make propagation`


@pytest.mark.faults
@pytest.mark.services
@pytest.mark.parametrize("kind", KINDS)
def test_every_worker_follows_every_flip(kind: str) -> None:
    """However the server forks and schedules, and however the flags arrive: no failed request, no worker left behind or
    thrown back, every revision arrives."""
    runs = measure_kind(kind, sources=list(LIMITS), flips=FLIPS, longest=20.0)
    assert [run.source for run in runs] == list(LIMITS)
    for run in runs:
        assert (run.failed, run.went_back, run.flips) == (0, 0, FLIPS)
        assert run.requests > 100
        assert len(run.workers) == KINDS[kind].workers
        assert len(run.delays) >= FLIPS  # a worker that nobody asked tells nothing
        assert max(run.delays) < 20.0  # arrived at all; how fast is a benchmark's matter, not a test's
