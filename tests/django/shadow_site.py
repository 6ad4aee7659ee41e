"""A site that still has django-waffle and django-flags, run in a process of its own: prints what it served as JSON."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import django
from asgiref.sync import markcoroutinefunction
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

FLAGS = {
    "version": 1,
    "flags": {
        "same": {"rules": [{"serve": True}]},
        "differs": {"rules": [{"serve": True}]},
        "renamed": {"rules": [{"serve": True}]},
        "only-here": {"rules": [{"serve": True}]},
        "half": {"rules": [{"rollout": "50%"}]},
        "killed": {"enabled": False, "rules": [{"rollout": "50%"}]},
        "insiders": {"rules": [{"if": {"method": "GET"}, "serve": True}]},
        "drawn": {"rules": [{"rollout": "50%"}]},
    },
}
KEYS = [*FLAGS["flags"], "only-there"]  # type: ignore[misc]


def view(request: Any) -> HttpResponse:
    """Every flag's answer."""
    return HttpResponse(json.dumps({key: request.flags.is_enabled(key) for key in KEYS}))


async def aview(request: Any) -> HttpResponse:
    """The same, on an event loop, and one that waffle draws."""
    served = {key: request.flags.is_enabled(key) for key in [*KEYS, "asked"]}
    return HttpResponse(json.dumps({"served": served, "cookies": list(getattr(request, "waffles", ()))}))


def stream(request: Any) -> StreamingHttpResponse:
    """The flags are first read when the body is made."""
    return StreamingHttpResponse(json.dumps({key: request.flags.is_enabled(key)}) for key in ("same", "differs"))


async def astream(request: Any) -> StreamingHttpResponse:
    """The same, on an event loop."""

    async def body() -> AsyncIterator[str]:
        for key in ("same", "differs"):
            yield json.dumps({key: request.flags.is_enabled(key)})

    return StreamingHttpResponse(body())


def nothing(request: Any) -> HttpResponse:
    """No flag is read."""
    return HttpResponse("")


def synchronous_only(get_response: Any) -> Any:
    """A middleware as people write them; below it the others still run on an event loop."""
    return lambda request: get_response(request)


class Reading:
    """An asynchronous middleware that reads flags before the view is known, and one after it is done."""

    sync_capable = False
    async_capable = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: Any) -> Any:
        """Tell what was read in a header."""
        early = {key: request.flags.is_enabled(key) for key in ("same", "differs")}
        response = await self.get_response(request)
        response["X-Read"] = json.dumps({**early, "renamed": request.flags.is_enabled("renamed")})
        return response


urlpatterns = [
    path("", view),
    path("async/", aview),
    path("nothing/", nothing),
    path("stream/", stream),
    path("astream/", astream),
]


def run(options: dict[str, Any], cookies: dict[str, str], folder: str) -> dict[str, Any]:
    """Set the site up, ask it, and tell."""
    settings.configure(
        SECRET_KEY="the secret key of the shadow site, long enough",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="tests.django.shadow_site",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "waffle",
            "flags",
            "flagmiddleware.django",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "flagmiddleware.django.FlagMiddleware",
            "flagmiddleware.django.shadow.ShadowMiddleware",
            *options.pop("within", ()),
        ],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/db"}},
        CACHES={
            "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
            "shared": {
                "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
                "LOCATION": os.environ.get("SHADOW_FOLDER") or tempfile.mkdtemp(prefix="shadow-"),
            },
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        FLAGS={
            "SAME": [("boolean", True)],
            "differs": [("boolean", False)],
            "OnlyHere": [],
            "OldName": [("boolean", False)],
        },
        FLAGMIDDLEWARE={"SOURCE": FLAGS, **options},
    )
    django.setup()
    from django.core.cache import cache
    from django.core.management import call_command
    from django.test import AsyncClient, Client

    from flagmiddleware.django.shadow import counts

    call_command("migrate", verbosity=0)
    _fill()
    logged: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("flagmiddleware.shadow").addHandler(handler)
    client = Client()
    client.cookies.load(cookies)
    answer = client.get("/")
    again = client.get("/")
    silent = client.get("/nothing/")
    found = {
        "served": json.loads(answer.content),
        "again": json.loads(again.content),
        "cache": answer.headers.get("Cache-Control", ""),
        "silent": dict(silent.headers),
        "counts": counts().as_dict(),
        "logged": list(logged),
    }
    if "SHADOW_CACHE" in options:
        told = io.StringIO()
        call_command("flags_shadow", stdout=told)
        call_command("flags_shadow", "--json", stdout=told)
        found["table"], _, found["shared"] = told.getvalue().strip().rpartition("\n")
    for name, ask in (
        ("async", lambda: asyncio.run(AsyncClient().get("/async/"))),
        ("wsgi", lambda: Client().get("/async/")),
        ("synchronous", lambda: asyncio.run(AsyncClient().get("/"))),
    ):
        logged.clear()
        before = counts().as_dict()
        cache.clear()  # waffle has to ask the database
        answer = ask()
        found[name] = {
            **({"served": told} if "served" not in (told := json.loads(answer.content)) else told),
            "cache": answer.headers.get("Cache-Control", ""),
            "read": json.loads(answer.headers.get("X-Read", "{}")),
            "logged": list(logged),
            "counts": {kind: dict(Counter(now) - Counter(before[kind])) for kind, now in counts().as_dict().items()},
        }
    found["silent_async"] = dict(asyncio.run(AsyncClient().get("/nothing/")).headers)
    found["stream"] = client.get("/stream/").getvalue().decode()
    found["astream"] = asyncio.run(_read(AsyncClient()))
    return found


async def _read(client: Any) -> str:
    response = await client.get("/astream/")
    return b"".join([part async for part in response.streaming_content]).decode()


def _fill() -> None:
    from waffle.models import Flag, Sample, Switch

    Flag.objects.create(name="same", everyone=True)
    Flag.objects.create(name="differs", everyone=False)
    Switch.objects.create(name="OldName", active=False)
    Switch.objects.create(name="only_there", active=True)
    Sample.objects.create(name="drawn", percent=100)
    for name in ("asked", "never_asked"):
        Flag.objects.create(name=name, percent="99.9")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as database:
        print(json.dumps(run(*json.loads(sys.argv[1]), database)))
