"""Which flags Jinja templates name, found at start-up by Jinja's own syntax tree."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jinja2 import BaseLoader, DictLoader, Environment, FileSystemLoader, FunctionLoader
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates
from starlette.testclient import TestClient

from flagmiddleware import ConfigurationError, Flags
from flagmiddleware import fastapi as fastapi_adapter
from flagmiddleware.starlette import FlagMiddleware
from flagmiddleware.web.jinja import FlagExtension
from flagmiddleware.web.jinja_scan import mentions_in, template_mentions
from flagmiddleware.web.mentions import unknown_mentions

DOCUMENT: dict[str, Any] = {"version": 1, "flags": {"new-checkout": {}, "beta": {}, "dark": {}}}

PAGE = """\
{% extends "base.html" %}{% from "macros.html" import price %}
{# {% flag "commented" %} #}{% flag "betta" %}{% elflag "beta" %}{% endflag %}
{% raw %}{% flag "raw" %}{% endraw %}{{ flag_value("new_checkout") }}{{ flag_variant("dork") }}
{% if "new-chekout" is enabled_flag and flag("dark") %}{% endif %}
{% variant "darkk" "a" %}{% elvariant "b" %}{% endvariant %}{% flag_value "bete" as x %}
{{ request.flags.is_enabled("bela") }}{{ flags_cache_key("beta", "darc") }}{{ some.value("no flag") }}
"""
MISSPELT = [
    ("betta", 2), ("dork", 3), ("new-chekout", 4), ("darkk", 5), ("bete", 5), ("bela", 6), ("darc", 6),
]  # fmt: skip


def environment(**options: Any) -> Environment:
    return Environment(autoescape=True, extensions=[FlagExtension], **options)


def test_every_way_to_name_a_flag() -> None:
    """Tags, functions, the test and methods of `flags` are found with their lines; comments and raw text are not."""
    known = {"beta", "dark", "new_checkout"}
    found = [(mention.key, mention.line) for mention in mentions_in(environment(), PAGE, "page.html")]
    assert sorted(pair for pair in found if pair[0] not in known) == sorted(MISSPELT)
    assert {key for key, _ in found} >= known


def test_the_sites_own_delimiters() -> None:
    """A site that writes its tags otherwise is understood, which no search of the text would be."""
    env = environment(block_start_string="<%", block_end_string="%>", line_statement_prefix="%%")
    found = mentions_in(env, '<% flag "one" %><% endflag %>\n%% flag "two"\n%% endflag\n{% flag "none" %}', "a")
    assert [(mention.key, mention.line) for mention in found] == [("one", 1), ("two", 2)]


@pytest.mark.parametrize(
    "text",
    [
        '{% macro flag(country) %}{% endmacro %}{{ flag("au") }}',
        '{% from "countries.html" import flag %}{{ flag("au") }}',
        '{% from "countries.html" import draw as flag %}{{ flag("au") }}',
        '{% set flag = countries.flag %}{{ flag("au") }}',
        '{% for flag in drawers %}{{ flag("au") }}{% endfor %}',
        "{{ flag(name) }}{% flag name %}{% endflag %}",
    ],
)
def test_other_flags(text: str) -> None:
    """A macro or variable called `flag` is the template's own, and a key that is computed cannot be checked."""
    assert mentions_in(environment(), text, "a.html") == []


class Broken(BaseLoader):
    def list_templates(self) -> list[str]:
        raise RuntimeError("no such database")


@pytest.mark.parametrize("line", PAGE.splitlines()[1:])
def test_the_first_look_misses_nothing(line: str) -> None:
    """Each way to misspell a key makes its template worth parsing, and a template in order is not parsed."""
    env = environment(loader=DictLoader({"a.html": line}))
    known = {"beta", "dark", "new-checkout", "commented", "raw", *(key for key, _ in MISSPELT)}
    wanted = {key for key, _ in MISSPELT} & {mention.key for mention in mentions_in(env, line, "a.html")}
    found = {mention.key for mention in template_mentions(env, {"beta", "dark", "new-checkout"})}
    assert found >= wanted
    assert wanted
    assert "flags_cache_key" in line or list(template_mentions(env, known)) == []


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """A template with a mistake, an image among templates, a loader that cannot list: the others are still checked."""
    (tmp_path / "wrong.html").write_text('{% flag "wrong" %}{% if %}')
    (tmp_path / "image.png").write_bytes(b"\x89PNG\xff\xfe flag")
    (tmp_path / "good.html").write_text('{{ flag("betta") }}')
    installed = tmp_path / "site-packages" / "other"
    installed.mkdir(parents=True)
    (installed / "theirs.html").write_text('{{ flag("theirs") }}')
    env = environment(loader=FileSystemLoader([tmp_path, installed]))
    assert [mention.key for mention in template_mentions(env)] == ["betta"]
    for loader in (FunctionLoader(lambda name: None), Broken(), None):
        assert list(template_mentions(environment(loader=loader))) == []


def problems(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "flagmiddleware"]


TEMPLATES: Mapping[str, str] = {"page.html": '\n{% flag "betta" %}{% elflag "new_checkout" %}{% endflag %}'}
TOLD = ["page.html:2: there is no flag 'betta'; did you mean 'beta'?"]


@pytest.mark.parametrize("several", [False, True])
def test_starlette_tells_at_the_start(caplog: pytest.LogCaptureFixture, several: bool) -> None:
    """`templates=` teaches the environment the tags, and checks what its templates ask for when the app starts."""
    templates = Jinja2Templates(env=Environment(autoescape=True, loader=DictLoader(TEMPLATES)))
    other = Environment(autoescape=True, loader=DictLoader({"mail.txt": '{{ flag("darkk") }}'}))

    async def page(request: Request) -> Response:
        return templates.TemplateResponse(request, "page.html")

    given = [templates, other] if several else templates
    app = Starlette(
        routes=[Route("/", page)], middleware=[Middleware(FlagMiddleware, flags=Flags(DOCUMENT), templates=given)]
    )
    with TestClient(app) as client:
        assert client.get("/").status_code == 200
    assert problems(caplog) == TOLD + ["mail.txt:1: there is no flag 'darkk'; did you mean 'dark'?"] * several


def test_fastapi_tells_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    """The same option in FastAPI."""
    app = fastapi_adapter.FastAPI()
    templates = Jinja2Templates(env=Environment(autoescape=True, loader=DictLoader(TEMPLATES)))
    app.add_middleware(fastapi_adapter.FlagMiddleware, flags=Flags(DOCUMENT), templates=templates)
    with TestClient(app):
        pass
    assert problems(caplog) == TOLD


def test_templates_that_are_none() -> None:
    """A folder's name instead of an environment is refused with what is wanted, when the server starts the site."""
    site = FlagMiddleware(Starlette(), flags=Flags(DOCUMENT), templates="templates")
    wanted = r"templates: .* is neither Jinja2Templates nor a Jinja environment"
    with pytest.raises(ConfigurationError, match=wanted), TestClient(site):
        pytest.fail("it started")


def test_no_definitions_no_complaints() -> None:
    """While a network source has not answered there is nothing to compare with, and nothing is said."""
    mentions = mentions_in(environment(), PAGE, "page.html")
    assert list(unknown_mentions(mentions, Flags({"version": 1, "flags": {}}).ruleset)) == []
