"""The contract of adapters as a test suite: subclass :class:`AdapterContract` and give it a driver.

A driver builds, in its framework and with the adapter under test, the small site that :data:`PAGES` describes. The
suite then asks that site what any site may expect of flags on the web. A new adapter adds a driver and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from ..flags import Flags
from ..sources import MemorySource
from ..web.observers import Observation
from ..web.overrides import sign
from .contract_caches import CacheContract
from .contract_front import FrontContract
from .contract_hostile import HostileContract
from .contract_site import DEFINITIONS, PAGES, SECRET, AdapterDriver, Change, Reply, Site, address, answer, signed_in
from .contract_visitors import VisitorContract

__all__ = ["DEFINITIONS", "PAGES", "AdapterContract", "AdapterDriver", "Reply", "Site", "answer"]


class AdapterContract(CacheContract, VisitorContract, FrontContract, HostileContract):
    """What every adapter promises. Subclass it in a test module with a fixture ``driver``."""

    @pytest.fixture
    def source(self) -> MemorySource:
        """The definitions, which a test may change under the running site."""
        return MemorySource(json.dumps(DEFINITIONS).encode(), format="json")

    @pytest.fixture
    def flags(self, source: MemorySource) -> Iterator[Flags]:
        """The site's flags; an adapter whose contexts compiled code cannot read fails here."""
        flags = Flags(source)
        yield flags
        assert flags.status.fallbacks == 0

    @pytest.fixture
    def change(self, flags: Flags, source: MemorySource) -> Change:
        """Replaces the definitions under the running site."""

        def change(document: Mapping[str, Any]) -> None:
            source.put(json.dumps(document).encode())
            flags.refresh()

        return change

    @pytest.fixture
    def make(self, driver: AdapterDriver, flags: Flags) -> Callable[..., Site]:
        """Builds the site with some settings changed."""

        def make(hook: Callable[[], None] = lambda: None, **settings: Any) -> Site:
            return driver.make(flags, {"secret_keys": [SECRET], "headers": {"country": "X-Country"}, **settings}, hook)

        return make

    @pytest.fixture
    def site(self, make: Callable[..., Site]) -> Site:
        """The site with the contract's ordinary settings."""
        return make()

    # -- context ------------------------------------------------------------------------------------------------------

    def test_contract_signed_in(self, site: Site) -> None:
        """Who signed in through the framework is known: id, email, domain, groups, staff, superuser."""
        keys = ("for-user", "for-email", "for-domain", "for-group", "for-staff", "for-superuser")
        assert set(site.get(address(*keys), signed_in()).decided.values()) == {"on"}
        assert set(site.get(address(*keys)).decided.values()) == {"off"}

    def test_contract_anonymous(self, site: Site) -> None:
        """Somebody who has not signed in is not authenticated, and somebody who has is."""
        assert site.get(address("for-anonymous")).decided == {"for-anonymous": "on"}
        assert site.get(address("for-anonymous"), signed_in()).decided == {"for-anonymous": "off"}

    def test_contract_request_attributes(self, site: Site) -> None:
        """Path, method, host, user agent, language and mapped headers are derived from the request."""
        headers = {"User-Agent": "Contract/1", "Accept-Language": "en-au;q=0.9, de", "X-Country": "au"}
        keys = ("for-path", "for-host", "for-agent", "new-checkout")
        assert set(site.get(address(*keys), headers).decided.values()) == {"on"}
        assert site.get(address("checkout-button"), headers).decided == {"checkout-button": "green"}

    def test_contract_spoofed_forwarded_for(self, make: Callable[..., Site]) -> None:
        """X-Forwarded-For is believed only as far as proxies were declared, counted from the right."""
        spoofed = {"X-Forwarded-For": "203.0.113.7"}
        assert make().get(address("for-ip"), spoofed).decided == {"for-ip": "off"}
        behind_one = make(trusted_proxies=1)
        assert behind_one.get(address("for-ip"), spoofed).decided == {"for-ip": "on"}
        assert (
            behind_one.get(address("for-ip"), {"X-Forwarded-For": "203.0.113.7, 198.51.100.1"}).decided["for-ip"]
            == "off"
        )

    def test_contract_peer(self, make: Callable[..., Site], driver: AdapterDriver, change: Change) -> None:
        """Without proxies, the ip is the connection's other end."""
        change({"version": 1, "flags": {"peer": {"rules": [{"if": {"ip": driver.peer}, "serve": True}]}}})
        assert make().get(address("peer")).decided == {"peer": "on"}

    def test_contract_site_callable(self, make: Callable[..., Site]) -> None:
        """The site's own callable supplies attributes."""
        assert make(context=lambda request: {"plan": "pro"}).get(address("for-plan")).decided == {"for-plan": "on"}

    def test_contract_site_callable_async(self, make: Callable[..., Site]) -> None:
        """An asynchronous callable works from both kinds of view."""

        async def ask(request: Any) -> dict[str, str]:
            return {"plan": "pro"}

        assert make(context=ask).get(address("for-plan", page="/aread")).decided == {"for-plan": "on"}

    def test_contract_failing_callable(self, make: Callable[..., Site], caplog: pytest.LogCaptureFixture) -> None:
        """A callable that fails costs its own attributes and one log line, not the page."""

        def fail(request: Any) -> dict[str, str]:
            raise RuntimeError("no database")

        site = make(context=fail)
        for _ in range(3):
            assert site.get(address("for-plan", "always")).decided == {"for-plan": "off", "always": "on"}
        assert sum("callable failed" in record.getMessage() for record in caplog.records) == 1

    # -- one answer ---------------------------------------------------------------------------------------------------

    def test_contract_one_answer_per_request(self, make: Callable[..., Site], change: Change) -> None:
        """A request that is under way when the definitions change keeps its answers; the next one has the new."""
        changed = {"version": 1, "flags": {"always": {"rules": []}, "dark": {"rules": [{"serve": True}]}}}
        site = make(hook=lambda: change(changed))
        first, second = json.loads(site.get(address("always", "dark", page="/twice")).text)
        assert first == second
        assert site.get(address("always", "dark")).decided == {"always": "off", "dark": "on"}

    def test_contract_current_flags(self, site: Site) -> None:
        """``current_flags()`` are the request's flags."""
        assert site.get(address("for-user", page="/current"), signed_in()).decided == {"for-user": "on"}

    def test_contract_unknown_flag(self, site: Site) -> None:
        """A flag that nobody defined is off and breaks nothing."""
        assert site.get(address("no-such-flag")).decided == {"no-such-flag": None}

    # -- gates --------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("page", "shut", "opened"),
        [
            ("/gated", (404, None), (200, "gated")),
            ("/gated-class", (404, None), (200, "gated")),
            ("/gated-otherwise", (200, "old"), (200, "gated")),
            ("/gated-redirect", (302, None), (200, "gated")),
            ("/gated-status", (403, None), (200, "gated")),
            ("/gated-any", (404, None), (200, "gated")),
            ("/gated-all", (404, None), (200, "gated")),
            ("/gated-not", (200, "gated"), (404, None)),
        ],
    )
    def test_contract_gate(
        self, site: Site, page: str, shut: tuple[int, str | None], opened: tuple[int, str | None]
    ) -> None:
        """A gate lets through where its flags say so, and elsewhere answers what it was told to."""
        for country, (status, text) in (("DE", shut), ("AU", opened)):
            reply = site.get(page, {"X-Country": country})
            assert reply.status == status
            assert text is None or reply.text == text

    @pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"])
    @pytest.mark.parametrize("page", ["/gated", "/gated-class", "/gated-any", "/gated-all", "/gated-variant"])
    def test_contract_dark_page(self, site: Site, page: str, method: str) -> None:
        """A page whose gate is shut does not exist, whatever is asked of it: 404, and no word of other methods."""
        reply = site.get(page, method=method)
        assert (reply.status, reply.header("allow")) == (404, "")

    def test_contract_gate_variant(self, site: Site) -> None:
        """A gate may ask for a variant."""
        assert site.get("/gated-variant").status == 404
        assert site.get("/gated-variant", {"Accept-Language": "en-AU"}).status == 200

    def test_contract_gate_redirect_target(self, site: Site) -> None:
        """``redirect_to`` is where a shut gate sends, and such an answer tells caches what it depended on."""
        reply = site.get("/gated-redirect", {"X-Country": "DE"})
        assert reply.header("location").endswith("/none")
        assert "private" in reply.header("cache-control")

    # -- QA overrides -------------------------------------------------------------------------------------------------

    def _token(self, flags: Flags, host: str = "shop.example", **choices: str) -> str:
        named = {key.replace("_", "-"): variant for key, variant in choices.items()}
        return sign(flags, named, host=host, keys=[SECRET], ttl=600)

    def test_contract_qa_link(self, site: Site, flags: Flags) -> None:
        """A link answers with a redirect to the page without it; the cookie then shows the variant, uncached."""
        token = self._token(flags, new_checkout="on")
        reply = site.get(f"/read?key=new-checkout&flags={token}")
        assert reply.status == 303
        assert reply.header("location").endswith("/read?key=new-checkout")
        assert reply.header("cache-control") == "no-store"
        assert reply.header("referrer-policy") == "no-referrer"
        page = site.get(address("new-checkout"), cookies={"flags_override": token})
        assert page.decided == {"new-checkout": "on"}
        assert json.loads(page.text)["new-checkout"]["reason"] == "OVERRIDE"
        assert {"private", "no-store"} <= {part.strip() for part in page.header("cache-control").split(",")}

    def test_contract_bad_qa_links(self, site: Site, flags: Flags) -> None:
        """A token that was tampered with, or made for another site, changes nothing."""
        token = self._token(flags, new_checkout="on")
        for bad in ("A" + token[1:], token[:-1], "nonsense", self._token(flags, "other.example", new_checkout="on")):
            assert site.get(f"/read?key=new-checkout&flags={bad}").decided == {"new-checkout": "off"}
            reply = site.get(address("new-checkout"), cookies={"flags_override": bad})
            assert reply.decided == {"new-checkout": "off"}

    def test_contract_qa_revoked(self, make: Callable[..., Site], flags: Flags) -> None:
        """Raising the epoch voids every link."""
        token = self._token(flags, new_checkout="on")
        page = make(qa_epoch=1).get(address("new-checkout"), cookies={"flags_override": token})
        assert page.decided == {"new-checkout": "off"}

    def test_contract_killed_for_qa_too(self, site: Site, flags: Flags) -> None:
        """A killed flag is off for testers too."""
        token = self._token(flags, killed="on")
        assert site.get(address("killed"), cookies={"flags_override": token}).decided == {"killed": "off"}

    # -- observers ----------------------------------------------------------------------------------------------------

    def test_contract_observers(self, make: Callable[..., Site], caplog: pytest.LogCaptureFixture) -> None:
        """Observers are told what a request read and how it went; one that fails is switched off, and only that."""
        seen: list[Observation] = []

        def fail(observation: Observation) -> None:
            raise RuntimeError("observer")

        site = make(observers=[fail, seen.append])
        assert site.get("/none").status == 200
        for _ in range(2):
            assert site.get(address("always", "dark")).status == 200
        assert [list(observation.evaluations) for observation in seen] == [["always", "dark"]] * 2
        assert {(observation.status, observation.raised) for observation in seen} == {(200, False)}
        assert sum("switched off" in record.getMessage() for record in caplog.records) == 1

    def test_contract_observers_of_errors(self, make: Callable[..., Site]) -> None:
        """A request that raised is told as such."""
        seen: list[Observation] = []
        assert make(observers=[seen.append]).get(address("always", page="/boom")).status == 500
        assert [(observation.status, observation.raised) for observation in seen] == [(500, True)]

    # -- debugging ----------------------------------------------------------------------------------------------------

    def test_contract_debug_header(self, make: Callable[..., Site]) -> None:
        """The debug header is off unless asked for, and such an answer is private."""
        assert make().get(address("always")).header("x-flags") == ""
        reply = make(debug_header=True).get(address("always"))
        assert reply.header("x-flags").startswith("always=on;reason=TARGETING_MATCH")
        assert "private" in reply.header("cache-control")
