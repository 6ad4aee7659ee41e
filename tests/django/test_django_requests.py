"""What a request costs and keeps: queries, lazy users, asynchronous views, streams, isolation."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.handlers.asgi import ASGIHandler
from django.db import connection
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils.functional import empty

from flagmiddleware import ConfigurationError, Flags
from flagmiddleware.django import current_flags, flags_from, installation
from flagmiddleware.testing import override_flags

GROUPS = {f"group-{n}": {"rules": [{"if": {"groups": f"team-{n}"}, "serve": True}]} for n in range(20)}
DEFINITIONS: dict[str, Any] = {
    **GROUPS,
    "always": {"rules": [{"serve": True}]},
    "for-path": {"rules": [{"if": {"path": {"starts_with": "/read"}}, "serve": True}]},
    "for-ann": {"rules": [{"if": {"user": "ann"}, "serve": True}]},
    "for-session": {"rules": [{"if": {"session.plan": "pro"}, "serve": True}]},
    "for-plan": {"rules": [{"if": {"plan": "pro"}, "serve": True}]},
    "public": {"public": True, "rules": [{"serve": True}]},
}


def read(request: HttpRequest) -> HttpResponse:
    return JsonResponse({key: request.flags.is_enabled(key) for key in request.GET.getlist("key")})


async def aread(request: HttpRequest) -> HttpResponse:
    return JsonResponse({key: await request.flags.ais_enabled(key) for key in request.GET.getlist("key")})


async def careless(request: HttpRequest) -> HttpResponse:
    """Reads without awaiting what needs the database."""
    found = request.flags.evaluate(request.GET["key"])
    return JsonResponse({"reason": str(found.reason), "code": str(found.error_code)})


def group_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(sum(request.flags.is_enabled(key) for key in GROUPS)))


def lazy(request: HttpRequest) -> HttpResponse:
    request.flags.is_enabled("for-path")
    return HttpResponse(str(request.user._wrapped is empty))


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def body() -> Iterator[str]:
        yield str(current_flags() is request.flags)
        yield str(current_flags().is_enabled("always"))

    return StreamingHttpResponse(body())


async def astream(request: HttpRequest) -> StreamingHttpResponse:
    async def body() -> AsyncIterator[str]:
        yield str(current_flags() is request.flags)
        await asyncio.sleep(0)
        yield str(current_flags().is_enabled("always"))

    return StreamingHttpResponse(body())


def file(request: HttpRequest) -> FileResponse:
    import io

    return FileResponse(io.BytesIO(b"file"))


async def slow(request: HttpRequest) -> HttpResponse:
    before = current_flags()
    await asyncio.sleep(0.01)
    same = current_flags() is before is request.flags
    return HttpResponse(f"{same} {await request.flags.ais_enabled('for-ann')}")


urlpatterns = [
    path("read", read),
    path("aread", aread),
    path("careless", careless),
    path("groups", group_page),
    path("lazy", lazy),
    path("stream", stream),
    path("astream", astream),
    path("file", file),
    path("slow", slow),
]


@pytest.fixture(autouse=True)
def site(settings: Any, install: Callable[..., Flags]) -> Flags:
    settings.ROOT_URLCONF = __name__
    return install(DEFINITIONS)


@pytest.fixture
def ann(django_user_model: Any) -> Any:
    person = django_user_model.objects.create(id="ann", username="ann", email="ann@yourcompany.com")
    person.groups.set([Group.objects.create(name="team-3"), Group.objects.create(name="team-7")])
    return person


def queries(client: Client, url: str) -> tuple[str, int]:
    """What the page says, and how many queries it made: those that signing in costs are counted too."""
    with CaptureQueriesContext(connection) as captured:
        response = client.get(url)
    return response.content.decode(), len(captured)


@pytest.mark.django_db
def test_no_queries(ann: Any) -> None:
    """Flags that ask nothing about the user make no query and leave the user unevaluated, signed in or not."""
    client = Client()
    client.force_login(ann)
    assert queries(client, "/read?key=always&key=for-path") == ('{"always": true, "for-path": true}', 0)
    assert queries(client, "/lazy") == ("True", 0)


@pytest.mark.django_db
def test_one_query_for_groups(ann: Any) -> None:
    """Twenty flags that ask for groups cost one query beside the two that load session and user."""
    client = Client()
    client.force_login(ann)
    assert queries(client, "/groups") == ("2", 3)
    assert queries(Client(), "/groups") == ("0", 0)


@pytest.mark.django_db
def test_prefetched_groups(ann: Any, django_user_model: Any) -> None:
    """Groups that were fetched already are not fetched again."""
    request = RequestFactory().get("/")
    request.user = django_user_model.objects.prefetch_related("groups").get()
    with CaptureQueriesContext(connection) as captured:
        assert flags_from(request).is_enabled("group-3")
    assert len(captured) == 0


@pytest.mark.django_db
def test_session() -> None:
    """``session.<key>`` reads the session."""
    client = Client()
    session = client.session
    session["plan"] = "pro"
    session.save()
    assert client.get("/read?key=for-session").json() == {"for-session": True}
    assert Client().get("/read?key=for-session").json() == {"for-session": False}


@pytest.mark.django_db(transaction=True)
def test_async_views_await(ann: Any) -> None:
    """In an asynchronous view the ``a…`` methods await user, groups and session."""

    async def pages() -> list[Any]:
        client = AsyncClient()
        await client.aforce_login(ann)
        keys = "key=for-ann&key=group-3&key=group-4&key=for-session"
        return [(await each.get(f"/aread?{keys}")).json() for each in (client, AsyncClient())]

    signed_in, anonymous = asyncio.run(pages())
    assert signed_in == {"for-ann": True, "group-3": True, "group-4": False, "for-session": False}
    assert not any(anonymous.values())


@pytest.mark.parametrize("key", ["for-ann", "group-3", "for-session"])
@pytest.mark.django_db(transaction=True)
def test_async_views_that_do_not_await(key: str, ann: Any, caplog: pytest.LogCaptureFixture) -> None:
    """What needs the database and was not awaited serves ``off`` with a reason and one line in the log."""

    async def pages() -> list[Any]:
        client = AsyncClient()
        await client.aforce_login(ann)
        return [(await client.get(f"/careless?key={key}")).json() for _ in range(3)]

    assert asyncio.run(pages()) == [{"reason": "ERROR", "code": "INVALID_CONTEXT"}] * 3
    assert sum("await" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.django_db(transaction=True)
def test_awaited_user_is_known(ann: Any) -> None:
    """A view that has awaited ``request.auser()`` itself needs to await nothing more for rules about the user."""

    async def ask() -> Any:
        client = AsyncClient()
        await client.aforce_login(ann)
        request = RequestFactory().get("/")
        request.COOKIES.update({name: morsel.value for name, morsel in client.cookies.items()})
        seen: list[bool] = []

        async def view(request: HttpRequest) -> HttpResponse:
            await request.auser()
            seen.append(flags_from(request).is_enabled("for-ann"))
            return HttpResponse()

        from django.contrib.auth.middleware import AuthenticationMiddleware
        from django.contrib.sessions.middleware import SessionMiddleware

        await SessionMiddleware(AuthenticationMiddleware(view))(request)
        return seen

    assert asyncio.run(ask()) == [True]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("url", ["/read", "/aread"])
@pytest.mark.django_db(transaction=True)
def test_site_callable(settings: Any, url: str, is_async: bool) -> None:
    """The site's callable, synchronous or not, works from both kinds of view."""

    def ask(request: HttpRequest) -> dict[str, str]:
        list(Group.objects.all())  # may use the database
        return {"plan": request.headers.get("X-Plan", "")}

    async def aask(request: HttpRequest) -> dict[str, str]:
        await asyncio.sleep(0)
        return {"plan": request.headers.get("X-Plan", "")}

    settings.FLAGMIDDLEWARE = {**settings.FLAGMIDDLEWARE, "CONTEXT": aask if is_async else ask}
    page = f"{url}?key=for-plan"
    assert Client(headers={"X-Plan": "pro"}).get(page).json() == {"for-plan": True}

    async def asked() -> Any:
        return (await AsyncClient().get(page, headers={"X-Plan": "pro"})).json()

    assert asyncio.run(asked()) == {"for-plan": True}


