"""The QA panel of the Flask and the Starlette shop in headless Chromium, under their real servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.people import become, buy, page_of
from tests.e2e.shops import USUAL, Shop, open_shop
from tests.e2e.test_accessibility import violations

pytestmark = pytest.mark.browser

PANEL = "/staff/flags"


@pytest.fixture(scope="module", params=[pair for pair in USUAL if pair[0] != "django"], ids=lambda pair: pair[0])
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, migrated: Callable[[], Path]
) -> Iterator[Shop]:
    """Each of the two once."""
    with open_shop(*request.param, tmp_path_factory.mktemp("panel"), migrated) as running:
        yield running


@pytest.fixture
def staff(browser: Browser, shop: Shop) -> Iterator[Page]:
    """The panel, open before Ann, who works there."""
    with page_of(browser, shop.url) as page:
        become(page, "Ann")
        page.goto(PANEL)
        expect(page.get_by_role("heading", name="QA overrides", level=1)).to_be_visible()
        yield page


def bar(page: Page) -> None:
    """The page says that an override is in force."""
    expect(page.get_by_role("status", name="QA override")).to_contain_text("checkout-button: orange")


def test_for_staff_only(browser: Browser, shop: Shop) -> None:
    """A stranger and a customer are refused."""
    with page_of(browser, shop.url) as page:
        for name in (None, "Casey"):
            if name is not None:
                become(page, name)
            answer = page.goto(PANEL)
            assert answer is not None
            assert answer.status == 403


def test_no_barrier(staff: Page) -> None:
    """axe finds nothing in the form, its mistakes, a link and an override in force; no policy blocks the style."""
    said: list[str] = []
    staff.on("console", lambda message: said.append(message.text))
    assert violations(staff) == [], "form"
    staff.get_by_role("button", name="Make a link").click()
    expect(staff.get_by_role("alert")).to_have_text("Choose a variant for at least one flag.")
    assert violations(staff) == [], "mistakes"
    staff.get_by_label("checkout-button").select_option("orange")
    staff.get_by_role("button", name="Make a link").click()
    expect(staff.get_by_role("link", name="This link shows")).to_be_visible()
    assert violations(staff) == [], "link"
    staff.get_by_role("button", name="Use in this browser").click()
    expect(staff.get_by_role("button", name="Stop overriding")).to_be_visible()
    assert violations(staff) == [], "override"
    assert staff.locator(".fm-qa button").first.evaluate("button => getComputedStyle(button).minHeight") == "44px"
    assert [text for text in said if "Content Security Policy" in text and "style" in text] == []


def test_here_and_back(staff: Page) -> None:
    """Ann sees the variant in her browser with the bar, until she stops it."""
    staff.get_by_label("checkout-button").select_option("orange")
    staff.get_by_role("button", name="Use in this browser").click()
    buy(staff)
    bar(staff)
    staff.goto(PANEL)
    staff.get_by_role("button", name="Stop overriding").click()
    expect(staff.get_by_role("button", name="Stop overriding")).to_have_count(0)
    staff.goto("/basket/")
    expect(staff.get_by_role("status", name="QA override")).to_have_count(0)


def test_a_link_for_a_tester(browser: Browser, shop: Shop, staff: Page) -> None:
    """The link that Ann makes shows the variant to somebody without an account, whose address bar holds no token."""
    staff.get_by_label("checkout-button").select_option("orange")
    staff.get_by_label("Page that a link leads to").fill("/delivery")
    staff.get_by_role("button", name="Make a link").click()
    link = staff.get_by_role("link", name="This link shows").get_attribute("href")
    assert link is not None
    with page_of(browser, shop.url) as tester:
        tester.goto(link)
        assert tester.url == f"{shop.url}/delivery"
        bar(tester)
        tester.get_by_role("link", name="Stop").click()
        expect(tester.get_by_role("status", name="QA override")).to_have_count(0)
