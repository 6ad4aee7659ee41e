"""What a conformance case is, for the tests and for the table in docs/conformance.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Case"]


class Case(NamedTuple):
    """One case of one file: ``run`` raises AssertionError where we answer something else."""

    file: str
    name: str
    run: Callable[[], None]
    skip: str = ""
    mode: str = ""
