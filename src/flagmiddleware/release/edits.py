"""What releasing does to a flag file: kill, restore, set the share, set the dates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from ..errors import RulesetError
from ..model import Flag, Ramp, Rule, Ruleset, Serve
from .changes import changed_keys
from .documents import Documents
from .splice import EditError, Splicer, splicer_for
from .stages import staged_rule

__all__ = ["Edited", "kill", "restore", "revert", "set_ramp", "set_schedule", "set_share", "with_notes"]


class Edited(msgspec.Struct, frozen=True):
    """One file of the documents, changed; ``warnings`` tell what could not be checked."""

    file: str
    before: bytes
    after: bytes
    old: Ruleset | None
    new: Ruleset | None
    warnings: tuple[str, ...] = ()


def _home(documents: Documents, key: str) -> str:
    """The file that a flag is in."""
    known: list[str] = []
    for name, tree in documents.trees():
        flags = tree.get("flags") if isinstance(tree, Mapping) else None
        if isinstance(flags, Mapping):
            if key in flags:
                return name
            known += map(str, flags)
    for name, data in documents.files.items():  # one that does not parse tells more than "no such flag"
        splicer_for(data, name)
    close = get_close_matches(key, known, n=1)
    raise EditError(f"{documents.name} has no flag {key!r}" + (f"; did you mean {close[0]!r}?" if close else ""))


def _parse(documents: Documents, environment: str | None) -> Ruleset | RulesetError:
    try:
        return documents.parse(environment)
    except RulesetError as error:
        return error


def _edit(
    documents: Documents,
    key: str,
    change: Callable[[Splicer], None],
    environment: str | None,
    home: str | None = None,
) -> Edited:
    """Make the change in the file that the flag is in (or in ``home``); refuse it where it would do anything else."""
    name = home or _home(documents, key)
    splicer = splicer_for(documents.files[name], name)
    change(splicer)
    after = msgspec.structs.replace(documents, files={**documents.files, name: splicer.data})
    old, new = _parse(documents, environment), _parse(after, environment)
    if isinstance(new, RulesetError):
        if not isinstance(old, RulesetError):
            raise EditError(f"the change would break {name}, so nothing was written:\n{new}")
        warning = f"{name} has other problems, so sites keep their last good flags until these are mended:\n{new}"
        return Edited(name, documents.files[name], splicer.data, None, None, (warning,))
    if isinstance(old, RulesetError):
        return Edited(name, documents.files[name], splicer.data, None, new)
    others = [other for other in changed_keys(old, new) if other != key]
    if others:
        raise EditError(f"the change would touch {', '.join(others)}, so nothing was written")
    return Edited(name, documents.files[name], splicer.data, old, new)


def kill(documents: Documents, key: str, *, environment: str | None = None) -> Edited:
    """Serve ``off`` to everyone, in one environment or in all: even in those that say otherwise."""

    def change(text: Splicer) -> None:
        for path in _switches(text, key, environment):
            text.put(path, False, first=True)

    edited = _edit(documents, key, change, environment)
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
    """Let the flag's rules decide again, as they stood when it was killed."""
    paths = (
        [("flags", key, "enabled")] if environment is None else [("flags", key, "environments", environment, "enabled")]
    )
    return _edit(documents, key, lambda text: text.put(paths[0], True, first=True), environment)


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
            _gate(text, flag.rules[place], (*rules, place), "rollout", share)

    _check_gate(flag, place)
    return _edit(documents, flag.key, change, environment)


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
    place = _rule_at(flag, rule)
    if place is None and len(flag.rules) == 1:
        place = 0
    if place is None:
        raise EditError(f"{flag.key!r}: say which rule the dates are for: --rule NAME")

    def change(text: Splicer) -> None:
        for name, at in dates.items():
            rules = _rules_path(text, flag.key, environment)
            text.put((*rules, place, "schedule", name), at)

    return _edit(documents, flag.key, change, environment)


def set_ramp(
    documents: Documents,
    flag: Flag,
    steps: Iterable[tuple[str, str]],
    *,
    environment: str | None = None,
    rule: str | None = None,
) -> Edited:
    """Let the staged rule's share follow the clock: ``steps`` are instants and percentages."""
    place = _rule_at(flag, rule)

    def change(text: Splicer) -> None:
        rules = _rules_path(text, flag.key, environment)
        dated = [{"at": at, "to": to} for at, to in steps]
        if place is None:
            text.append(rules, {"ramp": dated})
        else:
            _gate(text, flag.rules[place], (*rules, place), "ramp", dated)

    _check_gate(flag, place)
    return _edit(documents, flag.key, change, environment)


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

    return _edit(documents, key, change, None, home=None if now is not None else next(iter(documents.files)))


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
