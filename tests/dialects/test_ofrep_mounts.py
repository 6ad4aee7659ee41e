"""OFREP mounted in each framework: the same answers, and the request's own context as the server's side."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from flagmiddleware import Context, Flags
from flagmiddleware.ofrep import Ofrep
from flagmiddleware.ofrep_apps import ofrep_asgi, ofrep_wsgi
from flagmiddleware.wsgi import FlagMiddleware
from tests.dialects.ofrep_site import serving
from tests.services import free_port, running

DOCUMENT = {
    "version": 1,
    "flags": {
        "beta": {"public": True, "rules": [{"if": {"plan": "pro"}, "serve": True}]},
        "here": {"public": True, "rules": [{"if": {"country": "AU"}, "serve": True}]},
        "secret": {"rules": [{"serve": True}]},
    },
}
OPTIONS: dict[str, Any] = {"headers": {"country": "X-Country"}, "visitor_cookie": False}

Ask = Callable[..., tuple[int, Any]]


def _ofrep(flags: Flags, authorise: Any = None) -> Ofrep:
    return Ofrep(flags, client_attributes=["plan", "country"], authorise=authorise)


def _starlette(flags: Flags) -> Any:
    from flagmiddleware.starlette import FlagMiddleware

    async def authorise(scope: Any) -> bool:
        return (b"x-token", b"yes") in scope["headers"]

    routes = [Mount("/ofrep", ofrep_asgi(_ofrep(flags, authorise)))]
    return Starlette(routes=routes, middleware=[Middleware(FlagMiddleware, flags=flags, **OPTIONS)])


def _fastapi(flags: Flags) -> Any:
    from fastapi import FastAPI

    from flagmiddleware.fastapi import FlagMiddleware

    app = FastAPI()
    app.mount("/ofrep", ofrep_asgi(_ofrep(flags, lambda scope: (b"x-token", b"yes") in scope["headers"])))
    app.add_middleware(FlagMiddleware, flags=flags, **OPTIONS)
    return app


@contextmanager
def _over_http(app: Any) -> Iterator[Ask]:
    """A running ASGI site."""
    with serving(app) as url, httpx.Client(base_url=url) as client:

        def ask(path: str, context: dict[str, Any], **headers: str) -> tuple[int, Any]:
            reply = client.post(path, json={"context": context}, headers=headers)
            return reply.status_code, reply.json()

        yield ask


@contextmanager
def _flask(flags: Flags) -> Iterator[Ask]:
    from flask import Flask

    from flagmiddleware.flask import FlagMiddleware
    from flagmiddleware.flask.ofrep import ofrep_blueprint

    app = Flask("shop")
    FlagMiddleware(app, flags=flags, **OPTIONS)
    app.register_blueprint(ofrep_blueprint(_ofrep(flags, lambda request: request.headers.get("X-Token") == "yes")))
    client = app.test_client()

    def ask(path: str, context: dict[str, Any], **headers: str) -> tuple[int, Any]:
        reply = client.post(path, json={"context": context}, headers=headers)
        return reply.status_code, reply.json

    yield ask


@contextmanager
def _django(tmp_path: Path) -> Iterator[Ask]:
    """A Django site in a process of its own: settings are one for a process."""
    (tmp_path / "flags.json").write_text(json.dumps(DOCUMENT))
    command = [sys.executable, str(Path(__file__).with_name("django_site.py")), str(port := free_port())]
    with running(command, port=port, cwd=tmp_path), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:

        def ask(path: str, context: dict[str, Any], **headers: str) -> tuple[int, Any]:
            reply = client.post(path, json={"context": context}, headers=headers)
            return reply.status_code, reply.json()

        yield ask


@pytest.fixture(params=["starlette", "fastapi", "flask", "django"])
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ask]:
    """A function that posts to a site of each framework."""
    flags = Flags(DOCUMENT)
    sites = {
        "starlette": lambda: _over_http(_starlette(flags)),
        "fastapi": lambda: _over_http(_fastapi(flags)),
        "flask": lambda: _flask(flags),
        "django": lambda: _django(tmp_path),
    }
    with sites[request.param]() as found:
        yield found


ONE = "/ofrep/v1/evaluate/flags/"


def test_public_flags_are_answered(ask: Ask) -> None:
    """A public flag is decided with the attributes that the client may supply; a private one is not there."""
    status, answer = ask(ONE + "beta", {"targetingKey": "a", "plan": "pro"})
    assert (status, answer["value"]) == (200, True)
    assert ask(ONE + "secret", {"targetingKey": "a"})[0] == 404
    assert ask(ONE + "a%2Fb%25", {"targetingKey": "a"})[1]["key"] == "a/b%"


def test_the_servers_own_attributes_win(ask: Ask) -> None:
    """What the site derives from the request goes before what the client says."""
    assert ask(ONE + "here", {"targetingKey": "a"}, **{"X-Country": "au"})[1]["value"] is True
    assert ask(ONE + "here", {"targetingKey": "a", "country": "AU"}, **{"X-Country": "NZ"})[1]["value"] is False
    assert ask(ONE + "here", {"targetingKey": "a", "country": "AU"})[1]["value"] is True


def test_authorised_callers_see_everything(ask: Ask) -> None:
    """The hook gets the framework's own request, and may be async where the server is."""
    status, answer = ask(ONE + "secret", {"targetingKey": "a"}, **{"X-Token": "yes"})
    assert (status, answer["value"]) == (200, True)
    keys = [
        flag["key"] for flag in ask("/ofrep/v1/evaluate/flags", {"targetingKey": "a"}, **{"X-Token": "yes"})[1]["flags"]
    ]
    assert keys == ["beta", "here", "secret"]


