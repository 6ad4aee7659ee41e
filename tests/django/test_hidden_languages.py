"""LocaleMiddleware, which redirects to the path with its language, tells nothing of views behind a shut gate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import include, path

from flagmiddleware.django import flag_path, flag_required

LOCALE = "django.middleware.locale.LocaleMiddleware"


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("page")


urlpatterns = [
    path("plain/", page),
    *i18n_patterns(
        path("open/", page),
        path("dark/", flag_required("dark")(page)),
        path("lit/", flag_required("lit")(page)),
        flag_path("include-dark/", include([path("page/", page)]), flag="dark"),
        flag_path("include-lit/", include([path("page/", page)]), flag="lit"),
    ),
]


@pytest.fixture(autouse=True, params=[0, 3, 6], ids=["first", "third", "last"])
def _site(request: Any, settings: Any, install: Callable[..., Any]) -> None:
    """LocaleMiddleware outside of all, where Django wants it, and inside of ours."""
    settings.ROOT_URLCONF = __name__
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
    settings.USE_I18N = True
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[: request.param], LOCALE, *settings.MIDDLEWARE[request.param :]]
    install({"lit": {"rules": [{"serve": True}]}, "dark": {}})


def _seen(response: Any) -> Any:
    return response.status_code, response.content, dict(response.items())


@pytest.mark.parametrize("place", ["dark/", "dark", "include-dark/page/", "include-dark/page", "de/dark", "de/dark/"])
def test_a_dark_view_has_no_language(place: str) -> None:
    """Whatever the language and the slash, it is the 404 of a path that is not there, headers and all."""
    for method in ("GET", "POST", "HEAD"):
        for headers in ({}, {"Accept-Language": "de"}):
            missing = "de/missing" if place.startswith("de/") else "missing"
            asked = [Client(headers=headers).generic(method, f"/{each}?a=b") for each in (missing, place)]
            assert _seen(asked[1]) == _seen(asked[0]), (method, headers)


@pytest.mark.parametrize("place", ["lit", "open", "include-lit/page"])
def test_other_views_are_redirected_to(place: str) -> None:
    """Views that exist have their redirect, to their slash at once."""
    client = Client(headers={"Accept-Language": "de"})
    for asked in (place, f"{place}/"):
        moved = client.get(f"/{asked}?a=b")
        assert (moved.status_code, moved["Location"]) == (302, f"/de/{place}/?a=b")
    assert client.get("/plain")["Location"] == "/plain/"
    assert client.get(f"/de/{place}/").status_code == 200


def test_asynchronous_languages() -> None:
    """The same under ASGI."""

    async def ask() -> list[int]:
        client = AsyncClient()
        return [(await client.get(f"/{each}")).status_code for each in ("dark/", "dark", "lit/", "lit", "missing")]

    assert asyncio.run(ask()) == [404, 404, 302, 302, 404]
