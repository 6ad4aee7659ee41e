"""The Starlette shop's own tests: what a team writes that builds on flags."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette_shop import create_app

from flagmiddleware.testing import override_flags


@pytest.fixture
def client() -> Iterator[TestClient]:
    """A browser at the shop."""
    with TestClient(create_app()) as client:
        yield client


def send(client: TestClient, path: str, **fields: str) -> Any:
    """Send a form, with the session's token."""
    token = re.findall(r'name="csrf_token" value="(.*?)"', client.get("/account/").text)[0]
    return client.post(path, data={"csrf_token": token, **fields})


def heading(answer: Any) -> str:
    """A page's main heading."""
    return re.findall("<h1>(.*?)</h1>", answer.text)[0]


@pytest.mark.parametrize(("on", "title"), [(True, "Check out on one page"), (False, "Check out in three steps")])
def test_the_flag_decides_the_checkout(client: TestClient, on: bool, title: str) -> None:
    """Both checkouts are tested, whatever the flag file says today."""
    send(client, "/basket/add", slug="glass-pot")
    with override_flags({"new-checkout": on}):
        assert heading(client.get("/checkout/")) == title


def test_the_api_and_the_pages_agree_on_the_price(client: TestClient) -> None:
    """The mounted FastAPI sees the flags of the outer application."""
    for on, cents, price in ((True, 3360, "$33.60"), (False, 4200, "$42.00")):
        with override_flags({"summer-sale": on}):
            assert client.get("/api/products/glass-pot").json()["cents"] == cents
            assert price in client.get("/product/glass-pot").text


def test_the_api_gates_by_dependency(client: TestClient) -> None:
    """``Depends(flag_required(…))`` answers 404 while the flag is off, 200 while it is on."""
    for on, status in ((False, 404), (True, 200)):
        with override_flags({"gift-wrap": on}):
            assert client.get("/api/gift-wrap").status_code == status


def test_a_form_without_its_token_is_refused(client: TestClient) -> None:
    """Nobody is signed in or out, and no basket filled, by another site's form."""
    for path in ("/account/sign-in", "/basket/add", "/account/country"):
        assert client.post(path, data={"as": "ann", "slug": "glass-pot"}).status_code == 400


def test_odd_orders_are_refused(client: TestClient) -> None:
    """Unknown products and absurd quantities leave the basket alone; an empty basket has no checkout."""
    send(client, "/basket/add", slug="yacht")
    for quantity in ("-1", "100", "x", ""):
        send(client, "/basket/change", slug="glass-pot", quantity=quantity)
    assert "It is empty" in client.get("/basket/").text
    assert heading(client.get("/checkout/")) == "Your basket"
    assert client.get("/product/yacht").status_code == 404
