"""The entrance: beside other middlewares, other applications, other threads, and after the headers left."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest
from flask import Flask, Request, Response, copy_current_request_context, g, request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client, EnvironBuilder, run_wsgi_app

from flagmiddleware.flask import FlagMiddleware, current_flags, flags_from, installation_of
from flagmiddleware.web import current_flags as neutral_current_flags
from tests.flask.sites import SECRET, flags_of, site

BEHIND_TLS = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example", "X-Forwarded-For": "9.9.9.9"}
PAGE = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def proxied(app: Flask) -> None:
    """What a site behind one proxy does."""
    app.wsgi_app = ProxyFix(app.wsgi_app, x_proto=1, x_host=1)  # type: ignore[method-assign]


@pytest.mark.parametrize("first", ["proxy", "flags"])
def test_proxyfix_may_be_installed_before_or_after(first: str) -> None:
    """Host, scheme and address are those that ProxyFix found, for QA links and cookies too."""
    app = Flask("proxied")
    app.config.update(
        SECRET_KEY=SECRET, FLAGMIDDLEWARE_SOURCE=flags_of(near={"rules": [{"if": {"ip": "9.9.9.9"}, "serve": True}]})
    )
    steps: list[Callable[[Flask], Any]] = [proxied, FlagMiddleware]
    for step in steps if first == "proxy" else reversed(steps):
        step(app)

    @app.get("/")
    def page() -> list[bool]:
        return [current_flags().is_enabled(key) for key in ("near", "beta", "for-visitors")]

    with app.test_request_context("/", base_url="https://shop.example"):
        token = installation_of(app).sign_link({"beta": "on"}, request.environ)
    client = Client(app, Response)
    link = client.get(f"/?flags={token}", headers=BEHIND_TLS)
    assert (link.status_code, "__Host-flags_override" in link.headers["Set-Cookie"]) == (303, True)
    cookie = link.headers["Set-Cookie"].partition(";")[0]
    answer = Client(app, Response, use_cookies=False).get("/", headers={**BEHIND_TLS, **PAGE, "Cookie": cookie})
    assert answer.json is not None
    assert answer.json[:2] == [True, True]
    assert answer.headers["Set-Cookie"].startswith("__Host-flags_visitor=")


def test_a_middleware_that_hides_what_it_wraps_is_fine() -> None:
    """The entrance then stands before it."""
    app = Flask("hidden")
    inner = app.wsgi_app
    app.wsgi_app = lambda environ, start: inner(environ, start)  # type: ignore[method-assign]
    FlagMiddleware(app, source=flags_of())
    app.add_url_rule("/", view_func=lambda: str(current_flags().is_enabled("on-for-all")))
    assert app.test_client().get("/").text == "True"


def test_a_request_class_of_the_sites_own_gets_flags_too() -> None:
    """Set before the extension or after it."""

    class Special(Request):
        special = True

    for late in (False, True):
        app = Flask("special")
        if not late:
            app.request_class = Special
        FlagMiddleware(app, source=flags_of())
        if late:
            app.request_class = Special
        app.add_url_rule("/", view_func=lambda: [request.special, request.flags.is_enabled("on-for-all")])  # type: ignore[attr-defined]
        assert app.test_client().get("/").json == [True, True]


def test_an_application_inside_another_leaves_its_flags_alone() -> None:
    """A view that hands its own WSGI environment to another Flask application has its own flags afterwards."""
    inner = site(flags=flags_of(on_for_all={}))
    inner.add_url_rule("/", view_func=lambda: str(current_flags().is_enabled("on-for-all")))
    outer = site()

    @outer.get("/")
    def page() -> list[Any]:
        before = request.flags.is_enabled("on-for-all")  # type: ignore[attr-defined]
        body = b"".join(run_wsgi_app(inner, request.environ)[0]).decode()
        return [before, body, flags_from(request).is_enabled("on-for-all")]

    assert outer.test_client().get("/").json == [True, "False", True]


def test_a_thread_that_copies_the_context_keeps_the_answers() -> None:
    """Background work under ``copy_current_request_context`` reads the same flags object."""
    app = site()
    found: list[bool] = []

    @app.get("/")
    def page() -> str:
        here = current_flags()
        thread = Thread(target=copy_current_request_context(lambda: found.append(current_flags() is here)))
        thread.start()
        thread.join()
        return "done"

    app.test_client().get("/")
    assert found == [True]


def test_code_that_knows_no_framework_finds_the_flags() -> None:
    """``flagmiddleware.web.current_flags`` in a Flask view is the request's too, also with two applications around."""
    apps = [site(), site()]
    for app in apps:
        app.add_url_rule("/", view_func=lambda: str(neutral_current_flags() is current_flags()))
    assert [app.test_client().get("/").text for app in apps] == ["True", "True"]


