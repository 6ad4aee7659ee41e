"""Views behind a shut gate look like no views: for every method, without their slash, whatever is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import include, path
from django.views import View
from django.views.decorators.common import no_append_slash
from django.views.decorators.http import require_POST
from rest_framework.authentication import BaseAuthentication
from rest_framework.decorators import api_view
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from flagmiddleware.django import FlagRequiredMixin, flag_path, flag_re_path, flag_required

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "PURGE"]


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("page")


async def apage(request: HttpRequest) -> HttpResponse:
    return HttpResponse("page")


class Classy(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("page")


class AsyncClassy(View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("page")


class Refusing(BaseAuthentication):
    """Knows no token at all."""

    def authenticate(self, request: Any) -> None:
        if "Authorization" in request.headers:
            raise AuthenticationFailed

    def authenticate_header(self, request: Any) -> str:
        return "Token"


class Api(APIView):
    authentication_classes = [Refusing]  # noqa: RUF012 - REST framework's interface
    permission_classes: list[Any] = []  # noqa: RUF012
    renderer_classes = [JSONRenderer]  # noqa: RUF012
    parser_classes = [JSONParser]  # noqa: RUF012

    def get(self, request: Any) -> Response:
        return Response("api")


class Careless(Api):
    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        """Leaves out what REST framework does before a view."""


class Books(ViewSet, Api):
    def list(self, request: Any) -> Response:
        return Response("books")


def views(key: str) -> list[Any]:
    gate = flag_required(key)
    mixed = {"flag_required": key}
    router = SimpleRouter()
    router.register("books", gate(type("Gated", (Books,), {})), basename=f"{key}-books")
    return [
        path("function/", gate(page)),
        path("async/", gate(apage)),
        path("two/", flag_required("lit")(gate(page))),
        path("class/", gate(type("Gated", (Classy,), {})).as_view()),
        path("async-class/", gate(type("Gated", (AsyncClassy,), {})).as_view()),
        path("mixed/", type("Mixed", (FlagRequiredMixin, Classy), mixed).as_view()),
        path("rest/", gate(type("Gated", (Api,), {})).as_view()),
        path("rest-careless/", gate(type("Gated", (Careless,), {})).as_view()),
        path("rest-mixed/", type("Mixed", (FlagRequiredMixin, Api), mixed).as_view()),
        path("rest-over/", gate(api_view(["GET"])(page))),
        path("rest-view/", gate(Api.as_view())),
        flag_path("path/", page, flag=key),
        flag_re_path("^re-path/$", page, flag=key),
        flag_path("include/", include([path("page/", page), path("rest/", Api.as_view())]), flag=key),
        path("", include(router.urls)),
    ]


PLACES = [
    "function/", "async/", "two/", "class/", "async-class/", "mixed/", "rest/", "rest-careless/", "rest-mixed/",
    "rest-over/", "rest-view/", "path/", "re-path/", "include/page/", "include/rest/", "books/",
]  # fmt: skip

urlpatterns = [
    path("dark/", include(views("dark"))),
    path("lit/", include(views("lit"))),
    path("dark/post/", require_POST(flag_required("dark")(page))),
    path("dark/members/", login_required(flag_required("dark")(page))),
    path("for-ann/members/", login_required(flag_required("for-ann")(page))),
    path("for-ann/post/", require_POST(flag_required("for-ann")(page))),
    path("for-ann/rest/", flag_required("for-ann")(Api.as_view())),
    path("open/", page),
    path("unwanted/", flag_required("lit")(no_append_slash(page))),
    path("elsewhere/", flag_required("dark", redirect_to="/open/")(page)),
]


@pytest.fixture(autouse=True)
def _site(settings: Any, install: Callable[..., Any]) -> None:
    settings.ROOT_URLCONF = __name__
    for_ann = {"rules": [{"if": {"user": "ann"}, "serve": True}]}
    install({"lit": {"rules": [{"serve": True}]}, "dark": {}, "for-ann": for_ann})


@pytest.fixture(params=[False, True], ids=["inside", "outside"])
def _order(request: Any, settings: Any) -> None:
    """The middleware inside of Django's own, and outside of all."""
    if request.param:
        settings.MIDDLEWARE = [settings.MIDDLEWARE[-1], *settings.MIDDLEWARE[:-1]]


