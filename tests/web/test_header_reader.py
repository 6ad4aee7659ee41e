"""Headers are found by readers that are made once for each name; both ways to ask must answer alike."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from flagmiddleware import Flags
from flagmiddleware.asgi import ASGIFacts, FlagMiddleware, flags_from
from flagmiddleware.web.facts import Facts

SCOPE: dict[str, Any] = {
    "headers": [
        (b"x-country", b"AU"),
        (b"accept", b"a"),
        (b"cookie", b"a=1"),
        (b"accept", b"b"),
        (b"cookie", b"b=2"),
        (b"x-name", b"zo\xeb"),
        (b"x-empty", b""),
    ]
}
WANTED = [
    ("X-Country", "AU"),
    ("x-country", "AU"),
    ("Accept", "a, b"),
    ("Cookie", "a=1; b=2"),
    ("X-Name", "zoë"),
    ("X-Empty", ""),
    ("X-Missing", None),
]


@pytest.mark.parametrize(("name", "value"), WANTED)
def test_asgi_reader_finds_joins_and_decodes(name: str, value: str | None) -> None:
    """Any spelling finds the header, repeated ones are joined, a missing one is None, and `header` says the same."""
    facts = ASGIFacts()
    assert facts.header_reader(name)(SCOPE) == value
    assert facts.header(SCOPE, name) == value == ASGIFacts().header(SCOPE, name)


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize(
    "values", [[], [b""], [b" au "], [b"", b"au"], [b"au", b"nz"], [b"x" * 4096], [b"x" * 4097], [b"zo\xeb"], [b" "]]
)
def test_asgi_attributes_are_what_every_adapter_makes_of_a_header(values: list[bytes], upper: bool) -> None:
    """Reading and tidying in one says the same as reading, then tidying: trimmed, bounded, joined, None where empty."""
    facts = ASGIFacts()
    context = SimpleNamespace(request={"headers": [(b"accept", b"a"), *((b"x-country", value) for value in values)]})
    plain = Facts.attribute_reader(facts, "X-Country", upper=upper)
    assert facts.attribute_reader("X-Country", upper=upper)(context) == plain(context)


def test_asgi_readers_are_as_many_as_names() -> None:
    """Asking again makes no further reader, however many requests do."""
    facts = ASGIFacts()
    for _ in range(3):
        facts.header(SCOPE, "x-country")
        facts.header({"headers": []}, "x-country")
    assert len(facts._readers) == 1


@pytest.mark.parametrize(("name", "key"), [("X-Country", "HTTP_X_COUNTRY"), ("content-type", "CONTENT_TYPE")])
def test_flask_reader_asks_the_environment(name: str, key: str) -> None:
    """A reader looks where WSGI keeps the header, the two that are named otherwise included, and `header` agrees."""
    flask = pytest.importorskip("flask", reason="the adapter's framework is not installed")
    from flagmiddleware.flask.facts import FlaskFacts

    facts = FlaskFacts(flask.Flask("app"))
    request, other = {key: "AU"}, {}
    read = facts.header_reader(name)
    assert (read(request), read(other)) == ("AU", None)
    assert (facts.header(request, name), facts.header(other, name)) == ("AU", None)


def drive(app: Any, scope: dict[str, Any]) -> list[Any]:
    """What the application sends; nothing in it waits."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    call = app(scope, None, send)
    with pytest.raises(StopIteration):
        call.send(None)
    return sent


def request_scope(**more: Any) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], **more}


START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}


def test_a_request_ends_without_the_garbage_collector() -> None:
    """What a server sends with knows the scope, as uvicorn's does, and is gone with the request whoever read flags."""

    class Sender:
        def __init__(self, scope: Any) -> None:
            self.scope = scope

        async def __call__(self, message: Any) -> None:
            pass

    async def app(scope: Any, receive: Any, send: Any) -> None:
        flags_from(scope).is_enabled("a")
        await send(dict(START))

    middleware = FlagMiddleware(app, flags=Flags({"version": 1, "flags": {"a": {"rules": [{"serve": True}]}}}))
    scope = request_scope()
    sender = Sender(scope)
    gone = weakref.ref(sender)
    gc.disable()
    try:
        with pytest.raises(StopIteration):
            middleware(scope, None, sender).send(None)
        del sender, scope
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("more", [{}, {"state": None}, {"state": {}}])
def test_a_server_without_state_gets_one(more: dict[str, Any]) -> None:
    """Servers without lifespan state leave it out or leave it empty; the flags are there all the same."""
    seen: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(flags_from(scope).is_enabled("a"))
        await send(dict(START))

    flags = Flags({"version": 1, "flags": {"a": {"rules": [{"serve": True}]}}})
    drive(FlagMiddleware(app, flags=flags), request_scope(**more))
    assert seen == [True]


@pytest.mark.parametrize(("authorization", "vary"), [(None, b"Cookie"), (b"", b"Cookie, Authorization")])
def test_authorization_is_asked_for_again_when_the_policy_is_known(authorization: bytes | None, vary: bytes) -> None:
    """That another request read the same attributes says nothing about this one's Authorization, empty or not."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        flags_from(scope).is_enabled("a")
        await send(dict(START))

    rules = [{"if": {"user": "ann"}, "serve": True}]
    middleware = FlagMiddleware(app, flags=Flags({"version": 1, "flags": {"a": {"rules": rules}}}))
    drive(middleware, request_scope())
    headers = [] if authorization is None else [(b"authorization", authorization)]
    (start,) = drive(middleware, request_scope(headers=headers))
    assert dict(start["headers"])[b"vary"] == vary
