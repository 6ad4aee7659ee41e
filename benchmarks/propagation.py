"""How long after a flip does some worker still serve the old answer? Measured under load, on real servers.

    python -m benchmarks.propagation [--flips 50] [--kinds uwsgi "celery prefork"] [--sources redis] [--write]

Every worker decides by one ``Flags`` a source, all at once: a file looked at once a second, the same behind HTTP, and
two stores that push. For each flip the writer notes the instant at which the new definitions were in place. Clients ask
without pause; a worker's time is that from the flip to the moment at which its first new answer had arrived, so what
the request itself took is in it. A worker that nobody asked for a while just then (servers do not share out evenly) may
have known for long: its time ends with its last old answer. Whatever is older than an answer that the same worker gave
before counts as a failure.
"""

from __future__ import annotations

import argparse
import http.client
import math
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import report
from benchmarks.propagation_kinds import KINDS, WORKERS, Asker, Kind, environment_of
from benchmarks.propagation_sources import LIMITS, opened
from tests.services import free_port, running, stop, wait_for

__all__ = ["KINDS", "LIMITS", "WORKERS", "Run", "measure_kind"]

ROOT = Path(__file__).parents[1]
CLIENTS = 3
_CROWD = 4  # clients a worker while each is waited for
_COLUMNS = ("server", "source", "flips", "requests", "failed", "p50", "p99", "worst", "limit (p99)", "")
_PAUSE = 0.1  # seconds: a worker that got no request for longer than this was not asked
_WARM = 3.2  # seconds: a forked worker's refreshers start at the second deadline that is passed


@dataclass
class Run:
    """What one set-up showed with one source: seconds from a flip to each worker's new answer, requests, failures."""

    kind: str
    source: str
    delays: list[float] = field(default_factory=list)
    flips: int = 0
    requests: int = 0
    failed: int = 0
    went_back: int = 0
    workers: set[int] = field(default_factory=set)

    def quantile(self, share: float) -> float:
        """The time, in seconds, that ``share`` of all did not exceed."""
        return sorted(self.delays)[math.ceil(share * len(self.delays)) - 1]


class _Answer(NamedTuple):
    started: float
    ended: float
    pid: int
    revisions: tuple[int, ...]


_NEVER = _Answer(math.inf, math.inf, 0, ())


class _Load:
    """Clients that ask without pause and write down when they asked and what they got."""

    def __init__(self, ask: Asker, clients: int = CLIENTS) -> None:
        self.ask = ask
        self.answers: list[_Answer] = []
        self.failures: list[str] = []
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def _run(self) -> None:
        while not self.stopped.is_set():
            started = time.monotonic()
            try:
                pid, *revisions = map(int, self.ask().split())
                self.answers.append(_Answer(started, time.monotonic(), pid, tuple(revisions)))
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            time.sleep(0.002)

    @contextmanager
    def going(self) -> Iterator[None]:
        for thread in self.threads:
            thread.start()
        try:
            yield
        finally:
            self.stopped.set()
            for thread in self.threads:
                thread.join(15)

    def delays(self, place: int, revision: int, since: int, flipped: float) -> dict[int, float]:
        """Seconds from ``flipped`` to each worker's new answer, for those that gave one after the answer ``since``."""
        first: dict[int, _Answer] = {}
        for answer in self.answers[since:]:
            if answer.revisions[place] >= revision and answer.ended < first.get(answer.pid, _NEVER).ended:
                first[answer.pid] = answer
        return {pid: max(0.0, self._known(answer, since, flipped) - flipped) for pid, answer in first.items()}

    def _known(self, new: _Answer, since: int, flipped: float) -> float:
        """When a worker is known to have decided by the new definitions."""
        before = [one.ended for one in self.answers[since:] if one.pid == new.pid and one.ended < new.ended]
        asked = max([flipped, *before])
        return new.ended if new.started - asked < _PAUSE else asked


def _went_back(answers: Sequence[_Answer], place: int) -> int:
    """How many answers were older than one that the same worker had given before they were asked for."""
    newest: dict[int, list[tuple[float, int]]] = {}
    count = 0
    for answer in sorted(answers, key=lambda one: one.ended):
        known = newest.setdefault(answer.pid, [])
        revision = answer.revisions[place]
        if not known or revision > known[-1][1]:
            known.append((answer.ended, revision))
        count += any(ended < answer.started and revision < newer for ended, newer in known[-3:])
    return count


@contextmanager
def _served(kind: Kind, environment: Mapping[str, str]) -> Iterator[Asker]:
    """The set-up, started; what asks it once it answers."""
    with ExitStack() as stack:
        log = Path(stack.enter_context(tempfile.NamedTemporaryFile()).name)
        port = free_port()
        options: dict[str, Any] = {"cwd": ROOT, "env": environment}
        if kind.listens:
            stack.enter_context(running(kind(port), port=port, log=log, **options))
        else:
            output = stack.enter_context(open(log, "ab"))
            process = subprocess.Popen(kind(port), stdout=output, stderr=output, start_new_session=True, **options)
            stack.callback(stop, process)
        ask = kind.asker(port, environment)
        try:
            wait_for(lambda: _answers(ask), "no answer", 60)
        except TimeoutError as error:
            raise RuntimeError(f"{error}\n{log.read_text(errors='replace')[-4000:]}") from None
        yield ask


def _answers(ask: Asker) -> bool:
    try:
        return bool(ask())
    except (OSError, http.client.HTTPException):
        return False


