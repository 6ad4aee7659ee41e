"""FastAPI: dependencies that never cost a thread, decorators that keep the signature, documents without shut routes."""

from __future__ import annotations

import inspect
import json
import threading
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.testclient import TestClient
from pydantic import BaseModel
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from flagmiddleware import ConfigurationError, Flags
from flagmiddleware.fastapi import (
    FlagMiddleware,
    FlagsOfRequest,
    flag_enabled,
    flag_required,
    flag_value,
    flags_endpoints,
    flags_from,
    hide_gated_routes,
)
from flagmiddleware.testing import override_flags
from tests.web.clients import ASGISite

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "flags": {
        "au": {"rules": [{"if": {"country": "AU"}, "serve": True}]},
        "live": {"rules": [{"serve": True}]},
        "dark": {},
        "button": {"variants": {"blue": "#00f", "green": "#0f0"}, "off": "blue"},
    },
}


def install(app: FastAPI, **settings: Any) -> ASGISite:
    app.add_middleware(FlagMiddleware, flags=Flags(DOCUMENT), headers={"country": "X-Country"}, **settings)
    return ASGISite(app)


@pytest.fixture
def app() -> FastAPI:
    return FastAPI()


def test_gate_never_runs_in_a_thread(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """``Depends(flag_required(…))`` is asynchronous to FastAPI: nothing is sent to the thread pool."""
    import anyio.to_thread

    async def refuse(*arguments: Any, **named: Any) -> Any:
        raise AssertionError("went to a thread")

    @app.get("/", dependencies=[Depends(flag_required("live"))])
    async def home(button: Annotated[str, flag_value("button")], live: Annotated[bool, flag_enabled("live")]) -> Any:
        return [button, live]

    site = install(app)
    monkeypatch.setattr(anyio.to_thread, "run_sync", refuse)
    assert site.get("/").text == '["#00f",true]'


def test_decorator_keeps_the_signature(app: FastAPI) -> None:
    """A decorated operation keeps its parameters and annotations, declares no ``request``, and still works."""

    @app.get("/items/{item}")
    @flag_required("au")
    async def item(item: int, q: str = "none") -> dict[str, Any]:
        return {"item": item, "q": q}

    assert list(inspect.signature(item).parameters) == ["item", "q"]
    site = install(app)
    assert site.get("/items/5?q=x", {"X-Country": "AU"}).text == '{"item":5,"q":"x"}'
    assert site.get("/items/5").status == 404
    parameters = app.openapi()["paths"]["/items/{item}"]["get"]["parameters"]
    assert [parameter["name"] for parameter in parameters] == ["item", "q"]


def test_decorator_keeps_types_of_the_module(app: FastAPI) -> None:
    """Postponed annotations are the operation's module's: a model is a body, whichever FastAPI resolves it."""

    @app.post("/named")
    @flag_required("live")
    @flag_required("!dark")
    async def named(body: Common, new: Annotated[bool, flag_enabled("live")]) -> Common:
        return body if new else Common(name="nobody")

    site = install(app)
    assert TestClient(site.app).post("/named", json={"name": "ann"}).json() == {"name": "ann"}
    later = flag_required("live")(_unresolvable)
    assert list(inspect.signature(later).parameters) == ["body"]


async def _unresolvable(body: NotThereYet) -> None:  # type: ignore[name-defined]  # noqa: F821
    """An operation whose types nobody knows yet."""


def test_decorated_synchronous_operation(app: FastAPI) -> None:
    """A synchronous operation still runs in a thread, once its gate has opened on the loop."""
    threads: list[str] = []

    @app.get("/")
    @flag_required("au")
    def home() -> dict[str, str]:
        threads.append(threading.current_thread().name)
        return {"hello": "world"}

    site = install(app)
    assert site.get("/").status == 404
    assert threads == []
    assert site.get("/", {"X-Country": "AU"}).status == 200
    assert threads != [threading.current_thread().name]


def test_router_and_application_gates(app: FastAPI) -> None:
    """A gate on a router guards each of its routes; validation of a hidden route gives nothing away."""
    router = APIRouter(prefix="/v2", dependencies=[Depends(flag_required("au"))])

    @router.get("/items/{item}")
    async def item(item: int) -> int:
        return item

    app.include_router(router)
    site = install(app)
    assert site.get("/v2/items/5", {"X-Country": "AU"}).text == "5"
    assert site.get("/v2/items/5").status == 404


def test_redirecting_dependency(app: FastAPI) -> None:
    """A dependency can redirect, by path or by a route's name."""

    @app.get("/old", name="old")
    async def old() -> str:
        return "old"

    @app.get("/new", dependencies=[Depends(flag_required("dark", redirect_to="old"))])
    async def new() -> str:
        return "new"

    reply = install(app).get("/new")
    assert (reply.status, reply.header("location")) == (302, "http://shop.example/old")


def test_flags_of_request(app: FastAPI) -> None:
    """The alias gives the request's own flags, to synchronous operations too."""

    @app.get("/")
    def home(flags: FlagsOfRequest, request: Request) -> list[bool]:
        return [flags is request.state.flags, flags.is_enabled("au")]

    assert install(app).get("/", {"X-Country": "AU"}).text == "[true,true]"


def test_gated_websocket(app: FastAPI) -> None:
    """A dependency refuses a websocket's handshake."""

    @app.websocket("/ws")
    async def socket(websocket: WebSocket, flags: FlagsOfRequest, _: None = Depends(flag_required("au"))) -> None:
        await websocket.accept()
        await websocket.send_json(flags.is_enabled("au"))
        await websocket.close()

    install(app)
    client = TestClient(app)
    with client.websocket_connect("/ws", headers={"X-Country": "AU"}) as connection:
        assert connection.receive_json() is True
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws"):
        pass


def test_shut_routes_leave_the_document(app: FastAPI) -> None:
    """Operations whose gates are shut are not in OpenAPI, whether gated by dependency or decorator; the others are."""

    @app.get("/shut", dependencies=[Depends(flag_required("dark"))])
    async def shut() -> None: ...

    @app.post("/shut-too")
    @flag_required("dark")
    async def shut_too() -> None: ...

    @app.get("/open", dependencies=[Depends(flag_required("live"))])
    async def opened() -> None: ...

    @app.get("/other", dependencies=[Depends(flag_required("dark", redirect_to="/open"))])
    async def other() -> None: ...

    router = APIRouter(dependencies=[Depends(flag_required("dark"))])

    @router.get("/shut-by-router")
    async def shut_by_router() -> None: ...

    app.include_router(router)
    hide_gated_routes(app)
    site = install(app)
    assert set(site.get("/openapi.json").text.split('"')) & {
        "/shut",
        "/shut-too",
        "/shut-by-router",
        "/open",
        "/other",
    } == {"/open", "/other"}


class Common(BaseModel):
    name: str


class OfDark(BaseModel):
    secret_name: str
    inner: list[Common]


class InDark(BaseModel):
    of: OfDark | None


def test_models_of_shut_routes_leave_the_document(app: FastAPI) -> None:
    """Models that only shut operations have are not in OpenAPI; those that an open one has too are, and come back."""

    @app.post("/shut", dependencies=[Depends(flag_required("dark"))])
    async def shut(body: InDark) -> OfDark:
        return OfDark(secret_name="", inner=[])

    @app.post("/open")
    async def opened(body: Common) -> None: ...

    hide_gated_routes(app)
    site = install(app)
    schemas = set(json.loads(site.get("/openapi.json").text)["components"]["schemas"])
    assert schemas == {"Common", "HTTPValidationError", "ValidationError"}
    with override_flags({"dark": True}):
        assert "secret_name" in site.get("/openapi.json").text


def test_document_follows_changes(app: FastAPI) -> None:
    """The document is not frozen at its first form: a route comes back when its flag is switched on."""

    @app.get("/later", dependencies=[Depends(flag_required("dark"))])
    async def later() -> None: ...

    hide_gated_routes(app)
    site = install(app)
    assert "/later" not in site.get("/openapi.json").text
    with override_flags({"dark": True}):
        assert "/later" in site.get("/openapi.json").text
    assert "/later" not in site.get("/openapi.json").text


def test_unknown_keys_in_dependencies(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    """A misspelt key in a dependency, gate or not, is reported when the application starts."""

    router = APIRouter(prefix="/v2")

    @router.get("/x", dependencies=[Depends(flag_required("lve"))])
    @flag_required("drak")
    async def page(
        new: Annotated[bool, flag_enabled("daark")], colour: Annotated[str, flag_value("buton", "blue")]
    ) -> None: ...

    app.include_router(router)
    install(app)
    with TestClient(app):
        pass
    told = [record.getMessage() for record in caplog.records if record.name == "flagmiddleware"]
    assert sorted(told) == [
        "a dependency of the operation /v2/x: there is no flag 'buton'; did you mean 'button'?",
        "a dependency of the operation /v2/x: there is no flag 'daark'; did you mean 'dark'?",
        "flag_required on the operation /v2/x: there is no flag 'drak'; did you mean 'dark'?",
        "flag_required on the operation /v2/x: there is no flag 'lve'; did you mean 'live'?",
    ]


def test_an_endpoint_class_answers_where_the_gate_is_shut(app: FastAPI) -> None:
    """``otherwise=`` takes Starlette's classes as well: FastAPI wrote the class itself into the answer, as JSON."""

    class Old(HTTPEndpoint):
        async def get(self, request: Request) -> PlainTextResponse:
            return PlainTextResponse("old")

    app.get("/")(flag_required("dark", otherwise=Old)(lambda: "new"))
    assert install(app).get("/").text == "old"


def test_mounted_endpoints(app: FastAPI) -> None:
    """Starlette's endpoints mount on FastAPI too."""
    app.router.routes.append(flags_endpoints("/flags"))
    assert install(app).get("/flags/health").text == '{"state":"READY"}'


@pytest.mark.parametrize("again", [False, True])
def test_a_user_whom_a_dependency_finds(again: bool) -> None:
    """A user whom a dependency leaves in the scope is known to gates after it; to what was read before, on demand."""
    mine = {"rules": [{"if": {"user": "ann"}, "serve": True}]}
    app = FastAPI()
    app.add_middleware(FlagMiddleware, flags=Flags({"version": 1, "flags": {"mine": mine, "early": mine}}))

    async def early(request: Request) -> None:
        if request.headers.get("X-Early"):
            flags_from(request).is_enabled("early")

    async def signed_in(request: Request) -> None:
        request.scope["user"] = {"id": request.headers["X-User"]}
        if again:
            flags_from(request).reauthenticate()

    @app.get("/", dependencies=[Depends(early), Depends(signed_in), Depends(flag_required("mine"))])
    async def home(flags: FlagsOfRequest) -> bool:
        return flags.is_enabled("early")

    client = TestClient(app)
    assert client.get("/", headers={"X-User": "ann"}).json() is True
    assert client.get("/", headers={"X-User": "bob"}).status_code == 404
    assert client.get("/", headers={"X-User": "ann", "X-Early": "1"}).status_code == (200 if again else 404)


def test_a_dependency_cannot_answer_otherwise(app: FastAPI) -> None:
    """``otherwise=`` in ``Depends``, which cannot call another operation, is refused when the route is made."""
    with pytest.raises(ConfigurationError, match="decorate the path operation"):
        app.get("/", dependencies=[Depends(flag_required("dark", otherwise=lambda: "old"))])(lambda: "new")
    assert list(inspect.signature(type(flag_required("dark"))).parameters) == ["key", "options"]
