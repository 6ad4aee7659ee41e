"""A Django site that answers OFREP: ``python django_site.py PORT``, with flags.json in the current folder."""

from __future__ import annotations

import sys
from typing import Any
from wsgiref.simple_server import make_server

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DEBUG=False,
    FLAGMIDDLEWARE={"SOURCE": "flags.json", "HEADERS": {"country": "X-Country"}, "VISITOR_COOKIE": False},
    INSTALLED_APPS=["flagmiddleware.django"],
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware", "flagmiddleware.django.FlagMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of the tests",
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402

from flagmiddleware import Flags  # noqa: E402
from flagmiddleware.django.ofrep import ofrep_urls  # noqa: E402
from flagmiddleware.ofrep import Ofrep  # noqa: E402


def authorise(request: Any) -> bool:
    """Who may see everything."""
    return request.headers.get("X-Token") == "yes"


endpoints = Ofrep(Flags("flags.json"), authorise=authorise, client_attributes=["plan", "country"])
urlpatterns = [path("ofrep/", include(ofrep_urls(endpoints)))]

if __name__ == "__main__":
    make_server("127.0.0.1", int(sys.argv[1]), get_wsgi_application()).serve_forever()