def _warm(load: _Load, workers: int) -> None:
    """Wait until every worker has answered, and has had the time to start its refreshers."""
    # A kernel that wakes who slept last leaves a worker idle as long as the others keep up: a crowd makes them busy.
    crowd = _Load(load.ask, clients=_CROWD * workers)
    crowd.answers = load.answers
    with crowd.going():
        try:
            wait_for(
                lambda: len({answer.pid for answer in load.answers[-2000:]}) >= workers, "never all workers answered"
            )
        except TimeoutError as error:
            counts = Counter(answer.pid for answer in load.answers)
            failures = Counter(load.failures + crowd.failures).most_common(5)
            raise TimeoutError(f"{error}: answers by process {dict(counts)}, failures {failures}") from None
    time.sleep(_WARM)


def _flip(load: _Load, runs: Sequence[Run], writers: Mapping[str, Callable[[int], None]], longest: float) -> None:
    """Write the next revision to every source; note each worker's time, or ``longest`` where it answered without."""
    revision, since = runs[0].flips + 1, len(load.answers)
    written: list[float] = []
    for run in runs:
        writers[run.source](revision)
        written.append(time.monotonic())
    workers = set().union(*(run.workers for run in runs))
    deadline = time.monotonic() + longest

    def behind() -> bool:
        newest = {answer.pid: answer.revisions for answer in load.answers[since:]}
        return any(pid not in newest or min(newest[pid]) < revision for pid in workers)

    while behind() and time.monotonic() < deadline:
        time.sleep(0.02)
    asked = {answer.pid for answer in load.answers[since:]}
    for place, (run, at) in enumerate(zip(runs, written, strict=True)):
        found = load.delays(place, revision, since, at)
        run.delays += [found.get(pid, longest) for pid in sorted(workers & asked)]
        run.flips = revision


def measure_kind(
    name: str, *, sources: Sequence[str], flips: int, longest: float = 6.0, flipped: Callable[[], object] = bool
) -> list[Run]:
    """Flip ``flips`` times under load; one :class:`Run` for each of ``sources``. ``flipped`` is called each time."""
    kind = KINDS[name]
    runs = [Run(name, source) for source in sources]
    with opened(sources) as stores:
        environment = environment_of(kind, "\n".join(stores.urls[source] for source in sources), stores.broker)
        with _served(kind, environment) as ask:
            load = _Load(ask)
            with load.going():
                _warm(load, kind.workers)
                seen = {answer.pid for answer in load.answers}
                for run in runs:
                    run.workers = seen
                for number in range(flips):
                    _flip(load, runs, stores.writers, longest)
                    flipped()
                    time.sleep(0.137 * (number % 7))  # flips fall on every phase of the interval
    for place, run in enumerate(runs):
        run.failed, run.requests = len(load.failures), len(load.answers) + len(load.failures)
        run.went_back = _went_back(load.answers, place)
    if load.failures:
        print(f"{name}: {load.failures[:3]}", file=sys.stderr)
    return runs


# -- telling ----------------------------------------------------------------------------------------------------------


def _row(run: Run) -> list[str]:
    times = [report.duration(1e9 * run.quantile(share)) for share in (0.5, 0.99, 1.0)]
    limit = LIMITS[run.source]
    failed = run.failed + run.went_back
    met = "met" if run.quantile(0.99) <= limit and not failed else "OVER"
    return [run.kind, run.source, str(run.flips), str(run.requests), str(failed), *times, f"≤ {limit:g} s", met]


def _merged(rows: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """These rows and those that RESULTS.md has of other set-ups, in the order of :data:`KINDS`."""
    old = re.search(r"<!-- bench:propagation -->(.*?)<!-- /bench", report.RESULTS.read_text(), re.DOTALL)
    kept = [[cell.strip() for cell in line.split("|")[1:-1]] for line in (old[1] if old else "").splitlines()]
    known = {(row[0], row[1]): row for row in [*kept, *rows] if len(row) == len(_COLUMNS) and row[0] in KINDS}
    return [known[kind, source] for kind in KINDS for source in LIMITS if (kind, source) in known]


def _note() -> str:
    free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    return (
        f"From a flip to a worker's first new answer, under load, {WORKERS} workers (runserver has one), every worker\n"
        "with all four sources at once. `file` and `http` (nginx, ETag) are looked at once a second; `redis` and\n"
        "`postgres` push. `failed` counts requests that failed and answers that were older than one before.\n"
        "`gevent --preload` patches first, as the guide asks. Set-ups may have been measured at different times.\n"
        f"Free-threaded Python: {'this is one' if free else 'not present here'}."
    )


def _write(rows: Sequence[Sequence[str]], load: float) -> None:
    table = report.Table("Time to the new answer", _COLUMNS, list(_merged(rows)))
    command = "python -m benchmarks.propagation --write"
    report.write_section(
        "propagation", "A flip reaches every worker", [table], note=_note(), load=load, command=command
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.propagation")
    parser.add_argument("--flips", type=int, default=50, help="how often each source is written (50)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND", help="which set-ups")
    parser.add_argument("--sources", nargs="+", choices=LIMITS, default=list(LIMITS), metavar="SOURCE")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/RESULTS.md")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a figure is over its limit")
    return parser.parse_args()


def main() -> int:
    """Measure, print a line for each set-up and source, write what was measured after each set-up."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    options, before = _arguments(), os.getloadavg()[0]
    rows: list[Sequence[str]] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("flips", total=options.flips * len(options.kinds))
        for kind in options.kinds:
            bar.update(task, description=kind)
            done = measure_kind(kind, sources=options.sources, flips=options.flips, flipped=lambda: bar.advance(task))
            rows += map(_row, done)
            for row in rows[-len(done) :]:
                print("  ".join(map(str.ljust, row, (26, 9, 3, 7, 3, 8, 8, 8, 8, 4))), flush=True)
            if options.write:
                _write(rows, before)
    return 1 if options.strict and any(row[-1] != "met" for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
