"""The staff panel for QA overrides."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.test import Client
from django.urls import path

from flagmiddleware import Flags

from . import urls as project

PANEL = "/admin/flags/"


def page(request: HttpRequest) -> HttpResponse:
    source = '{% load flags %}{% flag "beta" %}new{% else %}old{% endflag %}{% flags_banner %}'
    return HttpResponse(engines["django"].from_string(source).render({}, request))


urlpatterns = [*project.urlpatterns, path("page", page)]


@pytest.fixture(autouse=True)
def _site(settings: Any, install: Callable[..., Flags]) -> None:
    settings.ROOT_URLCONF = __name__
    install(
        {
            "beta": {"qa": True, "description": "The <b>new</b> page"},
            "button": {"qa": True, "variants": {"blue": 1, "green": 2}, "off": "blue"},
            "killed": {"qa": True, "enabled": False},
            "not-for-qa": {},
        }
    )


def sign_in(users: Any, client: Client, **what: Any) -> Client:
    client.force_login(users.objects.create(id="eve", username="eve", **what))
    return client


@pytest.fixture
def staff(django_user_model: Any) -> Client:
    return sign_in(django_user_model, Client(), is_staff=True)


def shown(client: Client) -> str:
    return client.get("/page").content.decode()


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.django_db
def test_for_staff_only(method: str, django_user_model: Any) -> None:
    """Somebody unknown is asked to sign in, a customer is refused, and neither learns a flag's name."""
    response = getattr(Client(), method)(PANEL)
    assert response.status_code == 302
    assert response["Location"].startswith("/login/")
    customer = sign_in(django_user_model, Client())
    assert getattr(customer, method)(PANEL).status_code == 403


@pytest.mark.django_db
def test_form(staff: Client) -> None:
    """The form offers the flags that say ``qa: true`` and are not killed, escaped, and is never cached."""
    response = staff.get(PANEL)
    text = response.content.decode()
    assert set(re.findall(r'name="flag:([^"]+)"', text)) == {"beta", "button"}
    assert "The &lt;b&gt;new&lt;/b&gt; page" in text
    assert "no-store" in response["Cache-Control"]
    assert "private" in response["Cache-Control"]


@pytest.mark.django_db
def test_get_changes_nothing(staff: Client) -> None:
    """A link to the panel with everything in its query sets no override."""
    response = staff.get(PANEL, {"flag:beta": "on", "action": "here", "seconds": "900"})
    assert "flags_override" not in response.cookies
    assert shown(staff).startswith("old")


@pytest.mark.django_db
def test_csrf(django_user_model: Any) -> None:
    """A form on another site changes nothing."""
    client = sign_in(django_user_model, Client(enforce_csrf_checks=True), is_staff=True)
    assert client.post(PANEL, {"flag:beta": "on", "action": "here"}).status_code == 403
    token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', client.get(PANEL).content.decode())
    assert token is not None
    data = {"flag:beta": "on", "action": "here", "csrfmiddlewaretoken": token[1]}
    assert client.post(PANEL, data).status_code == 303


@pytest.mark.django_db
def test_here_and_back(staff: Client) -> None:
    """“Use in this browser” shows the variant with a banner, to this browser only; “Stop” ends it."""
    response = staff.post(PANEL, {"flag:beta": "on", "flag:button": "", "seconds": "900", "action": "here"})
    assert (response.status_code, response["Location"]) == (303, PANEL)
    assert 0 < int(response.cookies["flags_override"]["max-age"]) <= 900
    assert response.cookies["flags_override"]["httponly"]
    assert shown(staff).startswith("new<aside")
    assert shown(Client()) == "old"
    assert "<code>beta</code> is <code>on</code>" in staff.get(PANEL).content.decode()
    staff.post(PANEL, {"action": "clear"})
    assert shown(staff) == "old"


@pytest.mark.django_db
def test_link(staff: Client) -> None:
    """“Make a link” gives a link for a tester who has no account; it leads nowhere but to this site."""
    for asked, expected in (("/page", "/page"), ("https://evil.example/", "/"), ("//evil.example/x", "/")):
        response = staff.post(PANEL, {"flag:beta": "on", "seconds": "3600", "action": "link", "page": asked})
        link = re.search(r'<a href="(http://testserver([^"?]*)\?flags=[^"]+)"', response.content.decode())
        assert link is not None
        assert link[2] == expected
    tester = Client()
    response = staff.post(PANEL, {"flag:beta": "on", "seconds": "3600", "action": "link", "page": "/page"})
    link = re.search(r'<a href="([^"]+\?flags=[^"]+)"', response.content.decode())
    assert link is not None
    assert tester.get(link[1]).status_code == 303
    assert shown(tester).startswith("new")


@pytest.mark.parametrize(
    "data",
    [
        {"action": "here"},
        {"action": "here", "flag:killed": "on"},
        {"action": "here", "flag:not-for-qa": "on"},
        {"action": "here", "flag:beta": "purple"},
        {"action": "here", "flag:beta": "on", "seconds": "999999"},
        {"action": "link", "flag:beta": "on", "seconds": "x"},
    ],
)
@pytest.mark.django_db
def test_bad_forms(staff: Client, data: dict[str, str]) -> None:
    """What must not be overridden is refused, with words and a 400, and no cookie is set."""
    response = staff.post(PANEL, data)
    assert response.status_code == 400
    assert 'role="alert"' in response.content.decode()
    assert "flags_override" not in response.cookies


@pytest.mark.django_db
def test_accessibility(staff: Client) -> None:
    """Every control has a label or text, ids are unique, groups have legends, and the page has one heading."""
    text = staff.get(PANEL).content.decode()
    main = text[text.index('class="fm-qa"') :]
    controls = re.findall(r'<(?:select|input type="text")[^>]* id="([^"]+)"', main)
    assert len(controls) == 4
    assert all(f'<label for="{control}">' in main for control in controls)
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert main.count("<fieldset>") == main.count("<legend>") == 2
    assert text.count("<h1") == 1
    assert re.search(r"<html[^>]* lang=", text)


@pytest.mark.django_db
def test_without_the_admin(staff: Client, settings: Any) -> None:
    """A site without Django's admin gets the panel on a page of its own."""
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django.contrib.admin"]
    settings.ROOT_URLCONF = "flagmiddleware.django.qa_urls"
    text = staff.get("/").content.decode()
    assert "<h1>QA overrides</h1>" in text
    assert 'lang="en"' in text
