"""Views behind a shut gate look like no views: for every method, without their slash, whatever is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.shortcuts import redirect
from django.test import AsyncClient, Client
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.common import no_append_slash
from django.views.decorators.http import require_POST
from rest_framework.authentication import BaseAuthentication
from rest_framework.decorators import action, api_view, authentication_classes
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from flagmiddleware.django import FlagRequiredMixin, flag_path, flag_re_path, flag_required
from flagmiddleware.django.drf import flag_permission

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


@method_decorator(flag_required("lit"), name="dispatch")
@method_decorator(flag_required("dark"), name="post")
class OfTwoMinds(View):
    """A class behind an open gate, one of whose methods is behind a shut one."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return redirect("/open/")

    def post(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("posted")


@flag_required("lit")
class Shelf(Books):
    """The same as a viewset: one action is behind a shut gate."""

    def list(self, request: Any) -> Response:
        return Response("what is this?", 400)

    @method_decorator(flag_required("dark"))
    def create(self, request: Any) -> Response:
        return Response("made")


shelf = SimpleRouter()
shelf.register("shelf", Shelf, basename="shelf")


class Naming(BaseAuthentication):
    """Takes a header for it."""

    def authenticate(self, request: Any) -> Any:
        name = request.headers.get("X-User")
        return (Named(name), None) if name else None


class Named(NamedTuple):
    pk: str
    is_authenticated: bool = True


class Choosing(Api):
    """Says by itself who may do what."""

    def get_permissions(self) -> list[Any]:
        return [self.permission_classes[0]()] if self.request.method == "GET" else []


class Acting(Books):
    @action(detail=False, permission_classes=[flag_permission("dark")])
    def extra(self, request: Any) -> Response:
        return Response("extra")


class ActingInTheLight(Books):
    @action(detail=False, permission_classes=[flag_permission("lit")])
    def extra(self, request: Any) -> Response:
        return Response("extra")


def rest_views(key: str) -> list[Any]:
    router = SimpleRouter()
    router.register("of-action", Acting if key == "dark" else ActingInTheLight, basename=f"{key}-acting")
    permitted = {"permission_classes": [flag_permission(key)]}
    return [
        path("under/", api_view(["GET"])(flag_required(key)(page))),
        path("permitted/", type("Permitted", (Api,), permitted).as_view()),
        path("chosen/", type("Chosen", (Choosing,), permitted).as_view()),
        path("", include(router.urls)),
    ]


def on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The site's own page, which shows what a 404.html may show."""
    shown = f"{type(exception).__name__} {[each for each in exception.args if isinstance(each, str)]} {on_loop()}"
    return HttpResponseNotFound(shown)


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
    path("minds/", OfTwoMinds.as_view()),
    path("dark/async-post/", require_POST(flag_required("dark")(apage))),
    path("", include(shelf.urls)),
    path("rest/dark/", include(rest_views("dark"))),
    path("rest/lit/", include(rest_views("lit"))),
    path("rest/under-ann/", api_view(["GET"])(authentication_classes([Naming])(flag_required("for-ann")(page)))),
    path(
        "rest/permitted-ann/",
        Api.as_view(authentication_classes=[Naming], permission_classes=[flag_permission("for-ann")]),
    ),
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


@pytest.mark.django_db
def test_a_gate_on_one_method_hides_that_method() -> None:
    """What other methods of a view class, or other actions of a viewset, refuse or redirect is their own answer."""
    asked = [
        ("GET", "minds"),
        ("POST", "minds"),
        ("PUT", "minds"),
        ("GET", "shelf"),
        ("HEAD", "shelf"),
        ("POST", "shelf"),
    ]
    answers = [Client().generic(method, f"/{place}/").status_code for method, place in asked]
    assert answers == [302, 404, 405, 400, 400, 404]


REST = ["under/", "permitted/", "chosen/", "of-action/extra/"]


@pytest.mark.usefixtures("_order")
@pytest.mark.parametrize("place", [*REST[:2], REST[3], *(each[:-1] for each in REST if each != "chosen/")])
@pytest.mark.django_db
def test_gates_that_only_rest_framework_asks(place: str) -> None:
    """A gate under ``@api_view`` and one among permissions hide their view as any other does."""
    for method in METHODS:
        for headers in ({}, {"Accept": "image/png"}):
            missing = _without_headers(Client(headers=headers).generic(method, "/missing"))
            assert _without_headers(Client(headers=headers).generic(method, f"/rest/dark/{place}")) == missing, method


@pytest.mark.usefixtures("_order")
@pytest.mark.parametrize("place", REST)
@pytest.mark.django_db
def test_open_gates_that_only_rest_framework_asks(place: str) -> None:
    """While the flag is on, REST framework answers, and Django has its redirect."""
    client = Client()
    asked = ["GET", "OPTIONS", "PATCH"]
    assert [client.generic(method, f"/rest/lit/{place}").status_code for method in asked] == [200, 200, 405]
    assert client.get(f"/rest/lit/{place[:-1]}")["Location"] == f"/rest/lit/{place}"


@pytest.mark.django_db
def test_a_class_that_chooses_its_permissions() -> None:
    """Of a class with a ``get_permissions`` of its own nobody knows which hold: its refusals stay, and name no flag."""
    assert Client().patch("/rest/dark/chosen/").status_code == 405
    refused = Client().get("/rest/dark/chosen/")
    assert (refused.status_code, refused.json()) == (404, {"detail": "Not found."})


def curious(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """A middleware that reads the flag before anybody is authenticated."""

    def ask(request: Any) -> Any:
        request.flags.is_enabled("for-ann")
        return get_response(request)

    return ask


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.django_db
def test_who_is_let_in_by_a_token(settings: Any, early: bool) -> None:
    """What REST framework refuses somebody whom it has authenticated meanwhile is told to them."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, *([f"{__name__}.curious"] if early else [])]
    for place in ("under-ann", "permitted-ann"):
        for user, status in (("ann", 405), ("bob", 404)):
            assert Client(headers={"X-User": user}).patch(f"/rest/{place}/").status_code == status, (place, user)


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


@pytest.mark.django_db
def test_the_page_of_an_asynchronous_404() -> None:
    """The site's 404 page runs off the loop, as Django has it: it may ask the database."""

    async def ask() -> list[Any]:
        client = AsyncClient()
        return [_without_headers(await client.get(each)) for each in ("/missing", "/dark/async-post/")]

    missing, dark = asyncio.run(ask())
    assert dark == missing == (404, b"Resolver404 [] False", None, None)
