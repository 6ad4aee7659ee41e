"""``flags lint --strict``: does every flag say what it is, keep to its strategy, mean something, and get read?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timezone
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..errors import Problem
from ..model import Flag, Ramp, Rule, Ruleset, Serve, Split
from .changes import ChangeRecord
from .dated import dates_of
from .documents import Documents, Lines
from .git import GitError, Repository
from .history import flag_history, uncommitted
from .lint import WELL_KNOWN
from .logic import contradiction, expand, implies
from .matrix import format_age
from .policy import Policy, read_policy
from .shares import format_share
from .stages import StageKind, has_cohort, stage_of
from .usage import Usage, find_usage
from .words import describe_instant

__all__ = ["expired_on", "history_of", "is_unread", "place_of", "required_keys", "settled_for", "strict_problems"]

_SINGLE = tuple(name for name in WELL_KNOWN if name != "groups")

Watch = Callable[[Iterable[Any], str], Iterable[Any]]


def strict_problems(
    documents: Documents,
    ruleset: Ruleset,
    *,
    folders: Iterable[str],
    now: float,
    policy: Policy | None = None,
    watch: Watch = lambda items, _: items,
) -> list[Problem]:
    """Everything that the release discipline, the rules themselves and the code say against the flags."""
    policy = policy or read_policy(ruleset.policy, place=documents.lines().place)
    lines = documents.lines()
    history, is_cut = history_of(documents, ruleset, now), _is_cut(documents)
    usage = find_usage(folders, ruleset.flags, watch=watch)
    required = required_keys(documents)
    found: list[Problem] = []
    for flag in ruleset.flags.values():
        messages = [
            *_undeclared(flag),
            *_overdue(flag, policy, history, now),
            *_strategy(flag, policy, None if is_cut else history, now),
            *_kill_value(flag),
        ]
        found += [_at(lines, message, flag.key) for message in messages]
        found += [_at(lines, message, flag.key, "rules", place) for place, message in _dead_rules(flag, ruleset, now)]
        if is_unread(flag.key, required, usage):
            found.append(_at(lines, "no code or template reads it: remove it (flags stale)", flag.key))
    found += _unsearched(usage, documents)
    if is_cut:
        message = "the clone is shallow, so where flags started is not checked: git fetch --unshallow"
        found.append(Problem(message, file=documents.name, severity="warning"))
    return [*found, *_unknown(ruleset, usage)]


def _at(lines: Lines, message: str, key: str, *rest: str | int) -> Problem:
    path = ("flags", key, *rest)
    file, line = lines.place(*path)
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    return Problem(message, where, line, file, key)


def history_of(documents: Documents, ruleset: Ruleset, now: float) -> list[ChangeRecord] | None:
    """Every change of the flags up to ``ruleset``; None outside git: what needs a history is not asked.

    What is not committed yet happens now.
    """
    path = Path(documents.name)
    try:
        return [*flag_history(path, environment=ruleset.environment), *uncommitted(path, ruleset, now)]
    except GitError:
        return None


def _is_cut(documents: Documents) -> bool:
    """Whether the clone is shallow: what it calls the first commit created nothing, so no flag started there."""
    try:
        return Repository.around(Path(documents.name)).is_shallow
    except GitError:
        return False


def _undeclared(flag: Flag) -> Iterator[str]:
    fields: Mapping[str, object] = {
        "owner": flag.owner,
        "risk": flag.risk,
        "description": flag.description,
        "expires": flag.expires,
    }
    missing = [name for name, value in fields.items() if not value]
    if missing:
        yield f"declares no {', '.join(missing)}"


def expired_on(flag: Flag, now: float) -> str | None:
    """The date that the flag has outlived; None where it has not, or states none."""
    today = datetime.fromtimestamp(now, timezone.utc).date().isoformat()
    return flag.expires if flag.expires is not None and flag.expires[:10] < today else None


def settled_for(flag: Flag, history: Iterable[ChangeRecord], now: float) -> float | None:
    """For how long, in seconds, nothing but everybody or nobody has had the flag; None where that is not so.

    Rules for some make a flag unsettled, whatever the public has, and so do dates to come.
    """
    dates = dates_of(flag)
    if stage_of(flag, now).kind in (StageKind.PARTIAL, StageKind.INTERNAL) or any(date > now for date in dates):
        return None
    since = None
    for record in history:
        if record.flag == flag.key and (record.old, record.stage_before) != (record.new, record.stage_after):
            since = record.origin.time
    return None if since is None else now - max({since, *dates})


def place_of(flag: Flag, now: float) -> str:
    """Where a settled flag is, in words: ``at 100 %``, ``dark``, ``killed``.

    >>> place_of(Flag(key="beta"), 0.0)
    'dark'
    """
    stage = stage_of(flag, now)
    return f"at {stage.text}" if stage.kind is StageKind.RELEASED else stage.text


def _overdue(flag: Flag, policy: Policy, history: list[ChangeRecord] | None, now: float) -> Iterator[str]:
    date = expired_on(flag, now)
    if date is not None:
        yield f"expired on {date}: remove it, or set another date"
    lasted = settled_for(flag, history, now) if history is not None else None
    if lasted is not None and lasted > policy.settled_after:
        yield f"has been {place_of(flag, now)} for {format_age(lasted)}: it is settled, remove it (flags stale)"


def _strategy(flag: Flag, policy: Policy, history: list[ChangeRecord] | None, now: float) -> Iterator[str]:
    strategy = policy.strategy_of(flag.risk)
    if strategy is None:
        return
    missing = [owner for owner in strategy.owners if owner not in flag.owner]
    if flag.owner and missing:
        yield f"{strategy.title} is owned by {' + '.join(strategy.owners)}: {', '.join(missing)} is missing"
    stage = stage_of(flag, now)
    if strategy.cohort and stage.kind is StageKind.PARTIAL and not has_cohort(flag, now):
        yield f"{strategy.title} has an internal cohort before {stage.text} of everyone: add a rule for it"
    first = strategy.stages[0]
    if first.threshold < 2**32 // 2:
        started = _first_share(flag, history, now)
        if started > first.threshold:
            yield f"{strategy.title} starts at {format_share(first)} at most; it started at {started / 2**32:.4%}"


def _first_share(flag: Flag, history: list[ChangeRecord] | None, now: float) -> int:
    """How many buckets the flag started with, or is about to: by its history, what is not committed, its dates."""
    for record in history or ():
        if record.flag == flag.key and record.after > 0:
            return int(record.after * 2**32)
    present = stage_of(flag, now).threshold
    if history is not None and present:
        return present
    dates = {step.at for rule in flag.rules if isinstance(rule.gate, Ramp) for step in rule.gate.steps}
    starts = (rule.schedule.start for rule in flag.rules if rule.schedule is not None)
    dates |= {start for start in starts if start is not None and start > now}
    return next((share for at in sorted(dates) if (share := stage_of(flag, at).threshold)), 0)


def _kill_value(flag: Flag) -> Iterator[str]:
    """Killing serves ``off``: that must be something that somebody gets today, or it was never seen to work."""
    if flag.is_boolean or flag.off is None:
        return
    served = {flag.default}
    for rule in flag.rules:
        if isinstance(rule.payload, Serve):
            served.add(rule.payload.variant)
        elif isinstance(rule.payload, Split):
            served.update(rule.payload.variants)
        else:
            return
    if flag.off not in served:
        yield f"a kill serves {flag.off!r}, which nobody gets today: make it the default, or off the default"


def _dead_rules(flag: Flag, ruleset: Ruleset, now: float) -> Iterator[tuple[int, str]]:
    earlier: list[tuple[int, Rule]] = []
    for place, rule in enumerate(flag.rules):
        condition = expand(rule.condition, ruleset.segments)
        reason = contradiction(condition, _SINGLE)
        if reason:
            yield place, f"can never match: {reason}"
        if rule.schedule is not None and rule.schedule.until is not None and rule.schedule.until <= now:
            yield place, f"is over since {describe_instant(rule.schedule.until)}: remove it"
        for other, before in earlier:
            if implies(condition, expand(before.condition, ruleset.segments)):
                yield place, f"can never match: rule {other + 1} catches everyone that it would"
                break
        if rule.schedule is None:
            earlier.append((place, rule))


def required_keys(documents: Documents) -> frozenset[str]:
    """The flags that some other flag requires, in whatever environment."""
    rulesets = [documents.parse(name) for name in (None, *documents.environments())]
    return frozenset(one.key for ruleset in rulesets for flag in ruleset.flags.values() for one in flag.requires)


def is_unread(key: str, required: frozenset[str], usage: Usage) -> bool:
    """Whether nothing reads a flag: no code, no template, no other flag by way of `requires`.

    Where there is no code at all, nothing is said: the command was run in another place.
    """
    return bool(usage.files) and not usage.of(key) and key not in required


def _unsearched(usage: Usage, documents: Documents) -> Iterator[Problem]:
    if not usage.files:
        message = "no code was found, so which flags are read is not checked: --code FOLDER names where it is"
        yield Problem(message, file=documents.name, severity="warning")
    for file, line, why in usage.unread:
        message = f"no Python that can be read, so what it asks of flags is known only in part: {why}"
        yield Problem(message, "", line, file, severity="warning")


def _unknown(ruleset: Ruleset, usage: Usage) -> Iterator[Problem]:
    names = {*ruleset.flags, *(key.replace("-", "_") for key in ruleset.flags)}
    for key, mentions in sorted(usage.mentions.items()):
        sure = [mention for mention in mentions if mention.sure]
        if key not in names and sure:
            close = get_close_matches(key.replace("_", "-"), ruleset.flags, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            message = f"the code reads a flag {key!r} that is not declared{hint}"
            yield Problem(message, "", sure[0].line, sure[0].file, key)
