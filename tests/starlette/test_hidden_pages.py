"""Pages behind a shut gate look like no pages, in Starlette and FastAPI."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Security
from starlette.applications import Starlette
from starlette.authentication import AuthenticationBackend, requires
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from flagmiddleware import Flags, fastapi, starlette

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "flags": {
        "lit": {"rules": [{"serve": True}]},
        "dark": {},
        "for-ann": {"rules": [{"if": {"user": "ann"}, "serve": True}]},
    },
}
METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "PURGE"]


async def page(request: Request) -> Response:
    return PlainTextResponse("page")


class Classy(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return PlainTextResponse("page")


class Nobody(AuthenticationBackend):
    async def authenticate(self, conn: Any) -> None:
        return None


async def not_found(request: Request, error: Exception) -> Response:
    return JSONResponse({"nothing": "here"}, 404)


def starlette_site(**more: Any) -> TestClient:
    routes: list[Any] = []
    for name in ("dark", "lit"):
        gate = starlette.flag_required(name)
        routes += [
            Route(f"/{name}", gate(page)),
            Route(f"/{name}/slash/", gate(page)),
            Route(f"/{name}/two", starlette.flag_required("lit")(gate(page))),
            Route(f"/{name}/class", gate(type("Gated", (Classy,), {}))),
            Mount(f"/{name}/mount", routes=[Route("/page", gate(page))]),
        ]
    routes += more.pop("routes", [])
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(starlette.FlagMiddleware, flags=Flags(DOCUMENT)),
            Middleware(CORSMiddleware, allow_origins=["https://other.example"]),
        ],
        exception_handlers={404: not_found},
        **more,
    )
    return TestClient(app, follow_redirects=False, headers={"Origin": "https://other.example"})


def same(first: Any, second: Any) -> bool:
    """Whether two answers cannot be told apart, but for what a decision tells caches."""
    seen = [{k: v for k, v in found.headers.items() if k not in ("vary", "cache-control")} for found in (first, second)]
    return (first.status_code, first.content, seen[0]) == (second.status_code, second.content, seen[1])


@pytest.mark.parametrize("path", ["", "/slash/", "/slash", "/two", "/class", "/mount/page", "/mount/page/", "/"])
@pytest.mark.parametrize("method", METHODS)
def test_a_dark_endpoint_looks_like_none(method: str, path: str) -> None:
    """Whatever is asked of an endpoint behind a shut gate is answered like a path that is not there."""
    client = starlette_site()
    assert same(client.request(method, f"/dark{path}"), client.request(method, "/missing"))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "", 200), ("POST", "", 405), ("OPTIONS", "", 405), ("GET", "/slash", 307), ("POST", "/class", 405),
     ("PUT", "/mount/page", 405)],
)  # fmt: skip
def test_an_open_endpoint_answers_as_ever(method: str, path: str, status: int) -> None:
    """While the flag is on, other methods and missing slashes are Starlette's affair."""
    assert starlette_site().request(method, f"/lit{path}").status_code == status


def test_an_endpoint_beside_a_dark_one_stays() -> None:
    """Of two endpoints at one path, a 405 tells of the one that exists."""
    dark = starlette.flag_required("dark")(page)
    client = starlette_site(routes=[Route("/both", dark, methods=["DELETE"]), Route("/both", page, methods=["POST"])])
    refused = client.put("/both")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert client.post("/both").text == "page"


def test_gates_that_do_not_hide() -> None:
    """With a status, a redirect or another endpoint of its own there is a page, flag or not."""
    told = [{"status": 403}, {"redirect_to": "/"}, {"otherwise": page}]
    routes = [Route(f"/{n}", starlette.flag_required("dark", **more)(page)) for n, more in enumerate(told)]
    client = starlette_site(routes=routes)
    assert [client.post(f"/{n}").status_code for n in range(3)] == [405, 405, 405]
    assert [client.get(f"/{n}").status_code for n in range(3)] == [403, 302, 200]


def test_a_hidden_page_says_what_it_depends_on() -> None:
    """The 404 in the place of a 405 is as private as the page: for somebody else there is one."""
    client = starlette_site(routes=[Route("/ann", starlette.flag_required("for-ann")(page))])
    assert client.put("/ann").headers["cache-control"] == "private"


def test_who_could_be_let_in_is_asked_to_sign_in() -> None:
    """Where signing in could open the gate, an answer that asks for credentials stays; any other tells nothing."""

    def members(key: str) -> Any:
        return requires("authenticated", status_code=401)(starlette.flag_required(key)(page))

    routes = [Route("/dark/members", members("dark")), Route("/ann/members", members("for-ann"))]
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(starlette.FlagMiddleware, flags=Flags(DOCUMENT)),
            Middleware(AuthenticationMiddleware, backend=Nobody()),
        ],
    )
    client = TestClient(app)
    asked = [("GET", "/dark"), ("GET", "/ann"), ("POST", "/ann")]
    assert [client.request(method, f"{path}/members").status_code for method, path in asked] == [404, 401, 404]


def test_parameters_of_mounts_may_have_the_same_name() -> None:
    """A mount and a route below it may both say ``{id}``, as Starlette allows, and FastAPI in what it mounts."""
    inner = [Route("/x/{id:int}", starlette.flag_required("dark")(page)), Route("/y/{id}", page)]
    client = starlette_site(routes=[Mount("/of/{id}", routes=inner)])
    asked = [("GET", "/of/1/y/2"), ("POST", "/of/1/x/2"), ("POST", "/of/1/y/2")]
    assert [client.request(method, path).status_code for method, path in asked] == [200, 404, 405]
    outer, mounted = FastAPI(), FastAPI()
    outer.add_middleware(fastapi.FlagMiddleware, flags=Flags(DOCUMENT))
    mounted.get("/x/{id}", dependencies=[Depends(fastapi.flag_required("dark"))])(lambda id: id)
    outer.mount("/{id}", mounted)
    assert [TestClient(outer).request(method, "/1/x/2").status_code for method in ("GET", "POST")] == [404, 404]


