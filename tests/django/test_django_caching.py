"""Django's page caches and flags: nobody receives a page that was decided for somebody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.core.cache import cache as django_cache
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.utils.cache import get_max_age
from django.views.decorators.cache import cache_control, cache_page

from flagmiddleware import Flags
from flagmiddleware.django import cache, flag_required, installation
from flagmiddleware.web.overrides import sign

made: list[str] = []


def page(request: HttpRequest) -> HttpResponse:
    made.append(request.path)
    return HttpResponse("on" if request.flags.is_enabled(request.GET.get("key", "for-ann")) else "off")


async def apage(request: HttpRequest) -> HttpResponse:
    return page(request)


def early(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """A middleware that reads a flag before any view runs."""

    def middleware(request: HttpRequest) -> Any:
        request.flags.is_enabled("for-ann")
        return get_response(request)

    return middleware


def opened(view: Any) -> Any:
    """A gate, read before the cached view starts, that lets everybody in."""
    return flag_required(any=["for-ann", "always"])(view)


urlpatterns = [
    path("plain", page),
    path("fresh", cache_control(no_cache=True)(page)),
    path("cached", cache_page(60)(page)),
    path("gated", opened(cache_page(60)(page))),
    path("past-testers", cache.cache_page(60)(page)),
    path("async-past-testers", cache.cache_page(60)(apage)),
]

UPDATE = "django.middleware.cache.UpdateCacheMiddleware"
FETCH = "django.middleware.cache.FetchFromCacheMiddleware"


@pytest.fixture(autouse=True)
def site(settings: Any, install: Callable[..., Flags]) -> Iterator[Flags]:
    settings.ROOT_URLCONF = __name__
    made.clear()
    django_cache.clear()
    yield install(
        {
            "for-ann": {"rules": [{"if": {"user": "ann"}, "serve": True}]},
            "always": {"qa": True, "rules": [{"serve": True}]},
            "for-germans": {"rules": [{"if": {"language": "de"}, "serve": True}]},
            "for-australians": {"rules": [{"if": {"country": "AU"}, "serve": True}]},
            "half": {"rules": [{"rollout": "50%"}]},
        }
    )
    django_cache.clear()


@pytest.fixture
def ann(django_user_model: Any) -> Client:
    client = Client()
    client.force_login(django_user_model.objects.create(id="ann", username="ann"))
    return client


@pytest.fixture
def site_wide(settings: Any) -> None:
    """The whole site behind Django's cache, its two halves where the documentation wants them."""
    settings.MIDDLEWARE = [UPDATE, *settings.MIDDLEWARE, FETCH]


def text(client: Client, url: str, **headers: str) -> str:
    return client.get(url, headers=headers).content.decode()


@pytest.mark.parametrize("url", ["/cached", "/gated"])
@pytest.mark.django_db
def test_cache_page(url: str, ann: Client) -> None:
    """``cache_page`` stores no page that was decided by who asked, even where the flag was read before it started."""
    assert [text(ann, url), text(Client(), url), text(ann, url)] == ["on", "off", "on"]


@pytest.mark.django_db
def test_cache_page_after_a_middleware_has_read(settings: Any, ann: Client) -> None:
    """Nor where a middleware has read the flag and the view only repeats the answer."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.early"]
    assert [text(ann, "/cached"), text(Client(), "/cached"), text(ann, "/cached")] == ["on", "off", "on"]


@pytest.mark.django_db
def test_cache_page_keeps_pages_for_all() -> None:
    """A page whose flags read nothing about the request is served from the cache."""
    assert [text(Client(), "/cached?key=always") for _ in range(3)] == ["on"] * 3
    assert made == ["/cached"]


@pytest.mark.django_db
def test_cache_page_and_languages() -> None:
    """``cache_page`` cannot know of a ``Vary`` that comes later, so such a page is not stored by it."""
    url = "/cached?key=for-germans"
    assert [text(Client(), url, accept_language=each) for each in ("de", "en", "de")] == ["on", "off", "on"]


@pytest.fixture
def ends_in(install: Callable[..., Flags]) -> Callable[[float], str]:
    """``ends_in(seconds)``: a site with a flag that a schedule ends that many seconds from now."""

    def prepare(seconds: float) -> str:
        until = (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat()
        install({"sale": {"rules": [{"schedule": {"until": until}, "serve": True}]}})
        return "?key=sale"

    return prepare


@pytest.mark.parametrize(("seconds", "times"), [(3600, 2), (90 * 24 * 3600, 1)])
@pytest.mark.django_db
def test_cache_page_and_schedules(ends_in: Callable[[float], str], seconds: float, times: int) -> None:
    """``cache_page`` would keep a page past the end of a schedule; one that ends next month hinders nothing."""
    url = "/cached" + ends_in(seconds)
    assert [text(Client(), url), text(Client(), url)] == ["on", "on"]
    assert made == ["/cached"] * times


@pytest.mark.usefixtures("site_wide")
@pytest.mark.django_db
def test_site_wide_cache_and_schedules(ends_in: Callable[[float], str]) -> None:
    """The site-wide cache keeps such a page until the boundary and no longer, and says so to other caches."""
    url = "/plain" + ends_in(100)
    first, second = Client().get(url), Client().get(url)
    assert made == ["/plain"]
    assert 0 < get_max_age(first) <= 100
    assert get_max_age(second) == get_max_age(first)


@pytest.mark.usefixtures("site_wide")
@pytest.mark.django_db
def test_pages_that_no_cache_keeps_get_no_age(ann: Client, install: Callable[..., Flags]) -> None:
    """A page for one user, or one that says ``no-cache``, gets no age from a schedule: browsers would keep it."""
    rule = {"if": {"user": "ann"}, "schedule": {"until": "2999-01-01T00:00:00Z"}, "serve": True}
    always = {"rules": [{"serve": True}]}
    install({"always": always})
    without = ann.get("/fresh?key=always")["Cache-Control"]  # "no-cache", to which Django 5.2.0 adds an age by itself
    install({"sale": {"rules": [rule]}, "always": always})
    assert ann.get("/plain?key=sale")["Cache-Control"] == "private"
    assert ann.get("/fresh?key=always")["Cache-Control"] == without


@pytest.mark.usefixtures("site_wide")
@pytest.mark.django_db
def test_site_wide_cache(ann: Client) -> None:
    """A private page is made anew each time."""
    assert [text(ann, "/plain"), text(Client(), "/plain"), text(ann, "/plain")] == ["on", "off", "on"]
    assert made == ["/plain"] * 3


@pytest.mark.parametrize("i18n", [False, True])
@pytest.mark.usefixtures("site_wide")
@pytest.mark.django_db
def test_site_wide_cache_of_languages(settings: Any, i18n: bool) -> None:
    """Django's cache sees the ``Vary``; but with USE_I18N it keys on its own translation instead of the header."""
    settings.USE_I18N = i18n
    url = "/plain?key=for-germans"
    assert [text(Client(), url, accept_language=each) for each in ("de", "en", "de", "en")] == [
        "on",
        "off",
        "on",
        "off",
    ]
    assert made == ["/plain"] * (4 if i18n else 2)


