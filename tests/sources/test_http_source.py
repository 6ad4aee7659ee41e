"""HTTP: conditional, limited in time and size, and careful with whom it tells what."""

from __future__ import annotations

import base64
import gzip
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flagmiddleware import Flags
from flagmiddleware.errors import ConfigurationError, SourceError
from flagmiddleware.sources import http as module
from flagmiddleware.sources.base import Snapshot
from flagmiddleware.sources.http import HttpSource
from flagmiddleware.sources.signed import sign, signed
from tests.services import nginx_server

from .stores import Web, proxy, web

pytestmark = pytest.mark.faults

DOCUMENT = b'{"version": 1, "flags": {"beta": {"default": true}}}'


@pytest.fixture
def server() -> Iterator[Web]:
    with web(DOCUMENT) as server:
        yield server


def redirect(to: str, status: int = 302) -> Any:
    return lambda handler: handler.reply(status, b"", Location=to)


def test_what_did_not_change_is_not_sent_again(server: Web) -> None:
    """The second fetch carries the ETag and gets 304 without a body."""
    source = HttpSource(server.url)
    known = source.fetch(None)
    assert source.fetch(known) is None
    assert server.statuses == [200, 304]


def test_two_changes_within_one_second_of_nginx_both_arrive(tmp_path: Path) -> None:
    """nginx tags a file by second and size: a tag of the second that still lasts is not relied on, later ones are."""
    tmp_path.chmod(0o755)
    path = tmp_path / "flags.json"

    def write(content: bytes, changed: float) -> None:
        path.write_bytes(content)
        os.utime(path, (changed, changed))

    with nginx_server(f"root {tmp_path};") as url:
        source, now = HttpSource(f"{url}/flags.json"), int(time.time())
        write(DOCUMENT, now)
        known = source.fetch(None)
        write(DOCUMENT.replace(b"1", b"2"), now)
        second = source.fetch(known)
        assert known is not None
        assert second is not None
        assert (second.revision, second.data) == (known.revision, DOCUMENT.replace(b"1", b"2"))
        write(DOCUMENT, now - 60)
        settled = source.fetch(second)
        assert settled is not None
        assert source.fetch(settled) is None


def test_gzip_is_asked_for_and_understood(server: Web) -> None:
    """Ten thousand flags shrink well."""
    server.compress = True
    found = HttpSource(server.url).fetch(None)
    assert found is not None
    assert found.data == DOCUMENT
    assert "gzip" in server.seen[0][1]["accept-encoding"]


