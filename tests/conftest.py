"""Fixtures for all areas: where the shared cases lie, and the real servers of :mod:`tests.services`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import services

ROOT = Path(__file__).parents[1]

# No deadline: a test may not depend on how busy the machine is.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2_000)
# For measuring coverage, where each example costs five times as much: few, and the same ones in every run.
settings.register_profile("few", settings.get_profile("default"), max_examples=25, derandomize=True)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")
settings.load_profile(PROFILE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the profile ``few`` also win over tests that ask for more examples themselves."""
    if PROFILE != "few":
        return
    for function in {item.function for item in items if isinstance(item, pytest.Function)}:
        own = getattr(function, "_hypothesis_internal_use_settings", None)
        if own is not None:
            few = min(own.max_examples, settings.get_profile("few").max_examples)
            function._hypothesis_internal_use_settings = settings(
                own, max_examples=few, derandomize=True, database=None
            )


@pytest.fixture(scope="session")
def conformance() -> Path:
    """The folder of shared conformance cases (FLAGMIDDLEWARE_CONFORMANCE)."""
    folder = Path(os.environ.get("FLAGMIDDLEWARE_CONFORMANCE") or ROOT.parent / "shared" / "conformance")
    return folder if folder.is_dir() else services.missing(f"the folder of conformance cases ({folder})")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Redis for the session (for each worker): use keys of your own."""
    with services.redis_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL for the session (for each worker): use schemas or tables of your own."""
    with services.postgres_server() as url:
        yield url


@pytest.fixture
def nginx() -> Iterator[Callable[..., str]]:
    """``nginx(server_directives, http="")`` starts a real nginx and returns its base URL."""
    with ExitStack() as stack:
        yield lambda server, **options: stack.enter_context(services.nginx_server(server, **options))


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Debian's Chromium, for Playwright's ``executable_path``."""
    return services.program("chromium")


@pytest.fixture(scope="session")
def chromedriver_path() -> str:
    """The driver that belongs to :func:`chromium_path`."""
    return services.program("chromedriver")


@pytest.fixture(scope="session")
def chromium_arguments() -> list[str]:
    """The switches that make Chromium start quietly in CI: no sandbox under root, no calls home."""
    quiet = ["background-networking", "component-update", "sync", "gpu", "quic", "dev-shm-usage"]
    return ["--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{feature}" for feature in quiet)]
