"""Settings and system checks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.core.management import call_command
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from rest_framework.views import APIView

from flagmiddleware import ConfigurationError, Flags
from flagmiddleware.django import FlagMiddleware, FlagRequiredMixin, flag_path, flag_required, installation
from flagmiddleware.django.drf import flag_permission
from flagmiddleware.web.observers import Observation


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.flags.is_enabled("new-checkout")))


@flag_required("new-chekout")
class Gated(View):
    pass


class Mixed(FlagRequiredMixin, View):
    flag_required = "betta"


@flag_required("beta")
@flag_required("innner")
class Twice(View):
    pass


@flag_required("dark")
class Inherits(Twice):
    @method_decorator(flag_required("onn-get"))
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse()


class Api(APIView):
    permission_classes = [flag_permission("dork")]  # noqa: RUF012 - REST framework's interface


urlpatterns = [
    path("good", flag_required("beta")(page)),
    path("bad", flag_required(all=["beta", "!new-checkot"])(page)),
    path("class", Gated.as_view()),
    path("mixin", Mixed.as_view()),
    path("api", Api.as_view()),
    path("twice", Twice.as_view()),
    path("inherits", Inherits.as_view()),
    path("inner/", include([flag_path("deep/", include([path("x", page)]), flag="nowhere")])),
]


@pytest.fixture
def site(settings: Any, install: Callable[..., Flags]) -> Flags:
    settings.ROOT_URLCONF = __name__
    return install({"new-checkout": {}, "beta": {}, "dark": {}})


def found(number: str) -> list[str]:
    return [str(message.msg) for message in checks.run_checks() if message.id == f"flagmiddleware.{number}"]


def test_a_good_site_is_quiet(settings: Any, install: Callable[..., Flags]) -> None:
    """A site without mistakes gets no message, and the checks ask the database nothing: here a query would fail."""
    settings.ROOT_URLCONF = "tests.django.urls"
    install({"new-checkout": {}, "beta": {}, "dark": {}, "button": {}})
    assert [message for message in checks.run_checks() if str(message.id).startswith("flagmiddleware")] == []


@pytest.mark.django_db
def test_checks_make_no_query(site: Flags) -> None:
    """Nor do they where there is something to say."""
    with CaptureQueriesContext(connection) as captured:
        assert found("W003")
    assert len(captured) == 0


def test_unknown_keys_in_gates(site: Flags) -> None:
    """W003 finds unknown keys on functions, classes, mixins, permissions and gated includes, with the nearest name.

    On a class, the inner one of two gates is found too, and an inherited one, and one on a single method.
    """
    messages = "\n".join(found("W003"))
    assert messages.count("\n") == 7
    assert "test_django_checks.Twice: there is no flag 'innner'" in messages
    assert "test_django_checks.Inherits: there is no flag 'innner'" in messages
    assert "test_django_checks.Inherits: there is no flag 'onn-get'" in messages
    assert "test_django_checks.page: there is no flag 'new-checkot'; did you mean 'new-checkout'?" in messages
    assert "test_django_checks.Gated: there is no flag 'new-chekout'; did you mean 'new-checkout'?" in messages
    assert "test_django_checks.Mixed: there is no flag 'betta'; did you mean 'beta'?" in messages
    assert "test_django_checks.Api: there is no flag 'dork'; did you mean 'dark'?" in messages
    assert "flag_path 'deep/': there is no flag 'nowhere'" in messages


def test_unknown_keys_in_templates(site: Flags, settings: Any, tmp_path: Path) -> None:
    """W004 finds unknown keys in templates of both engines, with file and line, and no others."""
    (tmp_path / "page.html").write_text(
        '{% load flags %}\n{# {% flag "commented" %} #}{% flag "betta" %}{% elflag "beta" %}{% endflag %}\n'
        '{% flag_value "new_checkout" %}{% if flags.new_chekout and flags.beta %}{% endif %}\nflags.in_text\n'
        '{% comment %}\n{% flag "silent" %}{% endflag %}\n{% endcomment %}{% variant "dork" "a" %}{% endvariant %}\n'
        '{% flags_cache_key "beta" "darc" as d %}'
    )
    (tmp_path / "page.txt").write_text('{{ flag("bella") }}\n{% if "dark" is enabled_flag %}{% endif %}')
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path], "APP_DIRS": False}]
    messages = found("W004")
    assert [message.removeprefix(str(tmp_path)) for message in messages] == [
        "/page.html:2: there is no flag 'betta'; did you mean 'beta'?",
        "/page.html:7: there is no flag 'dork'; did you mean 'dark'?",
        "/page.html:8: there is no flag 'darc'; did you mean 'dark'?",
        "/page.html:3: there is no flag 'new_chekout'; did you mean 'new-checkout'?",
        "/page.txt:1: there is no flag 'bella'; did you mean 'beta'?",
    ]


def test_middleware_missing(site: Flags, settings: Any) -> None:
    """W001 tells a site that forgot the middleware."""
    settings.MIDDLEWARE = []
    assert found("W001")


@pytest.mark.parametrize(
    ("order", "wrong"),
    [("UFT", False), ("FUT", True), ("UTF", True), ("F", False), ("UF", False), ("FT", False), ("TF", True),
     ("FO", False), ("OF", True)],
)  # fmt: skip
def test_middleware_order(site: Flags, settings: Any, order: str, wrong: bool) -> None:
    """W002 wants the middleware between the two halves of Django's page cache."""
    names = {
        "U": "django.middleware.cache.UpdateCacheMiddleware",
        "F": "flagmiddleware.django.FlagMiddleware",
        "T": "django.middleware.cache.FetchFromCacheMiddleware",
        "O": "flagmiddleware.django.cache.FetchFromCacheMiddleware",
    }
    settings.MIDDLEWARE = [names[letter] for letter in order]
    assert bool(found("W002")) is wrong


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "settings.FLAGMIDDLEWARE: None is not a dict"),
        ({}, "settings.FLAGMIDDLEWARE['SOURCE']"),
        ({"SOURCE": "/no/such/flags.yaml"}, "settings.FLAGMIDDLEWARE['SOURCE']: /no/such/flags.yaml"),
        ({"SOURCE": "x.yaml", "TRUSTED_PROXY": 1}, "did you mean settings.FLAGMIDDLEWARE['TRUSTED_PROXIES']?"),
        ({"source": "x.yaml"}, "write it in capitals: 'SOURCE'"),
        ({"SOURCE": "x.yaml", "CONTEXT": "no.such.function"}, "settings.FLAGMIDDLEWARE['CONTEXT']: 'no.such.function'"),
        ({"SOURCE": "x.yaml", "TRUSTED_PROXIES": -1}, "settings.FLAGMIDDLEWARE['TRUSTED_PROXIES']: -1"),
        ({"FLAGS": "flags.yaml"}, "settings.FLAGMIDDLEWARE['FLAGS']"),
        ({"SOURCE": "http://h/", "MAX_STALE": -1}, "settings.FLAGMIDDLEWARE['MAX_STALE']: -1"),
        ({"SOURCE": "http://h/", "CACHE_DIR": 1}, "settings.FLAGMIDDLEWARE['CACHE_DIR']: 1"),
        ({"SOURCE": "x.yaml", "OVERLAY": 1}, "settings.FLAGMIDDLEWARE['OVERLAY']: 1 is no place of flags"),
        ({"SOURCE": "x.yaml", "ENV_PREFIX": ""}, "settings.FLAGMIDDLEWARE['ENV_PREFIX']: '' begins no variable"),
        ({"SOURCE": {"url": "x.yaml", "readonly": 2}}, "settings.FLAGMIDDLEWARE['SOURCE']['readonly']: 2 is neither"),
        ({"SOURCE": "http://h/", "START_TIMEOUT": 0}, "settings.FLAGMIDDLEWARE['START_TIMEOUT']: 0"),
        ({"SOURCE": "http://h/", "SNAPSHOT_KEY": b"x"}, "settings.FLAGMIDDLEWARE['SNAPSHOT_KEY']: needs"),
    ],
)
def test_bad_settings(settings: Any, given: Any, words: str) -> None:
    """E001, and the server's start, name the setting that is wrong and what is wrong with it."""
    settings.FLAGMIDDLEWARE = given
    (message,) = found("E001")
    assert words in message
    with pytest.raises(ConfigurationError) as raised:
        FlagMiddleware(page)
    assert words in str(raised.value)


