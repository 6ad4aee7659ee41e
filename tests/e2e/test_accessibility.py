"""axe-core's WCAG 2.1 A and AA rules over every page that people see, in headless Chromium: no violations."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from click.testing import CliRunner
from playwright.sync_api import Browser, Page, expect

from flagmiddleware import Flags
from flagmiddleware.cli import flags as command_line
from flagmiddleware.web.overrides import sign
from tests.e2e.people import become, buy, page_of
from tests.e2e.shops import USUAL, Shop, open_shop
from tests.release.scripted import ScriptedRepository, instant
from tests.services import HOST, free_port, running, wait_for

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
SECRET = "a secret for the tests only, long enough"


def violations(page: Page) -> list[Any]:
    """What axe finds wrong on the page that is open: rule, and the elements that break it."""
    found = Axe().run(page, options={**RULES, "resultTypes": ["violations"]}).response
    assert len(found["passes"]) > 2, "axe found hardly anything to look at"
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]


@pytest.fixture(scope="module", params=USUAL, ids=lambda pair: pair[0])
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, migrated: Callable[[], Path]
) -> Iterator[Shop]:
    """Each shop once."""
    with open_shop(*request.param, tmp_path_factory.mktemp("shop"), migrated) as running:
        yield running


def test_the_shops_pages(browser: Browser, shop: Shop) -> None:
    """Signed out, and as somebody of the new checkout: catalogue, product, basket, checkout, login, account, 404."""
    with page_of(browser, shop.url) as page:
        for path in ("/", "/delivery", "/product/glass-pot", "/basket/", "/account/", "/no-such-page"):
            page.goto(path)
            assert violations(page) == [], path
        become(page, "Ann")
        assert violations(page) == [], "signed in"
        buy(page)
        for path in ("/basket/", "/checkout/", "/checkout/gift-wrap"):
            page.goto(path)
            assert violations(page) == [], path
        page.goto("/checkout/")
        page.get_by_role("button", name="Place the order").click()
        expect(page.get_by_role("alert")).to_be_visible()
        assert violations(page) == [], "a form with mistakes"
        for label in ("Full name", "Street and number", "Town or city", "Postcode"):
            page.get_by_label(label).fill("Ann")
        page.get_by_label("Card number").fill("4111 1111 1111 1111")
        page.get_by_role("button", name="Place the order").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Thank you, Ann")
        assert violations(page) == [], "the receipt"


def test_the_shops_old_checkout_and_banner(browser: Browser, shop: Shop) -> None:
    """The three steps, a wrong password, the gate's 404, and a page with the tester's bar."""
    with page_of(browser, shop.url) as page:
        page.goto("/account/")
        page.get_by_label("Email address").fill("casey@example.com")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        assert violations(page) == [], "a wrong password"
        become(page, "Casey")
        buy(page)
        for path in ("/checkout/", "/checkout/step/payment", "/checkout/review", "/checkout/gift-wrap"):
            page.goto(path)
            assert violations(page) == [], path
        token = sign(
            Flags(shop.flag_file), {"new-checkout": "on"}, host=shop.url.removeprefix("http://"), keys=[SECRET]
        )
        page.goto(f"/basket/?flags={token}")
        expect(page.get_by_role("status", name="QA override")).to_be_visible()
        assert violations(page) == [], "the bar"


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Django site with our pages in its admin; its URL."""
    folder, port = tmp_path_factory.mktemp("admin"), free_port()
    environment = {**os.environ, "DATABASE": str(folder / "db.sqlite3")}
    command = [sys.executable, "-m", "tests.e2e.admin_site", str(port)]
    with running(command, port=port, log=folder / "log", cwd=ROOT, env=environment):
        url = f"http://{HOST}:{port}"
        wait_for(lambda: httpx.get(f"{url}/admin/login/", timeout=30).status_code == 200, "the admin did not answer")
        yield url


@pytest.fixture
def staff(browser: Browser, admin: str) -> Iterator[Page]:
    """A page of the site's superuser."""
    with page_of(browser, admin) as page:
        page.goto("/admin/login/?next=/admin/")
        page.get_by_label("Username").fill("ann")
        page.get_by_label("Password").fill("demo")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="Site administration")).to_be_visible()
        yield page


STORE = "/admin/flagmiddleware_store"


