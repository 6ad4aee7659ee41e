"""How much the differential tests compare: ``FLAGMIDDLEWARE_DIFFERENTIAL`` decisions by each of them.

A run of the whole suite compares about 1,000, ``make differential`` and ``tox -e differential`` ten times as many.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ["DECISIONS", "examples"]

DECISIONS: Final = int(os.environ.get("FLAGMIDDLEWARE_DIFFERENTIAL") or 1_000)


def examples(each: int = 1) -> int:
    """How many examples make that many decisions, where one example makes ``each``."""
    return max(DECISIONS // each, 10)