def test_a_stream_without_context_still_knows_who_asked() -> None:
    """Flags that were caught by a bare generator are read after Flask's context is gone, for the same user."""
    app = site(user=lambda request: {"id": 1, "is_staff": request.headers.get("X-Staff") == "1"})

    @app.get("/")
    def page() -> Response:
        here = current_flags()

        def body() -> Iterator[str]:
            yield str(here.is_enabled("staff-only"))

        return Response(body(), headers={"Cache-Control": "public"})

    for staff, text in (("1", "True"), ("0", "False")):
        answer = app.test_client().get("/", headers={"X-Staff": staff})
        assert (answer.text, "private" in answer.headers["Cache-Control"]) == (text, True)


def test_no_visitor_is_made_after_the_headers_left() -> None:
    """A stream that first needs a visitor in its body serves the default: a cookie would come too late."""
    app = site()

    @app.get("/")
    def page() -> Response:
        here = current_flags()
        return Response(str(here.evaluate("for-visitors").reason) for _ in range(1))

    answers = [app.test_client().get("/", headers=PAGE) for _ in range(8)]
    assert {answer.text for answer in answers} == {"DEFAULT"}
    assert not any("Set-Cookie" in answer.headers for answer in answers)


def test_g_flags_can_be_the_sites_own() -> None:
    """A site that keeps something of its own under ``g.flags`` is not disturbed."""
    app = site()

    @app.get("/")
    def page() -> list[Any]:
        g.flags = ["mine"]
        return [g.flags, request.flags.is_enabled("on-for-all")]  # type: ignore[attr-defined]

    assert app.test_client().get("/").json == [["mine"], True]


def test_an_exception_that_is_passed_on_is_observed() -> None:
    """In tests and debugging Flask raises what a view raised: observers hear of it, and it goes on."""
    seen: list[Any] = []
    app = site(observers=[seen.append])

    @app.get("/")
    def page() -> str:
        current_flags().is_enabled("on-for-all")
        raise KeyError("boom")

    with pytest.raises(KeyError):
        app.test_client().get("/")
    assert [(one.status, one.raised) for one in seen] == [(500, True)]


def test_a_request_is_freed_as_soon_as_it_ends() -> None:
    """Flags and request do not hold each other: no request waits for the garbage collector."""
    app = site(user=lambda request: {"id": request.headers.get("X-User")})
    seen: list[weakref.ref[Any]] = []

    @app.get("/")
    def page() -> str:
        seen.append(weakref.ref(request._get_current_object()))  # type: ignore[attr-defined]
        return str(request.flags.is_enabled("for-visitors"))  # type: ignore[attr-defined]

    gc.disable()
    try:
        for user in ("ann", "bob"):
            list(run_wsgi_app(app, {**EnvironBuilder("/").get_environ(), "HTTP_X_USER": user})[0])
        assert [ref() for ref in seen] == [None, None]
    finally:
        gc.enable()


def test_flags_first_read_by_an_error_page_are_observed_as_raised() -> None:
    """The exception came before the first reading; observers are told all the same."""
    seen: list[Any] = []
    app = site(observers=[seen.append])
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.add_url_rule("/", view_func=lambda: 1 / 0)
    app.register_error_handler(500, lambda error: (str(current_flags().is_enabled("on-for-all")), 500))
    assert app.test_client().get("/").text == "True"
    assert [(one.status, one.raised) for one in seen] == [(500, True)]


def test_another_request_object_of_the_same_environment_hides_nothing() -> None:
    """A view that wraps its WSGI environment once more still gets private headers for what it decided."""
    app = site(user=lambda request: {"id": 1, "is_staff": True})

    @app.get("/")
    def page() -> str:
        found = str(current_flags().is_enabled("staff-only"))
        Request(request.environ)
        return found

    answer = app.test_client().get("/")
    assert (answer.text, answer.headers["Cache-Control"]) == ("True", "private")
