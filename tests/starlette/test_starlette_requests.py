"""A Starlette application with flags: mounts, websockets, background work, other middlewares, many at once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.templating import Jinja2Templates
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from flagmiddleware import ConfigurationError, Flags
from flagmiddleware.sources import MemorySource
from flagmiddleware.starlette import FlagMiddleware, current_flags, flag_required, flags_endpoints, flags_from
from flagmiddleware.web.jinja import install_jinja
from tests.web.clients import ASGISite, asgi_call, asgi_scope

KEY = "a secret key of the tests"
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "flags": {
        "au": {"public": True, "rules": [{"if": {"country": "AU"}, "serve": True}]},
        "pro": {"rules": [{"if": {"session.plan": "pro"}, "serve": True}]},
        "half": {"rules": [{"rollout": "50%"}]},
        "live": {"rules": [{"serve": True}]},
        "ann": {"rules": [{"if": {"user": "ann"}, "serve": True}]},
    },
}


def middleware(**settings: Any) -> list[Middleware]:
    known = {"flags": Flags(DOCUMENT), "headers": {"country": "X-Country"}, "secret_keys": [KEY], **settings}
    return [Middleware(FlagMiddleware, **known)]


def show(key: str) -> Any:
    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(str(request.state.flags.is_enabled(key)))

    return endpoint


def test_source_by_path(tmp_path: Path) -> None:
    """One line installs: a path in ``source=``."""
    (tmp_path / "flags.yaml").write_text("version: 1\nflags:\n  live: {rules: [{serve: true}]}\n")
    app = Starlette(
        routes=[Route("/", show("live"))], middleware=[Middleware(FlagMiddleware, source=tmp_path / "flags.yaml")]
    )
    assert ASGISite(app).get("/").text == "True"


def test_missing_file_fails_at_start(tmp_path: Path) -> None:
    """A file that is not there is one clear error when the application starts, not a 500 later."""
    app = Starlette(middleware=[Middleware(FlagMiddleware, source=tmp_path / "nothing.yaml")])
    with pytest.raises(ConfigurationError, match=r"FlagMiddleware\(source=…\): .*nothing\.yaml"), TestClient(app):
        pass


def test_without_middleware_the_error_says_so() -> None:
    """flags_from without the middleware names the cure."""
    with pytest.raises(ConfigurationError, match="did not pass through FlagMiddleware"):
        flags_from(Request({"type": "http", "headers": []}))


def test_mounted_apps_share_the_requests_flags() -> None:
    """An application mounted below sees the same flags, and its gate's 404 is its own."""
    inner = Starlette(routes=[Route("/a", show("au")), Route("/b", flag_required("au")(show("au")))])
    app = Starlette(routes=[Mount("/inner", inner)], middleware=middleware())
    site = ASGISite(app)
    assert site.get("/inner/a", {"X-Country": "AU"}).text == "True"
    assert [site.get("/inner/b", {"X-Country": country}).status for country in ("AU", "DE")] == [200, 404]


def test_mounted_app_with_flags_of_its_own() -> None:
    """A mounted application with its own FlagMiddleware has its own flags; the outer one has its own back after it."""
    other = Flags({"version": 1, "flags": {"au": {"rules": [{"serve": True}]}}})
    inner = Starlette(routes=[Route("/", show("au"))], middleware=middleware(flags=other))
    seen: list[bool] = []

    class After:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)
            seen.append(scope["state"]["flags"].is_enabled("au"))
            seen.append(current_flags().is_enabled("au"))

    app = Starlette(routes=[Mount("/inner", inner)], middleware=[*middleware(), Middleware(After)])
    reply = ASGISite(app).get("/inner/", {"X-Country": "DE"})
    assert (reply.text, seen) == ("True", [False, False])


