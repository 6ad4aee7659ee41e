"""A Django site whose admin has our pages, run as a process: ``DATABASE=FILE python -m tests.e2e.admin_site PORT``.

It has one superuser, ``ann`` with the password ``demo``, a store with a few flags and their history, and the QA panel.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import django
from django.conf import settings

USER, PASSWORD = "ann", "demo"
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "segments": {"insiders": {"is_staff": True}},
    "flags": {
        "new-checkout": {
            "description": "The one-page checkout",
            "owner": ["shop"],
            "risk": {"technical": "high", "business": "high"},
            "expires": "2027-03-31",
            "qa": True,
            "rules": [{"if": {"segment": "insiders"}, "serve": True}],
        },
        "banner": {"owner": ["press"], "rules": [{"serve": True}]},
        "button": {
            "qa": True,
            "variants": {"blue": "#00f", "green": "#0f0"},
            "off": "blue",
            "rules": [{"split": {"blue": 1, "green": 1}}],
        },
        "dark": {"enabled": False},
    },
}

settings.configure(
    DEBUG=True,  # so that `runserver` serves the admin's style sheets
    SECRET_KEY="the secret key of the admin's test site, long enough",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django.contrib.staticfiles",
        "flagmiddleware.django",
        "flagmiddleware.django.store",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "flagmiddleware.django.FlagMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATABASE"]}},
    STATIC_URL="/static/",
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    FLAGMIDDLEWARE={"SOURCE": "django"},
)
django.setup()

from django.apps import apps  # noqa: E402
from django.contrib import admin  # noqa: E402
from django.urls import include, path  # noqa: E402

urlpatterns = [
    path("admin/qa/", include("flagmiddleware.django.qa_urls")),
    path("admin/", admin.site.urls),
]


def fill() -> None:
    """Tables, a superuser, flags, and a second entry in the history."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from flagmiddleware.django.store.source import OrmSource
    from flagmiddleware.sources.base import Change

    call_command("migrate", verbosity=0)
    get_user_model().objects.create_superuser(USER, "ann@yourcompany.com", PASSWORD)
    source, first = OrmSource(), json.dumps(DOCUMENT).encode()
    revision = source.write(Change(data=first, actor="Ann", reason="the first flags", via="test"), None)
    changed = {**DOCUMENT, "flags": {**DOCUMENT["flags"], "dark": {"rules": [{"serve": True}]}}}
    source.write(Change(data=json.dumps(changed).encode(), actor="Ann", reason="light", via="test"), revision)


if __name__ == "__main__":
    from django.core.management import call_command

    assert apps.ready
    fill()
    call_command("runserver", f"127.0.0.1:{sys.argv[1]}", use_reloader=False, verbosity=0)
