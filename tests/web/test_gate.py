"""What flag_required understands, refuses and finds."""

from __future__ import annotations

import asyncio
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
        ((), {"any": ["a", "b"], "variant": "green"}, "one flag"),
        (("live",), {"redirect": "/"}, "redirect="),
    ],
)
def test_gate_refuses_nonsense(arguments: tuple[str, ...], options: dict[str, Any], said: str) -> None:
    """A gate that could not mean anything is refused when it is written, not when a request comes."""
    with pytest.raises(ConfigurationError, match="flag_required") as caught:
        Gate(*arguments, **options)
    assert said in str(caught.value)


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
