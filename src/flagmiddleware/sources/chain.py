"""A change log that shows when somebody rewrote it: each entry carries a hash over itself and the one before."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from .base import Change

__all__ = ["FIRST", "entry", "link", "verify"]

FIRST: Final = ""
"""What the first entry is linked to."""


def link(previous: str, entry: Mapping[str, Any]) -> str:
    """The hash that chains ``entry`` (plain data, its own ``link`` left out) to the one before.

    >>> link(FIRST, {"flag": "beta"}) == link(FIRST, {"flag": "beta", "link": "ignored"})
    True
    """
    plain = {name: value for name, value in entry.items() if name != "link"}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


def entry(change: Change, revision: str, latest: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """A change as text fields, linked to the ``latest`` entry of a log; ``changes`` is JSON, a record for each flag.

    What is not known is left out: ``changes`` and ``app_revision``.
    """
    told = {
        "changes": msgspec.json.encode(change.records).decode() if change.records else "",
        "app_revision": change.app_revision,
    }
    made = {
        "revision": revision,
        "sha256": hashlib.sha256(change.data).hexdigest(),
        "actor": change.actor,
        "reason": change.reason,
        "via": change.via,
        "keys": ",".join(change.keys),
        "time": repr(time.time()),
        **{name: text for name, text in told.items() if text},
    }
    previous = next((before.get("link", FIRST) for before in latest), FIRST)
    return {**made, "link": link(previous, made)}


def verify(entries: Iterable[Mapping[str, Any]], previous: str | None = FIRST) -> int | None:
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
