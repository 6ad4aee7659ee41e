"""What ``flags explain`` says about the demo's file is what the demo's pages show."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.shops import USUAL, Shop, Visitor, open_shop

PEOPLE = {
    "ann": {"email": "ann@yourcompany.com", "is_staff": "true", "country": "DE", "plan": "free"},
    "user-1": {"email": "alex@example.com", "country": "AU", "plan": "pro"},
    "user-2": {"email": "billie@example.com", "country": "AU", "plan": "pro"},
    "user-42": {"email": "casey@example.com", "country": "US", "plan": "free"},
}
FLAGS = ("new-checkout", "checkout-button", "summer-sale", "gift-wrap")


@pytest.fixture(scope="module", params=USUAL, ids=lambda pair: pair[0])
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, migrated: Callable[[], Path]
) -> Iterator[Shop]:
    """Each shop once."""
    with open_shop(*request.param, tmp_path_factory.mktemp("shop"), migrated) as running:
        yield running


def explain(shop: Shop, key: str, user: str, **attributes: str) -> str:
    """The variant that the command line explains."""
    pairs = [f"{name}={value}" for name, value in attributes.items()]
    command = ["-m", "flagmiddleware", "explain", key, "--source", str(shop.flag_file), "--user", user, *pairs]
    done = subprocess.run(
        [sys.executable, *command, "--format", "json"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    variant = json.loads(done.stdout)["result"]["variant"]
    assert isinstance(variant, str)
    return variant


def shown(visitor: Visitor) -> dict[str, str]:
    """What the basket and the checkout say they were told."""
    return visitor.decided("/basket/") | visitor.decided("/checkout/") | visitor.decided("/checkout/")


@pytest.mark.parametrize("user", PEOPLE)
def test_the_pages_show_what_explain_says(shop: Shop, user: str) -> None:
    """For every person to try: each flag that a page asked serves the variant that the command explains."""
    with Visitor(shop.url) as visitor:
        visitor.become(user)
        visitor.buy()
        found = shown(visitor)
        said = {key: explain(shop, key, user, **PEOPLE[user]) for key in FLAGS}
        assert {"checkout-button", "summer-sale"} <= set(found)
        assert found == {key: said[key] for key in found}
        assert visitor.checkout() == {"on": "new", "off": "old"}[said["new-checkout"]]
        wrap = visitor.browser.get("/checkout/gift-wrap").status_code
        assert wrap == {"on": 200, "off": 404}[said["gift-wrap"]]


def test_pretending_to_be_elsewhere_changes_both_alike(shop: Shop) -> None:
    """The country of the session's selector, and of the proxy's header without one, are those of the context."""
    with Visitor(shop.url) as visitor:
        visitor.become("user-1")
        visitor.buy()
        visitor.post("/account/", "/account/country", country="US")
        told = explain(shop, "new-checkout", "user-1", **PEOPLE["user-1"] | {"country": "US"})
        assert (told, visitor.checkout()) == ("off", "old")
        visitor.post("/account/", "/account/country", country="")
        assert visitor.checkout() == "old"
        visitor.browser.headers["X-Country"] = "NZ"
        told = explain(shop, "new-checkout", "user-1", **PEOPLE["user-1"] | {"country": "NZ"})
        assert (told, visitor.checkout()) == ("on", "new")


def test_the_demo_file_has_nothing_to_complain_about(shop: Shop) -> None:
    """``flags lint`` is content with each shop's file, its own examples included."""
    command = [sys.executable, "-m", "flagmiddleware", "lint", str(shop.flag_file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
