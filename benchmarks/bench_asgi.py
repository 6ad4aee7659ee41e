"""What flags add to a Starlette request, and what a gate costs as a FastAPI dependency; in process, no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from benchmarks.harness import Contender, Cost, Settings, Workload
from benchmarks.report import Table, add_ratio, cost_table, main, ratio_table
from flagmiddleware import Flags
from flagmiddleware.fastapi import flag_required
from flagmiddleware.starlette import FlagMiddleware, flags_from
from flagmiddleware.web.signing import Signer

KEY = "a secret key of the benchmark"
VISITOR = Signer([KEY], "flagmiddleware.visitor").sign("A" * 22).encode()
HEADERS = [
    (b"host", b"shop.example"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"text/html,application/xhtml+xml"),
    (b"accept-language", b"en-AU,en;q=0.9"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"x-country", b"AU"),
    (b"cookie", b"theme=dark; csrftoken=0123456789abcdef; flags_visitor=" + VISITOR),
]
TEN = [f"flag-{number}" for number in range(10)]
RULE = {"if": {"country": ["AU", "NZ"]}, "serve": True}
DEFINITIONS: dict[str, Any] = {
    "version": 1,
    "flags": {**{key: {"rules": [RULE]} for key in TEN}, "rollout": {"rules": [{"rollout": "99.9%"}]}},
}

Run = Callable[[], bytes]


class NoOp:
    """The least that a pure ASGI middleware can be."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


def runner(app: Any) -> Run:
    """Calls an application once, by hand: nothing in it waits."""

    def run() -> bytes:
        body: list[bytes] = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                body.append(message["body"])

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": "/", "raw_path": b"/", "root_path": "", "query_string": b"", "headers": HEADERS,
            "client": ("203.0.113.7", 50_000), "server": ("shop.example", 80), "state": {},
        }  # fmt: skip
        call = app(scope, receive, send)
        try:
            call.send(None)
        except StopIteration:
            return b"".join(body)
        raise RuntimeError("the application waited for something")

    return run


async def bare(request: Request) -> Response:
    return PlainTextResponse("True")


async def one(request: Request) -> Response:
    return PlainTextResponse(str(flags_from(request).is_enabled("flag-0")))


async def ten(request: Request) -> Response:
    here = flags_from(request)
    return PlainTextResponse(str(all(here.is_enabled(key) for key in TEN)))


async def rollout(request: Request) -> Response:
    return PlainTextResponse(str(flags_from(request).is_enabled("rollout")))


def ours(flags: Flags) -> Middleware:
    shared = {"headers": {"country": "X-Country"}, "shared_vary": ["X-Country"]}
    return Middleware(FlagMiddleware, flags=flags, secret_keys=[KEY], **shared)


def starlette(flags: Flags, inputs: Any) -> Workload:
    """The same page bare, behind a no-op middleware and behind ours."""

    def contender(name: str, endpoint: Any, *stack: Middleware) -> Contender:
        return Contender(name=name, call=runner(Starlette(routes=[Route("/", endpoint)], middleware=[*stack])))

    return Workload(
        name="Starlette: one request",
        inputs=inputs,
        floor=contender("bare", bare),
        contenders=[
            contender("no-op middleware", bare, Middleware(NoOp)),
            contender("flags, none read", bare, ours(flags)),
            contender("flags, one read (header)", one, ours(flags)),
            contender("flags, ten read (header)", ten, ours(flags)),
            contender("flags, one read (visitor)", rollout, ours(flags)),
        ],
    )


def fastapi(flags: Flags, inputs: Any) -> Workload:
    """The same operation with a dependency that does nothing and with a gate."""

    async def nothing() -> None:
        return None

    def app(*dependencies: Any) -> Run:
        application = FastAPI(openapi_url=None)

        @application.get("/", dependencies=[Depends(each) for each in dependencies], response_class=PlainTextResponse)
        async def home() -> Response:
            return PlainTextResponse("True")

        application.add_middleware(ours(flags).cls, **ours(flags).kwargs)
        return runner(application)

    return Workload(
        name="FastAPI: one request, the middleware installed in all",
        inputs=inputs,
        floor=Contender(name="no dependency", call=app()),
        contenders=[
            Contender(name="async no-op dependency", call=app(nothing)),
            Contender(name="Depends(flag_required)", call=app(flag_required("flag-0"))),
        ],
    )


def measure(settings: Settings) -> Sequence[Table]:
    """Both workloads, and the ratios that are demanded."""
    flags = Flags(DEFINITIONS)
    flags.warm()
    requests = settings.size(2_000)

    def inputs(number: int) -> list[tuple[()]]:
        return [()] * requests

    page, gate = starlette(flags, inputs).measure(settings), fastapi(flags, inputs).measure(settings)
    ratios = ratio_table("Against the limits")
    limits = {"flags, none read": 0.15, "flags, one read (header)": 0.40, "flags, ten read (header)": 0.90}
    for name, limit in limits.items():
        add_ratio(ratios, "Starlette", f"({name} - no-op middleware) / bare", _added(page, name), limit)
    add_ratio(ratios, "FastAPI", "Depends(flag_required) / async no-op dependency", gate[2].over(gate[1]), 1.3)
    tables = [cost_table("Starlette: one request", page), cost_table("FastAPI: one request", gate), ratios]
    for table in tables:
        print(table.plain(), flush=True)
    return tables


def _added(costs: Sequence[Cost], name: str) -> float:
    """What this one adds to the no-op middleware, as a share of the bare request; the median over the rounds."""
    known = {cost.name: cost.rounds for cost in costs}
    shares = zip(known[name], known["no-op middleware"], known["bare"], strict=True)
    return median((mine - noop) / bare for mine, noop, bare in shares)


if __name__ == "__main__":
    raise SystemExit(main("asgi", "Flags on Starlette and FastAPI", measure))
