"""What many processes cost each kind of store, by simulation: ``python -m benchmarks.simulate_scale [--processes N]``.

Every process is played, with the intervals, the jitter and the back-off of the real refresher: a look each ``interval``
± 20 %, hints that arrive or are lost, an outage after which everybody comes back. Counted are requests at the store,
bytes out of it, and how old the flags of the worst process get. The bytes of a look are counted from the protocol (what
identifies the snapshot, and its framing), those of a snapshot are 10,000 flags of ``bench_load``. Bandwidth is without
limit: what a change sends says how much that leaves out.
"""

from __future__ import annotations

import argparse
import heapq
import random
from dataclasses import dataclass, field

from flagmiddleware.refresher import _BACKOFF, _JITTER  # played with the very figures of the real one

from .report import Table

__all__ = ["COLUMNS", "ENGINES", "Engine", "Outcome", "row", "simulate", "table"]

SNAPSHOT = 1_800_000  # bytes of 10,000 flags, one line a flag
PACKED = 190_000  # the same, gzipped
FIRST, LONGEST, _ = _BACKOFF  # seconds: the first ceiling, the last one within a minute


@dataclass(frozen=True)
class Engine:
    """One way to distribute: how often a process looks, what that and a hint cost, how often a hint is lost."""

    name: str
    interval: float
    look: int  # bytes that the store sends for a look that finds nothing new
    fetch: int  # bytes that it sends for the whole
    hinted: bool = False
    hint: int = 0
    lost: float = 0.0
    connections: int = 1  # kept open by each process


ENGINES = (
    Engine("Redis, hints", 1.0, look=140, fetch=SNAPSHOT, hinted=True, hint=90, lost=0.001, connections=2),
    Engine("Redis, hints, `refresh=5`", 5.0, look=140, fetch=SNAPSHOT, hinted=True, hint=90, lost=0.001, connections=2),
    Engine("PostgreSQL, NOTIFY", 1.0, look=200, fetch=SNAPSHOT, hinted=True, hint=60, lost=0.001, connections=2),
    Engine("SQL (Django), one row a second", 1.0, look=200, fetch=SNAPSHOT),
    Engine("HTTP with an ETag, each second", 1.0, look=250, fetch=PACKED),
    Engine("HTTP with an ETag, every 5 s (flagd)", 5.0, look=250, fetch=PACKED),
    Engine("HTTP with an ETag, every 15 s (Unleash, RocketFlag)", 15.0, look=250, fetch=PACKED),
    # Neither flagd's look nor its announcement can be had without the whole in it, and gRPC packs nothing unasked.
    Engine("gRPC, flagd's sync", 5.0, look=SNAPSHOT, fetch=0, hinted=True, hint=SNAPSHOT, lost=0.001),
)


@dataclass
class Outcome:
    """What was counted."""

    looks: list[int] = field(default_factory=list)  # in each second
    sent: list[int] = field(default_factory=list)  # bytes, in each second
    hints: int = 0
    worst: float = 0.0  # seconds, without an outage
    middle: float = 0.0
    after: float = 0.0  # seconds until the last process is current after an outage
    herd: float = 0.0  # the busiest second after an outage, over the mean of a quiet one


def simulate(engine: Engine, processes: int, *, seconds: int = 120, changes: int = 6, seed: int = 1) -> Outcome:
    """Play ``seconds`` with ``changes`` spread over the first half, then an outage of 10 s with one change in it."""
    dice = random.Random(seed)
    half = seconds // 2
    dark = (half + 10.0, half + 20.0)
    times = sorted([dice.uniform(5, half) for _ in range(changes)] + [half + 15.0])
    outcome = Outcome([0] * (seconds + 30), [0] * (seconds + 30))
    events: list[tuple[float, int, bool]] = []
    for process in range(processes):
        heapq.heappush(events, (dice.uniform(0, engine.interval), process, True))
    if engine.hinted:
        for change in times[:-1]:
            outcome.hints += processes
            for process in range(processes):
                if dice.random() >= engine.lost:
                    heapq.heappush(events, (change + dice.uniform(0.001, 0.007), process, False))
    _play(engine, processes, times, dark, seconds, events, outcome, dice)
    return outcome


def _play(
    engine: Engine,
    processes: int,
    times: list[float],
    dark: tuple[float, float],
    seconds: int,
    events: list[tuple[float, int, bool]],
    outcome: Outcome,
    dice: random.Random,
) -> None:
    has = [0] * processes
    failures = [0] * processes
    ages: list[float] = []
    while events:
        now, process, is_own = heapq.heappop(events)
        if now >= seconds:
            break
        second = int(now)
        outcome.looks[second] += 1
        outcome.sent[second] += 0 if is_own else engine.hint
        if dark[0] <= now < dark[1]:
            failures[process] += 1
            if is_own:
                ceiling = min(LONGEST, FIRST * 2 ** min(failures[process], 10))
                heapq.heappush(events, (now + dice.uniform(0, ceiling), process, True))
            continue
        failures[process] = 0
        newest = sum(change <= now for change in times)
        if has[process] == newest:
            outcome.sent[second] += engine.look
        else:
            age = now - times[has[process]]
            if times[has[process]] < dark[0]:
                ages.append(age)
            else:
                outcome.after = max(outcome.after, now - dark[1])
            has[process] = newest
            outcome.sent[second] += engine.look + engine.fetch
        if is_own:
            wait = engine.interval * dice.uniform(1 - _JITTER, 1 + _JITTER)
            heapq.heappush(events, (now + wait, process, True))
    ages.sort()
    outcome.worst, outcome.middle = ages[-1], ages[len(ages) // 2]
    quiet = outcome.looks[2:5]
    outcome.herd = max(outcome.looks[int(dark[1]) : int(dark[1]) + 5]) / (sum(quiet) / len(quiet))


COLUMNS = (
    *("", "looks a second", "quiet", "messages a change", "one change sends", "in one second", "median age"),
    *("worst age", "at the most", "all current after an outage", "busiest second after it", "sockets"),
)


def row(engine: Engine, processes: int) -> list[str]:
    """What the engine costs, in the order of :data:`COLUMNS`."""
    played = simulate(engine, processes)
    quiet = sum(played.looks[2:5]) / 3
    change = processes * (engine.fetch + engine.look + engine.hint * engine.hinted)
    return [
        engine.name,
        f"{quiet:,.0f}",
        f"{_bytes(quiet * engine.look)}/s",
        f"{processes * (1 + engine.hinted):,}",
        _bytes(change),
        f"{_bytes(max(played.sent))}/s",
        f"{played.middle:.2f} s",
        f"{played.worst:.2f} s",
        f"{engine.interval * (1 + _JITTER):.1f} s",
        f"{played.after:.1f} s",
        f"{played.herd:.1f} ×",
        f"{processes * engine.connections:,}",
    ]


def _bytes(number: float) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"


def table(processes: int) -> Table:
    """One row for each engine."""
    made = Table(f"{processes:,} processes, 10,000 flags", list(COLUMNS))
    made.rows += [row(engine, processes) for engine in ENGINES]
    return made


def main() -> int:
    """Print a table for each size asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, nargs="*", default=[100, 1_000, 10_000])
    for processes in parser.parse_args().processes:
        print(table(processes).markdown())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
