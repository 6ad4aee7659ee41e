"""Who is hit, user by user: each changed flag decided before and after, for every user of a population."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice
from multiprocessing import get_context
from typing import Final

import msgspec

from ..context import TARGETING_KEY, Context
from ..model import Ruleset
from ..plan import Plan
from .columns import Users
from .parcel import pack, unpack
from .profiles import Side
from .tally import FlagTally, Found, Membership

__all__ = ["FlagImpact", "SegmentImpact", "measure", "reads"]

_CHUNK: Final = 50_000
_FLAGS_WORTH_A_PROCESS: Final = 20
"""Below these, starting another process costs more than it saves."""

Each = Callable[[str, str, str, "str | None", "str | None"], None]
"""Is told of every user hit: flag, key, what happens, the variant before and after."""


class SegmentImpact(msgspec.Struct):
    """Counts over the users of one segment (or over all)."""

    users: int = 0
    before: int = 0
    after: int = 0
    gains: int = 0
    loses: int = 0
    flips: int = 0


class FlagImpact(msgspec.Struct):
    """What a change does to a population; ``who`` lists the first users hit, with what they had and will have."""

    total: SegmentImpact
    segments: dict[str, SegmentImpact]
    who: list[tuple[str, str, str | None, str | None]]


def measure(
    keys: Sequence[str],
    before: Ruleset,
    after: Ruleset,
    users: Iterable[Context],
    *,
    now: float,
    who: int = 20,
    each: Each | None = None,
    processes: int = 1,
) -> dict[str, FlagImpact]:
    """Decide the flags ``keys``, and no others, for every user under both rulesets; ``who`` of those hit are listed.

    ``processes`` above 1 starts as many interpreters, where the first users show that it is worth it.
    """
    job = _Job(tuple(keys), before, after, now, None if each is not None else who)
    found = [Found({}, []) for _ in keys]
    counter = _Counter(job)
    for part in _counted(counter, users, processes, found):
        for key, one, more in zip(keys, found, part, strict=True):
            _add(key, one, more, who, each)
    names = counter.membership.names
    return {key: _impact(flag, one, names) for key, flag, one in zip(keys, counter.flags, found, strict=True)}


def reads(keys: Iterable[str], before: Ruleset, after: Ruleset, *, now: float) -> frozenset[str]:
    """Every attribute that deciding ``keys``, and telling who is in which segment, may read."""
    found = set(Membership(before, after, now).reads())
    wanted = tuple(keys)
    for plan in (Plan(before, now), Plan(after, now)):
        found.update(*(plan.reads(key) for key in wanted if key in plan.ruleset.flags))
    return frozenset(found | {"email"} if "email_domain" in found else found)


def _add(key: str, one: Found, more: Found, who: int, each: Each | None) -> None:
    for group, count in more.tally.items():
        one.tally[group] = one.tally.get(group, 0) + count
    one.who.extend(more.who[: max(who - len(one.who), 0)])
    if each is not None:
        for hit in more.who:
            each(key, *hit)


def _impact(flag: FlagTally, seen: Found, segments: Sequence[str]) -> FlagImpact:
    found = FlagImpact(SegmentImpact(), {name: SegmentImpact() for name in segments}, seen.who)
    for (inside, was, will), count in seen.tally.items():
        kind = flag.kind(was, will)
        for counts in (found.total, *(found.segments[name] for name in inside)):
            counts.users += count
            counts.before += count * (was not in flag.off[0])
            counts.after += count * (will not in flag.off[1])
            if kind:
                setattr(counts, kind, getattr(counts, kind) + count)
    return found


class _Job(msgspec.Struct, frozen=True):
    """What is to be decided; another process can be sent it. ``who`` None lists everybody hit."""

    keys: tuple[str, ...]
    before: Ruleset
    after: Ruleset
    now: float
    who: int | None


class _Counter:
    """Decides every flag of a job for some users at a time."""

    def __init__(self, job: _Job) -> None:
        self.job = job
        self.membership = Membership(job.before, job.after, job.now)
        old, new = Side(job.before, job.now), Side(job.after, job.now)
        self.flags = [FlagTally(key, old, new) for key in job.keys]
        self._reads = sorted(reads(job.keys, job.before, job.after, now=job.now) - {TARGETING_KEY})

    @property
    def is_divisible(self) -> bool:
        """Whether all of it can be done elsewhere, without the contexts themselves."""
        return all(flag.is_divisible for flag in self.flags)

    def users(self, contexts: list[Context]) -> Users:
        """The users, with what these flags and segments read of them."""
        return Users(contexts, self._reads)

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


def _counted(
    counter: _Counter, users: Iterable[Context], processes: int, found: Sequence[Found]
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
_worker: list[_Counter] = []


def _start(packed: bytes) -> None:
    _worker[:] = [_Counter(unpack(packed))]


def _run(users: Users, listed: frozenset[str]) -> list[Found]:
    return _worker[0].count(users, listed)
