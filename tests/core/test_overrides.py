"""Test overrides: above everything, in their own thread of control, gone afterwards."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flagmiddleware import Context, Flags, Reason
from flagmiddleware.overrides import ACTIVE, overriding

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "flags": {
        "beta": {"qa": True},
        "killed": {"enabled": False},
        "button": {"variants": {"blue": "#00f", "green": "#0f0"}, "off": "blue"},
        "child": {"requires": {"beta": True}, "rules": [{"serve": True}]},
    },
}


def test_an_override_wins_over_everything_and_is_restored() -> None:
    """Over the kill switch too; unbound and bound; prerequisites see it."""
    flags = Flags(DOCUMENT)
    with overriding({"killed": True, "beta": True}):
        assert flags.evaluate("killed").reason is Reason.OVERRIDE
        assert flags.is_enabled("killed")
        assert flags.bind().is_enabled("child")
        with overriding({"beta": False}):
            assert not flags.is_enabled("child")
        assert flags.is_enabled("child")
    assert not flags.is_enabled("killed")
    assert not flags.is_enabled("child")
    assert ACTIVE == []


def test_it_is_restored_when_the_block_raises() -> None:
    """Whatever happens inside."""
    flags = Flags(DOCUMENT)
    with pytest.raises(RuntimeError), overriding({"beta": True}):
        raise RuntimeError
    assert not flags.is_enabled("beta")
    assert ACTIVE == []


@pytest.mark.parametrize(
    ("key", "override", "variant", "enabled"),
    [
        ("button", "green", "green", True),
        ("button", True, "green", True),
        ("button", False, "blue", False),
        ("button", "gone", "gone", True),
        ("unknown", True, "on", True),
        ("unknown", False, "off", False),
        ("beta", "on", "on", True),
    ],
)
def test_what_a_value_means(key: str, override: bool | str, variant: str, enabled: bool) -> None:
    """true and false on any flag, a variant's name on those that have it; unknown keys can be overridden too."""
    with overriding({key: override}):
        found = Flags(DOCUMENT).evaluate(key)
        assert (found.variant, found.is_enabled) == (variant, enabled)


def test_a_function_overrides_for_some_subjects() -> None:
    """It gets the context; None leaves the decision alone; one that raises costs its flag."""
    flags = Flags(DOCUMENT)
    with overriding({"beta": lambda context: True if context["user"] == "ann" else None}):
        assert flags.is_enabled("beta", Context("ann"))
        assert not flags.is_enabled("beta", Context("bob"))
    with overriding({"beta": lambda context: context.no_such_thing}):
        assert not flags.is_enabled("beta", Context("ann"))


def test_other_threads_and_tasks_do_not_see_it() -> None:
    """Each thread of control has its own layer; a task inherits that of its creator."""
    flags = Flags(DOCUMENT)

    async def task() -> bool:
        with overriding({"beta": True}):
            await asyncio.sleep(0.01)
            return flags.is_enabled("beta")

    async def other() -> bool:
        await asyncio.sleep(0.005)
        return flags.is_enabled("beta")

    async def both() -> list[bool]:
        return list(await asyncio.gather(task(), other()))

    assert asyncio.run(both()) == [True, False]
    with overriding({"beta": True}), ThreadPoolExecutor(1) as pool:
        assert pool.submit(flags.is_enabled, "beta").result() is False


def test_flags_override_reaches_every_thread() -> None:
    """For tests against a live server: this object's flags, everywhere."""
    flags = Flags(DOCUMENT)
    with flags.override({"beta": True}), ThreadPoolExecutor(1) as pool:
        assert pool.submit(flags.is_enabled, "beta").result()
        assert not Flags(DOCUMENT).is_enabled("beta")
    assert not flags.is_enabled("beta")
