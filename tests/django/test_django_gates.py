"""Gates on functions, asynchronous functions, classes and URL patterns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction
from django.http import Http404, HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import include, path, reverse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import TemplateView

from flagmiddleware import ConfigurationError
from flagmiddleware.django import FlagRequiredMixin, flag_path, flag_re_path, flag_required, flags_from
from flagmiddleware.testing import override_flags


def page(request: HttpRequest, word: str = "new") -> HttpResponse:
    """A page."""
    return HttpResponse(word)


async def apage(request: HttpRequest, word: str = "new") -> HttpResponse:
    return HttpResponse(word)


def old(request: HttpRequest, word: str = "") -> HttpResponse:
    return HttpResponse(f"old{word}")


async def aold(request: HttpRequest, word: str = "") -> HttpResponse:
    return HttpResponse(f"aold{word}")


class OldView(View):
    def get(self, request: HttpRequest, word: str = "") -> HttpResponse:
        return HttpResponse("old class")


class Shop(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("shop")


@flag_required("new-checkout")
class Decorated(Shop):
    pass


class Mixed(FlagRequiredMixin, Shop):
    flag_required = "new-checkout"


class MixedAny(FlagRequiredMixin, TemplateView):
    flag_options = {"any": ["new-checkout", "dark"], "status": 403}  # noqa: RUF012 - as a site writes it

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return HttpResponse("any")


class AsyncMixed(FlagRequiredMixin, View):
    flag_required = "for-ann"
    flag_options = {"otherwise": aold}  # noqa: RUF012 - as a site writes it

    async def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("async class")


@method_decorator(flag_required("for-ann", otherwise=old), name="dispatch")
class AsyncByMethod(View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("async class")


@method_decorator([flag_required("for-ann", redirect_to="home"), csrf_exempt], name="dispatch")
class AsyncAway(AsyncByMethod):
    pass


shop_urls = ([path("basket/<str:word>", page, name="basket"), path("pay", apage, name="pay")], "shop")

urlpatterns = [
    path("plain", flag_required("new-checkout")(page)),
    path("async", flag_required("new-checkout")(apage)),
    path("async-old", flag_required("new-checkout", otherwise=old)(apage)),
    path("word/<str:word>", flag_required("new-checkout", otherwise=old)(page)),
    path("to-async/<str:word>", flag_required("new-checkout", otherwise=aold)(page)),
    path("to-class", flag_required("new-checkout", otherwise=OldView)(page)),
    path("to-dotted/<str:word>", flag_required("new-checkout", otherwise=f"{__name__}.old")(page)),
    path("away", flag_required("new-checkout", redirect_to="home")(page)),
    path("home", page, name="home"),
    path("decorated", Decorated.as_view()),
    path("mixed", Mixed.as_view()),
    path("mixed-any", MixedAny.as_view()),
    path("async-mixed", AsyncMixed.as_view()),
    path("async-by-method", AsyncByMethod.as_view()),
    path("async-away", AsyncAway.as_view()),
    flag_path("gated/<str:word>", page, {"word": "given"}, name="gated-path", flag="new-checkout"),
    flag_re_path(r"^re/(?P<word>\w+)$", page, name="gated-re", flag="new-checkout", status=410),
    flag_path("shop/", include(shop_urls, namespace="shop"), flag="new-checkout"),
]

KEY = "new-checkout"


@pytest.fixture(autouse=True)
def _site(settings: Any, install: Callable[..., Any]) -> None:
    settings.ROOT_URLCONF = __name__
    install(
        {
            KEY: {"rules": [{"if": {"is_staff": True}, "serve": True}]},
            "dark": {},
            "for-ann": {"rules": [{"if": {"email": "ann@yourcompany.com"}, "serve": True}]},
        }
    )


OPEN_AND_SHUT = {
    "/plain": ("new", 404),
    "/async": ("new", 404),
    "/async-old": ("new", "old"),
    "/word/abc": ("abc", "oldabc"),
    "/to-async/abc": ("abc", "aoldabc"),
    "/to-class": ("new", "old class"),
    "/to-dotted/abc": ("abc", "oldabc"),
    "/away": ("new", 302),
    "/decorated": ("shop", 404),
    "/mixed": ("shop", 404),
    "/mixed-any": ("any", 403),
    "/gated/x": ("given", 404),
    "/re/abc": ("abc", 410),
    "/shop/basket/abc": ("abc", 404),
    "/shop/pay": ("new", 404),
}


def told(response: Any) -> Any:
    return response.content.decode() if response.status_code == 200 else response.status_code


@pytest.mark.parametrize("url", OPEN_AND_SHUT)
def test_gate(url: str) -> None:
    """Every kind of gate lets through where its flag is on, and answers as it was told to elsewhere."""
    opened, shut = OPEN_AND_SHUT[url]
    assert told(Client().get(url)) == shut
    with override_flags({KEY: True}):
        assert told(Client().get(url)) == opened


@pytest.mark.parametrize("url", OPEN_AND_SHUT)
@pytest.mark.django_db
def test_gate_async(url: str) -> None:
    """The same under ASGI, where asynchronous views are awaited."""
    opened, shut = OPEN_AND_SHUT[url]

    async def both() -> list[Any]:
        before = told(await AsyncClient().get(url))
        with override_flags({KEY: True}):
            return [before, told(await AsyncClient().get(url))]

    assert asyncio.run(both()) == [shut, opened]


@pytest.mark.parametrize(("url", "shut"), [("/async-mixed", "aold"), ("/async-by-method", "old"), ("/async-away", 302)])
@pytest.mark.django_db(transaction=True)
def test_async_class_awaits_the_user(django_user_model: Any, url: str, shut: Any) -> None:
    """A gate on an asynchronous class awaits the user whom the rule asks about, and never blocks the loop."""
    ann = django_user_model.objects.create(id="ann", username="ann", email="ann@yourcompany.com")

    async def both() -> list[Any]:
        anonymous, client = AsyncClient(), AsyncClient()
        await client.aforce_login(ann)
        return [told(await each.get(url)) for each in (anonymous, client)]

    assert asyncio.run(both()) == [shut, "async class"]


def test_redirect_by_name() -> None:
    """``redirect_to`` takes a URL's name."""
    assert Client().get("/away")["Location"] == "/home"


