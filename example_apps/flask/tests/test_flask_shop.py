"""The Flask shop's own tests: what a team writes that builds on flags."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from flask_shop import create_app
from shopkit.customers import CUSTOMERS

from flagmiddleware import Flags
from flagmiddleware.testing import override_flags

FLAG_FILE = Path(__file__).parents[1] / "flags.yaml"


@pytest.fixture
def client() -> FlaskClient:
    """A browser at the shop."""
    return create_app(TESTING=True, FLAGMIDDLEWARE_SOURCE=FLAG_FILE).test_client()


def send(client: FlaskClient, path: str, **fields: str) -> Any:
    """Send a form, with the session's token."""
    client.get("/account/")
    with client.session_transaction() as session:
        token = session["csrf_token"]
    return client.post(path, data={"csrf_token": token, **fields}, follow_redirects=True)


def heading(answer: Any) -> str:
    """A page's main heading."""
    return re.findall("<h1>(.*?)</h1>", answer.text)[0]


@pytest.mark.parametrize(("on", "title"), [(True, "Check out on one page"), (False, "Check out in three steps")])
def test_the_flag_decides_the_checkout(client: FlaskClient, on: bool, title: str) -> None:
    """Both checkouts are tested, whatever the flag file says today."""
    send(client, "/basket/add", slug="glass-pot")
    with override_flags({"new-checkout": on}):
        assert heading(client.get("/checkout/", follow_redirects=True)) == title


def test_the_sale_takes_a_fifth_off_pots(client: FlaskClient) -> None:
    """The catalogue, the basket and the sum follow one flag."""
    send(client, "/basket/add", slug="glass-pot")
    for on, price in ((True, "$33.60"), (False, "$42.00")):
        with override_flags({"summer-sale": on}):
            assert price in client.get("/").text
            assert price in client.get("/basket/").text


@pytest.mark.parametrize("colour", ["blue", "green", "orange"])
def test_every_colour_of_the_button_can_be_read(client: FlaskClient, colour: str) -> None:
    """White on each variant has the contrast of 4.5 : 1 that WCAG's level AA asks for."""
    send(client, "/basket/add", slug="glass-pot")
    with override_flags({"checkout-button": colour}):
        shown = re.findall(r"--button: (#\w{6})", client.get("/basket/").text)[0]
    assert shown == Flags(FLAG_FILE).ruleset.flags["checkout-button"].variants[colour]
    assert 1.05 / (luminance(shown) + 0.05) >= 4.5


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_everybody_to_try_can_sign_in_by_password(client: FlaskClient) -> None:
    """And nobody with another password."""
    for customer in CUSTOMERS:
        answer = send(client, "/account/sign-in", email=customer.email, password="demo")
        assert f"You are {customer.name}" in answer.text
        send(client, "/account/sign-out")
    assert send(client, "/account/sign-in", email="ann@yourcompany.com", password="guess").status_code == 422


def test_a_form_without_its_token_is_refused(client: FlaskClient) -> None:
    """Nobody is signed in or out, and no basket filled, by another site's form."""
    for path in ("/account/sign-in", "/basket/add", "/account/country"):
        assert client.post(path, data={"as": "ann", "slug": "glass-pot"}).status_code == 400


def test_odd_orders_are_refused(client: FlaskClient) -> None:
    """Unknown products and absurd quantities leave the basket alone; an empty basket has no checkout."""
    send(client, "/basket/add", slug="yacht")
    for quantity in ("-1", "100", "x", ""):
        send(client, "/basket/change", slug="glass-pot", quantity=quantity)
    assert "It is empty" in client.get("/basket/").text
    assert heading(client.get("/checkout/", follow_redirects=True)) == "Your basket"
    assert client.get("/product/yacht").status_code == 404


def test_every_flag_in_the_code_exists() -> None:
    """``flask flags check`` is content."""
    app = create_app(FLAGMIDDLEWARE_SOURCE=FLAG_FILE)
    assert app.test_cli_runner().invoke(args=["flags", "check"]).exit_code == 0
