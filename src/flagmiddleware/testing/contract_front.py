"""What the contract of adapters asks about the browser's side and the developer's view."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from .contract_site import ANN, Site

__all__ = ["FrontContract"]

STAFF = {"X-Contract-User": json.dumps(ANN)}
GERMAN = {"Accept-Language": "de"}
AUSTRALIAN = {"Accept-Language": "en-AU"}


class FrontContract:
    """Part of :class:`~flagmiddleware.testing.contract_adapter.AdapterContract`."""

    # -- the browser's side -------------------------------------------------------------------------------------------

    def test_contract_public_flags(self, site: Site) -> None:
        """The endpoint tells values and variants of the public flags and of no others, and what they depended on."""
        reply = site.get("/flags/", AUSTRALIAN)
        assert (reply.status, reply.header("content-type")) == (200, "application/json")
        assert json.loads(reply.text) == {"flags": {"checkout-button": {"value": "#0f0", "variant": "green"}}}
        assert "no-cache" in reply.header("cache-control")
        assert "accept-language" in reply.varies_on
        assert reply.header("access-control-allow-origin") == ""

    def test_contract_entity_tag(self, site: Site) -> None:
        """Who has the newest answer gets 304 and no body; the tag changes with the answer, and is compared weakly."""
        tag = site.get("/flags/", AUSTRALIAN).header("etag")
        for known in (tag, f"W/{tag}", f'"other", {tag}'):
            again = site.get("/flags/", {**AUSTRALIAN, "If-None-Match": known})
            assert (again.status, again.text, again.header("etag")) == (304, "", tag)
            assert "accept-language" in again.varies_on
        other = site.get("/flags/", {**GERMAN, "If-None-Match": tag})
        assert (other.status, json.loads(other.text)["flags"]["checkout-button"]["variant"]) == (200, "blue")

    def test_contract_health(self, site: Site) -> None:
        """A stranger learns the state and nothing else; staff see more. Nobody keeps either."""
        stranger, staff = site.get("/flags/health"), site.get("/flags/health", STAFF)
        assert (stranger.status, json.loads(stranger.text)) == (200, {"state": "READY"})
        assert {"state", "revision", "flags"} <= set(json.loads(staff.text))
        assert all("no-store" in reply.header("cache-control") for reply in (stranger, staff))

    def test_contract_flags_json(self, site: Site) -> None:
        """``flags_json`` gives a page's own scripts the values of the public flags."""
        assert json.loads(site.get("/json", AUSTRALIAN).text) == {"checkout-button": "#0f0"}

    def test_contract_script_tag(self, site: Site) -> None:
        """The script element carries the nonce of the page's content security policy."""
        expected = '<script nonce="n0nce">window.flags={"checkout-button":"#00f"};</script>'
        assert site.get("/script", GERMAN).text.strip() == expected

    # -- the developer's view -----------------------------------------------------------------------------------------

    def test_contract_debug_header_for_some(self, make: Callable[..., Site]) -> None:
        """A callable says, request by request, who is told what was decided; the others are told nothing."""
        allowed: list[bool] = []
        site = make(debug_header=lambda request: bool(allowed))
        assert site.get("/read?key=always").header("x-flags") == ""
        allowed.append(True)
        reply = site.get("/read?key=always")
        assert reply.header("x-flags").startswith("always=on;reason=")
        assert reply.header("server-timing").startswith("flag;desc=")
        assert "private" in reply.header("cache-control")

    def test_contract_failing_debug_callable(self, make: Callable[..., Site], caplog: pytest.LogCaptureFixture) -> None:
        """A callable that fails counts as no: the page is served, nothing is told, and one line is logged."""

        def fail(request: Any) -> bool:
            raise RuntimeError("who is this")

        site = make(debug_header=fail)
        for _ in range(3):
            reply = site.get("/read?key=always")
            assert (reply.status, reply.header("x-flags"), reply.header("server-timing")) == (200, "", "")
        assert sum("debug_header" in record.getMessage() for record in caplog.records) == 1