def _without_headers(response: Any) -> Any:
    return response.status_code, response.content, response.headers.get("Allow"), response.headers.get("Location")


@pytest.mark.usefixtures("_order")
@pytest.mark.parametrize("place", [*PLACES, *(place[:-1] for place in PLACES)])
@pytest.mark.django_db
def test_a_dark_view_looks_like_none(place: str) -> None:
    """Whatever is asked of a view behind a shut gate is answered like a path that is not there, by the same page."""
    for method in METHODS:
        missing = _without_headers(Client().generic(method, "/missing"))
        assert _without_headers(Client().generic(method, f"/dark/{place}")) == missing, method


@pytest.mark.parametrize("place", ["rest/", "rest-mixed/", "rest-over/", "rest-view/", "include/rest/", "books/"])
@pytest.mark.parametrize(
    "headers", [{"Authorization": "Token bad"}, {"Accept": "image/png"}, {"Content-Type": "text/odd"}], ids=str
)
@pytest.mark.django_db
def test_bad_requests_tell_nothing(place: str, headers: dict[str, str]) -> None:
    """Credentials, media types and bodies that REST framework refuses before the gate are a 404 as well."""
    dark = Client(headers=headers).post(f"/dark/{place}", b"{", content_type=headers.get("Content-Type", "text/plain"))
    assert _without_headers(dark) == _without_headers(Client(headers=headers).post("/missing"))


@pytest.mark.django_db
def test_decorators_over_a_gate_tell_nothing() -> None:
    """What a decorator over the gate, or the check of CSRF tokens, refuses of a dark view is a 404 as well."""
    missing = _without_headers(Client().get("/missing"))
    for method, place in [("GET", "post/"), ("GET", "members/"), ("OPTIONS", "post/")]:
        assert _without_headers(Client().generic(method, f"/dark/{place}")) == missing
    checked = Client(enforce_csrf_checks=True)
    assert _without_headers(checked.post("/dark/function/")) == missing
    assert checked.post("/lit/function/").status_code == 403


@pytest.mark.django_db
def test_who_could_be_let_in_is_asked_to_sign_in() -> None:
    """Where signing in could open the gate, an answer that asks for credentials stays; any other tells nothing."""
    assert Client().get("/for-ann/members/").status_code == 302
    assert Client().get("/for-ann/post/").status_code == 404
    assert Client(headers={"Authorization": "Token expired"}).get("/for-ann/rest/").status_code == 401
    assert Client().get("/for-ann/rest/").status_code == 404


@pytest.mark.usefixtures("_order")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.django_db
def test_an_open_view_answers_as_ever(place: str) -> None:
    """While the flag is on there is the page, its OPTIONS and the redirect from the path without its slash."""
    client = Client()
    assert client.get(f"/lit/{place}").status_code == 200
    moved = client.get(f"/lit/{place[:-1]}?a=b")
    assert (moved.status_code, moved["Location"]) == (301, f"/lit/{place}?a=b")
    if "class" in place or "rest" in place:
        assert client.options(f"/lit/{place}").status_code == 200
        assert client.delete(f"/lit/{place}").status_code == 405 or "include" in place or "careless" in place


@pytest.mark.usefixtures("_order")
@pytest.mark.django_db
def test_redirects_of_other_views_stay() -> None:
    """Views without a gate, those that want no redirect, and gates that do not hide are left to Django."""
    client = Client()
    assert client.get("/open")["Location"] == "/open/"
    assert client.get("/unwanted").status_code == 404
    assert client.get("/elsewhere")["Location"] == "/elsewhere/"


def test_no_redirect_without_the_setting(settings: Any) -> None:
    """Where Django would not append a slash, nobody does."""
    settings.APPEND_SLASH = False
    assert Client().get("/lit/function").status_code == 404
    settings.APPEND_SLASH = True
    settings.MIDDLEWARE = ["flagmiddleware.django.FlagMiddleware"]
    assert Client().get("/lit/function").status_code == 404


@pytest.mark.django_db
def test_asynchronous() -> None:
    """The same under ASGI."""

    async def ask() -> list[Any]:
        client = AsyncClient()
        asked = ["/dark/async", "/dark/async-class/", "/lit/async", "/lit/async-class"]
        return [(await client.get(each)).status_code for each in asked]

    assert asyncio.run(ask()) == [404, 404, 301, 301]
