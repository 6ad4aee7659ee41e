"""Who is hit, user by user: each changed flag decided before and after, for every user of a population."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice, repeat
from multiprocessing import get_context
from operator import attrgetter
from typing import Any, Final

import msgspec

from ..context import Context
from ..model import Flag, InSegment, Rule, Ruleset, Serve
from ..plan import Plan
from .parcel import pack, unpack

__all__ = ["FlagImpact", "SegmentImpact", "measure", "reads"]

_CHUNK: Final = 5_000
_FLAGS_WORTH_A_PROCESS: Final = 10
"""Below these, sending the users to another process costs more than deciding here."""

Variants = Callable[[list[Context]], "list[str | None]"]
_variant: Final = attrgetter("variant")
_Group = tuple[tuple[str, ...], "str | None", "str | None"]
_Hit = tuple[str, str, "str | None", "str | None"]
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


class _Work:
    """One flag under two rulesets."""

    def __init__(self, key: str, old: Plan, new: Plan) -> None:
        self.decide_old, self.decide_new = _variants(old, key), _variants(new, key)
        self.off_old, self.off_new = _off(old, key), _off(new, key)

    def kind(self, was: str | None, will: str | None) -> str:
        had, has = was not in self.off_old, will not in self.off_new
        if had != has:
            return "gains" if has else "loses"
        return "flips" if had and was != will else ""

    def decide(self, users: list[Context], segments: list[tuple[str, ...]], who: int | None) -> _Found:
        was, will = self.decide_old(users), self.decide_new(users)
        tally = Counter(zip(segments, was, will, strict=True))
        found = _Found(dict(tally), [])
        if who != 0 and any(self.kind(old, new) for _, old, new in tally):
            hits = (hit for hit in zip(users, was, will, strict=True) if hit[1] != hit[2] and self.kind(*hit[1:]))
            found.who = [(str(user.targeting_key), self.kind(a, b), a, b) for user, a, b in islice(hits, who)]
        return found

    def impact(self, seen: _Found, segments: Sequence[str]) -> FlagImpact:
        found = FlagImpact(SegmentImpact(), {name: SegmentImpact() for name in segments}, seen.who)
        for (inside, was, will), count in seen.tally.items():
            kind = self.kind(was, will)
            for counts in (found.total, *(found.segments[name] for name in inside)):
                counts.users += count
                counts.before += count * (was not in self.off_old)
                counts.after += count * (will not in self.off_new)
                if kind:
                    setattr(counts, kind, getattr(counts, kind) + count)
        return found


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
    found = [_Found({}, []) for _ in keys]
    for part in _decided(job, users, processes):
        for key, one, more in zip(keys, found, part, strict=True):
            _add(key, one, more, who, each)
    work, names = job.work(), job.segments()
    return {key: one.impact(more, names) for key, one, more in zip(keys, work, found, strict=True)}


def reads(keys: Iterable[str], before: Ruleset, after: Ruleset, *, now: float) -> frozenset[str]:
    """Every attribute that deciding ``keys``, and telling who is in which segment, may read."""
    found: set[str] = set()
    job = _Job(tuple(keys), before, after, now, 0)
    for plan in (Plan(before, now), Plan(after, now)):
        found.update(*(plan.reads(key) for key in job.keys if key in plan.ruleset.flags))
    inside = _membership(job.segments(), after, before)
    members = Plan(inside, now)
    found.update(*(members.reads(name) for name in inside.flags))
    return frozenset(found | {"email"} if "email_domain" in found else found)


def _add(key: str, one: _Found, more: _Found, who: int, each: Each | None) -> None:
    for group, count in more.tally.items():
        one.tally[group] = one.tally.get(group, 0) + count
    one.who.extend(more.who[: max(who - len(one.who), 0)])
    if each is not None:
        for hit in more.who:
            each(key, *hit)


def _decided(job: _Job, users: Iterable[Context], processes: int) -> Iterator[list[_Found]]:
    """What was found out about each chunk of users, in their order."""
    chunks = _chunks(users)
    first = list(islice(chunks, 2))
    worth = processes > 1 and len(first) > 1 and len(job.keys) >= _FLAGS_WORTH_A_PROCESS
    packed = pack(job) if worth else None
    if packed is None:
        decide = job.decider()
        yield from map(decide, first)
        yield from map(decide, chunks)
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), _start, (packed,)) as pool:
        # A few chunks ahead, and no more: a population may be larger than the memory.
        waiting: deque[Future[list[_Found]]] = deque()
        for chunk in chain(first, chunks):
            waiting.append(pool.submit(_run, chunk))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _chunks(users: Iterable[Context]) -> Iterator[list[Context]]:
    rest = iter(users)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


class _Found(msgspec.Struct):
    """How many users of a chunk have which segments and variants, and the users hit."""

    tally: dict[_Group, int]
    who: list[_Hit]


class _Job(msgspec.Struct, frozen=True):
    """What is to be decided; another process can be sent it. ``who`` None lists everybody hit."""

    keys: tuple[str, ...]
    before: Ruleset
    after: Ruleset
    now: float
    who: int | None

    def segments(self) -> list[str]:
        return sorted({*self.before.segments, *self.after.segments})

    def work(self) -> list[_Work]:
        old, new = Plan(self.before, self.now), Plan(self.after, self.now)
        return [_Work(key, old, new) for key in self.keys]

    def decider(self) -> Callable[[list[Context]], list[_Found]]:
        """Decides every flag for a chunk of users."""
        names = self.segments()
        inside = Plan(_membership(names, self.after, self.before), self.now)
        members = [(name, _variants(inside, name)) for name in names]
        work = self.work()

        def decide(users: list[Context]) -> list[_Found]:
            return [one.decide(users, segments, self.who) for segments in (_inside(users, members),) for one in work]

        return decide


def _inside(users: list[Context], members: list[tuple[str, Variants]]) -> list[tuple[str, ...]]:
    """The segments that each user is in."""
    columns = [[name if variant == "on" else None for variant in decide(users)] for name, decide in members]
    known: dict[Any, tuple[str, ...]] = {}
    if not columns:
        return [()] * len(users)
    found = []
    for row in zip(*columns, strict=True):
        if row not in known:
            known[row] = tuple(name for name in row if name is not None)
        found.append(known[row])
    return found


# The job of a worker process: set once when it starts, and gone with it.
_worker: list[Callable[[list[Context]], list[_Found]]] = []


def _start(packed: bytes) -> None:
    job: _Job = unpack(packed)
    _worker[:] = [job.decider()]


def _run(users: list[Context]) -> list[_Found]:
    return _worker[0](users)


def _off(plan: Plan, key: str) -> frozenset[str | None]:
    flag = plan.ruleset.flags.get(key)
    if flag is None:
        return frozenset({None})
    return frozenset({None, flag.off, *(name for name, value in flag.variants.items() if value is False)})


def _variants(plan: Plan, key: str) -> Variants:
    """Gives the variant that each of some users gets."""
    flag = plan.ruleset.flags.get(key)
    if flag is None:
        return lambda users: [None] * len(users)
    compiled = plan.compile(flag)

    def carefully(user: Context) -> str | None:
        try:
            return compiled(user, None).variant
        except Exception as error:  # odd attributes: the interpreter decides, as it does in production
            return plan.recover(flag, user, None, error).variant

    def decide(users: list[Context]) -> list[str | None]:
        try:
            return list(map(_variant, map(compiled, users, repeat(None))))
        except Exception:  # one of them is odd
            return [carefully(user) for user in users]

    return decide


def _membership(names: Sequence[str], after: Ruleset, before: Ruleset) -> Ruleset:
    """A flag for each segment, on for its members: segments are then decided by compiled code, too."""
    flags = {name: Flag(key=name, rules=(Rule(Serve("on"), condition=InSegment(name)),)) for name in names}
    return Ruleset(flags=flags, segments={**before.segments, **after.segments}, dialect=after.dialect)
