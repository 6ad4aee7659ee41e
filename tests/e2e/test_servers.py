"""Each shop under each of its real servers: the right page for each person, at the same time, and after an edit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.e2e.shops import MATRIX, Shop, Visitor, checkout_of, open_shop
from tests.services import wait_for

EXPECTED = {"ann": "new", "user-1": "new", "user-2": "old", "user-42": "old"}


@pytest.fixture(scope="module", params=MATRIX, ids="-".join)
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, migrated: Callable[[], Path]
) -> Iterator[Shop]:
    """One shop under one server, for all tests of this file."""
    with open_shop(*request.param, tmp_path_factory.mktemp("shop"), migrated) as running:
        yield running


def shopper(shop: Shop, customer: str) -> Visitor:
    """Somebody who signed in and has something in the basket."""
    visitor = Visitor(shop.url)
    visitor.become(customer)
    visitor.buy()
    return visitor


def test_each_person_gets_their_own_checkout_however_many_ask_at_once(shop: Shop) -> None:
    """Requests that overlap in one worker do not get each other's answers."""
    visitors = {customer: shopper(shop, customer) for customer in EXPECTED}

    def ask(customer: str) -> tuple[str, str]:
        # A client of its own: what overlaps must be the requests, not the client's locks.
        cookies = dict(visitors[customer].browser.cookies)
        with httpx.Client(base_url=shop.url, cookies=cookies, follow_redirects=True, timeout=60) as client:
            return customer, checkout_of(client.get("/checkout/").text)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, [*EXPECTED] * 10))
    assert {customer: [got for one, got in answers if one == customer] for customer in EXPECTED} == {
        customer: [checkout] * 10 for customer, checkout in EXPECTED.items()
    }
    for visitor in visitors.values():
        visitor.browser.close()


def test_an_order_goes_through_either_checkout(shop: Shop) -> None:
    """The shop works: the old checkout's three steps and the new one's page both end with a thank-you."""
    where = {"name": "Casey", "street": "1 Wharf Rd", "city": "Sydney", "postcode": "2000"}
    with shopper(shop, "user-42") as casey:
        casey.post("/checkout/step/address", "/checkout/step/address", **where)
        casey.post("/checkout/step/payment", "/checkout/step/payment", card="4111 1111 1111 1111")
        assert "Thank you, Casey" in casey.post("/checkout/review", "/checkout/review").text
    with shopper(shop, "ann") as ann:
        refused = ann.post("/checkout/", "/checkout/", **where, card="12")
        assert (refused.status_code, "needs 16 digits; this has 2" in refused.text) == (422, True)
        thanks = ann.post("/checkout/", "/checkout/", **where, card="4111111111111111", gift_wrap="on").text
        assert "wrapped as a gift" in thanks
        assert "$38.60" in thanks  # a glass pot in the sale, and the wrap


def test_a_gated_page_does_not_exist_for_those_outside(shop: Shop) -> None:
    """``flag_required`` answers 404 to Casey and the page to Ann."""
    with shopper(shop, "ann") as ann, shopper(shop, "user-42") as casey:
        assert ann.browser.get("/checkout/gift-wrap").status_code == 200
        assert casey.browser.get("/checkout/gift-wrap").status_code == 404


def test_an_edit_of_the_file_reaches_every_worker_without_a_restart(shop: Shop) -> None:
    """Two workers, one file: after a save both follow, and nobody sees an error on the way."""
    with shopper(shop, "user-42") as casey:
        assert casey.checkout() == "old"
        shop.edit("rollout: 1%", "rollout: 100%")
        # Twenty answers in a row, over new connections, so that both workers are heard.
        seen: list[str] = []

        def settled() -> bool:
            with httpx.Client(base_url=shop.url, cookies=dict(casey.browser.cookies), follow_redirects=True) as client:
                seen.append(checkout_of(client.get("/checkout/").text))
            return seen[-20:] == ["new"] * 20

        wait_for(settled, f"{shop} did not follow the file")
        shop.edit("rollout: 100%", "rollout: 1%")
