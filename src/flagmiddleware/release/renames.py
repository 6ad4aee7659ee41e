"""Recognises a flag that got another key, and kept all else: `salt` names the key that it was dealt by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec.structs import replace

from ..model import Flag, Requirement, Ruleset
from ..plan import is_same
from .reach import core

__all__ = ["aligned", "renames"]


def renames(before: Ruleset, after: Ruleset) -> dict[str, str]:
    """The old key for each new one.

    Only where the old flag goes in the same change, and the new one has its owners, its risk, and deals everybody what
    the old one did. Anything else that comes under a new key is a new flag.
    """
    gone = {flag.salt or key: flag for key, flag in before.flags.items() if key not in after.flags}
    come = [after.flags[key] for key in after.flags if key not in before.flags]
    pairs = [(old, new) for new in come if (old := gone.get(new.salt or new.key)) is not None]
    # One flag cannot have become two: then each of them is new.
    claims = Counter(old.key for old, _ in pairs)
    called = {old.key: new.key for old, new in pairs if claims[old.key] == 1}
    return {new.key: old.key for old, new in pairs if old.key in called and _is_kept(old, new, called)}


def _is_kept(old: Flag, new: Flag, called: Mapping[str, str]) -> bool:
    return (old.owner, old.risk) == (new.owner, new.risk) and is_same(core(_called(old, called)), core(new))


def aligned(before: Ruleset, names: Mapping[str, str]) -> Ruleset:
    """What was before, by the keys of after."""
    if not names:
        return before
    called = {was: now for now, was in names.items()}
    flags = {called.get(key, key): _called(flag, called) for key, flag in before.flags.items()}
    return replace(before, flags=flags)


def _called(flag: Flag, called: Mapping[str, str]) -> Flag:
    """A flag by its new key, and those that it requires by theirs."""
    requires = tuple(_required(one, called) for one in flag.requires)
    if flag.key in called:
        return replace(flag, key=called[flag.key], salt=flag.salt or flag.key, requires=requires)
    return flag if requires == flag.requires else replace(flag, requires=requires)


def _required(one: Requirement, called: Mapping[str, str]) -> Requirement:
    return replace(one, key=called.get(one.key, one.key))
