"""Unleash, flagd and RocketFlag servers: their endpoints, headers and payloads, replayed by a small server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flagmiddleware import Context, Flags
from flagmiddleware.errors import ConfigurationError
from flagmiddleware.sources import MemorySource, from_url
from flagmiddleware.sources.cached import cached
from flagmiddleware.sources.env import environment_over
from flagmiddleware.sources.overlay import overlay
from flagmiddleware.sources.signed import signed
from flagmiddleware.sources.wrappers import fallback, readonly
from flagmiddleware.testing.contract_source import document

from .dialects import VENDORS, unleash
from .stores import Web, web

ON, OFF = document(new_checkout=True), document(new_checkout=False)


@pytest.fixture
def server() -> Iterator[Web]:
    with web() as server:
        yield server


def until(ready: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + 10
    while not ready():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


CASES = [
    ("unleash", "/api/client/features", "default:production.s3cret"),
    ("flagd", "/flags.json", "Bearer s3cret"),
    ("rocketflag", "/api/v1/flags", "Bearer s3cret"),
]


@pytest.mark.parametrize(("vendor", "endpoint", "authorization"), CASES)
def test_a_url_is_all_that_it_takes(server: Web, vendor: str, endpoint: str, authorization: str) -> None:
    """The vendor's endpoint is asked with its headers, its dialect is read without being named, a change arrives."""
    translate, path = VENDORS[vendor]
    server.data = translate(ON)
    token = authorization.removeprefix("Bearer ")
    where = f"{vendor}+http://{token}@127.0.0.1:{server.server_port}{path}?interval=0.2"
    flags = Flags(where, refresh=0.05)
    try:
        assert flags.is_enabled("new-checkout", Context("user-1"))
        seen, headers = server.seen[0]
        assert (seen, headers["authorization"]) == (endpoint, authorization)
        assert "s3cret" not in flags.status.source
        server.data = translate(OFF)
        until(lambda: not flags.is_enabled("new-checkout", Context("user-1")), "the change arrived")
        assert 304 in server.statuses or len(server.statuses) == 2
    finally:
        flags.close()


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("unleash+http://t@{}/api?project=shop&app_name=web", "/api/client/features?project=shop"),
        ("unleash+http://t@{}/api/client/features?project=shop", "/api/client/features?project=shop"),
        ("rocketflag+http://t@{}?env=live", "/api/v1/flags?env=live"),
        ("rocketflag+http://t@{}/api/v1/flags?env=live", "/api/v1/flags?env=live"),
        ("flagd+http://t@{}/flags.json?version=2&interval=9", "/flags.json?version=2"),
    ],
)
def test_a_query_stays_a_query(server: Web, url: str, asked: str) -> None:
    """What is the server's own in a URL's query comes after the endpoint; our options are taken out."""
    source = from_url(url.format(f"127.0.0.1:{server.server_port}"))
    source.fetch(None)
    assert server.seen[0][0] == asked


def test_a_query_goes_to_the_event_stream_too(server: Web) -> None:
    """A project is a project there as well."""
    source = from_url(f"unleash+http://t@127.0.0.1:{server.server_port}/api?project=shop&stream=true")
    source.wait(0.2)
    assert server.seen[0][0] == "/api/client/streaming?project=shop"
    source.close()


def test_unleash_is_told_who_asks(server: Web) -> None:
    """The application's name and the client specification go along, and its segments are asked for by that."""
    server.data = unleash(ON)
    from_url(f"unleash+http://t@127.0.0.1:{server.server_port}/api/?app_name=shop").fetch(None)
    headers = server.seen[0][1]
    assert (headers["unleash-appname"], headers["unleash-client-spec"]) == ("shop", "5.2.0")


def test_unleash_streams(server: Web) -> None:
    """With ``stream`` an event brings the change, long before the next poll is due."""
    server.data = unleash(OFF)
    updated = threading.Event()

    def answer(handler: Any) -> None:
        if handler.path == "/api/client/streaming":
            handler.send_response(200)
            handler.send_header("Content-Type", "text/event-stream")
            handler.end_headers()
            handler.wfile.write(b"event: unleash-connected\ndata: {}\n\n")
            updated.wait(10)
            handler.wfile.write(b"event: unleash-updated\ndata: {}\n\n")
            time.sleep(1)
            handler.close_connection = True
        else:
            handler.reply(200, server.data)

    server.answer = answer
    flags = Flags(f"unleash+http://t@127.0.0.1:{server.server_port}/api?stream=true&interval=60", refresh=0.05)
    try:
        until(lambda: flags.plan and any(path.endswith("streaming") for path, _ in server.seen), "it listens")
        server.data = unleash(ON)
        updated.set()
        until(lambda: flags.is_enabled("new-checkout", Context("user-1")), "the event brought the change")
    finally:
        flags.close()


def test_the_pace_is_the_vendors(server: Web) -> None:
    """However short ``refresh`` is, a vendor's server is polled at its own interval, under a cache, too."""
    server.data = unleash(ON)
    source = from_url(f"unleash+http://t@127.0.0.1:{server.server_port}/api")
    flags = Flags(source, refresh=0.01)
    until(lambda: flags.plan and len(server.seen) == 2, "the refresher has begun")
    for _ in range(20):
        time.sleep(0.02)
        assert flags.is_enabled("new-checkout")
    flags.close()
    assert len(server.seen) == 2


@pytest.mark.parametrize("wrapped", ["cached", "overlay", "fallback", "environment", "readonly", "signed"])
def test_wrappers_keep_the_pace(tmp_path: Path, wrapped: str) -> None:
    """Whatever lies around a vendor's source hands its interval on, its limits, and the means to end a fetch."""
    inner = from_url("unleash+https://t@unleash.example.com/api?stream=true")
    local = MemorySource(document())
    source: Any = {
        "cached": lambda: cached(inner, tmp_path / "cache"),
        "overlay": lambda: overlay(inner, local),
        "fallback": lambda: fallback(inner, local),
        "environment": lambda: environment_over(inner, {"FLAG_NEW_CHECKOUT": "on"}),
        "readonly": lambda: readonly(inner),
        "signed": lambda: signed(inner, b"sixteen bytes or more"),
    }[wrapped]()
    assert (source.min_interval, source.start_timeout) == (15, 2)
    assert source.wait == inner.wait
    source.abort()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("unleash+https://unleash.example.com/api", "token is missing"),
        ("rocketflag+https://api.example.com", "token is missing"),
        ("flagd+https://example.com/flags.json?interval=soon", "number of seconds"),
        ("flagd+https://example.com/flags.json?interval=0", "number of seconds"),
        ("unlaesh+https://t@example.com/api", "did you mean unleash"),
    ],
)
def test_what_makes_no_sense_is_refused(url: str, message: str) -> None:
    """A missing token, a bad interval and a misspelt vendor are told at the start, with the cure."""
    with pytest.raises(ConfigurationError, match=message):
        from_url(url)
