"""A Django project for this folder's tests.

It is configured in code and not by DJANGO_SETTINGS_MODULE, which processes that other tests start would inherit.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
import pytest
from django.conf import settings

from flagmiddleware import Flags

HERE = Path(__file__).parent

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "flagmiddleware.django.FlagMiddleware",
]

APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "debug_toolbar",
    "rest_framework",
    "tests.django.people",
    "flagmiddleware.django",
    "flagmiddleware.django.store",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [HERE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "flagmiddleware.django.context_processors.flags",
            ]
        },
    },
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [HERE / "jinja"],
        "OPTIONS": {"environment": "flagmiddleware.django.jinja.environment"},
    },
]

if not settings.configured:
    settings.configure(
        SECRET_KEY="the secret key of the Django test project, long enough",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="tests.django.urls",
        INSTALLED_APPS=APPS,
        MIDDLEWARE=MIDDLEWARE,
        TEMPLATES=TEMPLATES,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        MIGRATION_MODULES={app.rpartition(".")[2]: None for app in APPS},
        AUTH_USER_MODEL="people.Person",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        STATIC_URL="/static/",
        LOGIN_URL="/login/",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        FLAGMIDDLEWARE={"SOURCE": HERE / "flags.yaml"},
    )
    django.setup()


@pytest.fixture
def install(settings: Any) -> Callable[..., Flags]:
    """``install({key: definition, …}, TRUSTED_PROXIES=1)``: the site's flags and settings for this test."""

    def install(flags: dict[str, Any], **options: Any) -> Flags:
        made = Flags({"version": 1, "flags": flags})
        settings.FLAGMIDDLEWARE = {"FLAGS": made, **options}
        return made

    return install
