"""Flags that a middleware outside reads, and those that are read after the headers were decided."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import path

from flagmiddleware.django import flags_from, installation
from flagmiddleware.web.overrides import sign

KEYS = ("for-ann", "for-group", "for-all")


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("page")


def exported(request: HttpRequest) -> FileResponse:
    rows = (str(flags_from(request).is_enabled("for-ann")) for _ in range(1))
    return FileResponse(rows, content_type="text/csv", headers={"Content-Length": "5"})


async def preloaded(request: HttpRequest) -> StreamingHttpResponse:
    here = flags_from(request)
    here.preload("for-all")

    async def body() -> AsyncIterator[str]:
        await here.ready(*KEYS)
        for key in KEYS:
            yield f"{here.is_enabled(key)} "

    return StreamingHttpResponse(body())


urlpatterns = [
    path("page", page),
    path("late", lambda request: late(request)),
    path("exported", exported),
    path("preloaded", preloaded),
]


def early(get_response: Callable[..., Any]) -> Callable[..., Any]:
    """A middleware of the site's that decides by a flag before the request has come to FlagMiddleware."""

    def middleware(request: Any) -> Any:
        here = flags_from(request)
        decided = here.is_enabled("for-ann")
        response = get_response(request)
        response["X-Beta"] = str(decided)
        response["X-Same"] = str(request.flags is here)
        return response

    return middleware


@pytest.fixture(autouse=True)
def _site(settings: Any, install: Callable[..., Any]) -> None:
    settings.ROOT_URLCONF = __name__
    rules = {"for-ann": {"user": "ann"}, "also-for-ann": {"user": "ann"}, "for-group": {"groups": "beta"}}
    flags: dict[str, Any] = {key: {"rules": [{"if": rule, "serve": True}]} for key, rule in rules.items()}
    install({**flags, "for-testers": {"qa": True}, "for-all": {"rules": [{"serve": True}]}})


def between(get_response: Callable[..., Any]) -> Callable[..., Any]:
    """A middleware of the site's that decides by a flag of the request."""

    def middleware(request: Any) -> Any:
        decided = request.flags.is_enabled("for-ann")
        response = get_response(request)
        response["X-Beta"] = str(decided)
        return response

    return middleware


def late(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(flags_from(request).is_enabled("also-for-ann")))


@pytest.mark.django_db
def test_before_authentication_nobody_is_anonymous(
    settings: Any, django_user_model: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A flag read before AuthenticationMiddleware has run is off in error, and says why; those read later are right."""
    flags, auth = "flagmiddleware.django.FlagMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware"
    rest = [path for path in settings.MIDDLEWARE if path not in (flags, auth)]
    settings.MIDDLEWARE = [*rest, flags, f"{__name__}.between", auth]
    client = Client()
    client.force_login(django_user_model.objects.create(id="ann", username="ann"))
    response = client.get("/late")
    assert (response["X-Beta"], response.content, response["Cache-Control"]) == ("False", b"True", "private")
    assert sum("before AuthenticationMiddleware had run" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.django_db
def test_flags_read_further_out_are_the_requests(settings: Any) -> None:
    """What a middleware outside has read stays decided, and the page is as private as that makes it."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:-1], f"{__name__}.early", settings.MIDDLEWARE[-1]]
    response = Client().get("/page")
    assert (response["X-Beta"], response["X-Same"], response["Cache-Control"]) == ("False", "True", "private")


def test_a_file_response_that_makes_its_rows() -> None:
    """Django streams what is no file: its rows may read flags, so the answer is private whatever length it tells."""
    response = Client().get("/exported")
    assert response.getvalue() == b"False"
    assert response["Cache-Control"] == "private"


@pytest.mark.django_db(transaction=True)
def test_awaiting_late_reads_nothing_private(django_user_model: Any) -> None:
    """After a promise to caches, ``ready`` fetches nothing that the promise leaves out: neither the user nor groups."""
    from django.contrib.auth.models import Group

    ann = django_user_model.objects.create(id="ann", username="ann")
    ann.groups.add(Group.objects.create(name="beta"))

    async def ask() -> tuple[str, str]:
        client = AsyncClient()
        await client.aforce_login(ann)
        response: Any = await client.get("/preloaded")
        text = b"".join([part async for part in response.streaming_content]).decode()
        return text, response.headers.get("Cache-Control", "")

    assert asyncio.run(ask()) == ("False False True ", "")


def marking(get_response: Callable[..., Any]) -> Callable[..., Any]:
    """A middleware of the site's that looks at the answer on its way out, and decides by a flag what to add."""

    def middleware(request: Any) -> Any:
        response = get_response(request)
        here = flags_from(request)
        response.content += f" {here.is_enabled('for-all')} {here.is_enabled('for-ann')}".encode()
        response["X-Tester"] = str(here.is_enabled("for-testers"))
        return response

    return middleware


def for_all(request: HttpRequest) -> HttpResponse:
    request.flags.is_enabled("for-all")  # type: ignore[attr-defined]
    return HttpResponse("page", headers={"Cache-Control": "public, max-age=60", "CDN-Cache-Control": "max-age=60"})


urlpatterns += [path("for-all", for_all)]
UPDATE = "django.middleware.cache.UpdateCacheMiddleware"


@pytest.mark.parametrize("url", ["/page", "/for-all"])
@pytest.mark.django_db
def test_flags_read_on_the_way_out_make_the_answer_private(settings: Any, django_user_model: Any, url: str) -> None:
    """A middleware outside decides by who asks when the headers are settled: it gets its answer, no cache the page."""
    settings.MIDDLEWARE = [UPDATE, f"{__name__}.marking", *settings.MIDDLEWARE]
    ann = Client()
    ann.force_login(django_user_model.objects.create(id="ann", username="ann"))
    for client, decided in [(ann, b"True"), (Client(), b"False"), (ann, b"True")]:
        response = client.get(url)
        assert response.content == b"page True " + decided
        assert "private" in response["Cache-Control"]
        assert "public" not in response["Cache-Control"]
        assert "Cookie" in response["Vary"]
        assert "CDN-Cache-Control" not in response


def test_an_override_found_on_the_way_out_makes_the_answer_private(settings: Any) -> None:
    """The same for a tester's override, which reads nothing of the request."""
    settings.MIDDLEWARE = [UPDATE, f"{__name__}.marking_testers", settings.MIDDLEWARE[-1]]
    site = installation()
    token = sign(site.flags, {"for-testers": "on"}, host="testserver", keys=site.options.secret_keys)
    response = Client(headers={"Cookie": f"flags_override={token}"}).get("/page")
    assert (response["X-Tester"], response["Cache-Control"]) == ("True", "private")
    plain = Client().get("/page")
    assert plain["X-Tester"] == "False"
    assert "private" not in plain.get("Cache-Control", "")


def marking_testers(get_response: Callable[..., Any]) -> Callable[..., Any]:
    def middleware(request: Any) -> Any:
        response = get_response(request)
        response["X-Tester"] = str(request.flags.is_enabled("for-testers"))
        return response

    return middleware


@pytest.mark.django_db
def test_background_work_changes_no_answer() -> None:
    """What is read once the response was sent is nobody's business but the reader's."""
    response = Client().get("/for-all")
    here: Any = response.wsgi_request.flags  # type: ignore[attr-defined]
    response.close()
    assert here.is_enabled("for-ann") is False
    assert response["Cache-Control"] == "public, max-age=60"
