"""What people do in a browser: open a page without any cookies, become somebody, buy something."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, expect

__all__ = ["become", "buy", "page_of"]


@contextmanager
def page_of(browser: Browser, url: str) -> Iterator[Page]:
    """A page of somebody without any cookies."""
    context = browser.new_context(base_url=url)
    yield context.new_page()
    context.close()


def become(page: Page, name: str) -> None:
    """Press the button of one of the people to try."""
    page.goto("/account/")
    page.get_by_role("button", name=f"Be {name}").click()
    expect(page.get_by_role("heading", name=f"You are {name}")).to_be_visible()


def buy(page: Page) -> None:
    """Put a pot into the basket, from the catalogue on."""
    page.goto("/")
    page.get_by_role("link", name="Glass Pot").click()
    page.get_by_role("button", name="Add to the basket").click()
    expect(page.get_by_role("heading", name="Your basket")).to_be_visible()
