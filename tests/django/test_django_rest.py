"""Gates on Django REST framework's views, which know their user only after they have authenticated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from rest_framework.authentication import BaseAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from flagmiddleware import ConfigurationError
from flagmiddleware.django import FlagRequiredMixin, flag_path, flag_required, flags_from
from flagmiddleware.django.drf import flag_permission


class Caller:
    is_authenticated = True
    is_active = True

    def __init__(self, pk: str) -> None:
        self.pk = pk


class Token(BaseAuthentication):
    """``Authorization: Token ann`` is ann."""

    def authenticate(self, request: Any) -> Any:
        scheme, _, name = request.headers.get("Authorization", "").partition(" ")
        return (Caller(name), name) if scheme == "Token" else None

    def authenticate_header(self, request: Any) -> str:
        return "Token"


class Nobody(BasePermission):
    def has_permission(self, request: Any, view: Any) -> bool:
        return False


class Api(APIView):
    authentication_classes = [Token]  # noqa: RUF012 - REST framework's interface
    permission_classes: list[Any] = []  # noqa: RUF012

    def get(self, request: Any, **kwargs: Any) -> Response:
        return Response("api")


@flag_required("for-ann")
class Decorated(Api):
    pass


class Mixed(FlagRequiredMixin, Api):
    flag_required = "for-ann"


@flag_required("for-ann")
class Forbidden(Api):
    permission_classes = [Nobody]  # noqa: RUF012


class Permitted(Api):
    permission_classes = [flag_permission("for-ann")]  # noqa: RUF012


class Refused(Api):
    permission_classes = [IsAuthenticated, flag_permission("for-ann", status=403)]  # noqa: RUF012


@flag_required("for-ann", otherwise=lambda request, **kwargs: HttpResponse("old"))
class Otherwise(Api):
    pass


@flag_required("for-ann", redirect_to="/elsewhere")
class Away(Api):
    pass


@flag_required("for-ann")
class Books(ViewSet):
    authentication_classes = [Token]  # noqa: RUF012
    permission_classes: list[Any] = []  # noqa: RUF012

    def list(self, request: Any) -> Response:
        return Response("books")

    def retrieve(self, request: Any, pk: str) -> Response:
        return Response(pk)


@api_view()
@authentication_classes([Token])
@permission_classes([])
@flag_required("for-ann")
def under(request: Any) -> Response:
    return Response("under")


@flag_required("for-ann")
@api_view()
@authentication_classes([Token])
@permission_classes([])
def over(request: Any) -> Response:
    """Over."""
    return Response("over")


class Early(Api):
    """Something read flags before anybody was authenticated, as a middleware may."""

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        self.before = [request.flags.is_enabled(key) for key in ("for-ann", "for-path")]
        self.evaluation = request.flags.evaluate("for-path")
        return super().initialize_request(request, *args, **kwargs)

    def get(self, request: Any, **kwargs: Any) -> Response:
        here = flags_from(request)
        return Response([*self.before, here.is_enabled("for-ann"), here.evaluate("for-path") is self.evaluation])


@method_decorator(flag_required("for-ann"), name="dispatch")
class ByMethod(Api):
    """Django's own way to decorate a class."""


class Unasked(Api):
    """Leaves out what REST framework does before a view."""

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: nobody is authenticated."""


class Plain(Api):
    """An asynchronous function in the place of REST framework's own, as libraries for asynchronous views make it."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        async def view(request: Any) -> HttpResponse:
            return HttpResponse("served")

        view.cls = cls  # type: ignore[attr-defined]
        return view


router = SimpleRouter()
router.register("books", Books, basename="books")

urlpatterns = [
    path("decorated", Decorated.as_view()),
    path("mixed", Mixed.as_view()),
    path("forbidden", Forbidden.as_view()),
    path("permitted", Permitted.as_view()),
    path("refused", Refused.as_view()),
    path("otherwise", Otherwise.as_view()),
    path("away", Away.as_view()),
    path("under", under),
    path("over", over),
    path("by-method", ByMethod.as_view()),
    flag_path("members", login_required(Api.as_view()), flag="for-all"),
    flag_path("in/", include([path("members", login_required(Api.as_view()))]), flag="for-all"),
    path("never-kept", flag_required("for-all")(never_cache(Api.as_view()))),
    path("unasked", flag_required("for-ann")(Unasked.as_view())),
    path("plain", flag_required("for-ann")(Plain.as_view())),
    path("plain-for-all", flag_required("for-all")(Plain.as_view())),
    path("early", flag_required("for-ann")(Early.as_view())),
    flag_path("by-path", Api.as_view(), flag="for-ann"),
    flag_path("included/", include([path("api", Api.as_view())]), flag="for-ann"),
    path("", include(router.urls)),
]


