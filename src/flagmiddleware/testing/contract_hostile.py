"""What the contract of adapters asks about hostile input and about requests that are under way at the same time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from .contract_site import Reply, Site

__all__ = ["HostileContract"]

EVERY = "/read?" + "&".join(f"key={key}" for key in ("for-user", "for-host", "new-checkout", "killed", "always"))
INJECTION = "x\r\nSet-Cookie: injected=1\r\n\r\n<script>alert(1)</script>"
TOGETHER = 4


def _assert_clean(reply: Reply) -> None:
    """No header has a line end in it, and none of them is the client's."""
    for name, value in reply.headers:
        assert not set("\r\n\0") & set(name + value), (name, value)
    assert not any("injected" in cookie for cookie in reply.set_cookies())


class HostileContract:
    """Part of :class:`~flagmiddleware.testing.contract_adapter.AdapterContract`."""

    # -- hostile input ------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "headers",
        [
            {"Cookie": "flags_visitor=" + "A" * 200_000},
            {"Cookie": "; ".join(["flags_visitor=" + "A" * 5_000_000, "flags_override=" + "." * 5_000_000])},
            {"Cookie": "flags_visitor=\xff\xfe; flags_override=\xff.\xff"},
            {"Cookie": "flags_visitor=\xed\xa0\x80.\xed\xa0\x80; flags_override=\xed\xa0\x80"},
            {"Cookie": "flags_override=" + "." * 50_000},
            {"X-Forwarded-For": ", ".join(["203.0.113.7"] * 5_000)},
            {"X-Forwarded-For": "\xff" * 50},
            {"Accept-Language": "\xff-" * 500, "X-Country": "A" * 50_000},
            {"X-Country": "\xed\xa0\x80", "User-Agent": "\xed\xa0\x80", "Accept-Language": "\xed\xa0\x80"},
            {"Host": "[::1"},
        ],
        ids=[
            *("huge-cookie", "ten-megabytes", "bytes-in-cookie", "surrogates-in-cookie", "dots", "many-hops"),
            *("bytes-in-hops", "odd-language", "surrogates", "odd-host"),
        ],
    )
    def test_contract_hostile_headers(self, make: Callable[..., Site], headers: Mapping[str, str]) -> None:
        """No header makes a page fail, or puts somebody where they do not belong."""
        reply = make(trusted_proxies=1).get(EVERY, headers)
        if reply.status == 200:  # a framework may refuse an odd Host with 400
            assert set(reply.decided.values()) == {"off", "on"} or reply.decided["always"] == "on"
            assert [key for key, variant in reply.decided.items() if variant == "on"] in (
                ["always"],
                ["for-host", "always"],
            )
        assert reply.status in (200, 400, 431)
        _assert_clean(reply)

    @pytest.mark.parametrize(
        "query",
        [
            "key=%FF%FE&key=%ED%A0%80&key=%00",
            "key=always&flags=%FF%FE.%ED%A0%80",
            "key=always&flags=" + "A" * 100_000,
            "key=always&flags=" + quote(INJECTION) + "&flags=%0d%0aSet-Cookie:%20injected=1",
            "key=" + quote(INJECTION),
        ],
        ids=["bytes", "surrogates-in-token", "huge-token", "line-ends-in-token", "line-ends"],
    )
    def test_contract_hostile_query(self, site: Site, query: str) -> None:
        """No query makes a page fail, is taken for a link, or comes back as a header."""
        reply = site.get(f"/read?{query}")
        assert reply.status in (200, 400)
        assert reply.set_cookies() == []
        _assert_clean(reply)

    @pytest.mark.parametrize(
        "path", ["/none%0d%0aSet-Cookie:%20injected=1", "//evil.example/", "/%ED%A0%80%FF", "/%00"]
    )
    def test_contract_hostile_path(self, site: Site, path: str) -> None:
        """A link that is to be forgotten leads back to this site, whatever its path, and no path makes a 500."""
        reply = site.get(f"{path}?flags=")
        _assert_clean(reply)
        assert reply.status in (303, 400, 404)
        if reply.status == 303:
            assert reply.header("location")[:1] == "/"
            assert reply.header("location")[:2] not in ("//", "/\\")

    def test_contract_hostile_context(self, make: Callable[..., Site]) -> None:
        """Lone surrogates and objects of any kind from the site's own callable decide as what they are: no match."""
        for plan in ("\ud800", b"\xff", object(), float("nan"), {"pro": 1}, ["\ud800"]):
            reply = make(context=lambda request, plan=plan: {"plan": plan}).get("/read?key=for-plan&key=always")
            assert reply.decided == {"for-plan": "off", "always": "on"}, plan

    def test_contract_header_injection(self, make: Callable[..., Site], change: Callable[..., None]) -> None:
        """Line ends and markup in a flag's values and rules end in no header, although the debug header tells them."""
        rule = {"name": INJECTION, "serve": "b"}
        flag = {"variants": {"a": "plain", "b": INJECTION}, "off": "a", "qa": True, "rules": [rule]}
        change({"version": 1, "flags": {"checkout-button": flag}})
        reply = make(debug_header=True).get("/read?key=checkout-button")
        assert reply.decided == {"checkout-button": "b"}
        assert "checkout-button=b" in reply.header("x-flags")
        _assert_clean(reply)

    def test_contract_markup_in_values(self, make: Callable[..., Site], change: Callable[..., None]) -> None:
        """No value breaks out of the script element or of the JSON in a page; scripts read it as it was."""
        values = {"a": "plain", "b": "</script><script>alert(1)</script><!--\u2028&'\""}
        flag = {"variants": values, "off": "a", "public": True, "rules": [{"serve": "b"}]}
        change({"version": 1, "flags": {"checkout-button": flag}})
        site = make()
        script, data = site.get("/script").text, site.get("/json").text
        assert [script.lower().count(part) for part in ("<script", "</script", "<!--")] == [1, 1, 0]
        assert not set("<>&\u2028") & set(data)
        assert json.loads(data) == {"checkout-button": values["b"]}

    def test_contract_hostile_clients_keep_their_cohort(self, site: Site) -> None:
        """Whatever is sent beside a visitor's cookie, before or after it, the visitor stays on their side."""
        first = site.get("/read?key=half")
        name, _, value = first.set_cookies()[0].partition(";")[0].strip().partition("=")
        good = f"{name}={value}"
        for noise in ("\xff=\xff", "a" * 100_000, f"x{name}=forged", f"{name}x=forged", "=", ";;;", "$Version=1"):
            for cookie in (f"{noise}; {good}", f"{good}; {noise}"):
                assert site.get("/read?key=half", {"Cookie": cookie}).decided == first.decided, noise

    def test_contract_hostile_clients_fill_no_log(
        self, make: Callable[..., Site], caplog: pytest.LogCaptureFixture
    ) -> None:
        """A thousand bad requests of every kind write a handful of lines, not thousands."""
        site = make(trusted_proxies=1)
        for number in range(100):
            site.get(f"{EVERY}&key=unknown-{number}&flags=forged-{number}.x")
            headers = {
                "X-Forwarded-For": f"\xff{number}",
                "Cookie": f"flags_visitor=v{number}; flags_override=o{number}",
            }
            site.get("/read?key=half&key=for-ip&key=new-checkout", headers)
        ours = [record.getMessage() for record in caplog.records if record.name.startswith("flagmiddleware")]
        assert len(ours) < 110, ours[:5]  # at most one line for each unknown key
        assert len([line for line in ours if "unknown-" not in line]) < 10, ours[:20]

    def test_contract_get_flips_nothing(self, site: Site) -> None:
        """No query and no cookie that nobody signed changes an answer, and none of them is remembered."""
        for query in ("new-checkout=on", "flags=new-checkout", "flags=new-checkout:on", "dwft_new-checkout=1"):
            reply = site.get(f"/read?key=new-checkout&{query}")
            assert (reply.decided, reply.set_cookies()) == ({"new-checkout": "off"}, []), query
        cookies = {"flags_override": "new-checkout:on", "dwf_new-checkout": "True"}
        assert site.get("/read?key=new-checkout", cookies=cookies).decided == {"new-checkout": "off"}

    # -- at the same time ---------------------------------------------------------------------------------------------

    def test_contract_requests_at_once(self, make: Callable[..., Site]) -> None:
        """Requests in several threads that are all in the middle of their view keep their own answers."""
        together = threading.Barrier(TOGETHER, timeout=60)

        def meet() -> None:
            together.wait()

        site = make(hook=meet)

        def ask(country: str) -> Any:
            return json.loads(site.get("/twice?key=new-checkout", {"X-Country": country}).text)

        with ThreadPoolExecutor(TOGETHER) as pool:
            answers = list(pool.map(ask, ["AU", "DE"] * (TOGETHER // 2)))
        shown = [[once["new-checkout"]["variant"] for once in both] for both in answers]
        assert shown == [["on", "on"], ["off", "off"]] * (TOGETHER // 2)
