"""Every changed flag over a population, some users at a time, in other processes where that is worth it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice
from multiprocessing import get_context
from typing import Final

import msgspec

from ..context import Context
from ..model import Ruleset
from .columns import Users
from .matching import Membership
from .parcel import pack, unpack
from .profiles import Side
from .tally import FlagTally, Found

__all__ = ["Counter", "Job", "counted"]

_CHUNK: Final = 50_000
_FLAGS_WORTH_A_PROCESS: Final = 100
"""Below these, starting other processes costs more than it saves."""


class Job(msgspec.Struct, frozen=True):
    """What is to be decided; another process can be sent it. ``who`` None lists everybody hit.

    ``reads`` are the attributes that it takes.
    """

    keys: tuple[str, ...]
    before: Ruleset
    after: Ruleset
    now: float
    who: int | None
    reads: tuple[str, ...]


class Counter:
    """Decides every flag of a job for some users at a time."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.membership = Membership(job.before, job.after, job.now)
        old, new = (Side(ruleset, job.now, job.keys) for ruleset in (job.before, job.after))
        self.flags = [FlagTally(key, old, new) for key in job.keys]

    @property
    def is_divisible(self) -> bool:
        """Whether all of it can be done elsewhere, without the contexts themselves."""
        return all(flag.is_divisible for flag in self.flags)

    def users(self, contexts: list[Context]) -> Users:
        """The users, with what these flags and segments read of them."""
        return Users(contexts, self.job.reads)

    def listed(self, found: Sequence[Found]) -> frozenset[str]:
        """The flags of which enough users are listed: looking for more would cost as much as counting."""
        who = self.job.who
        if who is None:
            return frozenset()
        return frozenset(flag.key for flag, one in zip(self.flags, found, strict=True) if len(one.who) >= who)

    def count(self, users: Users, listed: frozenset[str]) -> list[Found]:
        """What is found out about some users, for each flag; those ``listed`` are only counted."""
        self.membership.mark(users)
        return [flag.count(users, 0 if flag.key in listed else self.job.who) for flag in self.flags]


def counted(
    counter: Counter, users: Iterable[Context], processes: int, found: Sequence[Found]
) -> Iterator[list[Found]]:
    """What was found out about each chunk of users, in their order; whoever asks adds it to ``found``."""
    chunks = map(counter.users, _chunks(users))
    first = list(islice(chunks, 2))
    worth = processes > 1 and len(first) > 1 and len(counter.flags) >= _FLAGS_WORTH_A_PROCESS
    packed = pack(counter.job) if worth and counter.is_divisible else None
    if packed is None:
        yield from (counter.count(chunk, counter.listed(found)) for chunk in chain(first, chunks))
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), _start, (packed,)) as pool:
        # A few chunks ahead, and no more: a population may be larger than the memory.
        waiting: deque[Future[list[Found]]] = deque()
        for chunk in chain(first, chunks):
            waiting.append(pool.submit(_run, chunk, counter.listed(found)))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _chunks(users: Iterable[Context]) -> Iterator[list[Context]]:
    rest = iter(users)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


# The job of a worker process: set once when it starts, and gone with it.
_worker: list[Counter] = []


def _start(packed: bytes) -> None:
    _worker[:] = [Counter(unpack(packed))]


def _run(users: Users, listed: frozenset[str]) -> list[Found]:
    return _worker[0].count(users, listed)
