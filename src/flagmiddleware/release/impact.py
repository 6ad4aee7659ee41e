"""Who is hit, user by user: each changed flag decided before and after, for every user of a population."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from ..context import Context
from ..model import Evaluation, Flag, InSegment, Rule, Ruleset, Serve
from ..plan import Plan

__all__ = ["FlagImpact", "SegmentImpact", "measure"]

Decide = Callable[..., Evaluation]
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
    """One flag under two rulesets, and how many users got which pair of variants, by the segments they are in."""

    def __init__(self, key: str, old: Plan, new: Plan) -> None:
        self.key = key
        self.decide_old, self.decide_new = _decider(old, key), _decider(new, key)
        self.off_old, self.off_new = _off(old, key), _off(new, key)
        self.tally: dict[tuple[tuple[str, ...], str | None, str | None], int] = {}
        self.who: list[tuple[str, str, str | None, str | None]] = []

    def kind(self, was: str | None, will: str | None) -> str:
        had, has = was not in self.off_old, will not in self.off_new
        if had != has:
            return "gains" if has else "loses"
        return "flips" if had and was != will else ""

    def impact(self, segments: Sequence[str]) -> FlagImpact:
        found = FlagImpact(SegmentImpact(), {name: SegmentImpact() for name in segments}, self.who)
        for (inside, was, will), count in self.tally.items():
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
) -> dict[str, FlagImpact]:
    """Decide the flags ``keys``, and no others, for every user under both rulesets; ``who`` of those hit are listed."""
    names = sorted({*before.segments, *after.segments})
    old, new = Plan(before, now), Plan(after, now)
    inside = Plan(_membership(names, after, before), now)
    work = [_Work(key, old, new) for key in keys]
    members = [(name, _decider(inside, name)) for name in names]
    steps = [(one, one.decide_old, one.decide_new, one.tally) for one in work]
    for context in users:
        segments = tuple([name for name, decide in members if decide(context, None).is_enabled])
        for one, decide_old, decide_new, tally in steps:
            was, will = decide_old(context, None).variant, decide_new(context, None).variant
            group = (segments, was, will)
            tally[group] = tally.get(group, 0) + 1
            if was != will and (each is not None or len(one.who) < who):
                _list(one, str(context.targeting_key), was, will, who, each)
    return {one.key: one.impact(names) for one in work}


def _list(one: _Work, user: str, was: str | None, will: str | None, who: int, each: Each | None) -> None:
    kind = one.kind(was, will)
    if kind and len(one.who) < who:
        one.who.append((user, kind, was, will))
    if kind and each is not None:
        each(one.key, user, kind, was, will)


def _off(plan: Plan, key: str) -> frozenset[str | None]:
    flag = plan.ruleset.flags.get(key)
    if flag is None:
        return frozenset({None})
    return frozenset({None, flag.off, *(name for name, value in flag.variants.items() if value is False)})


def _decider(plan: Plan, key: str) -> Decide:
    flag = plan.ruleset.flags.get(key)
    if flag is None:
        absent = Evaluation(flag_key=key)
        return lambda context, here: absent
    compiled = plan.compile(flag)

    def decide(context: Context, here: None) -> Evaluation:
        try:
            return compiled(context, here)
        except Exception as error:  # odd attributes: the interpreter decides, as it does in production
            return plan.recover(flag, context, None, error)

    return decide


def _membership(names: Sequence[str], after: Ruleset, before: Ruleset) -> Ruleset:
    """A flag for each segment, on for its members: segments are then decided by compiled code, too."""
    flags = {name: Flag(key=name, rules=(Rule(Serve("on"), condition=InSegment(name)),)) for name in names}
    return Ruleset(flags=flags, segments={**before.segments, **after.segments}, dialect=after.dialect)