@pytest.mark.django_db(transaction=True)
def test_per_user_override_in_an_async_view(ann: Any) -> None:
    """A test's override for one user is awaited like a rule about the user."""

    async def ask() -> list[Any]:
        client = AsyncClient()
        await client.aforce_login(ann)
        with override_flags({"for-path": True}, user=ann):
            return [(await each.get("/aread?key=for-path")).json()["for-path"] for each in (client, AsyncClient())]

    assert asyncio.run(ask()) == [True, False]


# -- one request, and nobody else's ---------------------------------------------------------------------------------


def test_streams_keep_the_request() -> None:
    """While a body is made, the request's flags are current; afterwards they are not. Such an answer is private."""
    response = Client().get("/stream")
    assert b"".join(response.streaming_content) == b"TrueTrue"
    assert response["Cache-Control"] == "private"
    assert current_flags().context.targeting_key is None


def test_async_streams_keep_the_request() -> None:
    """The same for asynchronous bodies."""

    async def ask() -> bytes:
        response = await AsyncClient().get("/astream")
        return b"".join([part async for part in response.streaming_content])

    assert asyncio.run(ask()) == b"TrueTrue"


def test_observers_of_a_client_that_went_away() -> None:
    """Observers are told of a request that Django cancels because nobody waits for its answer any more."""
    from flagmiddleware.django import FlagMiddleware

    seen: list[Any] = []
    installation().observers.add(seen.append)

    async def ask() -> None:
        started = asyncio.Event()

        async def view(request: HttpRequest) -> HttpResponse:
            request.flags.is_enabled("for-path")
            started.set()
            await asyncio.Event().wait()
            return HttpResponse()

        task = asyncio.ensure_future(FlagMiddleware(view)(RequestFactory().get("/")))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(ask())
    assert [(told.raised, list(told.evaluations)) for told in seen] == [(True, ["for-path"])]