def test_bad_file(settings: Any, tmp_path: Path) -> None:
    """A flag file with mistakes is told with all of them when the site starts."""
    file = tmp_path / "flags.yaml"
    file.write_text("version: 1\nflags:\n  beta: {rool: 1}\n  Bad: {}\n")
    settings.FLAGMIDDLEWARE = {"SOURCE": file}
    (message,) = found("E001")
    assert "flags.yaml:3" in message
    assert "flags.yaml:4" in message


def test_running_site_survives_a_broken_file(settings: Any, tmp_path: Path) -> None:
    """At run time a broken file changes nothing: the site serves what it served."""
    file = tmp_path / "flags.yaml"
    file.write_text("version: 1\nflags: {new-checkout: {rules: [{serve: true}]}}\n")
    settings.ROOT_URLCONF = __name__
    settings.FLAGMIDDLEWARE = {"SOURCE": file, "REFRESH": 0}
    flags = installation().flags
    assert flags.is_enabled("new-checkout")
    file.write_text("version: 1\nflags: {new-checkout: {rool: 1}}\n")
    flags.refresh()
    assert flags.is_enabled("new-checkout")
    assert str(flags.status.state) == "STALE"


def test_running_site_survives_a_file_that_is_gone(settings: Any, tmp_path: Path) -> None:
    """A file that was deleted, or can be read by nobody, changes no page and is told in a line or two."""
    file = tmp_path / "flags.yaml"
    file.write_text("version: 1\nflags: {beta: {rules: [{serve: true}]}}\n")
    settings.ROOT_URLCONF = __name__
    settings.FLAGMIDDLEWARE = {"SOURCE": file, "REFRESH": 0}
    for trouble in (lambda: None, file.unlink, lambda: file.symlink_to(file)):
        trouble()
        assert [Client().get("/good").status_code for _ in range(5)] == [200] * 5


