"""Starlette with flags under real servers: uvicorn and hypercorn, over a socket."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from flagmiddleware import ConfigurationError
from flagmiddleware.starlette import FlagMiddleware
from tests.services import ending_with_us, free_port, wait_for_port

ROOT = Path(__file__).parents[2]

APP = """
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from flagmiddleware.starlette import FlagMiddleware, flag_required, flags_from

async def page(request):
    here = request.state.flags
    return JSONResponse({key: here.is_enabled(key) for key in request.query_params.getlist("key")})

async def stream(request):
    here = flags_from(request)
    here.preload("live")
    async def body():
        for _ in range(3):
            yield str(here.is_enabled("live"))
    return StreamingResponse(body())

async def socket(websocket):
    await websocket.accept()
    here = flags_from(websocket)
    while True:
        key = await websocket.receive_text()
        await websocket.send_text(str(here.fresh().is_enabled(key)))

app = Starlette(
    routes=[Route("/", page), Route("/stream", stream), Route("/gated", flag_required("dark")(page)),
            WebSocketRoute("/ws", socket)],
    middleware=[Middleware(FlagMiddleware, source="flags.json", refresh=0.2, secret_keys=["a key of the tests"])],
)
"""
FLAGS: dict[str, Any] = {
    "version": 1,
    "flags": {"live": {"rules": [{"serve": True}]}, "dark": {}, "half": {"rules": [{"rollout": "50%"}]}},
}
SERVERS = {
    "uvicorn": ["-m", "uvicorn", "app:app", "--log-level", "warning", "--port"],
    "uvicorn-workers": ["-m", "uvicorn", "app:app", "--workers", "2", "--log-level", "warning", "--port"],
    "hypercorn": ["-m", "hypercorn", "app:app", "-b"],
}


@pytest.fixture(params=sorted(SERVERS))
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A server process with the application, and the file that its flags come from."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "flags.json").write_text(json.dumps(FLAGS))
    port = free_port()
    where = f"127.0.0.1:{port}" if request.param == "hypercorn" else str(port)
    process = subprocess.Popen(ending_with_us([sys.executable, *SERVERS[request.param], where]), cwd=tmp_path)
    try:
        wait_for_port(port)
        yield port, tmp_path / "flags.json"
    finally:
        process.terminate()
        process.wait(20)


def get(port: int, path: str, **headers: str) -> tuple[http.client.HTTPResponse, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response, text


def test_under_a_real_server(server: tuple[int, Path]) -> None:
    """Pages, gates, streams and cookies work over a socket, and a change of the file shows within a moment."""
    port, file = server
    response, text = get(port, "/?key=live&key=dark")
    assert json.loads(text) == {"live": True, "dark": False}
    assert get(port, "/gated")[0].status == 404
    response, text = get(port, "/stream")
    assert text == "TrueTrueTrue"
    assert response.getheader("cache-control") is None
    response, first = get(port, "/?key=half")
    cookie = response.getheader("set-cookie") or ""
    assert cookie.startswith("flags_visitor=")
    for _ in range(5):
        response, text = get(port, "/?key=half", Cookie=cookie.partition(";")[0])
        assert (text, response.getheader("set-cookie")) == (first, None)
    file.write_text(json.dumps({**FLAGS, "flags": {**FLAGS["flags"], "dark": {"rules": [{"serve": True}]}}}))
    deadline = time.monotonic() + 15
    while get(port, "/gated")[0].status == 404:
        assert time.monotonic() < deadline, "the change never showed"
        time.sleep(0.05)


def test_websocket_follows_changes(server: tuple[int, Path]) -> None:
    """A connection that stays open sees a change with its next message."""
    from websockets.sync.client import connect

    port, file = server
    with connect(f"ws://127.0.0.1:{port}/ws", open_timeout=20) as socket:
        socket.send("dark")
        assert socket.recv(timeout=20) == "False"
        file.write_text(json.dumps({**FLAGS, "flags": {"dark": {"rules": [{"serve": True}]}}}))
        deadline = time.monotonic() + 15
        answer = "False"
        while answer == "False":
            assert time.monotonic() < deadline, "the change never showed"
            time.sleep(0.05)
            socket.send("dark")
            answer = str(socket.recv(timeout=20))
        assert answer == "True"


def test_huge_cookies_over_a_socket(server: tuple[int, Path]) -> None:
    """What a server lets through does no harm: near its header limit, in bytes that are no text."""
    port, _ = server
    for cookie in ("flags_visitor=" + "A" * 50_000, "flags_visitor=\xff\xfe; flags_override=\xff", ";" * 20_000):
        response, _ = get(port, "/?key=half&key=live", Cookie=cookie)
        assert response.status in (200, 400, 431)


@pytest.mark.parametrize("kind", ["uvicorn", "hypercorn"])
@pytest.mark.parametrize(("text", "told"), [(None, "check the path"), ("{", "flags.json:1")], ids=["missing", "broken"])
def test_a_bad_file_stops_the_start(kind: str, text: str | None, told: str, tmp_path: Path) -> None:
    """A server that cannot have its flags ends by itself with an error that names the setting: it serves no errors."""
    (tmp_path / "app.py").write_text(APP)
    if text is not None:
        (tmp_path / "flags.json").write_text(text)
    port = free_port()
    where = f"127.0.0.1:{port}" if kind == "hypercorn" else str(port)
    command = [sys.executable, *SERVERS[kind], where]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert "FlagMiddleware(source=…)" in done.stderr
    assert told in done.stderr


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        ('source="flags.json", templates=object()', "templates: "),
        # By name, as Starlette below 0.41 wants it: that passes `app` by its name, too.
        ('source="flags.json", flags=object()', "FlagMiddleware(flags=…): "),
        ('source="flags.json", headers=5', "FlagMiddleware(headers=…): "),
    ],
    ids=["templates", "no flags", "headers"],
)
def test_any_mistake_in_the_options_stops_the_start(mistake: str, told: str, tmp_path: Path) -> None:
    """uvicorn ends for a wrong option of whatever kind, as it does for a bad file, and tells which it was."""
    (tmp_path / "app.py").write_text(
        "from starlette.applications import Starlette\nfrom starlette.middleware import Middleware\n"
        "from flagmiddleware.starlette import FlagMiddleware\n"
        f"app = Starlette(middleware=[Middleware(FlagMiddleware, {mistake})])\n"
    )
    (tmp_path / "flags.json").write_text(json.dumps(FLAGS))
    command = [sys.executable, *SERVERS["uvicorn"], str(free_port())]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert told in done.stderr
    assert done.returncode != 0


def test_a_file_that_is_mended_is_served_without_a_lifespan(tmp_path: Path) -> None:
    """Where a server knows no lifespan each request fails until the file is there, and the next one is served."""
    file = tmp_path / "flags.json"
    app = Starlette(
        routes=[Route("/", lambda request: PlainTextResponse(str(request.state.flags.is_enabled("live"))))],
        middleware=[Middleware(FlagMiddleware, source=str(file))],
    )
    client = TestClient(app)
    with pytest.raises(ConfigurationError, match="source"):
        client.get("/")
    file.write_text(json.dumps(FLAGS))

    assert client.get("/").text == "True"
