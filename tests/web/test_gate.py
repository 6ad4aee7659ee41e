"""What flag_required understands, refuses and finds."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import pytest

from flagmiddleware import ConfigurationError, Flags
from flagmiddleware.web.gate import GATE_ATTRIBUTE, Gate, explain_unknown, gate_of, unknown_keys

DOCUMENT = {
    "version": 1,
    "flags": {
        "live": {"rules": [{"serve": True}]},
        "dark": {},
        "button": {"variants": {"blue": 1, "green": 2}, "off": "blue", "default": "green"},
    },
}


@pytest.fixture
def here() -> Any:
    return Flags(DOCUMENT).bind()


@pytest.mark.parametrize(
    ("gate", "open_"),
    [
        (Gate("live"), True),
        (Gate("dark"), False),
        (Gate("!live"), False),
        (Gate("!dark"), True),
        (Gate("unknown"), False),
        (Gate("!unknown"), True),
        (Gate(any=["dark", "live"]), True),
        (Gate(any=["dark", "!live"]), False),
        (Gate(all=["live", "!dark"]), True),
        (Gate(all=["live", "dark"]), False),
        (Gate("button", variant="green"), True),
        (Gate("button", variant="blue"), False),
        (Gate("button", variant=["blue", "green"]), True),
        (Gate("!button", variant="green"), False),
    ],
    ids=repr,
)
def test_gate_truth_table(here: Any, gate: Gate, open_: bool) -> None:
    """Keys, negations, any, all and variants open and shut as they read; the asynchronous form agrees."""
    assert gate.allows(here) is open_
    assert asyncio.run(gate.aallows(here)) is open_


def test_gate_stops_reading_when_decided(here: Any) -> None:
    """A gate reads no flag that cannot matter any more, so such a flag counts as unread for caches and observers."""
    Gate(any=["live", "dark"]).allows(here)
    assert list(here.evaluated()) == ["live"]


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((), {}, "name the flag"),
        (("live",), {"any": ["dark"]}, "one of the three"),
        ((), {"any": "live"}, "any= wants flag keys"),
        ((), {"all": []}, "all= wants flag keys"),
        ((), {"any": [1]}, "any= wants flag keys"),
        (("!",), {}, "names no flag"),
        (("live",), {"otherwise": print, "redirect_to": "/"}, "not both"),
        (("live",), {"status": 200}, "status=200"),
        (("live",), {"status": 100}, "one that refuses"),
        (("live",), {"status": 301}, "say where: redirect_to="),
        (("live",), {"status": 302}, "say where: redirect_to="),
        (("live",), {"status": 304}, "one that refuses"),
        (("live",), {"status": 499}, "one that refuses"),
        (("live",), {"status": 999}, "one that refuses"),
        (("live",), {"status": "404"}, "status='404'"),
        (("live",), {"status": None}, "status=None"),
        (("live",), {"status": True}, "status=True"),
        (("live",), {"status": 404.0}, "status=404.0"),
        (("live",), {"status": [404]}, "status=[404]"),
        (("live",), {"redirect_to": "/", "status": 404}, "one that redirects"),
        (("live",), {"redirect_to": "/", "status": 304}, "one that redirects"),
        (("live",), {"otherwise": print, "status": 404}, "otherwise="),
        ((), {"any": ["a", "b"], "variant": "green"}, "one flag"),
        (("live",), {"redirect": "/"}, "redirect="),
    ],
)
def test_gate_refuses_nonsense(arguments: tuple[str, ...], options: dict[str, Any], said: str) -> None:
    """A gate that could not mean anything is refused when it is written, not when a request comes."""
    with pytest.raises(ConfigurationError, match="flag_required") as caught:
        Gate(*arguments, **options)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("options", "status", "hides"),
    [
        ({}, 404, True),
        ({"status": HTTPStatus.GONE}, 410, False),
        ({"redirect_to": "/"}, 302, False),
        ({"redirect_to": "/", "status": 307}, 307, False),
        ({"otherwise": print}, 404, False),
    ],
)
def test_gate_status(options: dict[str, Any], status: int, hides: bool) -> None:
    """A gate that redirects does so by 302 or what it was told; only a bare 404 pretends that there is no page."""
    gate = Gate("live", **options)
    assert (gate.status, gate.hides) == (status, hides)


def test_unknown_keys_have_a_suggestion() -> None:
    """A misspelt key is reported with the nearest one; where nothing is defined yet, nothing is reported."""
    found = unknown_keys(["live", "drak"], Flags(DOCUMENT).ruleset)
    assert found == [("drak", "dark")]
    assert "did you mean 'dark'" in explain_unknown(*found[0], "here")
    assert unknown_keys(["live"], Flags({"version": 1, "flags": {}}).ruleset) == []


def test_gate_of_finds_only_gates() -> None:
    """Start-up checks find the gate that an adapter left, and nothing on other objects."""

    def view() -> None: ...

    assert gate_of(view) is None
    setattr(view, GATE_ATTRIBUTE, Gate("live"))
    assert gate_of(view).keys == ("live",)  # type: ignore[union-attr]
