"""Shops for the end-to-end tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

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
