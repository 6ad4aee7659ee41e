"""How much the differential tests compare: ``FLAGMIDDLEWARE_DIFFERENTIAL`` decisions by each of them.

A run of the whole suite compares about 1,000, ``make differential`` and ``tox -e differential`` ten times as many.
"""

from __future__ import annotations

import os
from typing import Final

import pytest

__all__ = ["DECISIONS", "MARKS", "examples"]

DECISIONS: Final = int(os.environ.get("FLAGMIDDLEWARE_DIFFERENTIAL") or 1_000)

# A busy machine makes some 30 decisions a second with Hypothesis and the slowest library; the usual limit is 180 s.
MARKS: Final = [pytest.mark.differential, pytest.mark.timeout(180 + DECISIONS // 15)]
"""The marks of every test here."""


def examples(each: int = 1) -> int:
    """How many examples make that many decisions, where one example makes ``each``."""
    return max(DECISIONS // each, 10)
