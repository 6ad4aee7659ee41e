"""What to do with a snapshot that a store hands out, given the one in force.

A store may lose writes, be restored from a backup, fail over to a replica that lags, or be rewritten behind its own
back. Revisions order what one store wrote; an epoch changes when it starts over; the hash tells content apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import Enum
from typing import Final

from .sources.base import Snapshot

__all__ = ["HOLD", "Verdict", "intact", "judge"]

HOLD: Final = 30.0
"""How long, in seconds, a store that went back to a lower revision is not believed: a failover may still catch up."""


class Verdict(Enum):
    """What to do."""

    APPLY = "apply"
    SAME = "same"
    CONFLICT = "conflict"
    """Apply, and count it: the store has other content under the revision that we know."""
    REWIND = "rewind"
    """Hold for a while and say so, then follow the store."""


def _number(revision: str) -> int | None:
    # Revisions that are no numbers (an ETag, a commit) have no order: whatever differs is newer.
    return int(revision) if revision.isascii() and revision.isdigit() and len(revision) <= 19 else None


def judge(known: Snapshot | None, found: Snapshot) -> Verdict:
    """What to do with ``found`` while ``known`` is in force.

    >>> one, two = (Snapshot(data=b"{}", revision=number, epoch="a") for number in ("1", "2"))
    >>> judge(one, two), judge(two, one)
    (<Verdict.APPLY: 'apply'>, <Verdict.REWIND: 'rewind'>)
    """
    if known is None or known.epoch != found.epoch:
        return Verdict.APPLY
    before, after = _number(known.revision), _number(found.revision)
    if before is None or after is None:
        return Verdict.SAME if known.revision == found.revision and known.data == found.data else Verdict.APPLY
    if after != before:
        return Verdict.APPLY if after > before else Verdict.REWIND
    return Verdict.SAME if known.data == found.data else Verdict.CONFLICT


def intact(snapshot: Snapshot) -> bool:
    """Whether the data has the hash that came with it; true where none came.

    >>> intact(Snapshot(data=b"{}", sha256="0" * 64))
    False
    """
    data = snapshot.data
    if not snapshot.sha256 or isinstance(data, Mapping) or not isinstance(data, bytes):
        return True
    return hashlib.sha256(data).hexdigest() == snapshot.sha256