seen: list[Observation] = []


def observe(observation: Observation) -> None:
    seen.append(observation)


def test_dotted_paths(settings: Any) -> None:
    """Settings that hold functions or flags may name them by a dotted path."""
    settings.ROOT_URLCONF = __name__
    settings.FLAGMIDDLEWARE = {
        "FLAGS": f"{__name__}.named_flags",
        "CONTEXT": f"{__name__}.attributes",
        "OBSERVERS": [f"{__name__}.observe"],
    }
    seen.clear()
    assert Client().get("/bad").status_code == 404
    assert [list(observation.evaluations) for observation in seen] == [["beta"]]


def attributes(request: HttpRequest) -> dict[str, str]:
    return {"plan": "pro"}


named_flags = Flags({"version": 1, "flags": {"new-checkout": {}, "beta": {}}})


def test_short_secret_key(settings: Any) -> None:
    """A short SECRET_KEY, as tests have, still signs; Django's own check is who complains."""
    settings.SECRET_KEY = "short"
    settings.FLAGMIDDLEWARE = {"FLAGS": named_flags}
    assert installation().options.secret_keys


def test_rotated_secret_keys(settings: Any) -> None:
    """SECRET_KEY signs, SECRET_KEY_FALLBACKS verify."""
    settings.SECRET_KEY_FALLBACKS = ["a former secret key of this site"]
    settings.FLAGMIDDLEWARE = {"FLAGS": named_flags}
    assert list(installation().options.secret_keys)[1:] == ["a former secret key of this site"]


def test_check_command(site: Flags, capsys: pytest.CaptureFixture[str]) -> None:
    """``manage.py check`` says it, as any Django check."""
    call_command("check")
    assert "did you mean 'new-checkout'?" in capsys.readouterr().err
