"""What the contract of adapters asks about visitors: who gets a cookie, and keeps to its answers."""

from __future__ import annotations

from collections.abc import Callable

from .contract_site import Change, Site, address, signed_in

__all__ = ["VisitorContract"]


class VisitorContract:
    """Part of :class:`~flagmiddleware.testing.contract_adapter.AdapterContract`."""

    # -- visitors -----------------------------------------------------------------------------------------------------

    def test_contract_visitor_is_sticky(self, site: Site) -> None:
        """A visitor keeps the answer of the first page, by a signed cookie that scripts cannot read."""
        first = site.get(address("half"))
        (cookie,) = first.set_cookies()
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        name, _, value = cookie.partition(";")[0].partition("=")
        for _ in range(3):
            again = site.get(address("half"), cookies={name: value})
            assert again.text == first.text
            assert again.set_cookies() == []

    def test_contract_visitors_differ(self, site: Site) -> None:
        """Visitors are not all in one bucket."""
        assert {site.get(address("half")).decided["half"] for _ in range(40)} == {"on", "off"}

    def test_contract_forged_visitor(self, site: Site) -> None:
        """A visitor cookie that this site did not sign is nobody's."""
        (cookie,) = site.get(address("half")).set_cookies()
        name, _, value = cookie.partition(";")[0].partition("=")
        forged = ("A" if value[0] != "A" else "B") + value[1:]
        assert site.get(address("half"), cookies={name: forged}).set_cookies() != []

    def test_contract_no_visitor_unless_needed(self, site: Site) -> None:
        """No cookie where no decision needed one: no rollout read, or somebody signed in."""
        assert site.get(address("always", "for-user")).set_cookies() == []
        assert site.get(address("half"), signed_in()).set_cookies() == []

    def test_contract_visitor_survives_login(self, site: Site) -> None:
        """``sticky_by: visitor`` gives the same answer before and after signing in."""
        first = site.get(address("by-visitor"))
        (cookie,) = first.set_cookies()
        name, _, value = cookie.partition(";")[0].partition("=")
        assert site.get(address("by-visitor"), signed_in(), {name: value}).decided == first.decided

    def test_contract_subresources_mint_nothing(self, site: Site) -> None:
        """A script's or an image's request sets no visitor cookie and serves the default."""
        reply = site.get(address("half"), {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"})
        assert (reply.set_cookies(), reply.decided) == ([], {"half": "off"})

    def test_contract_consent(self, make: Callable[..., Site]) -> None:
        """Without consent there is no visitor: no cookie, and rollouts serve the default."""
        site = make(visitor_cookie=lambda request: False)
        replies = [site.get(address("half")) for _ in range(10)]
        assert {reply.decided["half"] for reply in replies} == {"off"}
        assert not any(reply.set_cookies() for reply in replies)

    def test_contract_visitor_on_errors(self, make: Callable[..., Site], change: Change) -> None:
        """A gate's 404 that needed a visitor sets the cookie, and is private."""
        change({"version": 1, "flags": {"new-checkout": {"rules": [{"rollout": "0.000001%"}]}}})
        reply = make().get("/gated")
        assert reply.status == 404
        assert len(reply.set_cookies()) == 1
        assert "private" in reply.header("cache-control")

    def test_contract_visitor_on_streams(self, site: Site) -> None:
        """A streaming answer sets the cookie if its flags were decided before it started, and keeps to it."""
        reply = site.get(address("half", page="/stream", preload="1"))
        (cookie,) = reply.set_cookies()
        name, _, value = cookie.partition(";")[0].partition("=")
        assert site.get(address("half"), cookies={name: value}).decided == reply.decided