def test_websocket_takes_new_answers_by_fresh() -> None:
    """A websocket keeps its answers until it asks for fresh ones; no cookie is minted on a handshake."""
    source = MemorySource(json.dumps(DOCUMENT).encode(), format="json")
    flags = Flags(source)

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        here = flags_from(websocket)
        await websocket.send_json([here.is_enabled("live"), here.is_enabled("half")])
        source.put(b'{"version": 1, "flags": {}}')
        flags.refresh()
        await websocket.send_json([here.is_enabled("live"), here.fresh().is_enabled("live")])
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/ws", socket)], middleware=middleware(flags=flags))
    with TestClient(app).websocket_connect("/ws") as client:
        assert client.receive_json() == [True, False]
        assert client.receive_json() == [True, False]


def test_gated_websockets() -> None:
    """A shut gate refuses the handshake, of function and class endpoints."""

    @flag_required("au")
    async def function(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    @flag_required("au")
    class Endpoint(WebSocketEndpoint):
        async def on_connect(self, websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.close()

    app = Starlette(
        routes=[WebSocketRoute("/function", function), WebSocketRoute("/class", Endpoint)], middleware=middleware()
    )
    client = TestClient(app)
    for path in ("/function", "/class"):
        with client.websocket_connect(path, headers={"X-Country": "AU"}) as socket:
            assert socket.receive() == {"type": "websocket.close", "code": 1000, "reason": ""}
        with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect(path):
            pass
        assert refused.value.code == 1008


def test_gated_class_endpoints_keep_their_methods() -> None:
    """A gated class answers 404 whatever the method while shut, and its own 405 while open."""

    @flag_required("au", otherwise=show("live"))
    class Endpoint(HTTPEndpoint):
        async def post(self, request: Request) -> Response:
            return PlainTextResponse("posted")

    app = Starlette(routes=[Route("/", Endpoint)], middleware=middleware())
    client = TestClient(app)
    assert client.post("/", headers={"X-Country": "AU"}).text == "posted"
    assert client.get("/", headers={"X-Country": "AU"}).status_code == 405
    assert client.post("/").text == "True"


def test_gate_on_a_class_that_is_no_endpoint() -> None:
    """A class that the gate cannot guard is refused at once."""
    with pytest.raises(ConfigurationError, match="not an HTTPEndpoint"):
        flag_required("au")(dict)


def test_background_work_keeps_the_answers() -> None:
    """A background task, and a task that outlives the request, read the request's answers and its attributes."""
    seen: dict[str, Any] = {}

    async def endpoint(request: Request) -> Response:
        here = flags_from(request)
        first = here.is_enabled("live")

        async def later() -> None:
            seen["background"] = [here.is_enabled("live"), here.is_enabled("au"), current_flags() is here]

        async def detached() -> None:
            await asyncio.sleep(0.01)
            seen["detached"] = [here.is_enabled("live"), here.is_enabled("au"), flags_from(request) is here]

        seen["task"] = asyncio.create_task(detached())
        return PlainTextResponse(str(first), background=BackgroundTask(later))

    async def run() -> None:
        app = Starlette(routes=[Route("/", endpoint)], middleware=middleware())
        await asgi_call(app, asgi_scope("/", {"X-Country": "AU"}))
        await seen["task"]

    asyncio.run(run())
    assert seen["background"] == [True, True, True]
    assert seen["detached"] == [True, True, True]


def test_requests_at_once_do_not_mix() -> None:
    """Requests that run interleaved on one loop each have their own context and current flags."""

    async def endpoint(request: Request) -> Response:
        await asyncio.sleep(0)
        first = current_flags().is_enabled("au")
        await asyncio.sleep(0.001)
        return PlainTextResponse(
            f"{first} {request.state.flags.is_enabled('au')} {current_flags() is request.state.flags}"
        )

    app = Starlette(routes=[Route("/", endpoint)], middleware=middleware())

    async def run() -> list[str]:
        countries = ["AU", "DE"] * 50
        return [
            r.text
            for r in await asyncio.gather(*(asgi_call(app, asgi_scope("/", {"X-Country": c})) for c in countries))
        ]

    assert asyncio.run(run()) == ["True True True", "False False True"] * 50


def test_requests_leave_nothing_for_the_collector() -> None:
    """A finished request is freed at once: flags, context and scope form no cycle."""
    import gc
    import weakref

    kept: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        here = scope["state"]["flags"]
        here.is_enabled("au")
        kept.append(weakref.ref(here))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    wrapped = FlagMiddleware(app, flags=Flags(DOCUMENT))
    gc.collect()
    gc.disable()
    try:
        asyncio.run(asgi_call(wrapped, asgi_scope("/", {})))
        assert kept[0]() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("outside", [True, False])
def test_other_middlewares_around(outside: bool) -> None:
    """Gzip and a BaseHTTPMiddleware, outside or inside, change neither answers nor headers."""

    async def dispatch(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers["X-Seen"] = "1"
        return response

    others = [Middleware(GZipMiddleware), Middleware(BaseHTTPMiddleware, dispatch=dispatch)]
    stack = [*others, *middleware()] if outside else [*middleware(), *others]
    site = ASGISite(Starlette(routes=[Route("/", show("au"))], middleware=stack))
    reply = site.get("/", {"X-Country": "AU"})
    assert (reply.text, reply.header("x-seen")) == ("True", "1")
    assert "private" in reply.header("cache-control")


def test_session_attributes() -> None:
    """``session.<key>`` reads Starlette's session, and makes the page private."""

    async def login(request: Request) -> Response:
        request.session["plan"] = "pro"
        return PlainTextResponse("ok")

    stack = [*middleware(), Middleware(SessionMiddleware, secret_key=KEY)]
    client = TestClient(Starlette(routes=[Route("/", show("pro")), Route("/login", login)], middleware=stack))
    assert client.get("/").text == "False"
    client.get("/login")
    reply = client.get("/")
    assert reply.text == "True"
    assert reply.headers["cache-control"] == "private"


def test_site_callable_gets_a_request() -> None:
    """The site's callable gets Starlette's request."""

    def ask(request: Request) -> dict[str, Any]:
        return {"country": request.query_params["pretend"]}

    app = Starlette(routes=[Route("/", show("au"))], middleware=middleware(headers={}, context=ask))
    assert ASGISite(app).get("/?pretend=AU").text == "True"


def test_simple_user_is_known() -> None:
    """Starlette's own SimpleUser, whose ``identity`` raises, is known by its name."""
    from starlette.authentication import SimpleUser, UnauthenticatedUser

    class Auth:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            scope["user"] = SimpleUser("ann") if b"ann" in scope["query_string"] else UnauthenticatedUser()
            await self.app(scope, receive, send)

    site = ASGISite(Starlette(routes=[Route("/", show("ann"))], middleware=[*middleware(), Middleware(Auth)]))
    assert [site.get(path).text for path in ("/?ann", "/")] == ["True", "False"]


def test_templates() -> None:
    """Jinja2Templates: the tags find the request's flags."""
    from jinja2 import DictLoader, Environment

    env = Environment(autoescape=True, loader=DictLoader({"page": '{% flag "au" %}new{% else %}old{% endflag %}'}))
    install_jinja(env)
    templates = Jinja2Templates(env=env)

    async def page(request: Request) -> Response:
        return templates.TemplateResponse(request, "page")

    site = ASGISite(Starlette(routes=[Route("/", page)], middleware=middleware()))
    assert [site.get("/", {"X-Country": country}).text for country in ("AU", "DE", "AU")] == ["new", "old", "new"]


def test_mounted_endpoints() -> None:
    """The mounted endpoints: public flags as JSON with an entity tag, and the state of the source."""
    app = Starlette(
        routes=[flags_endpoints("/flags", may_see=lambda request: "see" in request.query_params)],
        middleware=middleware(),
    )
    site = ASGISite(app)
    first = site.get("/flags/", {"X-Country": "AU"})
    assert json.loads(first.text) == {"flags": {"au": {"value": True, "variant": "on"}}}
    assert first.header("cache-control") == "private, no-cache"
    assert "access-control-allow-origin" not in {name.lower() for name, _ in first.headers}
    again = site.get("/flags/", {"X-Country": "AU", "If-None-Match": first.header("etag")})
    assert (again.status, again.text) == (304, "")
    assert site.get("/flags/", {"X-Country": "DE", "If-None-Match": first.header("etag")}).status == 200
    assert json.loads(site.get("/flags/health").text) == {"state": "READY"}
    assert "revision" in json.loads(site.get("/flags/health?see").text)


def test_unknown_keys_are_told_at_start(caplog: pytest.LogCaptureFixture) -> None:
    """Gates whose flags nobody defined are reported when the application starts, with the nearest key."""
    inner = Starlette(routes=[Route("/", flag_required("lives")(show("live")))])
    app = Starlette(
        routes=[Mount("/inner", inner), Route("/ok", flag_required("live")(show("live")))], middleware=middleware()
    )
    with TestClient(app):
        pass
    (record,) = [record for record in caplog.records if record.name == "flagmiddleware"]
    assert "there is no flag 'lives'; did you mean 'live'?" in record.getMessage()
    assert "show" in record.getMessage()


def test_response_objects_can_be_sent_again() -> None:
    """A response that a site keeps and sends to everybody does not gather headers."""
    kept = PlainTextResponse("kept")

    async def page(request: Request) -> Response:
        request.state.flags.is_enabled("half")
        return kept

    site = ASGISite(Starlette(routes=[Route("/", page)], middleware=middleware()))
    replies = [site.get("/") for _ in range(3)]
    assert [len(reply.set_cookies()) for reply in replies] == [1, 1, 1]
    assert len({reply.cookie("flags_visitor") for reply in replies}) == 3


def test_observers_see_duration_and_status() -> None:
    """Observers added while the application runs are told from then on."""
    app = FlagMiddleware(Starlette(routes=[Route("/", show("live"))]), flags=Flags(DOCUMENT))
    seen: list[Any] = []
    ASGISite(app).get("/")
    app.installation.observers.add(seen.append)
    ASGISite(app).get("/")
    assert [(list(o.evaluations), o.status, o.duration > 0) for o in seen] == [(["live"], 200, True)]


def test_hostile_header_values_in_flags() -> None:
    """A flag's value with line ends does not reach a header."""
    document = {"version": 1, "flags": {"x": {"variants": {"a": "b\r\nSet-Cookie: c=d", "e": "f"}, "off": "a"}}}
    site = ASGISite(
        Starlette(routes=[Route("/", show("x"))], middleware=middleware(flags=Flags(document), debug_header=True))
    )
    reply = site.get("/")
    assert reply.set_cookies() == []
    assert all("\n" not in value and "\r" not in value for _, value in reply.headers)


class Ann(AuthenticationBackend):
    async def authenticate(self, conn: Any) -> Any:
        return AuthCredentials(["authenticated"]), SimpleUser("ann")


class Between:
    """A middleware of the site's that reads flags on the way in."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope["state"]["early"] = scope["state"]["flags"].is_enabled("ann")
        await self.app(scope, receive, send)


def test_before_authentication_nobody_is_anonymous(caplog: pytest.LogCaptureFixture) -> None:
    """A flag read before AuthenticationMiddleware has run is off in error, and says why; those read later are right."""
    document = {"version": 1, "flags": {**DOCUMENT["flags"], "also-ann": DOCUMENT["flags"]["ann"]}}

    def page(request: Request) -> Response:
        return PlainTextResponse(f"{request.state.early} {request.state.flags.is_enabled('also-ann')}")

    order = [Middleware(Between), Middleware(AuthenticationMiddleware, backend=Ann())]
    app = Starlette(routes=[Route("/", page)], middleware=[*middleware(flags=Flags(document)), *order])
    reply = ASGISite(app).get("/")
    assert (reply.text, reply.header("cache-control")) == ("False True", "private")
    assert sum("before AuthenticationMiddleware had run" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("outside", [True, False])
def test_either_side_of_authentication(outside: bool) -> None:
    """Endpoints know the user whichever of the two middlewares comes first."""
    order = [*middleware(), Middleware(AuthenticationMiddleware, backend=Ann())]
    app = Starlette(routes=[Route("/", show("ann"))], middleware=order if outside else order[::-1])
    assert ASGISite(app).get("/").text == "True"
