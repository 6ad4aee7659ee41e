"""``override_flags`` on Django's own test classes."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.test import LiveServerTestCase, RequestFactory, SimpleTestCase, TestCase, override_settings
from django.urls import path

from flagmiddleware.django import flags_from, installation
from flagmiddleware.testing import override_flags


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.flags.is_enabled("new-checkout")))


urlpatterns = [path("page", page)]


@override_settings(ROOT_URLCONF=__name__)
@override_flags(new_checkout=True)
class DecoratedTestCase(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        get_user_model().objects.create(id="ann", username="ann")
        cls.at_data = flags_from(RequestFactory().get("/")).is_enabled("new-checkout")

    def test_client(self) -> None:
        """The test client's requests see the override, and so did ``setUpTestData``."""
        assert self.at_data
        assert self.client.get("/page").content == b"True"

    async def test_async_client(self) -> None:
        """Asynchronous tests of a synchronous class see it too."""
        assert (await self.async_client.get("/page")).content == b"True"

    @override_flags(new_checkout=False)
    def test_method_wins(self) -> None:
        """A method's own decorator has the last word."""
        assert self.client.get("/page").content == b"False"


@override_settings(ROOT_URLCONF=__name__)
class PlainTestCase(SimpleTestCase):
    def test_nothing_leaks(self) -> None:
        """Another class sees nothing of it."""
        assert self.client.get("/page").content == b"False"

    def test_per_user(self) -> None:
        """An override for one user is for that user's requests only, and needs no database."""

        class Ann:
            pk = "ann"
            is_authenticated = True

        decided: list[Any] = []
        with override_flags(new_checkout=True, user="ann"):
            for user in (Ann(), None):
                request = RequestFactory().get("/")
                request.user = user
                decided.append(flags_from(request).is_enabled("new-checkout"))
        assert decided == [True, False]


@override_settings(ROOT_URLCONF=__name__)
class LiveTestCase(LiveServerTestCase):
    def test_live_server(self) -> None:
        """A live server runs in another thread: ``Flags.override()`` reaches it."""
        from urllib.request import urlopen

        url = f"{self.live_server_url}/page"
        with installation().flags.override({"new-checkout": True}):
            assert urlopen(url, timeout=10).read() == b"True"
        assert urlopen(url, timeout=10).read() == b"False"


@pytest.mark.flags(new_checkout=True)
@pytest.mark.django_db
def test_mark(client: Any, settings: Any) -> None:
    """The mark works with pytest-django's client."""
    settings.ROOT_URLCONF = __name__
    assert client.get("/page").content == b"True"
