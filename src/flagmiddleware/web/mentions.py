"""Start-up checks of what templates ask for: a flag's name, the place, and whether there is such a flag."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from .gate import explain_unknown, nearest
from .lookup import find_key

if TYPE_CHECKING:
    from ..model import Ruleset

__all__ = ["Mention", "unknown_mentions"]


class Mention(NamedTuple):
    """A flag's key or name in a template."""

    key: str
    file: str
    line: int


def unknown_mentions(mentions: Iterable[Mention], ruleset: Ruleset) -> Iterator[str]:
    """What is wrong with the names, one sentence each; nothing where there are no definitions to compare with.

    >>> from flagmiddleware import Flags
    >>> ruleset = Flags({"version": 1, "flags": {"new-checkout": {}}}).ruleset
    >>> list(unknown_mentions([Mention("new_checkout", "a.html", 1), Mention("new-chekout", "a.html", 2)], ruleset))
    ["a.html:2: there is no flag 'new-chekout'; did you mean 'new-checkout'?"]
    """
    flags = ruleset.flags
    for key, file, line in mentions if flags else ():
        if find_key(flags, key) not in flags:
            yield explain_unknown(key, nearest(key.replace("_", "-"), flags), f"{file}:{line}")
