"""Template tags, filters and the context processor; Django's engine and Jinja's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import Context as TemplateContext
from django.template import Template, TemplateSyntaxError, engines
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import path

from flagmiddleware import Context, Flags
from flagmiddleware.django import flags_from
from flagmiddleware.testing import override_flags


def child(request: HttpRequest) -> HttpResponse:
    return render(request, "child.html")


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken")


def jinja(request: HttpRequest) -> HttpResponse:
    return render(request, "page.jinja", using="jinja2")


urlpatterns = [path("child", child), path("broken", broken), path("jinja", jinja)]

DEFINITIONS: dict[str, Any] = {
    "new-checkout": {"rules": [{"if": {"email": "ann@yourcompany.com"}, "serve": True}]},
    "beta": {"rules": [{"serve": True}]},
    "dark": {},
    "button": {
        "public": True,
        "variants": {"blue": "<b>blue</b>", "green": "</script><script>alert(1)</script>"},
        "off": "blue",
        "rules": [{"if": {"country": "AU"}, "serve": "green"}],
    },
    "hidden": {"variants": {"a": "secret-a", "b": "secret-b"}, "off": "a"},
}


@pytest.fixture(autouse=True)
def site(settings: Any, install: Callable[..., Flags]) -> Flags:
    settings.ROOT_URLCONF = __name__
    return install(DEFINITIONS, HEADERS={"country": "X-Country"})


def show(source: str, headers: dict[str, str] | None = None, **context: Any) -> str:
    request = RequestFactory(headers=headers or {}).get("/")
    return engines["django"].from_string("{% load flags cache %}" + source).render(context, request)


BLOCK = '{% flag "new-checkout" %}new{% elflag "beta" %}beta{% else %}old{% endflag %}'


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        ({"new-checkout": True}, "new"),
        ({}, "beta"),
        ({"beta": False}, "old"),
        ({"new-checkout": True, "beta": False}, "new"),
    ],
)
def test_flag(flags: dict[str, bool], shown: str) -> None:
    """``flag``, ``elflag`` and ``else``: the first arm whose flag is on."""
    with override_flags({"dark": False, **flags}):
        assert show(BLOCK) == shown


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ('{% flag "beta" %}x{% endflag %}', "x"),
        ('{% flag "dark" %}x{% endflag %}', ""),
        ('{% flag "no-such-flag" %}x{% else %}y{% endflag %}', "y"),
        ("{% flag name %}x{% else %}y{% endflag %}", "x"),
        ("{% flag missing %}x{% else %}y{% endflag %}", "y"),
        ('{% flag "new_checkout" %}x{% elflag "dark" %}y{% elflag "beta" %}z{% endflag %}', "z"),
        ('{% flag "beta" %}{% flag "dark" %}x{% else %}inner{% endflag %}{% endflag %}', "inner"),
        ('{% variant "button" "blue" %}b{% elvariant "green" "red" %}g{% else %}?{% endvariant %}', "b"),
        ('{% variant "button" "green" %}g{% else %}?{% endvariant %}', "?"),
        ('{% variant "no-such-flag" "green" %}g{% endvariant %}', ""),
        ('{% flag_variant "button" %}', "blue"),
        ('{% flag_value "button" %}', "&lt;b&gt;blue&lt;/b&gt;"),
        ('{% flag_value "button" as colour %}{{ colour|length }}', "11"),
        ('{% flag_value "no-such-flag" default="red" %}', "red"),
        ("{% if flags.beta and not flags.new_checkout %}x{% endif %}", "x"),
        ("{{ flags.dark }}{{ flags.no_such_flag }}", "FalseFalse"),
        ('{% if "beta" in flags %}known{% endif %}{% if "nope" in flags %}unknown{% endif %}', "known"),
        ('{% flag "beta" %}{% endflag %}{% flags_read as read %}{{ read.beta.reason }}', "TARGETING_MATCH"),
    ],
)
def test_tags(source: str, shown: str) -> None:
    """Each tag on its own: constants, variables, names with ``_``, unknown flags."""
    assert show(source, name="beta") == shown


def test_variant_block() -> None:
    """A variant's arm is rendered for those who get it."""
    source = '{% variant "button" "blue" %}b{% elvariant "red" "green" %}g{% endvariant %}'
    assert show(source, {"X-Country": "AU"}) == "g"


@pytest.mark.parametrize(
    "source",
    [
        "{% flag %}{% endflag %}",
        '{% flag "a" "b" %}{% endflag %}',
        '{% variant "a" %}{% endvariant %}',
        '{% flag "a" %}',
        '{% flag "a" %}{% else %}{% elflag "b" %}{% endflag %}',
    ],
)
def test_syntax_errors(source: str) -> None:
    """What cannot mean anything is refused when the template is compiled."""
    with pytest.raises(TemplateSyntaxError):
        Template("{% load flags %}" + source)


