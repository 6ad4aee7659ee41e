"""The adapter contract on Django: under WSGI, and under ASGI with asynchronous and with synchronous views."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.models import Group
from django.contrib.sessions.backends.db import SessionStore
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler

from flagmiddleware import Flags
from flagmiddleware.testing.contract_adapter import AdapterContract, Reply, Site
from tests.web.clients import PEER, ASGISite, WSGISite

from .contract_urls import hooks

pytestmark = pytest.mark.django_db(transaction=True)


def sign_in(told: Mapping[str, Any]) -> str:
    """A session of this user in the database, as Django's ``login()`` leaves one."""
    person, _ = get_user_model().objects.update_or_create(
        id=told["id"],
        defaults={"username": told["id"], **{name: told[name] for name in ("email", "is_staff", "is_superuser")}},
    )
    person.groups.set([Group.objects.get_or_create(name=name)[0] for name in told["groups"]])
    session = SessionStore()
    session[SESSION_KEY] = person.pk
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.create()
    return session.session_key


class SigningIn:
    """A site whose header X-Contract-User stands for the session of that user."""

    def __init__(self, site: Any) -> None:
        self.site = site

    def get(
        self, path: str, headers: Mapping[str, str] = {}, cookies: Mapping[str, str] = {}, method: str = "GET"
    ) -> Reply:
        told = headers.get("X-Contract-User")
        if told:
            cookies = {**cookies, "sessionid": sign_in(json.loads(told))}
        return self.site.get(path, headers, cookies, method)


class Driver:
    """Django with the middleware, and the contract's pages as its URLs."""

    peer = PEER

    def __init__(self, settings: Any, urlconf: str, site: Callable[[], Any]) -> None:
        self.settings = settings
        self.urlconf = urlconf
        self.site = site

    def make(self, flags: Flags, settings: Mapping[str, Any], hook: Callable[[], None]) -> Site:
        self.settings.ROOT_URLCONF = self.urlconf
        self.settings.FLAGMIDDLEWARE = {"FLAGS": flags, **{name.upper(): value for name, value in settings.items()}}
        hooks[:] = [hook]
        return SigningIn(self.site())


class TestDjangoContract(AdapterContract):
    @pytest.fixture
    def driver(self, settings: Any) -> Driver:
        return Driver(settings, "tests.django.contract_urls", lambda: WSGISite(WSGIHandler()))


class TestAsyncDjangoContract(AdapterContract):
    @pytest.fixture
    def driver(self, settings: Any) -> Driver:
        return Driver(settings, "tests.django.async_contract_urls", lambda: ASGISite(ASGIHandler()))


class TestSyncViewsUnderASGIContract(AdapterContract):
    @pytest.fixture
    def driver(self, settings: Any) -> Driver:
        return Driver(settings, "tests.django.contract_urls", lambda: ASGISite(ASGIHandler()))
