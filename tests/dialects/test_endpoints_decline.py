"""What the endpoints answer to the kinds of ASGI that they do not serve: websockets and the lifespan."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from flagmiddleware import ConfigurationError, Flags
from flagmiddleware.flag_apps import flags_asgi
from flagmiddleware.ofrep import Ofrep
from flagmiddleware.ofrep_apps import ofrep_asgi
from flagmiddleware.rocketflag_api import RocketFlagEndpoint
from tests.services import free_port, wait_for_port

SITE = """
from flagmiddleware import Flags, asgi
from flagmiddleware.flag_apps import flags_asgi
from flagmiddleware.ofrep import Ofrep
from flagmiddleware.ofrep_apps import ofrep_asgi
from flagmiddleware.rocketflag_api import RocketFlagEndpoint

flags = Flags({"version": 1, "flags": {"shown": {"public": True}}})
ofrep = ofrep_asgi(Ofrep(flags))
rocketflag = RocketFlagEndpoint(flags, allow=["shown"]).asgi
public = asgi.FlagMiddleware(flags_asgi(), flags=flags)
"""
ALIVE = {"ofrep": "/ofrep/v1/configuration", "rocketflag": "/v1/flags/shown", "public": "/health"}


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
@pytest.mark.parametrize("app", ALIVE)
def test_a_websocket_is_refused_without_a_traceback(server: str, app: str, tmp_path: Path) -> None:
    """Under real servers the handshake ends with 403 and nothing is written to the log; http goes on being served."""
    (tmp_path / "site_with_endpoints.py").write_text(SITE)
    port = free_port()
    where = ["-b", f"127.0.0.1:{port}"] if server == "hypercorn" else ["--port", str(port), "--log-level", "warning"]
    command = [sys.executable, "-m", server, f"site_with_endpoints:{app}", *where]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
        try:
            wait_for_port(port, process)
            with pytest.raises(InvalidStatus) as caught, connect(f"ws://127.0.0.1:{port}{ALIVE[app]}"):
                raise AssertionError("the websocket was accepted")
            assert caught.value.response.status_code == 403
            assert httpx.get(f"http://127.0.0.1:{port}{ALIVE[app]}").status_code == 200
        finally:
            process.terminate()
            process.wait(20)
    told = (tmp_path / "log").read_text()
    assert "Traceback" not in told
    assert "rror" not in told
    assert "lifespan" not in told.lower()


FLAGS = Flags({"version": 1, "flags": {"shown": {"public": True}}})
APPS = [ofrep_asgi(Ofrep(FLAGS)), flags_asgi(), RocketFlagEndpoint(FLAGS, allow=["shown"]).asgi]


@pytest.mark.parametrize("app", APPS)
def test_a_lifespan_is_gone_along_with(app: Any) -> None:
    """Started and stopped at once: there is nothing to open or close; an unknown kind is refused."""
    messages, sent = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}], []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(app({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    with pytest.raises(ConfigurationError, match="asked for 'carrier pigeon'"):
        asyncio.run(app({"type": "carrier pigeon"}, receive, send))
