"""The adapter contract on Starlette."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from flagmiddleware import Flags
from flagmiddleware.testing.contract_adapter import AdapterContract, Site
from tests.web.clients import PEER, ASGISite

from .pages import make_app


class Driver:
    """Starlette with its own AuthenticationMiddleware."""

    peer = PEER

    def make(self, flags: Flags, settings: Mapping[str, Any], hook: Callable[[], None]) -> Site:
        return ASGISite(make_app(hook, flags=flags, **settings))


class TestStarletteContract(AdapterContract):
    @pytest.fixture
    def driver(self) -> Driver:
        return Driver()
