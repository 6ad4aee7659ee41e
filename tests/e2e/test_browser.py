"""Each shop in headless Chromium: signing in, cookies, the edit-and-reload promise, override links, a cache between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from flagmiddleware import Flags
from flagmiddleware.web.overrides import sign
from tests.e2e.people import become, buy, page_of
from tests.e2e.shops import USUAL, Shop, open_shop
from tests.e2e.test_proxy_cache import SITE, ZONE
from tests.services import nginx_server

pytestmark = pytest.mark.browser

SECRET = "a secret for the tests only, long enough"


@pytest.fixture(scope="module", params=USUAL, ids=lambda pair: pair[0])
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, migrated: Callable[[], Path]
) -> Iterator[Shop]:
    """Each shop once."""
    with open_shop(*request.param, tmp_path_factory.mktemp("shop"), migrated) as running:
        yield running


def check_out(page: Page, heading: str) -> None:
    """Follow the button of the basket, and see which checkout comes."""
    page.goto("/basket/")
    page.get_by_role("link", name="Check out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)


def test_signing_in_decides_the_checkout(browser: Browser, shop: Shop) -> None:
    """Ann buys on one page and gets a receipt; signed out and in as Casey, it is three steps."""
    with page_of(browser, shop.url) as page:
        become(page, "Ann")
        buy(page)
        check_out(page, "Check out on one page")
        page.get_by_role("button", name="Place the order").click()
        expect(page.get_by_role("alert")).to_have_text("5 answers need another look.")
        for label in ("Full name", "Street and number", "Town or city", "Postcode"):
            page.get_by_label(label).fill("Ann")
        page.get_by_label("Card number").fill("4111 1111 1111 1111")
        page.get_by_label("Wrap it as a gift").check()
        page.get_by_role("button", name="Place the order").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Thank you, Ann")
        page.goto("/account/")
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("Email address").fill("casey@example.com")
        page.get_by_label("Password").fill("demo")
        page.get_by_role("button", name="Sign in").click()
        buy(page)
        check_out(page, "Check out in three steps")


def test_a_visitor_keeps_their_colour(browser: Browser, shop: Shop) -> None:
    """Without signing in, a signed cookie that no script can read keeps the split's answer; the catalogue sets none."""
    with page_of(browser, shop.url) as page:
        page.goto("/")
        assert page.context.cookies() == []
        buy(page)
        page.wait_for_load_state("load")  # its style sheet, too
        button = page.get_by_role("link", name="Check out")
        colour = button.evaluate("element => getComputedStyle(element).backgroundColor")
        (cookie,) = [cookie for cookie in page.context.cookies() if cookie["name"] == "flags_visitor"]
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Lax", False)
        assert page.evaluate("document.cookie").count("flags_visitor") == 0
        for _ in range(3):
            page.reload()
            assert button.evaluate("element => getComputedStyle(element).backgroundColor") == colour


def test_edit_the_file_and_reload(browser: Browser, shop: Shop) -> None:
    """The banner goes and comes with the file, within a few seconds and without a restart."""
    with page_of(browser, shop.url) as page:
        page.goto("/")
        banner = page.get_by_role("region", name="Sale")
        expect(banner).to_be_visible()
        shop.edit("public: true ", "enabled: false\n    public: true ")
        assert settles(page, lambda: banner.count() == 0)
        shop.edit("enabled: false\n    public: true ", "public: true ")
        assert settles(page, lambda: banner.count() == 1)


def settles(page: Page, done: Callable[[], bool]) -> bool:
    """Reload until something holds five times in a row (there are two workers), or ten seconds have passed."""
    deadline, held = time.monotonic() + 10, 0
    while held < 5 and time.monotonic() < deadline:
        page.reload()
        held = held + 1 if done() else 0
    return held == 5


def test_an_override_link_shows_the_new_checkout_until_it_is_stopped(browser: Browser, shop: Shop) -> None:
    """The link's token leaves the address bar, a bar tells the tester, and one click ends it."""
    with page_of(browser, shop.url) as page:
        become(page, "Casey")
        buy(page)
        check_out(page, "Check out in three steps")
        host = shop.url.removeprefix("http://")
        token = sign(Flags(shop.flag_file), {"new-checkout": "on"}, host=host, keys=[SECRET])
        page.goto(f"/basket/?flags={token}")
        assert page.url == f"{shop.url}/basket/"
        bar = page.get_by_role("status", name="QA override")
        expect(bar).to_contain_text("new-checkout: on")
        check_out(page, "Check out on one page")
        page.get_by_role("link", name="Stop").click()
        expect(bar).to_have_count(0)
        check_out(page, "Check out in three steps")


def test_a_tampered_link_does_nothing(browser: Browser, shop: Shop) -> None:
    """A token for another site, or one letter off, shows the ordinary page."""
    with page_of(browser, shop.url) as page:
        become(page, "Casey")
        buy(page)
        host = shop.url.removeprefix("http://")
        flags = Flags(shop.flag_file)
        good = sign(flags, {"new-checkout": "on"}, host=host, keys=[SECRET])
        elsewhere = sign(flags, {"new-checkout": "on"}, host="other.test", keys=[SECRET])
        for token in (("A" if good[0] != "A" else "B") + good[1:], elsewhere):
            page.goto(f"/basket/?flags={token}")
            expect(page.get_by_role("status", name="QA override")).to_have_count(0)
            check_out(page, "Check out in three steps")


def test_two_people_behind_one_cache_see_their_own_pages(browser: Browser, shop: Shop) -> None:
    """Ann and Casey browse through the same nginx cache, one after the other, and back."""
    with (
        nginx_server(SITE.format(shop=shop.url), http=ZONE) as proxy,
        page_of(browser, proxy) as ann,
        page_of(browser, proxy) as casey,
    ):
        for page, name in ((ann, "Ann"), (casey, "Casey")):
            become(page, name)
            buy(page)
        for _ in range(2):
            check_out(ann, "Check out on one page")
            check_out(casey, "Check out in three steps")
        answer = casey.goto("/")
        assert answer is not None
        assert answer.headers["x-cache"] == "HIT"


def test_pages_are_labelled(browser: Browser, shop: Shop) -> None:
    """Every field has a label, every page one main heading and a language, and nothing is cut off on a phone."""
    with page_of(browser, shop.url) as page:
        page.set_viewport_size({"width": 360, "height": 740})
        become(page, "Ann")
        buy(page)
        for path in ("/", "/delivery", "/product/glass-pot", "/basket/", "/checkout/", "/account/"):
            page.goto(path)
            expect(page.get_by_role("heading", level=1)).to_have_count(1)
            assert page.locator("html").get_attribute("lang") == "en"
            fields = page.locator("input:not([type=hidden]), select")
            assert [label for label in fields.evaluate_all(LABELS) if not label] == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


LABELS = "all => all.map(field => field.getAttribute('aria-label') || [...field.labels].map(l => l.textContent).join())"
