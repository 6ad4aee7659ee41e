"""The traps of flag packages (see tests/web/test_traps.py) as a Django site would meet them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory
from django.urls import path

from flagmiddleware import Flags
from flagmiddleware.django import flag_required, flags_from
from flagmiddleware.testing import override_flags
from tests.web.clients import ASGISite, WSGISite, asgi_scope

FLAGS: dict[str, Any] = {
    "live": {"rules": [{"serve": True}]},
    "dark": {"qa": True},
    "half": {"rules": [{"rollout": "50%"}]},
    "ip": {"rules": [{"if": {"ip": "203.0.113.7"}, "serve": True}]},
    "beta": {"rules": [{"if": {"groups": "beta"}, "serve": True}]},
    "gamma": {"rules": [{"if": {"groups": "gamma"}, "serve": True}]},
}
made: list[str] = []

# Django closes old connections at the start and the end of a request, which counts as using the database.
served = pytest.mark.django_db


def read(request: HttpRequest, key: str) -> HttpResponse:
    return HttpResponse(str(request.flags.is_enabled(key)))


async def view(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0)
    return HttpResponse("awaited")


def parts() -> Iterator[bytes]:
    for number in range(3):
        made.append(f"made {number}")
        yield str(number).encode()


async def aparts() -> Any:
    for part in parts():
        yield part


def stream(request: HttpRequest) -> StreamingHttpResponse:
    request.flags.is_enabled("half")
    return StreamingHttpResponse(parts())


async def astream(request: HttpRequest) -> StreamingHttpResponse:
    request.flags.is_enabled("half")
    return StreamingHttpResponse(aparts())


urlpatterns = [
    path("read/<key>", read),
    path("open", flag_required("live")(view)),
    path("shut", flag_required("dark", otherwise=view)(lambda request: HttpResponse("open"))),
    path("stream", stream),
    path("astream", astream),
]


@pytest.fixture(autouse=True)
def site(settings: Any, install: Callable[..., Flags]) -> Flags:
    """The URLs of this file, and its flags."""
    made.clear()
    settings.ROOT_URLCONF = __name__
    return install(FLAGS)


@served
def test_trap_3_state_of_an_application_on_a_module(install: Callable[..., Flags]) -> None:
    """Settings are asked for, not remembered: other settings, another cookie and other flags."""
    assert WSGISite(WSGIHandler()).get("/read/half").header("set-cookie").strip().startswith("flags_visitor=")
    install({"half": {"rules": [{"rollout": "50%"}]}}, COOKIE_NAME="other")
    reply = WSGISite(WSGIHandler()).get("/read/half")
    assert reply.header("set-cookie").strip().startswith("other=")
    assert WSGISite(WSGIHandler()).get("/read/live").text == "False"


@pytest.mark.django_db
def test_trap_7_a_user_without_groups(django_user_model: Any, django_assert_num_queries: Any) -> None:
    """The empty set of groups is asked for once a request, not once a flag."""
    ann = django_user_model.objects.create_user(id="ann", username="ann")
    Group.objects.create(name="beta")
    request = RequestFactory().get("/")
    request.user = ann
    here = flags_from(request)
    with django_assert_num_queries(1):
        assert [here.is_enabled(key) for key in ("beta", "gamma", "beta")] == [False] * 3


@served
def test_trap_8_the_first_forwarded_address(install: Callable[..., Flags]) -> None:
    """X-Forwarded-For counts from the right, by as many proxies as were declared."""
    spoofed = {"X-Forwarded-For": "203.0.113.7, 198.51.100.1"}
    for proxies, answer in ((0, "False"), (1, "False"), (2, "True")):
        install(FLAGS, TRUSTED_PROXIES=proxies)
        assert WSGISite(WSGIHandler()).get("/read/ip", spoofed).text == answer


@served
def test_trap_9_cookies_that_scripts_can_read() -> None:
    """HttpOnly and SameSite=Lax."""
    (cookie,) = WSGISite(WSGIHandler()).get("/read/half").set_cookies()
    assert {"HttpOnly", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}


def test_trap_9_test_helpers_that_write_to_the_database() -> None:
    """``override_flags``, for one user too, works where pytest-django forbids every query."""
    with override_flags({"dark": True}):
        assert Client().get("/read/dark").content == b"True"
    with override_flags({"dark": True}, user="ann"):
        assert Client().get("/read/dark").content == b"False"


def test_trap_flags_flipped_by_a_get() -> None:
    """What django-waffle takes from a query and keeps in a cookie changes nothing here."""
    client = Client()
    for query in ("dwft_dark=1", "dark=on", "flags=dark:on"):
        reply = client.get(f"/read/dark?{query}")
        assert (reply.content, len(reply.cookies)) == (b"False", 0)
    client.cookies["dwf_dark"] = "True"
    assert client.get("/read/dark").content == b"False"


@served
def test_trap_streaming_bodies_that_are_buffered() -> None:
    """Under WSGI and under ASGI each part leaves before the next is made."""

    def start(status: str, headers: Any, *rest: Any) -> None: ...

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/stream", "SERVER_NAME": "shop", "SERVER_PORT": "80"}
    body = WSGIHandler()({**environ, "wsgi.input": BytesIO(), "wsgi.url_scheme": "http"}, start)
    for part in body:
        made.append(f"sent {part.decode()}")
    body.close()
    expected = [f"{what} {number}" for number in range(3) for what in ("made", "sent")]
    assert made == expected
    made.clear()

    async def send(message: Any) -> None:
        if message.get("body"):
            made.append(f"sent {message['body'].decode()}")

    asked: list[int] = []

    async def receive() -> Any:
        if asked:
            await asyncio.Event().wait()
        asked.append(1)
        return {"type": "http.request", "body": b"", "more_body": False}

    asyncio.run(ASGIHandler()(asgi_scope("/astream", {"Host": "shop.example"}), receive, send))
    assert made == expected


@served
def test_trap_all_anonymous_users_in_one_bucket() -> None:
    """Forty people without an account are forty people."""
    assert {WSGISite(WSGIHandler()).get("/read/half").text for _ in range(40)} == {"True", "False"}


@served
@pytest.mark.parametrize("server", [WSGISite, ASGISite])
def test_trap_async_views_that_are_not_awaited(server: Any) -> None:
    """An asynchronous view behind a gate, or in its ``otherwise``, is awaited under either server."""
    site = server(WSGIHandler() if server is WSGISite else ASGIHandler())
    assert [site.get(address).text for address in ("/open", "/shut")] == ["awaited", "awaited"]
