"""nginx in front of each shop, keeping all that it may: nobody gets another's page, everybody's pages come from it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import httpx
import pytest

from tests.e2e.shops import USUAL, Shop, Visitor, checkout_of, decided_on

pytestmark = pytest.mark.services

ZONE = "proxy_cache_path {folder}/cache keys_zone=shop:1m;"

# As greedy as a configuration gets: every status is kept for a minute unless the answer forbids it.
SITE = """
location / {{
    proxy_pass {shop};
    proxy_set_header Host $http_host;
    proxy_cache shop;
    proxy_cache_key $http_host$request_uri;
    proxy_cache_valid any 1m;
    add_header X-Cache $upstream_cache_status always;
}}
"""

Start = Callable[[str, str], Shop]


def through(proxy: str, visitor: Visitor, path: str) -> httpx.Response:
    """Ask the proxy for a page, with a visitor's cookies, and follow nothing."""
    return httpx.get(proxy + path, cookies=dict(visitor.browser.cookies), headers=visitor.browser.headers, timeout=30)


@pytest.mark.parametrize(("app", "server"), USUAL)
def test_no_visitor_gets_a_page_decided_for_another(
    app: str, server: str, start: Start, nginx: Callable[..., str]
) -> None:
    """Pages, redirects and 404s that a per-user flag decided are never kept by a shared cache."""
    shop = start(app, server)
    proxy = nginx(SITE.format(shop=shop.url), http=ZONE)
    people = {"ann": Visitor(shop.url), "user-1": Visitor(shop.url), "user-42": Visitor(shop.url)}
    own = {}
    for customer, visitor in people.items():
        visitor.become(customer)
        visitor.buy()
        own[customer] = visitor.decided("/basket/")["checkout-button"]
    assert len(set(own.values())) > 1, "the people must differ for this test to mean something"

    kept = set()
    for _, (customer, visitor) in product(range(3), people.items()):
        basket, checkout, wrap = (
            through(proxy, visitor, path) for path in ("/basket/", "/checkout/", "/checkout/gift-wrap")
        )
        assert decided_on(basket.text)["checkout-button"] == own[customer]
        assert (
            checkout.status_code == (302 if app == "django" else 303)
            if customer == "user-42"
            else checkout.status_code == 200
        )
        assert wrap.status_code == (404 if customer == "user-42" else 200)
        kept |= {answer.headers["X-Cache"] for answer in (basket, checkout, wrap)}
        for answer in (basket, checkout, wrap):
            assert "private" in answer.headers["Cache-Control"]
            assert "cookie" in answer.headers["Vary"].lower()
    assert "HIT" not in kept
    for visitor in people.values():
        visitor.browser.close()


@pytest.mark.parametrize(("app", "server"), USUAL)
def test_a_page_without_a_per_user_flag_is_served_from_the_cache(
    app: str, server: str, start: Start, nginx: Callable[..., str]
) -> None:
    """The catalogue reads a flag that is the same for all: one visitor's copy serves the next one."""
    shop = start(app, server)
    proxy = nginx(SITE.format(shop=shop.url), http=ZONE)
    with Visitor(shop.url) as ann, Visitor(shop.url) as casey:
        ann.become("ann")
        casey.become("user-42")
        for path in ("/", "/delivery"):
            first, second = through(proxy, ann, path), through(proxy, casey, path)
            assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("MISS", "HIT")
            assert first.text == second.text
            assert decided_on(second.text) == {"summer-sale": "on"}
            assert "set-cookie" not in second.headers
            assert "private" not in second.headers["Cache-Control"]


@pytest.mark.parametrize(("app", "server"), USUAL)
def test_a_new_visitor_gets_a_cookie_and_the_cache_keeps_none_of_it(
    app: str, server: str, start: Start, nginx: Callable[..., str]
) -> None:
    """The answer that sets a visitor's cookie is private, so that two visitors never share an identity."""
    shop = start(app, server)
    proxy = nginx(SITE.format(shop=shop.url), http=ZONE)
    with Visitor(proxy) as one, Visitor(proxy) as other:
        for visitor in (one, other):
            visitor.buy()
            visitor.browser.get("/basket/")
        cookies = [visitor.browser.cookies.get("flags_visitor") for visitor in (one, other)]
        assert all(cookies)
        assert cookies[0] != cookies[1]
        assert checkout_of(one.browser.get("/checkout/").text) in ("old", "new")