def test_the_admins_pages(staff: Page) -> None:
    """The list of flags, one flag, its mistakes, a new one, the question why, segments and policy, and the history."""
    staff.goto(f"{STORE}/storedflag/")
    assert violations(staff) == [], "list"
    staff.get_by_label("Select this object for an action - banner").check()
    staff.locator("select[name=action]").select_option("kill_flags")
    staff.get_by_role("button", name="Run").or_(staff.get_by_role("button", name="Go")).click()  # "Go" until Django 5.2
    expect(staff.get_by_role("heading", name="Kill 1 flag(s)")).to_be_visible()
    assert violations(staff) == [], "why"
    staff.goto(f"{STORE}/storedflag/")
    staff.get_by_role("link", name="banner").click()
    assert violations(staff) == [], "change"
    staff.get_by_role("button", name="Save", exact=True).click()
    expect(staff.get_by_text("Please correct the error")).to_be_visible()
    assert violations(staff) == [], "change with mistakes"
    staff.goto(f"{STORE}/storedflag/add/")
    assert violations(staff) == [], "add"
    staff.goto(f"{STORE}/storestate/")
    assert violations(staff) == [], "segments and policy, listed"
    staff.locator("#result_list th a").first.click()
    assert violations(staff) == [], "segments and policy"
    staff.goto(f"{STORE}/historyentry/")
    assert violations(staff) == [], "history"
    staff.locator("#result_list th a").first.click()
    assert violations(staff) == [], "one entry of the history"


def test_the_admins_qa_panel(staff: Page) -> None:
    """In Django's admin: the form, its mistakes, a link, and an override in force."""
    staff.goto("/admin/qa/")
    panel(staff, "new-checkout", "on")


def test_the_shops_qa_panels(browser: Browser, shop: Shop) -> None:
    """The same panel on a page of its own, in each framework's way."""
    with page_of(browser, shop.url) as page:
        become(page, "Ann")
        page.goto("/staff/flags")
        panel(page, "new-checkout", "off")


def panel(page: Page, key: str, variant: str) -> None:
    """Walk through the panel that is open."""
    assert violations(page) == [], "form"
    page.get_by_role("button", name="Make a link").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert violations(page) == [], "mistakes"
    page.get_by_label(key).select_option(variant)
    page.get_by_role("button", name="Make a link").click()
    expect(page.get_by_role("link", name="This link shows")).to_be_visible()
    assert violations(page) == [], "link"
    page.get_by_label(key).select_option(variant)
    page.get_by_role("button", name="Use in this browser").click()
    expect(page.get_by_role("button", name="Stop overriding")).to_be_visible()
    assert violations(page) == [], "override"


def test_the_admins_pages_in_the_dark(staff: Page) -> None:
    """Django's admin follows the system's colours, and what we add to it keeps its contrast in the dark too."""
    staff.emulate_media(color_scheme="dark")
    for path in (f"{STORE}/storedflag/", f"{STORE}/historyentry/", "/admin/qa/"):
        staff.goto(path)
        assert violations(staff) == [], path


FLAG_FILE = """\
version: 1
flags:
  new-checkout:
    owner: [product, engineering]
    risk: {technical: high, business: high}
    rules: [{rollout: 1%}]
  banner:
    owner: [product]
    risk: {technical: low, business: low}
    rules: [{serve: true}]
  search:
    owner: [engineering]
    risk: {technical: high, business: low}
    rules: [{rollout: 5%}]
  colour:
    owner: [product]
    risk: {technical: low, business: high}
  unplaced: {}
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a few weeks of releases and deployments."""
    made = ScriptedRepository(tmp_path / "shop")
    made.commit(FLAG_FILE, "flags", at=instant("2026-01-05T10:00"))
    made.git("tag", "v1")
    made.commit(FLAG_FILE.replace("1%", "5%"), "five", at=instant("2026-01-13T10:00"))
    made.git("tag", "v2")
    made.commit(FLAG_FILE.replace("1%", "25%"), "more", at=instant("2026-01-20T10:00"))
    monkeypatch.chdir(made.root)
    monkeypatch.delenv("FLAGMIDDLEWARE_SOURCE", raising=False)
    monkeypatch.setattr("flagmiddleware.cli.bench.Bench.now", staticmethod(lambda: instant("2026-02-01T00:00")))
    return made.root


@pytest.mark.parametrize("command", ["matrix", "dora"])
def test_reports_in_html(browser: Browser, repository: Path, command: str) -> None:
    """``flags matrix`` and ``flags dora`` make pages that can be mailed or put on a wiki."""
    done = CliRunner().invoke(command_line, [command, "--format", "html"])
    assert done.exit_code == 0, done.output
    (repository / "report.html").write_text(done.stdout)
    with page_of(browser, f"file://{repository}/") as page:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.goto(f"file://{repository}/report.html")
            assert violations(page) == [], scheme
            assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light dark"