@pytest.fixture(autouse=True)
def _site(settings: Any, install: Callable[..., Any]) -> None:
    settings.ROOT_URLCONF = __name__
    install(
        {
            "for-ann": {"rules": [{"if": {"user": "ann"}, "serve": True}]},
            "for-all": {"rules": [{"serve": True}]},
            "for-path": {"rules": [{"if": {"path": "/early"}, "serve": True}]},
        }
    )


def get(url: str, name: str = "") -> Any:
    headers = {"Authorization": f"Token {name}"} if name else {}
    response = Client(headers=headers).get(url)
    return (
        response.json()
        if response["Content-Type"] == "application/json" and response.status_code == 200
        else (response.content.decode() if response.status_code == 200 else response.status_code)
    )


@pytest.mark.parametrize(
    ("url", "opened", "shut"),
    [
        ("/decorated", "api", 404),
        ("/mixed", "api", 404),
        ("/permitted", "api", 404),
        ("/refused", "api", 403),
        ("/otherwise", "api", "old"),
        ("/away", "api", 302),
        ("/under", "under", 404),
        ("/over", "over", 404),
        ("/by-path", "api", 404),
        ("/included/api", "api", 404),
        ("/by-method", "api", 404),
        ("/books/", "books", 404),
        ("/books/7/", "7", 404),
    ],
)
@pytest.mark.django_db
def test_gate_after_authentication(url: str, opened: Any, shut: Any) -> None:
    """The gate decides for whom the token belongs to, not for the anonymous user of Django's middleware."""
    assert get(url, "ann") == opened
    assert get(url, "bob") == shut


@pytest.mark.django_db
def test_gate_before_permissions() -> None:
    """Who may not pass does not learn from a 403 that the page exists; who may pass meets the permissions."""
    assert get("/forbidden", "bob") == 404
    assert get("/forbidden", "ann") == 403


@pytest.mark.django_db
def test_rebinding() -> None:
    """What read no user attribute stays as it was decided; what did is decided again after authentication."""
    assert get("/early", "ann") == [False, True, True, True]


@pytest.mark.django_db
def test_token_users_vary() -> None:
    """An answer for the owner of a token is private and varies on the token's header too."""
    response = Client(headers={"Authorization": "Token ann"}).get("/decorated")
    assert "private" in response["Cache-Control"]
    assert {"Authorization", "Cookie"} <= {name.strip() for name in response["Vary"].split(",")}


def test_over_keeps_the_view() -> None:
    """Over ``@api_view``, the view keeps its class's name and text and stays exempt from CSRF checks, as it must."""
    assert (over.cls.__name__, over.cls.__doc__, over.csrf_exempt) == ("over", "Over.", True)


@pytest.mark.parametrize("url", ["/unasked", "/plain"])
@pytest.mark.django_db
def test_a_gate_that_nobody_asked_is_shut_all_the_same(url: str) -> None:
    """A view that never authenticates, synchronous or not, is judged by who is known: it is not simply served."""
    assert get(url) == 404


@pytest.mark.django_db
def test_an_asynchronous_rest_view_stays_one() -> None:
    """Where the gate is open, the view is awaited as before."""
    assert Client().get("/plain-for-all").content == b"served"


@pytest.mark.parametrize("url", ["/members", "/in/members"])
@pytest.mark.django_db
def test_over_other_decorators(url: str) -> None:
    """A gate over ``login_required`` over a view of REST framework's leaves that in force."""
    assert get(url) == 302


@pytest.mark.django_db
def test_over_a_decorator_of_the_response() -> None:
    """What a decorator below the gate does to the response is done."""
    assert "no-store" in Client().get("/never-kept")["Cache-Control"]


def test_permission_mistakes() -> None:
    """A permission cannot answer for itself and says so."""
    with pytest.raises(ConfigurationError, match="use flag_required"):
        flag_permission("for-ann", redirect_to="/")
