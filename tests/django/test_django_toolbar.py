"""The panel for Django Debug Toolbar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path

from flagmiddleware import Flags


def page(request: HttpRequest) -> HttpResponse:
    request.flags.is_enabled("beta")  # this line is what the panel shows
    return HttpResponse("<html><body>page</body></html>")


LINE = page.__code__.co_firstlineno + 1

urlpatterns = [path("page", page), path("__debug__/", include("debug_toolbar.urls"))]


@pytest.mark.django_db
def test_panel(settings: Any, install: Callable[..., Flags]) -> None:
    """The panel lists each flag that was read with value, reason, rule and the line that read it first."""
    settings.DEBUG = True
    settings.ROOT_URLCONF = __name__
    settings.INTERNAL_IPS = ["127.0.0.1"]
    settings.DEBUG_TOOLBAR_CONFIG = {"SHOW_TOOLBAR_CALLBACK": lambda request: True, "IS_RUNNING_TESTS": False}
    settings.DEBUG_TOOLBAR_PANELS = ["flagmiddleware.django.panel.FlagsPanel"]
    settings.MIDDLEWARE = ["debug_toolbar.middleware.DebugToolbarMiddleware", *settings.MIDDLEWARE]
    install({"beta": {"rules": [{"name": "everybody", "serve": True}]}})
    text = Client().get("/page").content.decode()
    assert "1 read" in text
    from debug_toolbar.store import get_store

    (request_id,) = list(get_store().request_ids())[-1:]
    stats = get_store().panel(request_id, "FlagsPanel")
    (row,) = stats["rows"]
    assert (row["key"], row["value"], row["variant"], row["reason"], row["rule"]) == (
        "beta", "True", "on", "TARGETING_MATCH", "everybody",
    )  # fmt: skip
    assert row["place"] == f"{__file__}:{LINE}"
