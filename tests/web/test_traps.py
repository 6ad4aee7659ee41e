"""Traps that flag packages have fallen into, one test each: what another did wrong, and that it does not happen here.

Django's part is tests/django/test_django_traps.py.
"""

from __future__ import annotations

import ast
import asyncio
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import flagmiddleware
from flagmiddleware import Context, Flags, asgi, wsgi
from flagmiddleware.sources import MemorySource
from flagmiddleware.sources.base import Snapshot, Source, Waiting, Writable
from flagmiddleware.testing import override_flags
from tests.web.clients import ASGISite, WSGISite, asgi_scope
from tests.web.doubles import KEY, headers, install

PACKAGE = Path(flagmiddleware.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "flags": {
        "live": {"rules": [{"serve": True}]},
        "dark": {"qa": True},
        "half": {"rules": [{"rollout": "50%"}]},
        "anz": {"rules": [{"name": "anz", "if": {"country": ["AU", "NZ"], "tags": "beta"}, "rollout": "50%"}]},
        "ip": {"rules": [{"if": {"ip": "203.0.113.7"}, "serve": True}]},
        "beta": {"rules": [{"if": {"groups": "beta"}, "serve": True}]},
        "gamma": {"rules": [{"if": {"groups": "gamma"}, "serve": True}]},
    },
}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


# -- small sites in each framework ------------------------------------------------------------------------------------


def plain_asgi(key: str, **settings: Any) -> Any:
    async def page(scope: Any, receive: Any, send: Any) -> None:
        body = str(asgi.flags_from(scope).is_enabled(key)).encode()
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})

    return ASGISite(asgi.FlagMiddleware(page, **settings))


def plain_wsgi(key: str, **settings: Any) -> Any:
    def page(environ: Any, start: Any) -> Any:
        body = str(wsgi.flags_from(environ).is_enabled(key)).encode()
        start("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    return WSGISite(wsgi.FlagMiddleware(page, **settings))


SITES = [plain_asgi, plain_wsgi]


def settings(**more: Any) -> dict[str, Any]:
    return {"flags": Flags(DOCUMENT), "secret_keys": [KEY], **more}


# -- the ten ----------------------------------------------------------------------------------------------------------


def test_trap_1_adapters_imported_from_the_package() -> None:
    """``import flagmiddleware`` loads no adapter and no framework, even one that is installed."""
    names = ["django", "flask", "starlette", "fastapi", "jinja2", "celery", "redis", "click"]
    ours = [f"flagmiddleware.{name}" for name in ("django", "flask", "starlette", "fastapi", "asgi", "wsgi", "web")]
    code = f"import flagmiddleware, sys; print(sorted(set(sys.modules) & set({names + ours})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_trap_2_switched_on_because_a_package_is_importable(path: Path) -> None:
    """No module asks what is installed: an import that fails is told, never taken for an answer."""
    tree = ast.parse(path.read_text())
    names = {node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "") for node in ast.walk(tree)}
    assert not names & {"find_spec", "find_loader", "packages_distributions"}
    for tried in (node for node in ast.walk(tree) if isinstance(node, ast.Try)):
        importing = any(isinstance(node, ast.Import | ast.ImportFrom) for part in tried.body for node in ast.walk(part))
        for handler in tried.handlers if importing else ():
            caught = ast.unparse(handler.type) if handler.type else "everything"
            if "ImportError" in caught or "ModuleNotFoundError" in caught or caught in ("everything", "Exception"):
                assert any(isinstance(node, ast.Raise) for node in ast.walk(handler)), f"line {handler.lineno}"