@pytest.mark.usefixtures("site_wide")
@pytest.mark.django_db
def test_site_wide_cache_of_headers(settings: Any) -> None:
    """A page that varies on a header is stored once for each of its values."""
    settings.FLAGMIDDLEWARE = {
        **settings.FLAGMIDDLEWARE, "HEADERS": {"country": "X-Country"}, "SHARED_VARY": ["X-Country"],
    }  # fmt: skip
    url = "/plain?key=for-australians"
    assert [text(Client(), url, x_country=each) for each in ("AU", "DE", "AU", "DE")] == ["on", "off", "on", "off"]
    assert made == ["/plain"] * 2


@pytest.mark.usefixtures("site_wide")
@pytest.mark.django_db
def test_site_wide_cache_of_pages_for_all() -> None:
    """A page for all is served from the cache."""
    assert [text(Client(), "/plain?key=always") for _ in range(3)] == ["on"] * 3
    assert made == ["/plain"]


@pytest.mark.django_db
def test_testers_page_is_not_stored(site: Flags) -> None:
    """A page made with a QA link reads nothing about the request, and is kept from everybody else all the same."""
    keys = installation().options.secret_keys
    tester = Client()
    tester.cookies["flags_override"] = sign(site, {"always": "off"}, host="testserver", keys=keys)
    first = tester.get("/cached?key=always")
    assert (first.content, first["Cache-Control"]) == (b"off", "private, no-store")
    assert text(Client(), "/cached?key=always") == "on"


def _with_override(site: Flags) -> Any:
    client = Client()
    keys = installation().options.secret_keys
    client.cookies["flags_override"] = sign(site, {"always": "off"}, host="testserver", keys=keys)
    return client


@pytest.mark.parametrize("url", ["/past-testers", "/async-past-testers"])
def test_testers_pass_by_a_cached_view(site: Flags, url: str) -> None:
    """With our ``cache_page`` a tester sees their variant although the page for all lies in the cache, which stays."""
    address = f"{url}?key=always"
    assert text(Client(), address) == "on"
    assert text(_with_override(site), address) == "off"
    forged = Client()
    forged.cookies["flags_override"] = "forged"
    assert [text(who, address) for who in (Client(), forged)] == ["on", "on"]
    assert len(made) == 2


def test_testers_pass_by_the_cache_of_the_site(settings: Any, site: Flags) -> None:
    """The same with our half of the site-wide cache; Django's own would show the tester the page for all."""
    ours = "flagmiddleware.django.cache.FetchFromCacheMiddleware"
    settings.MIDDLEWARE = [UPDATE, "flagmiddleware.django.FlagMiddleware", ours]
    address = "/plain?key=always"
    assert [text(Client(), address) for _ in range(2)] == ["on", "on"]
    assert [text(_with_override(site), address) for _ in range(2)] == ["off", "off"]
    assert text(Client(), address) == "on"
    assert len(made) == 3
    settings.MIDDLEWARE = [UPDATE, "flagmiddleware.django.FlagMiddleware", FETCH]
    assert text(_with_override(site), address) == "on"


@pytest.mark.django_db
def test_visitors() -> None:
    """A rollout among visitors sets a cookie once and is private."""
    client = Client()
    first = client.get("/plain?key=half")
    assert "flags_visitor" in first.cookies
    assert first.cookies["flags_visitor"]["httponly"]
    assert first["Cache-Control"] == "private"
    again = [client.get("/plain?key=half") for _ in range(3)]
    assert {response.content for response in again} == {first.content}
    assert not any(response.cookies for response in again)


@pytest.mark.django_db
def test_page_without_flags_touches_nothing() -> None:
    """A page whose flags ask nothing about the request gets no header and no cookie from us."""
    response = Client().get("/plain?key=always")
    assert "Vary" not in response
    assert "Cache-Control" not in response
    assert not response.cookies