def test_reversing() -> None:
    """Gated patterns are reversed as ever, whatever the flag says."""
    assert reverse("gated-path", kwargs={"word": "x"}) == "/gated/x"
    assert reverse("shop:basket", kwargs={"word": "x"}) == "/shop/basket/x"


def test_a_view_keeps_what_it_is() -> None:
    """Name, docstring, attributes and kind of the view survive the gate."""
    gated = flag_required(KEY)(csrf_exempt(page))
    assert (gated.__name__, gated.__doc__, gated.csrf_exempt) == ("page", "A page.", True)
    assert iscoroutinefunction(flag_required(KEY)(apage))
    assert not iscoroutinefunction(flag_required(KEY)(page))


def test_class_decoration_is_inherited_and_stays_with_the_class() -> None:
    """Subclasses of a gated class are gated, its base is not."""

    class Sub(Decorated):
        pass

    request = RequestFactory().get("/")
    with pytest.raises(Http404):
        Sub.as_view()(request)
    assert Shop.as_view()(RequestFactory().get("/")).status_code == 200


def test_without_the_middleware() -> None:
    """A gate works on a request from ``RequestFactory``, which has passed no middleware."""
    request = RequestFactory().get("/")
    with pytest.raises(Http404):
        flag_required(KEY)(page)(request)
    assert flags_from(request).evaluated()[KEY].variant == "off"
    with override_flags({KEY: True}):
        assert flag_required(KEY)(page)(RequestFactory().get("/")).content == b"new"


def test_shut_gate_says_what_it_depended_on() -> None:
    """The 404 of a gate that asked for the user is as private as the page."""
    response = Client().get("/plain")
    assert response["Cache-Control"] == "private"
    assert "Cookie" in response["Vary"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: flag_required(), "name the flag"),
        (lambda: flag_required(KEY, any=["dark"]), "name the flag"),
        (lambda: flag_required(KEY, otherwise=old, redirect_to="/"), "not both"),
        (lambda: flag_required(KEY)(type("Plain", (), {})), "not a view class"),
        (lambda: flag_required(KEY)("page"), "not a view"),
    ],
)
def test_mistakes(make: Callable[[], Any], words: str) -> None:
    """A gate that makes no sense is refused when it is made."""
    with pytest.raises(ConfigurationError, match=words):
        make()