class Copying:
    """A middleware that goes on with a copy of the scope, which the standard allows."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(dict(scope), receive, send)


def _dark_and_lit() -> list[Any]:
    return [Route(f"/{name}/", starlette.flag_required(name)(page)) for name in ("dark", "lit")]


@pytest.mark.parametrize(
    "where", ["copied", "below a copy", "in a mount alone", "below a root path", "outside", "mounted"]
)
def test_dark_wherever_the_middleware_stands(where: str) -> None:
    """Round middlewares that copy the scope, on a mounted application alone, below a server's root path."""
    flags = Middleware(starlette.FlagMiddleware, flags=Flags(DOCUMENT))
    alone = Starlette(routes=_dark_and_lit(), middleware=[flags])
    outside = starlette.FlagMiddleware(Copying(Starlette(routes=_dark_and_lit())), flags=Flags(DOCUMENT))
    app, root = {
        "copied": (Starlette(routes=_dark_and_lit(), middleware=[flags, Middleware(Copying)]), ""),
        "below a copy": (
            Starlette(routes=[Mount("/m", Copying(Starlette(routes=_dark_and_lit())))], middleware=[flags]),
            "/m",
        ),
        "in a mount alone": (Starlette(routes=[Mount("/m", alone)]), "/m"),
        "below a root path": (alone, "/r"),
        "outside": (outside, ""),
        "mounted": (Starlette(routes=[Mount("/m", outside)]), "/m"),
    }[where]
    client = TestClient(app, follow_redirects=False, root_path="/r" if root == "/r" else "")
    asked = [
        (method, f"{root}/{path}") for path in ("dark", "lit") for method, path in [("POST", f"{path}/"), ("GET", path)]
    ]
    assert [client.request(method, path).status_code for method, path in asked] == [404, 404, 405, 307]


def test_a_mount_is_there_as_long_as_one_of_its_pages() -> None:
    """The redirect to a mount's slash tells nothing where all that is mounted is dark."""
    dark, lit = (starlette.flag_required(name)(page) for name in ("dark", "lit"))
    inner = {"all-dark": [dark, dark], "one-lit": [dark, lit]}
    mounts = [
        Mount(f"/{name}", routes=[Route(f"/{n}", each) for n, each in enumerate(two)]) for name, two in inner.items()
    ]
    client = starlette_site(routes=mounts)
    assert [client.get(f"/{name}").status_code for name in inner] == [404, 307]


def test_sites_without_gates_pay_nothing() -> None:
    """Where no gate hides, nothing is left between the middleware and its application after the first request."""
    middleware = starlette.FlagMiddleware(Starlette(routes=[Route("/", page)]), flags=Flags(DOCUMENT))
    assert TestClient(middleware).get("/").text == "page"
    assert isinstance(middleware.app, Starlette)


# -- FastAPI --------------------------------------------------------------------------------------------------------


def refuse() -> None:
    raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})


def fastapi_site() -> TestClient:
    app = FastAPI()
    app.add_middleware(fastapi.FlagMiddleware, flags=Flags(DOCUMENT))
    for name in ("dark", "lit"):
        gate = fastapi.flag_required(name)
        router = APIRouter(prefix=f"/{name}", dependencies=[Depends(gate)])
        inner = APIRouter(prefix="/inner")

        @inner.get("/page")
        @router.get("/page")
        @router.get("/slash/")
        async def read(number: int = 0) -> int:
            return number

        @router.post("/page")
        async def write(body: dict[str, int]) -> dict[str, int]:
            return body

        @router.get("/secret", dependencies=[Security(refuse)])
        async def secret() -> None: ...

        router.include_router(inner)
        app.include_router(router)

        @app.get(f"/{name}/decorated")
        @gate
        async def decorated(number: int) -> int:
            return number

        @app.get(f"/{name}/after")
        async def after(_: None = Security(refuse), __: None = Depends(gate)) -> None: ...

    return TestClient(app, follow_redirects=False)


@pytest.mark.parametrize(
    "path", ["/page", "/page?number=x", "/slash", "/inner/page", "/decorated", "/secret", "/after"]
)
@pytest.mark.parametrize("method", METHODS)
def test_a_dark_operation_looks_like_none(method: str, path: str) -> None:
    """Other methods, OPTIONS, bad input, missing credentials and missing slashes tell nothing of a dark operation."""
    client = fastapi_site()
    assert same(client.request(method, f"/dark{path}"), client.request(method, "/missing"))


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b'{"a": "b"}'])
def test_bad_bodies_tell_nothing(body: bytes) -> None:
    """FastAPI reads the body before any dependency is asked: its complaints about a dark operation are a 404."""
    client, headers = fastapi_site(), {"Content-Type": "application/json"}
    assert same(client.post("/dark/page", content=body, headers=headers), client.post("/missing"))
    assert client.post("/lit/page", content=body, headers=headers).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PUT", "/page", 405), ("OPTIONS", "/page", 405), ("GET", "/page?number=x", 422), ("GET", "/slash", 307),
     ("GET", "/secret", 401), ("GET", "/after", 401), ("GET", "/decorated", 422), ("GET", "/inner/page", 200)],
)  # fmt: skip
def test_an_open_operation_answers_as_ever(method: str, path: str, status: int) -> None:
    """While the flag is on, FastAPI's own answers are left alone."""
    assert fastapi_site().request(method, f"/lit{path}").status_code == status
