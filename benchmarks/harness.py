"""Measure what a call costs beside the least that a correct answer needs, and check every answer.

A *workload* has one *floor* (a hand-written function) and other *contenders*. In each round every contender runs
once, in an order that turns with the round, on inputs that were built outside the clock; what counts is the CPU time
of the thread, with the collector frozen. Ratios are taken within a round, so that a machine that slows down for a
while slows both sides; their median is reported, and the spread beside it says how far to trust it.
"""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Contender", "Cost", "Memory", "Settings", "Workload", "memory", "process_cost", "quiet"]

Arguments = tuple[Any, ...]
Inputs = Callable[[int], Sequence[Arguments]]


class WrongAnswer(AssertionError):
    """A contender answered something else than the floor: its speed is of no interest."""


@dataclass(frozen=True)
class Settings:
    """How long to measure: ``rounds`` repetitions, ``scale`` times the usual number of inputs."""

    rounds: int = 25
    scale: float = 1.0

    def size(self, usual: int) -> int:
        """How many inputs to use where ``usual`` is the full number."""
        return max(1, int(usual * self.scale))


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to get the answer.

    ``call`` is called once for each tuple of arguments that ``inputs(round)`` gives (None: the workload's inputs).
    ``answer`` turns a result into what the floor returns; ``check`` replaces the comparison with the floor for a peer
    that buckets differently (it gets arguments and results, and raises). ``units`` is how many things one call does.
    """

    name: str
    call: Callable[..., Any]
    inputs: Inputs | None = None
    answer: Callable[[Any], Any] | None = None
    check: Callable[[Sequence[Arguments], Sequence[Any]], object] | None = None
    units: int = 1


@dataclass(frozen=True)
class Cost:
    """What one contender cost: nanoseconds for one unit, a number for each round."""

    name: str
    rounds: tuple[float, ...]

    @property
    def least(self) -> float:
        """The cheapest round: the cost without what else the machine did."""
        return min(self.rounds)

    @property
    def median(self) -> float:
        """The middle round."""
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """How far the third quartile lies above the cheapest round, as a share of it: above 0.1 is a noisy machine."""
        return _quartile(self.rounds) / self.least - 1

    def over(self, base: Cost) -> float:
        """This cost as a multiple of ``base``: the median of the ratios of each round."""
        return statistics.median(mine / its for mine, its in zip(self.rounds, base.rounds, strict=True))


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One question, asked of all contenders.

    ``limits`` maps ``(contender, base)`` names to the ratio that must not be exceeded. ``clock`` may be
    ``time.process_time_ns`` or ``time.perf_counter_ns`` where the work is not done by this thread alone.
    """

    name: str
    floor: Contender
    contenders: Sequence[Contender]
    inputs: Inputs
    limits: Mapping[tuple[str, str], float] = field(default_factory=dict)
    clock: Callable[[], int] = time.thread_time_ns

    @property
    def everyone(self) -> tuple[Contender, ...]:
        """The floor and all others."""
        return (self.floor, *self.contenders)

    def measure(self, settings: Settings) -> list[Cost]:
        """The cost of each contender, the floor first."""
        unknown = {name for pair in self.limits for name in pair} - {one.name for one in self.everyone}
        self._round(-1, {})  # unmeasured: warms caches, and shows a wrong answer before any time is spent
        costs: dict[str, list[float]] = {one.name: [] for one in self.everyone}
        with quiet():
            for number in range(settings.rounds):
                self._round(number, costs)
        if unknown and settings.rounds > 5:
            print(f"{self.name}: not measured here: {', '.join(sorted(unknown))}", file=sys.stderr)
        return [Cost(name, tuple(rounds)) for name, rounds in costs.items()]

    def _round(self, number: int, costs: dict[str, list[float]]) -> None:
        turn = number % len(self.everyone)
        answers: dict[str, list[Any]] = {}
        prepared: dict[str, Sequence[Arguments]] = {}
        for one in (*self.everyone[turn:], *self.everyone[:turn]):
            # Made just before they are used, as a request makes its context: not yet out of the processor's cache.
            prepared[one.name] = (one.inputs or self.inputs)(number)
            elapsed, answers[one.name] = self._time(one, prepared[one.name])
            if costs:
                costs[one.name].append(elapsed / (len(answers[one.name]) * one.units))
        for one in self.contenders:
            self._verify(one, prepared[one.name], answers[one.name], answers[self.floor.name])

    def _time(self, one: Contender, inputs: Sequence[Arguments]) -> tuple[int, list[Any]]:
        columns = list(zip(*inputs, strict=True))
        call, clock = one.call, self.clock
        # `map` over columns: no lambda and no unpacking between the clock and the call. Arguments that no column
        # holds (calls without any) need a loop.
        if columns:
            start = clock()
            results = list(map(call, *columns))
            return clock() - start, results
        start = clock()
        results = [call() for _ in inputs]
        return clock() - start, results

    def _verify(self, one: Contender, inputs: Sequence[Arguments], results: list[Any], floor: list[Any]) -> None:
        if one.check is not None:
            one.check(inputs, results)
            return
        answers = results if one.answer is None else list(map(one.answer, results))
        for arguments, answer, expected in zip(inputs, answers, floor, strict=True):
            if answer != expected:
                raise WrongAnswer(
                    f"{self.name}: {one.name} answered {answer!r}, not {expected!r}, for {str(arguments)[:300]}"
                )


@contextmanager
def quiet() -> Iterator[None]:
    """The collector at rest: what lives now is frozen, and nothing is collected inside the block."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()


@dataclass(frozen=True)
class Memory:
    """Bytes that Python allocated: kept after ``build`` returned, and at the worst moment of it."""

    retained: int
    peak: int


def memory(build: Callable[[], Any]) -> Memory:
    """What ``build()`` costs in memory; run it by itself, since tracing makes everything slow."""
    build()  # what is imported or cached once is not the cost of this one
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        kept = build()
        _, peak = tracemalloc.get_traced_memory()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        del kept
    finally:
        tracemalloc.stop()
    return Memory(after - before, peak - before)


def process_cost(*code: str, rounds: int = 15) -> list[Cost]:
    """The CPU time, user and system, of a fresh interpreter for each snippet of ``code``, interleaved."""
    costs: dict[str, list[float]] = {snippet: [] for snippet in code}
    for number in range(-2, rounds):  # two unmeasured: the files must be in the page cache
        for snippet in code:
            pid = os.posix_spawn(sys.executable, [sys.executable, "-c", snippet], os.environ)
            _, status, usage = os.wait4(pid, 0)
            if status:
                raise RuntimeError(f"{snippet!r} failed")
            if number >= 0:
                costs[snippet].append((usage.ru_utime + usage.ru_stime) * 1e9)
    return [Cost(snippet, tuple(spent)) for snippet, spent in costs.items()]


def _quartile(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=4)[2] if len(values) > 1 else values[0]
