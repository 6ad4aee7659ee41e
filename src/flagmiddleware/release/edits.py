"""What releasing does to a flag file: kill, restore, set the share, set the dates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

import msgspec

from ..conditions import instant
from ..model import Flag, Ramp, Rollout, Rule, Ruleset, Serve
from .changes import changed_keys
from .documents import Documents
from .edited import Edited, dialect_of, edit, parsed
from .shares import as_text, threshold_at
from .splice import EditError, Splicer, splicer_for
from .stages import staged_rule

__all__ = ["Edited", "kill", "killed_in", "restore", "revert", "set_ramp", "set_schedule", "set_share", "with_notes"]


def kill(documents: Documents, key: str, *, environment: str | None = None) -> Edited:
    """Serve ``off`` to everyone, in one environment or in all: even in those that say otherwise."""
    if dialect_of(documents) == "flagd":
        return edit(documents, key, lambda text: text.put(("flags", key, "state"), "DISABLED"), environment)

    def change(text: Splicer) -> None:
        for path in _switches(text, key, environment):
            text.put(path, False, first=True)

    edited = edit(documents, key, change, environment)
    if edited.new is not None:
        _check_killed(documents, edited, key, [environment] if environment else [None, *documents.environments()])
    return edited


def _switches(text: Splicer, key: str, environment: str | None) -> list[tuple[str, ...]]:
    if environment is not None:
        return [("flags", key, "environments", environment, "enabled")]
    overriding = [str(name) for name in text.names("flags", key, "environments")]
    paths = [("flags", key, "environments", name, "enabled") for name in overriding]
    return [("flags", key, "enabled"), *(path for path in paths if text.has(*path))]


def _check_killed(documents: Documents, edited: Edited, key: str, environments: Iterable[str | None]) -> None:
    after = msgspec.structs.replace(documents, files={**documents.files, edited.file: edited.after})
    alive = [name or "every environment" for name in environments if after.parse(name).flags[key].enabled]
    if alive:
        raise EditError(f"{key!r} would still be enabled in {', '.join(alive)}: look at its `environments`")


def restore(documents: Documents, key: str, *, environment: str | None = None) -> Edited:
    """Let the flag's rules decide again, as they stood when it was killed; see :func:`killed_in`."""
    if dialect_of(documents) == "flagd":
        return edit(documents, key, lambda text: text.put(("flags", key, "state"), "ENABLED"), environment)
    paths = (
        [("flags", key, "enabled")] if environment is None else [("flags", key, "environments", environment, "enabled")]
    )
    edited = edit(documents, key, lambda text: text.put(paths[0], True, first=True), environment)
    if edited.old is not None and edited.new is not None and not changed_keys(edited.old, edited.new):
        return msgspec.structs.replace(edited, after=edited.before)  # it was not killed: there is nothing to write
    return edited


def killed_in(documents: Documents, edited: Edited, key: str) -> list[str]:
    """The environments in which a flag is killed by a word of their own, once the edit is written.

    A kill of all environments is written into each that had a word of its own, and which of them were dead before is
    nowhere kept: whoever restores a flag has to say so of each.
    """
    after = msgspec.structs.replace(documents, files={**documents.files, edited.file: edited.after})
    found = {name: parsed(after, name) for name in after.environments()}
    return [name for name, one in found.items() if isinstance(one, Ruleset) and not one.flags[key].enabled]


def _check_native(documents: Documents) -> None:
    """Refuse rules in another system's words."""
    dialect = dialect_of(documents)
    if dialect != "native":
        raise EditError(
            f"{documents.name} is in {dialect}'s format, whose rules are changed where they come from "
            "(flags import turns it into a file of flags)"
        )


def _rules_path(text: Splicer, key: str, environment: str | None) -> tuple[str | int, ...]:
    if environment is None:
        return ("flags", key, "rules")
    path = ("flags", key, "environments", environment, "rules")
    if not text.has(*path):
        raise EditError(
            f"{key!r} has no rules of its own in environment {environment!r}: leave --environment out to change the "
            f"rules that it shares, or give it rules under environments.{environment}"
        )
    return path


def _rule_at(flag: Flag, rule: str | None) -> int | None:
    place = staged_rule(flag, rule)
    if rule is not None and place is None:
        names = ", ".join(name.name for name in flag.rules if name.name) or "none has a name"
        raise EditError(f"{flag.key!r} has no rule {rule!r}; its rules: {names}")
    return place


def set_share(
    documents: Documents, flag: Flag, share: str, *, environment: str | None = None, rule: str | None = None
) -> Edited:
    """Let ``share`` (``5%``) in by the flag's staged rule, or the one named; a dark flag gets such a rule."""
    place = _rule_at(flag, rule)

    def change(text: Splicer) -> None:
        rules = _rules_path(text, flag.key, environment)
        if place is None:
            text.append(rules, {"rollout": share})
        else:
            rule = (*rules, place)
            if text.has(*rule, "linear"):  # it says how a ramp moves, and there is none any more
                text.remove((*rule, "linear"))
            _gate(text, flag.rules[place], rule, "rollout", share)

    _check_native(documents)
    _check_gate(flag, place)
    return edit(documents, flag.key, change, environment)


