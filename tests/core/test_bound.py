"""What hangs on the request: one plan, one context, one answer a flag."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from flagmiddleware import Context, Flags, Reason
from flagmiddleware.context import LazyContext
from flagmiddleware.sources import MemorySource

ON = b'{"version": 1, "flags": {"beta": {"default": true}}}'
OFF = b'{"version": 1, "flags": {"beta": {}}}'


def test_one_plan_for_a_whole_life() -> None:
    """A reload in the middle changes nothing for those who are bound; fresh() takes the new plan."""
    source = MemorySource(OFF)
    flags = Flags(source, refresh=0)
    before = flags.bind(Context("user-1"))
    assert not before.is_enabled("beta")
    unread = flags.bind(Context("user-1"))
    source.put(ON)
    assert flags.is_enabled("beta")
    assert not before.is_enabled("beta")
    assert not unread.is_enabled("beta")
    assert before.fresh().is_enabled("beta")


@pytest.mark.parametrize("qa", [None, {"beta": "on"}])
def test_a_fresh_look_keeps_the_subjects_draw(qa: dict[str, str] | None) -> None:
    """A dialect that draws lots for a subject without ids does not draw again for each websocket message."""
    here = Flags(QA).bind(Context(), qa=qa)
    here.draw = 0.25
    assert here.fresh().draw == 0.25


def test_each_flag_is_decided_once() -> None:
    """However often it is read, by whatever verb, also as a prerequisite of others."""
    asked: list[str] = []

    def plan(context: LazyContext) -> str:
        asked.append("plan")
        return "pro" if len(asked) == 1 else "free"

    document = {
        "version": 1,
        "flags": {
            "pro": {"rules": [{"if": {"plan": "pro"}, "serve": True}]},
            "child": {"requires": {"pro": True}, "rules": [{"serve": True}]},
        },
    }
    here = Flags(document).bind(LazyContext({"plan": plan}))
    assert here.is_enabled("child")
    assert list(here.evaluated()) == ["pro", "child"]
    assert (here["pro"], here.value("pro"), here.variant("pro"), here.is_enabled("pro")) == (True, True, "on", True)
    assert asked == ["plan"]


def test_reading_marks_as_evaluated_and_asking_for_membership_does_not() -> None:
    """evaluated() is the exposure record: only what was decided is in it."""
    here = Flags(OFF and {"version": 1, "flags": {"a": {}, "b": {}}}).bind()
    assert "a" in here
    assert "c" not in here
    assert here["c"] is None
    assert here.evaluated() == {}
    here.preload("a")
    assert list(here.evaluated()) == ["a"]
    assert set(here.all()) == {"a", "b"}
    assert set(here.evaluated()) == {"a", "b"}


def test_preload_without_keys_decides_everything() -> None:
    """Before a streaming response, whose headers go out first."""
    here = Flags({"version": 1, "flags": {"a": {}, "b": {}}}).bind()
    here.preload()
    assert set(here.evaluated()) == {"a", "b"}


QA: dict[str, Any] = {
    "version": 1,
    "flags": {
        "beta": {"qa": True},
        "closed": {},
        "killed": {"qa": True, "enabled": False},
        "button": {"qa": True, "variants": {"blue": 1, "green": 2}, "off": "blue"},
        "child": {"requires": {"beta": True}, "rules": [{"serve": True}]},
    },
}


def test_qa_overrides_apply_to_flags_that_allow_them() -> None:
    """Reason OVERRIDE; not for flags without qa, killed flags, or variants that nobody declared."""
    here = Flags(QA).bind(
        Context("u"), qa={"beta": "on", "closed": "on", "killed": "on", "button": "gone", "unknown": "on"}
    )
    assert here.evaluate("beta").reason is Reason.OVERRIDE
    assert here.is_enabled("beta")
    assert not here.is_enabled("closed")
    assert here.evaluate("killed").reason is Reason.DISABLED
    assert here["button"] == 1
    assert "unknown" not in here
    assert list(here.overridden) == ["beta"]
    assert set(here.all()) == set(QA["flags"])


def test_prerequisites_see_qa_overrides() -> None:
    """Same context, same memo, same overrides."""
    assert Flags(QA).bind(Context("u"), qa={"beta": "on"}).is_enabled("child")
    assert not Flags(QA).bind(Context("u")).is_enabled("child")
    assert Flags(QA).bind(Context("u"), qa={"beta": "on"}).fresh().is_enabled("child")


class AsyncContext(LazyContext):
    """A context with one attribute that can only be awaited."""

    async def aresolve(self, names: Iterable[str]) -> None:
        await asyncio.sleep(0)
        if "groups" in names:
            self["groups"] = ["vip"]


def test_asynchronous_reads_resolve_what_is_missing_first() -> None:
    """ais_enabled, avalue, aevaluate and ready(): each awaits the attributes that the flags may read."""
    document = {
        "version": 1,
        "flags": {
            "vip": {"rules": [{"if": {"groups": "vip"}, "serve": True}]},
            "child": {"requires": {"vip": True}, "rules": [{"serve": True}]},
        },
    }
    flags = Flags(document)

    async def main() -> list[Any]:
        found: list[Any] = [await flags.bind(AsyncContext({})).ais_enabled("child")]
        found.append(await flags.bind(AsyncContext({})).avalue("vip", False))
        found.append((await flags.bind(AsyncContext({})).aevaluate("vip")).variant)
        here = flags.bind(AsyncContext({}))
        await here.ready()
        found.append(here.is_enabled("vip"))
        found.append(await flags.bind(Context(groups=["vip"])).ais_enabled("vip"))
        return found

    assert asyncio.run(main()) == [True, True, "on", True, True]


def test_it_says_what_it_is() -> None:
    """For the debugger and the log."""
    here = Flags({"version": 1, "flags": {"a": {}}}).bind(Context("user-1"))
    here.is_enabled("a")
    assert repr(here) == "<BoundFlags for 'user-1', 1 read>"


class _Broken(dict[str, Any]):
    """A context that fails whatever it is asked, as a proxy does outside of its request."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __iter__(self) -> Any:
        raise RuntimeError

    keys = __iter__