def test_a_body_beyond_the_limit_is_not_read(ask: Ask) -> None:
    """Larger bodies are refused with 413, whatever they hold."""
    assert ask(ONE + "beta", {"targetingKey": "a" * 100_000})[0] == 413


def test_wsgi_needs_no_framework() -> None:
    """The WSGI application answers by itself, below any mount point."""
    started: list[Any] = []
    body = json.dumps({"context": {"targetingKey": "a", "plan": "pro"}}).encode()
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "/api/ofrep",
        "PATH_INFO": "/v1/evaluate/flags/beta",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    app = ofrep_wsgi(_ofrep(Flags(DOCUMENT)))
    answer = b"".join(app(environ, lambda status, headers: started.append((status, dict(headers)))))
    assert json.loads(answer)["value"] is True
    assert started[0][0] == "200 OK"
    assert started[0][1]["Content-Length"] == str(len(answer))
    app({**environ, "CONTENT_LENGTH": "none"}, lambda status, headers: started.append((status, dict(headers))))
    assert started[1][0] == "400 Bad Request"


def test_a_chunked_body_is_read() -> None:
    """Clients need not tell the length beforehand, where the server tells where the body ends."""
    started: list[Any] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/v1/evaluate/flags/beta",
        "CONTENT_TYPE": "application/json",
        "wsgi.input": io.BytesIO(b'{"context": {"targetingKey": "a", "plan": "pro"}}'),
        "wsgi.input_terminated": True,
    }
    ofrep_wsgi(_ofrep(Flags(DOCUMENT)))(environ, lambda status, headers: started.append(status))
    environ["wsgi.input"] = io.BytesIO(b"x" * 100_000)
    ofrep_wsgi(_ofrep(Flags(DOCUMENT)))(environ, lambda status, headers: started.append(status))
    assert started == ["200 OK", "413 Request Entity Too Large"]


def test_a_client_that_keeps_no_cookies_is_whom_it_says() -> None:
    """A phone sends no Fetch Metadata and keeps no cookie: no visitor is minted in place of its targeting key."""
    flags = Flags({"version": 1, "flags": {"half": {"public": True, "rules": [{"rollout": "50%"}]}}})
    ofrep = Ofrep(flags, client_attributes=["targetingKey"])
    app = FlagMiddleware(ofrep_wsgi(ofrep), flags=flags, secret_keys=["a secret key of the tests"])
    for number in range(20):
        body = json.dumps({"context": {"targetingKey": f"phone-{number}"}}).encode()
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/v1/evaluate/flags/half",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }
        sent: list[str] = []
        body_sent: Any = app(environ, lambda status, headers, sent=sent: sent.extend(name for name, _ in headers))
        with closing(body_sent):
            answer = b"".join(body_sent)
        assert json.loads(answer)["value"] is flags.is_enabled("half", Context(f"phone-{number}"))
        assert "Set-Cookie" not in sent