def test_a_bomb_is_stopped_at_the_limit(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit counts what comes out of decompression, while it comes out."""
    monkeypatch.setattr(module, "_LIMIT", 100_000)
    bomb = gzip.compress(b" " * 50_000_000)
    server.answer = lambda handler: handler.reply(200, bomb, Content_Encoding="gzip")
    with pytest.raises(SourceError, match="sends more than"):
        HttpSource(server.url).fetch(None)


def test_a_body_that_drips_is_given_up(server: Web) -> None:
    """A byte every so often keeps a read alive and not the fetch: its time is limited as a whole."""

    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)

    server.answer = drip
    with pytest.raises(SourceError, match="did not finish within"):
        HttpSource(server.url, timeout=0.3).fetch(None)
    server.answer = None
    found = HttpSource(server.url).fetch(None)
    assert found is not None


def test_headers_that_drip_can_be_ended_from_outside(server: Web) -> None:
    """While headers drip no time limit runs; ``abort`` shuts the socket, and the fetch ends with an error."""
    with proxy(server.server_port) as between:
        between.mode = "drip"
        source = HttpSource(f"http://127.0.0.1:{between.port}/", timeout=60)
        ended: list[str] = []

        def fetch() -> None:
            try:
                source.fetch(None)
            except SourceError as error:
                ended.append(str(error))

        thread = threading.Thread(target=fetch)
        thread.start()
        while not source._open_connections or not server.seen:
            time.sleep(0.01)
        source.abort()
        thread.join(10)
        assert not thread.is_alive()
        assert len(ended) == 1


def test_a_redirect_elsewhere_gets_no_credentials(server: Web) -> None:
    """Headers and login stay with the origin that they were given for."""
    with web(DOCUMENT) as other:
        server.answer = redirect(f"{other.url}/moved")
        login = server.url.replace("://", "://ann:secret@")
        found = HttpSource(login, headers={"X-Api-Key": "secret"}).fetch(None)
        assert found is not None
        assert found.data == DOCUMENT
        assert "authorization" in server.seen[0][1]
        assert server.seen[0][1]["x-api-key"] == "secret"
        assert "secret" not in str(other.seen)
        assert "authorization" not in other.seen[0][1]


def test_a_redirect_within_the_origin_keeps_them(server: Web) -> None:
    """The same scheme, host and port are the same server."""
    server.answer = lambda handler: (
        handler.reply(200, DOCUMENT) if handler.path == "/new" else handler.reply(301, b"", Location="/new")
    )
    assert HttpSource(f"{server.url}/old", headers={"X-Api-Key": "key"}).fetch(None) is not None
    assert [(path, sent["x-api-key"]) for path, sent in server.seen] == [("/old", "key"), ("/new", "key")]


def test_a_circle_of_redirects_ends(server: Web) -> None:
    """Three hops, no more."""
    server.answer = redirect("/again")
    with pytest.raises(SourceError, match="redirects more than three times"):
        HttpSource(server.url).fetch(None)
    assert len(server.seen) == 4


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_told_apart(server: Web, status: int) -> None:
    """Trying again soon would not help: the refresher has to know."""
    server.answer = lambda handler: handler.reply(status, b"no")
    with pytest.raises(SourceError) as refused:
        HttpSource(f"{server.url}/flags?token=secret").fetch(None)
    assert refused.value.refused
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_failure_names_the_status(server: Web, status: int) -> None:
    """An error page is never mistaken for definitions."""
    server.answer = lambda handler: handler.reply(status, DOCUMENT)
    with pytest.raises(SourceError, match=str(status)) as failed:
        HttpSource(server.url).fetch(None)
    assert not failed.value.refused


def test_half_an_answer_is_no_answer(server: Web) -> None:
    """A connection that ends before the promised length gives an error, not half of the flags."""

    def half(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(DOCUMENT)))
        handler.end_headers()
        handler.wfile.write(DOCUMENT[:20])
        handler.close_connection = True

    server.answer = half
    with pytest.raises(SourceError):
        HttpSource(server.url).fetch(None)


def test_an_event_is_a_hint(server: Web) -> None:
    """Waiting ends with each event of the stream; silence leaves the stream open; its end is a hint, too."""
    speak, end = threading.Event(), threading.Event()

    def stream(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        handler.close_connection = True
        speak.wait(10)
        handler.wfile.write(b"data: changed\n\n")
        handler.wfile.flush()
        end.wait(10)

    server.answer = stream
    source = HttpSource(server.url, events=f"{server.url}/events")
    assert source.wait(1.0), "the stream stands now: whatever came before it is found by fetching"
    assert not source.wait(0.1)
    assert not source.wait(0.1)
    assert len(server.seen) == 1, "two silent waits used the stream that was there"
    speak.set()
    assert source.wait(5.0)
    end.set()
    assert source.wait(5.0), "the end of the stream is a hint"
    assert source._stream is None, "and it is opened anew by the next wait"
    source.close()


def test_an_empty_event_wipes_nothing(server: Web) -> None:
    """Events carry no definitions: an empty one makes us fetch, and what is fetched decides."""

    def stream(handler: Any) -> None:
        if handler.path != "/events":
            return handler.reply(200, DOCUMENT)
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"data:\n\n")
        handler.close_connection = True
        return None

    server.answer = stream
    flags = Flags(HttpSource(server.url, events=f"{server.url}/events", format="native"), refresh=0.1)
    for _ in range(5):
        flags._holder.source.wait(0.1)  # type: ignore[attr-defined]
        flags.refresh()
        assert flags.is_enabled("beta")
    flags.close()


def test_a_signature_in_a_header_is_checked(server: Web) -> None:
    """``X-Flags-Signature`` over ETag and body: without the key's, nothing is parsed."""
    key = b"sixteen bytes or more"
    good = sign(Snapshot(data=DOCUMENT, revision='"1"'), key)
    server.answer = lambda handler: handler.reply(200, DOCUMENT, ETag='"1"', X_Flags_Signature=good)
    assert signed(HttpSource(server.url), key).fetch(None) is not None
    server.answer = lambda handler: handler.reply(200, DOCUMENT + b" ", ETag='"1"', X_Flags_Signature=good)
    with pytest.raises(SourceError, match="not signed"):
        signed(HttpSource(server.url), key).fetch(None)


def test_what_is_no_address_is_refused() -> None:
    """At construction."""
    with pytest.raises(ConfigurationError, match="no http"):
        HttpSource("ftp://example.com/flags.json")


def test_a_login_and_headers_go_along(server: Web) -> None:
    """What the URL's login and ``headers`` say is sent with every fetch and with the event stream."""
    login = server.url.replace("://", "://ann:s%C3%A9cret@")
    source = HttpSource(login, headers={"X-Api-Key": "key"}, events=f"{server.url}/events")
    source.fetch(source.fetch(None))
    source.wait(1.0)
    sent = [(path, headers["authorization"], headers["x-api-key"]) for path, headers in server.seen]
    basic = "Basic " + base64.b64encode("ann:sécret".encode()).decode()
    assert sent == [("/", basic, "key"), ("/", basic, "key"), ("/events", basic, "key")]
    assert "cret" not in source.name
    source.close()
    with web(DOCUMENT) as other:
        apart = HttpSource(login, headers={"X-Api-Key": "key"}, events=f"{other.url}/events")
        apart.wait(1.0)
        apart.close()
        assert not {"authorization", "x-api-key"} & other.seen[0][1].keys(), "a stream elsewhere gets none of it"


def test_a_server_that_says_nothing_is_given_up() -> None:
    """It accepts and is silent: the fetch ends by its own time limit, not by anybody's patience."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = HttpSource(f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout=0.3)
        with pytest.raises(SourceError, match="Timeout"):
            source.fetch(None)


def test_polls_are_spread_and_never_closer_than_the_minimum(server: Web) -> None:
    """However small ``refresh`` is, a tenth of a second passes between two polls, give or take a random fifth."""
    waits: list[float] = []
    enough = threading.Event()

    class Noting(HttpSource):
        def wait(self, timeout: float) -> bool:
            waits.append(timeout)
            if len(waits) >= 30:
                enough.set()
                time.sleep(timeout)
            return False

    flags = Flags(Noting(server.url, format="native"), refresh=0.001)
    while not enough.is_set():
        assert flags.is_enabled("beta")
        enough.wait(0.01)
    flags.close()
    assert all(0.08 <= wait <= 0.12 for wait in waits)
    assert len(set(waits)) > 20