@pytest.mark.parametrize(
    "wrong", ["text", b"bytes", 5, [("plan", "pro")], object(), Context, {"user": "ann"}, {1: 2}, _Broken(plan="pro")],
    ids=lambda wrong: type(wrong).__name__,
)  # fmt: skip
@pytest.mark.parametrize("qa", [None, {"half": "on"}])
def test_whatever_is_bound_nothing_raises(wrong: Any, qa: dict[str, str] | None) -> None:
    """What is no context decides as nobody (a mapping as whom it names), and every method and the repr still answer."""
    rules = [{"if": {"plan": "pro"}, "serve": True}, {"rollout": "50%"}]
    flags = Flags({"version": 1, "flags": {"half": {"qa": True, "rules": rules}, "on": {"default": True}}})
    here = flags.bind(wrong, qa=qa)
    assert repr(here) == f"<BoundFlags for nobody known (a {type(wrong).__name__}), 0 read>"
    asyncio.run(here.ready())
    assert flags.is_enabled("on", wrong)
    assert {key: found.reason for key, found in here.all().items()}["on"] is Reason.STATIC
    assert list(here.evaluated()) == ["half", "on"]
    assert here.fresh().is_enabled("on")
    assert ", 2 read>" in repr(here)


def test_a_key_that_cannot_be_written_out_is_left_out() -> None:
    """A lazy context whose key fails, or an integer of more digits than Python writes, spoils no repr."""

    def fail(context: LazyContext) -> Any:
        raise RuntimeError("no request")

    flags = Flags({"version": 1, "flags": {"a": {}}})
    assert repr(flags.bind(Context(10**5000))) == "<BoundFlags for nobody known (a Context), 0 read>"
    lazy = LazyContext({"targeting_key": fail})
    assert repr(flags.bind(lazy)) == "<BoundFlags for nobody known (a LazyContext), 0 read>"


@pytest.mark.parametrize("default", [None, "x", 1])
def test_value_fits_the_default(default: object) -> None:
    """As Flags.value does."""
    here = Flags({"version": 1, "flags": {"n": {"variants": {"x": 7}, "off": "x"}}}).bind()
    assert here.value("n", default) == ("x" if default == "x" else 7)
