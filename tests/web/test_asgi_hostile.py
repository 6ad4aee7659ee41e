"""Hostile requests against an ASGI application: no failure, no injected header, nobody in another's cohort."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagmiddleware import Flags
from flagmiddleware.asgi import FlagMiddleware, flags_from
from flagmiddleware.web.signing import Signer

from .clients import ASGISite, asgi_call, asgi_scope

KEY = "a secret key of the tests"
FLAGS = Flags(
    {
        "version": 1,
        "flags": {
            "ip": {"rules": [{"if": {"ip": "203.0.113.7"}, "serve": True}]},
            "staff": {"rules": [{"if": {"is_staff": True}, "serve": True}]},
            "half": {"rules": [{"rollout": "50%"}]},
            "qa": {"qa": True},
            "country": {"rules": [{"if": {"country": "AU"}, "serve": True}]},
            "language": {"rules": [{"if": {"language": {"starts_with": "en"}, "user_agent": "x"}, "serve": True}]},
        },
    }
)


async def page(scope: Any, receive: Any, send: Any) -> None:
    found = flags_from(scope).all()
    body = ",".join(key for key, evaluation in found.items() if evaluation.is_enabled).encode()
    headers = [(b"content-length", str(len(body)).encode()), (b"cache-control", b"public, max-age=60")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


APP = FlagMiddleware(
    page, flags=FLAGS, secret_keys=[KEY], trusted_proxies=1, headers={"country": "x-country"}, debug_header=True
)

NAMES = st.sampled_from(
    b"cookie host x-forwarded-for accept-language user-agent x-country authorization sec-fetch-mode sec-fetch-dest "
    b"x-requested-with flags_visitor".split()
)
VALUES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [b"flags_visitor=", b"flags_override=", b"203.0.113.7", b"\r\nSet-Cookie: a=b", b"AU\x00", b"\xff" * 99]
    ),
    st.builds(lambda value: b"flags_visitor=" + value, st.binary(max_size=100)),
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8), st.binary(max_size=60))
def test_any_headers_and_query(headers: list[tuple[bytes, bytes]], query: bytes) -> None:
    """Law: any bytes in headers and query give a page; no answer header has a line end; nobody becomes staff or QA."""
    scope = asgi_scope("/", {})
    scope["headers"], scope["query_string"] = headers, query
    reply = asyncio.run(asgi_call(APP, scope))
    if reply.status == 303:  # `flags=` alone: forget the override
        assert b"flags=" in query
    else:
        assert reply.status == 200
        assert not {"staff", "qa"} & set(reply.text.split(","))
        assert "private" in reply.header("cache-control")
    assert all("\r" not in value and "\n" not in value for _, value in reply.headers)


@given(st.text(max_size=50), st.binary(max_size=100))
def test_any_path(path: str, raw: bytes) -> None:
    """Any path is served, lone surrogates included."""
    scope = asgi_scope("/", {})
    scope["path"], scope["raw_path"], scope["query_string"] = "/" + path, raw, b"flags="
    assert asyncio.run(asgi_call(APP, scope)).status == 303
    scope["query_string"] = b""
    assert asyncio.run(asgi_call(APP, scope)).status == 200


def test_split_and_repeated_headers_are_joined() -> None:
    """HTTP/2 splits cookies, proxies repeat X-Forwarded-For: both are one value, in order."""
    token = Signer([KEY], "flagmiddleware.visitor").sign("A" * 22).encode()
    scope = asgi_scope("/", {})
    scope["headers"] = [
        (b"cookie", b"a=b"),
        (b"x-forwarded-for", b"203.0.113.7"),
        (b"cookie", b"flags_visitor=" + token),
        (b"x-forwarded-for", b"198.51.100.1"),
    ]
    reply = asyncio.run(asgi_call(APP, scope))
    assert reply.set_cookies() == []
    assert "ip" not in reply.text.split(",")


def test_late_private_read_in_a_public_stream() -> None:
    """A stream that promised caches to hold nothing personal holds nothing personal: the late read serves off."""
    seen: list[Any] = []

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        here = flags_from(scope)
        here.preload("country")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        seen.append(here.evaluate("ip"))
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        seen.append(here.is_enabled("language"))  # afterwards, in the background, anything may be read
        seen.append(here.evaluate("language").error_code)

    app = FlagMiddleware(stream, flags=FLAGS, headers={"country": "x-country"}, shared_vary=["x-country"])
    reply = ASGISite(app).get("/", {"Accept-Language": "en", "User-Agent": "x"})
    assert reply.varies_on == {"x-country"}
    assert reply.header("cache-control") == ""
    assert (seen[0].variant, seen[0].error_code) == ("off", "INVALID_CONTEXT")
    assert seen[1:] == [True, None]


@pytest.mark.parametrize("key", [None, "country", "half"])
def test_headers_may_be_any_iterable(key: str | None) -> None:
    """The standard asks for an iterable, and Sanic's is a generator: no header of the application is lost."""

    async def once(scope: Any, receive: Any, send: Any) -> None:
        if key:
            flags_from(scope).evaluate(key)
        pairs = iter([(b"content-type", b"text/plain"), (b"content-length", b"0"), (b"x-own", b"1")])
        await send({"type": "http.response.start", "status": 200, "headers": pairs})
        await send({"type": "http.response.body", "body": b""})

    reply = ASGISite(FlagMiddleware(once, flags=FLAGS, secret_keys=[KEY])).get("/")
    assert [name for name, _ in reply.headers[:3]] == ["content-type", "content-length", "x-own"]
    assert len(reply.set_cookies()) == (key == "half")
