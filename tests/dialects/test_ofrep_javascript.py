"""OFREP as its users meet it: OpenFeature's own JavaScript providers, under Node, against a real server."""

from __future__ import annotations

from typing import Any

import pytest

from flagmiddleware import Context, Flags
from tests.dialects import javascript
from tests.dialects.ofrep_site import DOCUMENT, TOKEN, serving, site


@pytest.fixture(scope="module")
def answers() -> Any:
    """What the web provider and the server provider resolved."""
    with serving(site(Flags(DOCUMENT))) as url:
        return javascript.run("ofrep.mjs", url, TOKEN)


def _values(details: dict[str, Any]) -> dict[str, Any]:
    return {name: found["value"] for name, found in details.items()}


def test_the_web_provider_serves_public_flags(answers: Any) -> None:
    """@openfeature/ofrep-web-provider serves public flags in their types, the caller's default for a private one."""
    colour = Flags(DOCUMENT).value("colour", Context("user-1"))
    expected = {
        "beta": True,
        "colour": colour,
        "size": 10,
        "ratio": 0.5,
        "layout": {"columns": 2},
        "secret": False,
        "nobody": True,
        "wrong": True,
    }
    assert _values(answers["web"]) == expected
    assert answers["web"]["beta"]["reason"] == "TARGETING_MATCH"
    assert answers["web"]["size"]["variant"] == "big"
    assert answers["web"]["secret"]["errorCode"] == answers["web"]["nobody"]["errorCode"] == "FLAG_NOT_FOUND"
    assert answers["web"]["wrong"]["errorCode"] == "TYPE_MISMATCH"


def test_the_web_provider_polls_without_loading_the_flags_again(answers: Any) -> None:
    """Its polling sends If-None-Match and gets 304 for as long as nothing changed; a new context is evaluated anew."""
    assert answers["polled"][0] == 200
    assert set(answers["polled"][1:]) == {304}
    assert answers["free"]["value"] is False


def test_the_server_provider_with_a_token_serves_every_flag(answers: Any) -> None:
    """@openfeature/ofrep-provider, authorised, serves private flags too."""
    assert answers["server"]["secret"]["value"] is True
    assert answers["server"]["nobody"]["errorCode"] == "FLAG_NOT_FOUND"
    assert answers["server"]["layout"]["value"] == {"columns": 2}
