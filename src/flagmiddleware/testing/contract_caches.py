"""What the contract of adapters asks about caches: what a page, streamed or not, tells them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..flags import Flags
from ..web.overrides import sign
from .contract_site import SECRET, Change, Site, address, signed_in

__all__ = ["CacheContract"]


class CacheContract:
    """Part of :class:`~flagmiddleware.testing.contract_adapter.AdapterContract`."""

    # -- caches -------------------------------------------------------------------------------------------------------

    def test_contract_page_without_flags(self, site: Site) -> None:
        """A page that reads no flag is left as it is."""
        reply = site.get("/none", {"Cookie": "a=b"})
        assert (reply.text, reply.set_cookies(), reply.header("cache-control")) == ("none", [], "")
        assert "cookie" not in reply.varies_on

    def test_contract_public_page(self, site: Site) -> None:
        """A page whose flags read nothing of the request, or only its path and method, stays public."""
        reply = site.get(address("always", "for-path", page="/cached"))
        assert reply.header("cache-control") == "public, max-age=3600, s-maxage=7200"
        assert reply.varies_on == {"accept"}
        assert reply.set_cookies() == []

    def test_contract_vary(self, site: Site) -> None:
        """What was read decides ``Vary``: host, language, user agent."""
        reply = site.get(address("for-host", "checkout-button", "for-agent", page="/cached"))
        assert reply.varies_on >= {"accept", "host", "accept-language", "user-agent"}
        assert "public" in reply.header("cache-control")

    def test_contract_shared_vary(self, make: Callable[..., Site]) -> None:
        """A header that the site's caches honour is varied on; any other makes the page private."""
        path = address("new-checkout", page="/cached")
        shared = make(shared_vary=["X-Country"]).get(path)
        assert "x-country" in shared.varies_on
        assert "public" in shared.header("cache-control")
        assert "private" in make().get(path).header("cache-control")

    @pytest.mark.parametrize("key", ["for-user", "for-group", "for-ip", "half", "for-plan"])
    def test_contract_private(self, make: Callable[..., Site], key: str) -> None:
        """Decisions about a person make the page private, whatever it said itself."""
        site = make(context=lambda request: {"plan": "free"})
        reply = site.get(address(key, page="/cached"))
        directives = {part.strip() for part in reply.header("cache-control").split(",")}
        assert directives == {"private", "max-age=3600"}
        assert "cookie" in reply.varies_on

    def test_contract_authorization(self, site: Site) -> None:
        """A caller with a token varies on Authorization too."""
        assert "authorization" in site.get(address("for-user"), {"Authorization": "Bearer x"}).varies_on

    def test_contract_schedule_clamps(self, make: Callable[..., Site], change: Change) -> None:
        """No cache keeps an answer beyond the next boundary of a schedule."""
        from datetime import datetime, timedelta, timezone

        soon = (datetime.now(timezone.utc) + timedelta(seconds=600)).isoformat(timespec="seconds")
        rule = {"schedule": {"from": soon}, "serve": True}
        change({"version": 1, "flags": {"sale": {"rules": [rule]}}})
        control = make().get(address("sale", page="/cached")).header("cache-control")
        ages = [int(part.partition("=")[2]) for part in control.split(",") if "age=" in part]
        assert len(ages) == 2
        assert all(500 < age <= 600 for age in ages)

    # -- streaming ----------------------------------------------------------------------------------------------------

    def test_contract_streaming_is_private(self, site: Site) -> None:
        """Flags that a streaming body reads come too late for the headers, so these promise nothing."""
        reply = site.get(address("for-user", page="/stream"), signed_in())
        assert reply.decided == {"for-user": "on"}
        assert "private" in reply.header("cache-control")

    @pytest.mark.parametrize("key", ["for-user", "for-group", "for-ip", "half", "checkout-button", "new-checkout"])
    def test_contract_late_flags_of_a_sized_stream(self, site: Site, key: str) -> None:
        """A stream that tells its length looks complete: it is private, or what it reads late is kept out of it."""
        headers = {**signed_in(), "Accept-Language": "en-AU", "X-Country": "AU", "X-Forwarded-For": "203.0.113.7"}
        for sent in (headers, {}):
            reply = site.get(address(key, page="/stream", length="100"), sent)
            if "private" not in reply.header("cache-control"):
                assert set(reply.decided.values()) <= {"off", "blue"}
            assert reply.set_cookies() == []

    def test_contract_late_override_of_a_sized_stream(self, site: Site, flags: Flags) -> None:
        """The same for what a tester's link asks for."""
        token = sign(flags, {"checkout-button": "green"}, host="shop.example", keys=[SECRET])
        cookies = {"flags_override": token}
        reply = site.get(address("checkout-button", page="/stream", length="100"), cookies=cookies)
        assert "private" in reply.header("cache-control") or reply.decided == {"checkout-button": "blue"}

    def test_contract_public_flag_of_a_sized_stream(self, site: Site) -> None:
        """A flag that reads nothing of the request is decided as ever, however late."""
        decided = site.get(address("always", "dark", page="/stream", length="100")).decided
        assert decided == {"always": "on", "dark": "off"}

    def test_contract_preloaded_streaming(self, site: Site) -> None:
        """A streaming body whose flags were decided first says what they read."""
        reply = site.get(address("checkout-button", page="/stream", preload="1"), {"Accept-Language": "en-AU"})
        assert reply.decided == {"checkout-button": "green"}
        assert "accept-language" in reply.varies_on
        assert "private" not in reply.header("cache-control")
