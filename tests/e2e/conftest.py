"""Shops for the end-to-end tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.shops import Shop, migrate, open_shop


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """``migrated()``: a filled database for the Django shop, made once and only if somebody opens that shop."""
    return cache(lambda: migrate(tmp_path_factory.mktemp("migrated")))


@pytest.fixture
def start(tmp_path: Path, migrated: Callable[[], Path]) -> Iterator[Callable[[str, str], Shop]]:
    """``start(app, server)`` opens a shop for one test."""
    with ExitStack() as stack:
        yield lambda app, server: stack.enter_context(open_shop(app, server, tmp_path, migrated))


@pytest.fixture(scope="module")
def browser(chromium_path: str, chromium_arguments: list[str]) -> Iterator[Browser]:
    """Chromium, once for a file: while it runs, this thread can have no other event loop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=chromium_arguments)
        yield browser
        browser.close()