@pytest.mark.django_db
def test_inheritance_and_inclusion() -> None:
    """Tags work in extended, overridden and included templates, with ``only`` too; blocks inside them are found."""
    text = Client().get("/child").content.decode()
    assert "<title>beta</title>" in text
    assert "beta|beta" in text
    assert "inside" not in text
    with override_flags(new_checkout=True):
        text = Client().get("/child").content.decode()
    assert "child inside" in text
    assert "base inside" not in text
    assert "new|new" in text


def test_explicit_flags(site: Flags) -> None:
    """An email is rendered for its reader: without a request, with ``flags`` bound to a context."""
    ann = site.bind(Context("ann", email="ann@yourcompany.com"))
    assert render_to_string("part.html", {"flags": ann}) == "new"
    assert render_to_string("part.html", {"flags": site.bind(Context("bob"))}) == "beta"


def test_explicit_flags_win_over_the_request(site: Flags) -> None:
    """A page for support staff may show what somebody else sees."""
    ann = site.bind(Context("ann", email="ann@yourcompany.com"))
    assert show(BLOCK, flags=ann) == "new"


def test_something_else_called_request(site: Flags) -> None:
    """An email about a customer's request is no page: what is called ``request`` there has no flags, and needs none."""
    email = engines["django"].from_string('{% load flags %}{% flag "for-ann" %}on{% else %}off{% endflag %}')
    assert email.render({"request": object()}) == "off"


def test_without_request() -> None:
    """A template without any context is rendered for nobody in particular."""
    assert render_to_string("part.html") == "beta"
    assert Template("{% load flags %}" + BLOCK).render(TemplateContext()) == "beta"


def test_error_page(settings: Any) -> None:
    """Django's 500 page is rendered without a request; it still sees the flags of the request that failed."""
    settings.FLAGMIDDLEWARE = {**settings.FLAGMIDDLEWARE, "CONTEXT": lambda request: {"email": "ann@yourcompany.com"}}
    response = Client(raise_request_exception=False).get("/broken")
    assert response.status_code == 500
    assert response.content.decode().strip() == "broken, new"


def test_nothing_is_read_by_the_context_processor() -> None:
    """A template that asks no flag leaves the request's flags unbound."""
    request = RequestFactory().get("/")
    engines["django"].from_string("{% load flags %}x").render({}, request)
    assert not flags_from(request).is_bound


def test_cached_fragment() -> None:
    """``{% cache %}`` keyed on flags keeps one fragment for each answer, and a hit still counts as a reading."""
    cache.clear()
    source = (
        '{% flags_cache_key "button" as decided %}'
        '{% cache 600 sidebar decided %}{% variant "button" "green" %}green{% else %}blue{% endvariant %}{% endcache %}'
    )
    assert [show(source), show(source, {"X-Country": "AU"}), show(source)] == ["blue", "green", "blue"]
    request = RequestFactory(headers={"X-Country": "AU"}).get("/")
    text = engines["django"].from_string("{% load flags cache %}" + source).render({}, request)
    assert (text, list(flags_from(request).evaluated())) == ("green", ["button"])


def test_flags_json() -> None:
    """Only public flags reach the browser, in JSON from which no value can break out."""
    text = show("{{ flags|flags_json }}", {"X-Country": "AU"})
    assert "<" not in text
    assert json.loads(text) == {"button": "</script><script>alert(1)</script>"}
    assert show("{{ request.flags|flags_json }}", {"X-Country": "AU"}) == text
    assert "secret" not in text


def test_script_tag() -> None:
    """The script element carries the nonce of the page's policy, escaped."""
    tag = show("{% flags_script_tag %}", csp_nonce='a"b')
    assert tag.startswith('<script nonce="a&quot;b">window.flags={')
    assert show('{% flags_script_tag nonce="n" variable="shopFlags" %}').startswith(
        '<script nonce="n">window.shopFlags='
    )


def test_banner_is_for_testers() -> None:
    """Without an override there is no banner."""
    assert show("{% flags_banner %}") == ""


def test_jinja_backend() -> None:
    """Django's Jinja backend has the tags, functions and the test, each for the request of the page."""
    assert Client().get("/jinja").content.decode() == "beta|True|&lt;b&gt;blue&lt;/b&gt;|"
    with override_flags(new_checkout=True):
        assert Client().get("/jinja").content.decode() == "new|True|&lt;b&gt;blue&lt;/b&gt;|test"
    assert render_to_string("page.jinja", {}, using="jinja2").startswith("beta|")
