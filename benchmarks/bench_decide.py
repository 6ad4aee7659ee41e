"""One decision, beside the least code that makes it and beside other libraries; then all flags of one user."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from hashlib import sha1
from typing import Any

from flagmiddleware import Context, Flags
from flagmiddleware.context import TARGETING_KEY

from .decide_cases import CASES, Case, Subject, subjects
from .harness import Arguments, Contender, Settings, Workload
from .peers import Peer, eppo, eppo_shard, launchdarkly
from .report import Table, main, workload_tables

OURS, HAND, EPPO = "flagmiddleware", "hand-written", "eppo-server-sdk"
# Few enough to stay in the processor's cache: a request decides about the context that it has just made.
BATCH, ROUNDS = 500, 200
MANY = (100, 1_000)
MIXED = ("static", "rollout", "targeting", "suffix")


def context(subject: Subject) -> Context:
    """Ours, of one subject."""
    return Context(subject["targeting_key"], {name: value for name, value in subject.items() if name != TARGETING_KEY})


def one_decision(case: Case, flags: Flags, peers: Sequence[Peer], settings: Settings) -> Workload:
    """``flags.is_enabled`` or ``.value`` with a ready context, for subjects that are new in every round."""
    count = settings.size(BATCH)

    def people(number: int) -> list[Subject]:
        return [one | dict(case.also) for one in subjects((number + 1) * count, count)]

    def ours(number: int) -> list[Arguments]:
        return [(case.key, context(one), *extra) for one in people(number)]

    extra = (case.default,) if case.verb == "value" else ()
    return Workload(
        name=case.name,
        inputs=ours,
        floor=Contender(name=HAND, call=case.hand, inputs=lambda n: [(case.key, one) for one in people(n)]),
        contenders=[
            Contender(name=OURS, call=getattr(flags, case.verb)),
            *(peer_contender(case, peer, people) for peer in peers),
        ],
        limits={(OURS, HAND): case.limit, (OURS, EPPO): case.eppo_limit} if case.limit and case.eppo_limit else {},
    )


def peer_contender(case: Case, peer: Peer, people: Callable[[int], list[Subject]]) -> Contender:
    """A peer, checked by the hand-written decision under the peer's own bucketing."""
    call = peer.call_text if case.verb == "value" else peer.call
    asked: list[Subject] = []

    def inputs(number: int) -> list[Arguments]:
        asked[:] = people(number)
        return [(case.key, *peer.subject(one), case.default) for one in asked]

    def check(_: Sequence[Arguments], results: Sequence[Any]) -> None:
        for one, result in zip(asked, results, strict=True):
            expected = case.logic(one, fraction(peer.name, case.key, one["targeting_key"]))
            if result != expected:
                raise AssertionError(f"{case.name}: {peer.name} answered {result!r}, not {expected!r}, for {one}")

    return Contender(name=peer.name, call=call, inputs=inputs, check=check)


def fraction(peer: str, flag: str, key: str) -> float:
    """Where a peer puts a key, 0 to 1. LaunchDarkly: the first 60 bits of SHA-1 of ``flag.salt.key``."""
    if peer == EPPO:
        return eppo_shard(flag, key) / 10_000
    digest = sha1(f"{flag}.{flag}.{key}".encode(), usedforsecurity=False).hexdigest()
    return int(digest[:15], 16) / 0xFFFFFFFFFFFFFFF


def request_shaped(flags: Flags, settings: Settings) -> Workload:
    """Bind a context and read one rollout: what a request pays."""
    case = next(case for case in CASES if case.key == "rollout")
    count = settings.size(BATCH)

    def people(number: int) -> list[Subject]:
        return subjects((number + 1) * count, count)

    bind = flags.bind
    return Workload(
        name="bind + first read of a 25 % rollout",
        inputs=lambda number: [(case.key, context(one)) for one in people(number)],
        floor=Contender(name=HAND, call=case.hand, inputs=lambda n: [(case.key, one) for one in people(n)]),
        contenders=[Contender(name=OURS, call=lambda key, ctx: bind(ctx).is_enabled(key))],
        limits={(OURS, HAND): 3},
    )


def all_flags(size: int, settings: Settings) -> Workload:
    """Every flag of a mixed ruleset for one user; the floor makes the same number of compiled calls."""
    kinds = [case for case in CASES if case.key in MIXED]
    keys = {f"{kinds[number % len(kinds)].key}-{number}": kinds[number % len(kinds)] for number in range(size)}
    flags = Flags({"version": 1, "flags": {key: dict(case.native) for key, case in keys.items()}})
    flags.warm()
    compiled = list(flags.plan.table.values())
    count = settings.size(10_000 // size)

    def inputs(number: int) -> list[Arguments]:
        return [(context(one),) for one in subjects((number + 1) * count, count)]

    def call_each(ctx: Context) -> list[Any]:
        return [decide(ctx, None) for decide in compiled]

    workload_peers = list(eppo_all(keys, count))
    return Workload(
        name=f"all of {size:,} flags for one user",
        inputs=inputs,
        floor=Contender(name="compiled calls", call=call_each, units=size),
        contenders=[
            Contender(
                name=OURS,
                call=lambda ctx: flags.bind(ctx).all(),
                answer=lambda evaluations: list(evaluations.values()),
                units=size,
            ),
            *workload_peers,
        ],
        limits={(OURS, "compiled calls"): 1.3, (OURS, EPPO): 0.25} if size == 1_000 else {},
    )


def eppo_all(keys: dict[str, Case], count: int) -> Iterator[Contender]:
    """Eppo has no call for all flags: one call for each."""
    peer = eppo({key: {**case.eppo, "key": key} for key, case in keys.items()})
    if peer is None:
        return

    def call(subject: str, attributes: dict[str, Any]) -> list[bool]:
        return [ask(key, subject, attributes, False) for key in keys]

    def check(arguments: Sequence[Arguments], results: Sequence[Any]) -> None:
        for (subject, attributes), answers in zip(arguments, results, strict=True):
            for case, answer in zip(keys.values(), answers, strict=True):
                assert answer == case.logic(attributes, fraction(EPPO, case.key, subject)), (subject, case.key)

    ask = peer.call
    yield Contender(
        name=EPPO,
        call=call,
        inputs=lambda number: [peer.subject(one) for one in subjects((number + 1) * count, count)],
        check=check,
        units=len(keys),
    )


def measure(settings: Settings) -> Sequence[Table]:
    flags = Flags({"version": 1, "flags": {case.key: dict(case.native) for case in CASES}})
    flags.warm()
    found = [
        eppo({case.key: case.eppo for case in CASES}),
        launchdarkly({case.key: case.launchdarkly for case in CASES}),
    ]
    peers = [peer for peer in found if peer is not None]
    workloads = [one_decision(case, flags, peers, settings) for case in CASES]
    workloads += [request_shaped(flags, settings), *map(partial(all_flags, settings=settings), MANY)]
    return workload_tables(workloads, settings)


if __name__ == "__main__":
    code = main("decide", "One decision", measure, rounds=ROUNDS)
    sys.stdout.flush()
    os._exit(code)  # some peers keep threads that would hold the process
