"""A change log that shows when somebody rewrote it: each entry carries its number, and a hash over itself and the one
before.

The first entry follows a fixed beginning, and the newest is named by the definitions themselves (the *head*), so that
neither end can be cut unseen. Where a store lets old entries go, the entry that does it says up to which: a checkpoint
in the chain. Whoever can write everything in a store can also rewrite everything; this tells of anything less.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec

from .base import Change

__all__ = ["FIRST", "checkpoint_of", "entry", "faults", "following", "head_of", "link", "trimming", "verify"]

FIRST: Final = ""
"""What the first entry is linked to."""

_Entry = Mapping[str, Any]


def link(previous: str, entry: _Entry) -> str:
    """The hash that chains ``entry`` (plain data, its own ``link`` left out) to the one before.

    >>> link(FIRST, {"flag": "beta"}) == link(FIRST, {"flag": "beta", "link": "ignored"})
    True
    """
    plain = {name: value for name, value in entry.items() if name != "link"}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


def head_of(entry: _Entry) -> str:
    """What the definitions say of their newest entry: its place in the log, and its link."""
    return f"{entry.get('place', '0')} {entry.get('link', '')}"


def following(latest: Iterable[Mapping[str, str]], head: str | None) -> tuple[int, str]:
    """The place of the next entry, and what it is linked to.

    ``head`` is what the definitions say; empty where they say nothing, None where there are none. It goes before the
    ``latest`` entry of the log: what was cut off its end must not be forgotten by going on.
    """
    if head:
        return _place({"place": head.partition(" ")[0]}) + 1, head.partition(" ")[2]
    newest = next(iter(latest), None)
    if newest is None:
        return 1, FIRST
    place = _place(newest)
    # A log with places belongs to definitions with a head. Without one they were written past the log: that stays seen.
    is_lost = head is not None and place > 0
    return place + 1, FIRST if is_lost else newest.get("link", FIRST)


def entry(
    change: Change,
    revision: str,
    latest: Iterable[Mapping[str, str]],
    *,
    head: str | None = None,
    trimmed: str = "",
) -> dict[str, str]:
    """A change as text fields, linked to the entry before; ``changes`` is JSON, a record for each flag.

    ``latest`` and ``head``: see :func:`following`. ``trimmed`` is the last entry that the store lets go with this one,
    as :func:`head_of` names it. What is not known is left out: ``changes``, ``app_revision``, ``trimmed``.
    """
    place, previous = following(latest, head)
    told = {
        "changes": msgspec.json.encode(change.records).decode() if change.records else "",
        "app_revision": change.app_revision,
        "trimmed": trimmed,
    }
    made = {
        "revision": revision,
        "sha256": hashlib.sha256(change.data).hexdigest(),
        "actor": change.actor,
        "reason": change.reason,
        "via": change.via,
        "keys": ",".join(change.keys),
        "time": repr(time.time()),
        "place": str(place),
        **{name: text for name, text in told.items() if text},
    }
    return {**made, "link": link(previous, made)}


def trimming(oldest: Sequence[_Entry]) -> str:
    """What an entry says of those that the store lets go with it: the last of them."""
    return head_of(oldest[-1]) if oldest else ""


def verify(entries: Iterable[_Entry], previous: str | None = FIRST) -> int | None:
    """The place of the first entry that was changed, removed or put in; None where the chain is whole.

    ``previous`` is the link before the first entry; None where it is not known, as in a log whose start was trimmed.

    >>> one = {"flag": "a", "link": link(FIRST, {"flag": "a"})}
    >>> two = {"flag": "b", "link": link(one["link"], {"flag": "b"})}
    >>> verify([one, two]), verify([two]), verify([one, {**two, "flag": "c"}])
    (None, 0, 1)
    """
    for place, entry in enumerate(entries):
        if previous is not None and entry.get("link") != link(previous, entry):
            return place
        previous = str(entry.get("link", ""))
    return None


def checkpoint_of(entries: Sequence[_Entry]) -> _Entry | None:
    """The entry that tells of those before the first: that they were let go, and which was the last of them."""
    before = str(_place(entries[0]) - 1) if entries else ""
    return next((one for one in entries if one.get("trimmed", "").partition(" ")[0] == before), None)


def faults(entries: Sequence[_Entry], head: str | None = None) -> Iterator[str]:
    """Where a whole log, oldest entry first, is not what was written, in words.

    ``head`` is what the definitions say of the newest entry; empty where they say nothing, None where nobody can tell.

    >>> change = Change(data=b"")
    >>> one = entry(change, "1", [])
    >>> two = entry(change, "2", [one])
    >>> list(faults([one, two], head_of(two)))
    []
    >>> list(faults([two], head_of(two)))
    [': entry 1 is missing at its beginning']
    >>> list(faults([one], head_of(two)))
    [': entry 2 is missing at its end']
    """
    if not entries:
        yield from [": it is empty, and the definitions tell of a change"] if head else []
        return
    if not head and not any("link" in one for one in entries):  # from before entries were chained
        return
    yield from _beginning(entries)
    for before, one in pairwise(entries):
        if one.get("link") != link(str(before.get("link", "")), one):
            yield f" at revision {one.get('revision')}: {_what_is_wrong(before, one)}"
    yield from _end(entries[-1], head)


def _place(entry: _Entry) -> int:
    text = str(entry.get("place", "0"))
    return int(text) if text.isascii() and text.isdigit() else 0


def _beginning(entries: Sequence[_Entry]) -> Iterator[str]:
    first, place = entries[0], _place(entries[0])
    if not place:  # from before entries had a place
        return
    checkpoint = checkpoint_of(entries)
    if checkpoint is None and place > 1:
        yield f": {_missing(1, place - 1)} at its beginning"
        return
    previous = FIRST if checkpoint is None else checkpoint["trimmed"].partition(" ")[2]
    if first.get("link") != link(previous, first):
        yield f" at revision {first.get('revision')}: entry {place} is not what was written, or follows another one"


def _what_is_wrong(before: _Entry, one: _Entry) -> str:
    was, place = _place(before), _place(one)
    if place > was + 1:
        return f"{_missing(was + 1, place - 1)} before it"
    if place and place <= was:
        return f"entry {place} stands after entry {was}"
    return f"entry {place} is not what was written, or follows another one" if place else "it is not what was written"


def _end(newest: _Entry, head: str | None) -> Iterator[str]:
    if head is None or head == head_of(newest):
        return
    place, known = _place(newest), _place({"place": head.partition(" ")[0]})
    if known > place:
        yield f": {_missing(place + 1, known)} at its end"
    elif head or place:
        yield f": entry {place} at its end is not the one that the definitions were written with"


def _missing(first: int, last: int) -> str:
    return f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"