def _gate(text: Splicer, rule: Rule, path: tuple[str | int, ...], name: str, value: Any) -> None:
    """Give a rule this gate, in the place of the one that it has, or before what it serves."""
    there = name if rule.gate is None else "ramp" if isinstance(rule.gate, Ramp) else "rollout"
    payload = next((field for field in ("serve", "split") if text.has(*path, field)), None)
    if there != name:
        text.rename((*path, there), name, value)
    elif rule.gate is None and payload is not None:
        text.insert((*path, payload), name, value)
    else:
        text.put((*path, name), value)


def _check_gate(flag: Flag, place: int | None) -> None:
    """Refuse a gate that would change nothing, or the opposite of what was asked."""
    served = flag.rules[place].payload if place is not None else Serve("on")
    if place is None and not flag.is_boolean:
        raise EditError(f"{flag.key!r} has several variants and no rollout: add a rule that says which one to serve")
    if flag.default != flag.off and isinstance(served, Serve) and served.variant == flag.default:
        raise EditError(
            f"{flag.key!r} serves {flag.default!r} by default, so those outside a rollout get it, too: take `default` "
            f"out first (flags plan tells who loses it), or flags kill {flag.key}"
        )
    if isinstance(served, Serve) and served.variant == flag.off and flag.rules[place or 0].gate is None:
        raise EditError(
            f"{flag.key!r} has a rule that serves {flag.off!r} there: a rollout in it would only choose who is shut "
            "out; take that rule out, and flags ramp adds one that lets people in"
        )


def set_schedule(
    documents: Documents,
    flag: Flag,
    dates: Mapping[str, str],
    *,
    environment: str | None = None,
    rule: str | None = None,
) -> Edited:
    """Make a rule count only between ``from`` and ``until``."""
    _check_native(documents)
    place = _rule_at(flag, rule)
    if place is None and len(flag.rules) == 1:
        place = 0
    if place is None:
        raise EditError(f"{flag.key!r}: say which rule the dates are for: --rule NAME")

    def change(text: Splicer) -> None:
        for name, at in dates.items():
            rules = _rules_path(text, flag.key, environment)
            text.put((*rules, place, "schedule", name), at)

    return edit(documents, flag.key, change, environment)


def set_ramp(
    documents: Documents,
    flag: Flag,
    steps: Iterable[tuple[str, str]],
    *,
    environment: str | None = None,
    rule: str | None = None,
    now: float,
) -> Edited:
    """Let the staged rule's share follow the clock: ``steps`` are instants and percentages.

    What the rule lets in today stays until the first of them: that is written down as a step of its own, at ``now``.
    """
    place = _rule_at(flag, rule)
    steps = tuple(steps)
    if place is not None:
        steps = (*_today(flag.rules[place].gate, steps, now), *steps)

    def change(text: Splicer) -> None:
        rules = _rules_path(text, flag.key, environment)
        dated = [{"at": at, "to": to} for at, to in steps]
        if place is None:
            text.append(rules, {"ramp": dated})
        else:
            _gate(text, flag.rules[place], (*rules, place), "ramp", dated)

    _check_native(documents)
    _check_gate(flag, place)
    return edit(documents, flag.key, change, environment)


def _today(gate: Rollout | Ramp | None, steps: Iterable[tuple[str, str]], now: float) -> Iterator[tuple[str, str]]:
    """A first step that keeps today's share, where the ones to come would begin with nobody."""
    share = threshold_at(gate, now)
    dates = [instant(at) for at, _ in steps]
    if share and all(date is not None and date > now for date in dates):
        moment = datetime.fromtimestamp(int(now), timezone.utc)
        yield moment.strftime("%Y-%m-%dT%H:%M:%SZ"), as_text(gate, share, now)


def revert(documents: Documents, key: str, earlier: Documents) -> Edited:
    """Give a flag the text that it had in ``earlier``: its own lines and comments, and nothing else's."""
    path = ("flags", key)
    old = next((text for text in _splicers(earlier) if text.has(*path)), None)
    now = next((text for text in _splicers(documents) if text.has(*path)), None)
    if old is None and now is None:
        raise EditError(f"{documents.name} has no flag {key!r}, neither now nor before")

    def change(text: Splicer) -> None:
        if old is None:
            text.remove(path)
        elif type(old) is not type(text):
            raise EditError(f"{key!r} was in another syntax before: take it back by hand")
        else:
            text.adopt(path, old)

    return edit(documents, key, change, None, home=None if now is not None else next(iter(documents.files)))


def with_notes(edited: Edited, key: str, notes: Mapping[str, str]) -> Edited:
    """The same edit, with fields for people (``x-override`` …) at the flag: they decide nothing."""
    text = splicer_for(edited.after, edited.file)
    if not text.has("flags", key):  # what was taken out has no place for them
        return edited
    for name, note in notes.items():
        text.put(("flags", key, name), note)
    return msgspec.structs.replace(edited, after=text.data)


def _splicers(documents: Documents) -> Iterable[Splicer]:
    return (splicer_for(data, name) for name, data in documents.files.items())