def test_files_stay_cacheable() -> None:
    """A file is streamed too, but no flag is read while it is sent: its headers are left alone."""
    response = Client().get("/file")
    assert b"".join(response.streaming_content) == b"file"
    assert "Cache-Control" not in response


@pytest.mark.django_db(transaction=True)
def test_concurrent_requests(ann: Any) -> None:
    """Requests that wait at the same time on one loop keep their own flags."""

    async def ask() -> list[str]:
        client, anonymous = AsyncClient(), AsyncClient()
        await client.aforce_login(ann)
        pages = await asyncio.gather(*(each.get("/slow") for each in [client, anonymous] * 5))
        return [page.content.decode() for page in pages]

    assert asyncio.run(ask()) == ["True True", "True False"] * 5


def test_threads() -> None:
    """A thread beside the request has no request."""
    seen: list[bool] = []
    request = RequestFactory().get("/")

    from flagmiddleware.django import FlagMiddleware

    def view(request: HttpRequest) -> HttpResponse:
        thread = threading.Thread(target=lambda: seen.append(current_flags() is request.flags))
        thread.start()
        thread.join()
        seen.append(current_flags() is request.flags)
        return HttpResponse()

    FlagMiddleware(view)(request)
    assert seen == [False, True]


def test_background_work_keeps_the_answers(site: Flags) -> None:
    """A thread that took the context along, and outlives the request, still has the request's flags and attributes."""
    ended, seen = threading.Event(), []

    from contextvars import copy_context

    from flagmiddleware.django import FlagMiddleware

    def work(here: Any) -> None:
        assert ended.wait(20)
        seen.extend([current_flags() is here, here.is_enabled("always"), here.is_enabled("for-path")])

    def view(request: HttpRequest) -> HttpResponse:
        request.flags.is_enabled("always")
        threads.append(threading.Thread(target=copy_context().run, args=(work, request.flags)))
        threads[0].start()
        return HttpResponse()

    threads: list[threading.Thread] = []
    FlagMiddleware(view)(RequestFactory().get("/read"))
    ended.set()
    threads[0].join(20)
    assert seen == [True, True, True]


def test_outside_a_request(site: Flags) -> None:
    """In a shell or a command, ``current_flags()`` are the site's, for nobody in particular."""
    assert current_flags().flags is site
    assert current_flags().is_enabled("always")
    assert installation().flags is site


def test_settings_may_change_under_a_running_site(install: Callable[..., Flags]) -> None:
    """``override_settings`` takes effect in the same client, as tests expect."""
    client = Client()
    assert client.get("/read?key=always").json() == {"always": True}
    install({"always": {}})
    assert client.get("/read?key=always").json() == {"always": False}


def test_fresh() -> None:
    """``fresh()`` decides the same subject anew, for work that outlives the page."""
    request = RequestFactory().get("/read")
    here = flags_from(request)
    assert here.is_enabled("for-path")
    assert here.fresh().is_enabled("for-path")


def test_flags_from_something_else() -> None:
    """What is no request is refused with words."""
    with pytest.raises(ConfigurationError, match="is not a request"):
        flags_from("request")


def test_hostile_host_is_no_host(install: Callable[..., Flags]) -> None:
    """A Host that Django refuses is a missing attribute, not an exception."""
    install({"for-host": {"rules": [{"if": {"host": "shop.example"}, "serve": True}]}})
    request = RequestFactory(headers={"Host": "shop.example/<script>"}).get("/")
    assert flags_from(request).evaluate("for-host").variant == "off"
    assert flags_from(request).evaluate("for-host").error_code is None


def test_endpoints(settings: Any) -> None:
    """The JSON endpoint shows public flags and honours an entity tag; health shows a state and no more."""
    settings.ROOT_URLCONF = "tests.django.urls"
    first = Client().get("/flags/")
    assert first.json() == {"flags": {"public": {"value": True, "variant": "on"}}}
    again = Client(headers={"If-None-Match": first["ETag"]}).get("/flags/")
    assert (again.status_code, again.content) == (304, b"")
    assert Client().post("/flags/").status_code == 405
    assert Client().get("/flags/health").json() == {"state": "READY"}


@pytest.mark.django_db
def test_health_for_staff(settings: Any, django_user_model: Any) -> None:
    """Staff see more of the health check."""
    settings.ROOT_URLCONF = "tests.django.urls"
    client = Client()
    client.force_login(django_user_model.objects.create(id="eve", username="eve", is_staff=True))
    assert client.get("/flags/health").json()["flags"] == len(DEFINITIONS)


def test_middleware_under_asgi_is_asynchronous() -> None:
    """Under ASGI the middleware needs no thread of its own: Django adapts nothing around it."""
    handler = ASGIHandler()
    from asgiref.sync import iscoroutinefunction

    from flagmiddleware.django import FlagMiddleware

    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    assert iscoroutinefunction(FlagMiddleware(view))
    assert not iscoroutinefunction(FlagMiddleware(lambda request: HttpResponse()))
    assert handler._middleware_chain is not None
