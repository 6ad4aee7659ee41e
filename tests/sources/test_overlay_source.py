"""What may be laid over a source, and what may not."""

from __future__ import annotations

import pytest

from flagmiddleware import Flags
from flagmiddleware.sources import MemorySource
from flagmiddleware.sources.env import forced_variants
from flagmiddleware.sources.overlay import force, overlay

KILLED = b'{"version": 1, "flags": {"checkout": {"enabled": false, "rules": [{"serve": true}]}, "search": {}}}'
ON = b'{"version": 1, "flags": {"checkout": {"rules": [{"serve": true}]}, "search": {"default": true}}}'


@pytest.fixture
def base() -> MemorySource:
    return MemorySource(KILLED, name="base")


def test_a_kill_below_reaches_through_an_overlay(base: MemorySource) -> None:
    """Whoever has definitions of their own is reached by a kill, too; all else they decide themselves."""
    flags = Flags(overlay(base, MemorySource(ON, name="local")))

    assert flags.evaluate("checkout").reason == "DISABLED"
    assert flags.is_enabled("search")


def test_a_kill_below_reaches_through_the_environment(base: MemorySource) -> None:
    """A variable that was forgotten in a deployment does not undo a kill."""
    forced = force(Flags(base).ruleset, forced_variants({"FLAG_CHECKOUT": "on", "FLAG_SEARCH": "on"}))
    flags = Flags(forced)

    assert flags.evaluate("checkout").reason == "DISABLED"
    assert flags.is_enabled("search")


def test_the_upper_source_may_kill(base: MemorySource) -> None:
    """A kill above holds over whatever stands below."""
    flags = Flags(overlay(MemorySource(ON), base))

    assert flags.evaluate("checkout").reason == "DISABLED"
