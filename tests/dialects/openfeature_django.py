"""A Django site whose views know OpenFeature only: prints what it answered as JSON."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
from openfeature import api

from flagmiddleware.openfeature import FlagMiddlewareProvider, RequestContextPropagator
from tests.dialects.openfeature_views import DOCUMENT, OPTIONS, TELLS


def view(request: Any) -> HttpResponse:
    """Nothing is passed."""
    return HttpResponse(api.get_client().get_string_value("greeting", "?"))


async def aview(request: Any) -> HttpResponse:
    """The same, on an event loop."""
    return HttpResponse(await api.get_client().get_string_value_async("greeting", "?"))


urlpatterns = [path("sync", view), path("async", aview)]

if __name__ == "__main__":
    settings.configure(
        ALLOWED_HOSTS=["*"],
        FLAGMIDDLEWARE={"SOURCE": DOCUMENT, **{name.upper(): value for name, value in OPTIONS.items()}},
        INSTALLED_APPS=["flagmiddleware.django"],
        MIDDLEWARE=["flagmiddleware.django.FlagMiddleware"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="of the tests",
    )
    django.setup()
    from django.test import AsyncClient, Client

    from flagmiddleware.django.installed import installation

    api.set_provider_and_wait(FlagMiddlewareProvider(installation().flags))
    api.set_transaction_context_propagator(RequestContextPropagator())
    answers = []
    for where in ("/sync", "/async"):
        for sent in TELLS:
            replies = [Client().get(where, headers=sent), asyncio.run(AsyncClient().get(where, headers=sent))]
            answers.append([[reply.content.decode(), reply.headers.get("Cache-Control", "")] for reply in replies])
    print(json.dumps(answers))
    api.shutdown()