def test_trap_3_state_of_an_application_on_the_extension() -> None:
    """One Flask extension object, two applications: the second one has nothing of the first one's settings."""
    flask = pytest.importorskip("flask")
    from flagmiddleware.flask import FlagMiddleware, current_flags

    extension = FlagMiddleware()
    replies = []
    for config in (
        {"FLAGMIDDLEWARE_FLAGS": Flags(DOCUMENT), "FLAGMIDDLEWARE_COOKIE_NAME": "one"},
        {"FLAGMIDDLEWARE_FLAGS": Flags({"version": 1, "flags": {"half": {"rules": [{"rollout": "50%"}]}}})},
    ):
        app = flask.Flask("shop")
        app.config.update(config, SECRET_KEY=KEY)
        extension.init_app(app)
        app.add_url_rule("/", "page", lambda: str([current_flags().is_enabled(key) for key in ("live", "half")]))
        replies.append(app.test_client().get("/"))
    assert [reply.text.split(",")[0] for reply in replies] == ["[True", "[False"]
    assert [reply.headers["Set-Cookie"].partition("=")[0] for reply in replies] == ["one", "flags_visitor"]
    assert not {"_flags", "_options", "flags", "installation"} & set(vars(extension))


def test_trap_4_one_giant_file_and_constructors_without_end() -> None:
    """No module is over 450 lines (half are under 150), and nothing takes more than eight parameters."""
    lengths = sorted(len(path.read_text().splitlines()) for path in MODULES)
    assert lengths[-1] <= 450
    assert lengths[len(lengths) // 2] <= 150
    for path in MODULES:
        for node in functions(path):
            taken = [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            assert len([name for name in taken if name not in ("self", "cls")]) <= 8, f"{path.name}: {node.name}"


def test_trap_5_everything_twice() -> None:
    """Deciding is written once: nothing below the web is asynchronous but what resolves attributes, and its answer is
    the very object that the synchronous verb gives."""
    asynchronous = {
        f"{path.stem}.{node.name}"
        for path in PACKAGE.glob("*.py")
        for node in functions(path)
        if isinstance(node, ast.AsyncFunctionDef) and path.stem in ("bound", "plan", "flags", "compiler", "interpreter")
    }
    assert asynchronous == {f"bound.{verb}" for verb in ("ais_enabled", "avalue", "aevaluate", "ready")}
    here = Flags(DOCUMENT).bind(Context("user-1"))
    assert asyncio.run(here.aevaluate("half")) is here.evaluate("half")


def test_trap_6_a_lock_and_a_line_for_each_evaluation(caplog: pytest.LogCaptureFixture) -> None:
    """Once the flags are in use, deciding takes no lock, writes nothing, and leaves the caller's dict as it was."""
    caplog.set_level(logging.DEBUG)
    flags = Flags(DOCUMENT)
    flags.warm()
    attributes = {"country": "AU", "tags": ["beta"]}
    flags.evaluate("anz", Context("user-1", attributes))
    called: list[str] = []

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "c_call" and type(getattr(argument, "__self__", None)).__name__.lower().endswith("lock"):
            called.append(repr(argument))
        elif event == "call" and frame.f_globals.get("__name__", "").startswith(("logging", "threading")):
            called.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        for number in range(100):
            flags.evaluate("anz", Context(f"user-{number}", attributes))
            flags.bind(Context(f"user-{number}", attributes)).is_enabled("anz")
    finally:
        sys.setprofile(None)
    assert called == []
    assert [record for record in caplog.records if record.name.startswith("flagmiddleware")] == []
    assert attributes == {"country": "AU", "tags": ["beta"]}


def test_trap_7_an_empty_set_asked_for_again_and_again() -> None:
    """No groups is an answer, and no flags is a set of flags: neither is fetched twice."""
    asked: list[str] = []

    class User:
        is_authenticated, id = True, "ann"

        @property
        def groups(self) -> list[str]:
            asked.append("groups")
            return []

    class Counting(MemorySource):
        threaded = False

        def fetch(self, known: Snapshot | None) -> Snapshot | None:
            asked.append("fetch")
            return super().fetch(known)

    here = install(DOCUMENT).begin({"user": User()})
    assert [here.is_enabled(key) for key in ("beta", "gamma", "beta")] == [False] * 3
    assert asked == ["groups"]
    empty = Flags(Counting(b'{"version": 1, "flags": {}}', format="json"))
    for number in range(50):
        assert not empty.is_enabled("live", Context(f"user-{number}"))
    assert asked.count("fetch") == 1


@pytest.mark.parametrize("site", SITES)
def test_trap_8_the_first_forwarded_address(site: Callable[..., Any]) -> None:
    """What a client writes into X-Forwarded-For moves nobody: addresses count from the right, by declared proxies."""
    spoofed = {"X-Forwarded-For": "203.0.113.7, 198.51.100.1"}
    for proxies in (0, 1):
        assert site("ip", **settings(trusted_proxies=proxies)).get("/", spoofed).text == "False"
    assert site("ip", **settings(trusted_proxies=2)).get("/", spoofed).text == "True"


@pytest.mark.parametrize("site", SITES)
def test_trap_9_cookies_that_scripts_can_read(site: Callable[..., Any]) -> None:
    """The visitor's cookie and the QA cookie are HttpOnly and SameSite=Lax, whatever sets them."""
    from flagmiddleware.web.overrides import sign

    options = settings()
    token = sign(options["flags"], {"dark": "on"}, host="shop.example", keys=[KEY])
    made = site("half", **options)
    for reply in (made.get("/"), made.get(f"/?flags={token}"), made.get("/?flags=")):
        (cookie,) = reply.set_cookies()
        assert {"HttpOnly", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}


def test_trap_9_test_helpers_that_write() -> None:
    """``override_flags`` changes nothing that others could read: no write, no new revision, no new plan."""

    class ReadOnly(MemorySource):
        def put(self, data: Any) -> str:
            raise AssertionError("written")

        def write(self, change: Any, expected: str | None) -> str:
            raise AssertionError("written")

    flags = Flags(ReadOnly(json.dumps(DOCUMENT).encode(), format="json"))
    before = (flags.plan, flags.status.revision)
    with override_flags({"dark": True}):
        assert flags.is_enabled("dark")
        seen: list[bool] = []
        thread = threading.Thread(target=lambda: seen.append(flags.is_enabled("dark")))
        thread.start()
        thread.join()
    assert (seen, flags.is_enabled("dark"), (flags.plan, flags.status.revision)) == ([False], False, before)


def test_trap_10_kitchen_sink_interfaces() -> None:
    """A source is three methods and two facts; being told of changes and being written are interfaces of their own."""

    def members(protocol: Any) -> set[str]:
        return {name for name in (*vars(protocol), *protocol.__annotations__) if not name.startswith("_")}

    assert members(Source) == {"name", "threaded", "fetch", "changed", "close"}
    assert members(Waiting) == {"wait"}
    assert members(Writable) == {"write"}
    smallest = SimpleNamespace(
        name="mine",
        threaded=False,
        fetch=lambda known: Snapshot(data=json.dumps(DOCUMENT).encode(), format="json", revision="1"),
        changed=lambda known: False,
        close=lambda: None,
    )
    assert Flags(smallest).is_enabled("live")


def test_trap_10_a_test_kit_that_is_left_out_of_the_wheel() -> None:
    """What is built into the wheel holds the test kit, contracts and all."""
    builder = pytest.importorskip("hatchling.builders.wheel").WheelBuilder(str(Path(__file__).parents[2]))
    shipped = {file.distribution_path for file in builder.recurse_included_files()}
    kit = {f"flagmiddleware/testing/{path.name}" for path in (PACKAGE / "testing").glob("*.py")}
    assert kit > {f"flagmiddleware/testing/contract_{kind}.py" for kind in ("adapter", "format", "source")}
    assert kit <= shipped


# -- and more, from packages for FastAPI and Flask --------------------------------------------------------------------


@pytest.fixture
def api() -> Any:
    """A FastAPI application with one operation of each kind behind a gate; none of them declares the request."""
    fastapi = pytest.importorskip("fastapi")
    from flagmiddleware.fastapi import FlagMiddleware, flag_required

    app = fastapi.FastAPI()
    app.add_middleware(FlagMiddleware, **settings())

    @app.get("/sync/{number}")
    @flag_required("live")
    def synchronous(number: int, unit: str = "cm") -> str:
        return f"{number} {unit}"

    @app.get("/async/{number}")
    @flag_required("live")
    async def asynchronous(number: int, unit: str = "cm") -> str:
        return f"{number} {unit}"

    @app.get("/depends/{number}", dependencies=[fastapi.Depends(flag_required("live"))])
    def depending(number: int, unit: str = "cm") -> str:
        return f"{number} {unit}"

    return app


OPERATIONS = ["/sync/{number}", "/async/{number}", "/depends/{number}"]


@pytest.mark.parametrize("path", OPERATIONS)
def test_trap_decorators_that_lose_the_signature(api: Any, path: str) -> None:
    """OpenAPI shows the operation's own parameters, and neither ``args`` nor ``kwargs`` nor a request."""
    operation = api.openapi()["paths"][path]["get"]
    assert [(one["name"], one["in"]) for one in operation["parameters"]] == [("number", "path"), ("unit", "query")]


@pytest.mark.parametrize("path", OPERATIONS)
def test_trap_gates_that_want_the_handler_to_declare_the_request(api: Any, path: str) -> None:
    """The flag is on, the handler declares no request: 200, with its parameters."""
    reply = ASGISite(api).get(path.format(number=7) + "?unit=m")
    assert (reply.status, json.loads(reply.text)) == (200, "7 m")


@pytest.mark.parametrize("site", SITES)
def test_trap_flags_flipped_by_a_get(site: Callable[..., Any]) -> None:
    """No query that nobody signed changes an answer, now or in the next request, or leaves a cookie."""
    made = site("dark", **settings())
    for query in ("dark=on", "dark=1", "flags=dark", "flags=dark:on", "flags=dark%3Don", "dwft_dark=1", "_flags=dark"):
        reply = made.get(f"/?{query}")
        assert (reply.status, reply.text, reply.set_cookies()) == (200, "False", []), query
    assert made.get("/", cookies={"flags_override": "dark:on", "dwf_dark": "True"}).text == "False"


def starlette_stream(parts: Any) -> Any:
    starlette = pytest.importorskip("starlette.applications")
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    from flagmiddleware.starlette import FlagMiddleware

    async def page(request: Any) -> Any:
        request.state.flags.is_enabled("half")
        return StreamingResponse(parts())

    app = starlette.Starlette(routes=[Route("/", page)])
    return FlagMiddleware(app, **settings())


def plain_stream(parts: Any) -> Any:
    async def page(scope: Any, receive: Any, send: Any) -> None:
        asgi.flags_from(scope).is_enabled("half")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async for part in parts():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return asgi.FlagMiddleware(page, **settings())


@pytest.mark.parametrize("make", [plain_stream, starlette_stream])
@pytest.mark.parametrize("observed", [False, True])
def test_trap_streaming_bodies_that_are_buffered(make: Callable[..., Any], observed: bool) -> None:
    """Each part leaves before the next one is made, with observers too."""
    order: list[str] = []

    async def parts() -> Any:
        for number in range(3):
            order.append(f"made {number}")
            yield str(number).encode()

    async def send(message: Any) -> None:
        if message.get("body"):
            order.append(f"sent {message['body'].decode()}")

    async def receive() -> Any:
        await asyncio.Event().wait()

    app = make(parts)
    if observed:
        app.installation.observers.add(lambda observation: None)
    asyncio.run(app(asgi_scope("/", {}), receive, send))
    assert order == [f"{what} {number}" for number in range(3) for what in ("made", "sent")]


@pytest.mark.parametrize("framework", ["wsgi", "flask"])
def test_trap_streaming_bodies_that_are_buffered_by_wsgi(framework: str) -> None:
    """A WSGI server that asks for one part gets one part, and the rest is not made before it asks again."""
    made: list[int] = []

    def parts() -> Iterator[bytes]:
        for number in range(3):
            made.append(number)
            yield str(number).encode()

    app: Any
    if framework == "flask":
        flask = pytest.importorskip("flask")
        from flagmiddleware.flask import FlagMiddleware, current_flags

        app = flask.Flask("shop")
        FlagMiddleware(app, **settings())
        app.add_url_rule("/", "page", lambda: flask.Response((current_flags().is_enabled("half"), parts())[1]))
    else:

        def page(environ: Any, start: Any) -> Any:
            wsgi.flags_from(environ).is_enabled("half")
            start("200 OK", [])
            return parts()

        app = wsgi.FlagMiddleware(page, **settings())
    steps: list[list[int]] = []

    class Server(WSGISite):
        def __init__(self, app: Any) -> None:
            super().__init__(lambda environ, start: self.stepping(app(environ, start)))

        def stepping(self, body: Any) -> Iterator[bytes]:
            for part in body:
                steps.append(list(made))
                yield part
            body.close()

    assert Server(app).get("/").text == "012"
    assert steps == [[0], [0, 1], [0, 1, 2]]


@pytest.mark.parametrize("site", SITES)
def test_trap_all_anonymous_users_in_one_bucket(site: Callable[..., Any]) -> None:
    """Forty people without an account are forty people: some get the rollout, others do not."""
    made = site("half", **settings())
    assert {made.get("/").text for _ in range(40)} == {"True", "False"}
    here = install(DOCUMENT).begin({"headers": headers(host="shop.example")})
    assert here.evaluate("half").error_code == "TARGETING_KEY_MISSING"  # without visitors nobody has a bucket


def flask_views() -> Any:
    flask = pytest.importorskip("flask")
    from flagmiddleware.flask import FlagMiddleware, flag_required

    app = flask.Flask("shop")
    FlagMiddleware(app, **settings())

    async def view() -> str:
        await asyncio.sleep(0)
        return "awaited"

    app.add_url_rule("/open", "open", flag_required("live")(view))
    app.add_url_rule("/shut", "shut", flag_required("dark", otherwise=view)(lambda: "open"))
    return WSGISite(app)


def starlette_views() -> Any:
    starlette = pytest.importorskip("starlette.applications")
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    from flagmiddleware.starlette import FlagMiddleware, flag_required

    async def view(request: Any) -> Any:
        await asyncio.sleep(0)
        return PlainTextResponse("awaited")

    def other(request: Any) -> Any:
        return PlainTextResponse("open")

    gates = [flag_required("live")(view), flag_required("dark", otherwise=view)(other)]
    app = starlette.Starlette(routes=[Route(path, gate) for path, gate in zip(("/open", "/shut"), gates, strict=True)])
    return ASGISite(FlagMiddleware(app, **settings()))


def fastapi_views() -> Any:
    fastapi = pytest.importorskip("fastapi")
    from fastapi.responses import PlainTextResponse

    from flagmiddleware.fastapi import FlagMiddleware, flag_required

    app = fastapi.FastAPI(default_response_class=PlainTextResponse)
    app.add_middleware(FlagMiddleware, **settings())

    async def view() -> str:
        await asyncio.sleep(0)
        return "awaited"

    app.get("/open")(flag_required("live")(view))
    app.get("/shut")(flag_required("dark", otherwise=view)(lambda: "open"))
    return ASGISite(app)


@pytest.mark.parametrize("views", [flask_views, starlette_views, fastapi_views])
def test_trap_async_views_that_are_not_awaited(views: Callable[[], Any]) -> None:
    """An asynchronous view behind a gate, or in its ``otherwise``, is awaited: its text comes, no coroutine."""
    site = views()
    assert [site.get(path).text for path in ("/open", "/shut")] == ["awaited", "awaited"]
