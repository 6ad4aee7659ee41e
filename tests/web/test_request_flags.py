"""RequestFlags: free until read, then like any BoundFlags, whichever way the first read comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from flagmiddleware import BoundFlags
from flagmiddleware.testing import override_flags
from flagmiddleware.web import RequestFlags
from flagmiddleware.web.overrides import sign

from .doubles import KEY, document, install

READS: dict[str, Callable[[Any], Any]] = {
    "is_enabled": lambda here: here.is_enabled("a"),
    "value": lambda here: here.value("a", False),
    "variant": lambda here: here.variant("a") == "on",
    "evaluate": lambda here: here.evaluate("a").value,
    "item": lambda here: here["a"],
    "contains": lambda here: "a" in here,
    "all": lambda here: here.all()["a"].value,
    "plan first": lambda here: here.plan.table and here.is_enabled("a"),
    "plan as argument": lambda here: here.evaluate(next(iter(here.plan.table))).value,
    "context first": lambda here: not here.context and here.is_enabled("a"),
    "preload": lambda here: here.preload("a") or here.evaluated()["a"].value,
    "ready": lambda here: asyncio.run(here.ready("a")) or here.is_enabled("a"),
    "ais_enabled": lambda here: asyncio.run(here.ais_enabled("a")),
    "fresh": lambda here: here.fresh().is_enabled("a"),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_first_read_binds(read: Callable[[Any], Any]) -> None:
    """Every way to read first gives the answer, and the object is an ordinary BoundFlags afterwards."""
    here = install(document(a={"path": "/"})).begin({})
    assert isinstance(here, RequestFlags)
    assert isinstance(here, BoundFlags)
    assert not here.is_bound
    assert read(here) is True
    assert here.is_enabled("a")
    assert type(here).is_enabled is BoundFlags.is_enabled or read is READS["fresh"]


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_first_read_under_a_test_override(read: Callable[[Any], Any]) -> None:
    """A test override holds for whichever read comes first."""
    here = install(document(a={"path": "/other"})).begin({})
    with override_flags({"a": True}):
        assert read(here) is True


def test_binding_happens_once() -> None:
    """Plan, context and answers are those of the first read for ever after."""
    here = install(document(a={"path": "/"})).begin({})
    answer = here.evaluate("a")
    plan, context = here.plan, here.context
    here.evaluate(next(iter(here.plan.table)))
    here.all()
    assert (here.plan, here.context, here.evaluate("a")) == (plan, context, answer)
    assert here.context is context


def test_nothing_read_is_told() -> None:
    """Until something is read, nothing is bound: no look at overrides, debug, user or cookies; the repr says so."""
    here = install(document(a={"path": "/"}), secret_keys=[KEY]).begin({})
    assert repr(here) == "<RequestFlags, nothing read>"
    assert here.evaluated() == {}
    assert not here.is_bound
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = here.nothing  # type: ignore[attr-defined]


def test_override_order() -> None:
    """A test override goes before a QA override, which goes before the rules; a killed flag stays off for QA."""
    definitions = {"version": 1, "flags": {"a": {"qa": True}, "k": {"qa": True, "enabled": False}}}
    installation = install(definitions, secret_keys=[KEY])
    token = sign(installation.flags, {"a": "on", "k": "on"}, host="a.example", keys=[KEY])
    request = {"headers": {"host": "a.example", "cookie": f"flags_override={token}"}}
    here = installation.begin(request)
    assert (here.is_enabled("a"), here.is_enabled("k"), here.fresh().is_enabled("a")) == (True, False, True)
    with override_flags({"a": False}):
        assert not installation.begin(request).is_enabled("a")
