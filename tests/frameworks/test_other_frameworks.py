"""Frameworks without an adapter of their own, each for real under a server, behind the plain middleware."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flagmiddleware import Flags
from flagmiddleware.web.overrides import sign
from tests.frameworks.apps import DOCUMENT, SECRET, SITES
from tests.services import HOST, free_port, running, wait_for

ROOT = Path(__file__).parents[2]
AU = {"Accept-Language": "en-AU"}


@pytest.fixture(scope="module", params=sorted(SITES))
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Each framework's site once."""
    port, log = free_port(), tmp_path_factory.mktemp("site") / "log"
    command = [sys.executable, "-m", "tests.frameworks.apps", request.param, str(port)]
    with running(command, port=port, log=log, cwd=ROOT):
        base = f"http://{HOST}:{port}"
        wait_for(lambda: httpx.get(f"{base}/none", timeout=30).status_code == 200, f"{request.param} did not answer")
        yield base


def varies(reply: httpx.Response) -> set[str]:
    """The names in ``Vary``."""
    return {name.strip().lower() for name in reply.headers.get("vary", "").split(",") if name.strip()}


def test_a_view_reaches_its_flags(url: str) -> None:
    """``flags_from`` and ``current_flags()`` are the same object in the view, and answer for this request."""
    assert httpx.get(f"{url}/flag/anz", headers=AU).json() == [True, True]
    assert httpx.get(f"{url}/flag/anz").json() == [False, True]


def test_headers_follow_what_was_read(url: str) -> None:
    """Nothing for a page without flags or with one for all; ``Vary`` for a language; private for a visitor."""
    for path in ("/none", "/flag/live"):
        plain = httpx.get(url + path)
        assert plain.headers["content-type"].startswith("text/")
        assert ("cache-control" in plain.headers, "set-cookie" in plain.headers, varies(plain)) == (False, False, set())
    language = httpx.get(f"{url}/flag/anz", headers=AU)
    assert "accept-language" in varies(language)
    assert "private" not in language.headers.get("cache-control", "")
    rollout = httpx.get(f"{url}/flag/half")
    assert "private" in rollout.headers["cache-control"]
    assert "cookie" in varies(rollout)


def test_a_visitor_keeps_their_answer(url: str) -> None:
    """The signed cookie comes with the first rollout, and the answer stays with it."""
    first = httpx.get(f"{url}/flag/half")
    assert {"HttpOnly", "SameSite=Lax"} <= {part.strip() for part in first.headers["set-cookie"].split(";")}
    cookies = {"flags_visitor": first.cookies["flags_visitor"]}
    for _ in range(3):
        with httpx.Client(cookies=cookies) as visitor:
            again = visitor.get(f"{url}/flag/half")
        assert (again.json(), "set-cookie" in again.headers) == (first.json(), False)


def test_an_override_link_works(url: str) -> None:
    """303 to the page without the token; then the variant, kept by no cache; a forged token changes nothing."""
    token = sign(Flags(DOCUMENT), {"anz": "on"}, host=HOST, keys=[SECRET])
    with httpx.Client() as tester:
        link = tester.get(f"{url}/flag/anz?flags={token}")
        assert (link.status_code, link.headers["location"], link.headers["cache-control"]) == (
            303,
            "/flag/anz",
            "no-store",
        )
        page = tester.get(f"{url}/flag/anz")
        assert page.json() == [True, True]
        assert {"private", "no-store"} <= {part.strip() for part in page.headers["cache-control"].split(",")}
    assert httpx.get(f"{url}/flag/anz?flags=A{token[1:]}").json() == [False, True]


def test_a_stream_is_private(url: str) -> None:
    """A body that reads while it is sent promises caches nothing, and has the request's answer."""
    reply = httpx.get(f"{url}/stream/anz", headers=AU)
    assert reply.json() == [True]
    assert "private" in reply.headers["cache-control"]
