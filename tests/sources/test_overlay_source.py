"""What may be laid over a source, and what may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from flagmiddleware import Flags
from flagmiddleware.errors import RulesetError
from flagmiddleware.sources import FileSource, MemorySource
from flagmiddleware.sources.cached import cached
from flagmiddleware.sources.env import environment_over, forced_variants
from flagmiddleware.sources.overlay import force, overlay
from flagmiddleware.sources.wrappers import fallback

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


def test_a_variable_lies_over_a_source_that_changes(base: MemorySource) -> None:
    """One variable is one flag's variant for everyone; the other flags go on following their source."""
    flags = Flags(environment_over(base, {"FLAG_SEARCH": "on"}), refresh=0)
    assert (flags.is_enabled("search"), flags.is_enabled("checkout")) == (True, False)
    base.put(ON.replace(b'"default": true', b'"default": false'))
    flags.refresh()
    assert (flags.is_enabled("search"), flags.is_enabled("checkout")) == (True, True)
    assert flags.evaluate("search").rule == "forced"


def test_a_variable_that_names_nothing_is_refused(base: MemorySource) -> None:
    """A misspelt one must not do nothing."""
    with pytest.raises(RulesetError, match="there is no such flag"):
        Flags(environment_over(base, {"FLAG_CHEKOUT": "on"}))


def test_without_a_variable_there_is_nothing_in_between(base: MemorySource) -> None:
    """The source stays what it is, and as fast."""
    assert environment_over(base, {"PATH": "/bin"}) is base


def test_a_cache_over_a_choice_keeps_what_was_in_force(base: MemorySource, tmp_path: Path) -> None:
    """A wrapper that wants to know what was accepted is told, and so is what it wraps."""
    source = cached(fallback(FileSource(tmp_path / "gone.yaml"), base), tmp_path / "cache")
    Flags(source)
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".snapshot"]
