"""Every source and every wrapper that reaches a store passes the contract that ships with the library."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from flagmiddleware.sources import Change, FileSource, MemorySource, Source, from_url
from flagmiddleware.sources.cached import cached
from flagmiddleware.sources.env import environment_over
from flagmiddleware.sources.http import HttpSource
from flagmiddleware.sources.overlay import overlay
from flagmiddleware.sources.redis import RedisSource
from flagmiddleware.sources.signed import signed
from flagmiddleware.sources.wrappers import fallback, readonly
from flagmiddleware.testing.contract_source import SECRET, SourceContract, document
from tests.topologies import valkey_server

from .dialects import VENDORS
from .stores import Proxy, Web, certificate, proxy, web

pytestmark = pytest.mark.services

KEY = b"a snapshot key of enough bytes"


class InMemory:
    """A source that everybody shares, perhaps wrapped: it is the store."""

    def __init__(self, wrap: Callable[[Source], Source]) -> None:
        self.source = MemorySource(document(beta=True))
        self.wrap = wrap

    def open(self) -> Source:
        return self.wrap(self.source)

    def put(self, data: bytes) -> None:
        self.source.put(data)

    def break_it(self) -> bool:
        return False


class InFile(InMemory):
    """A local file that lies over definitions in memory, which it hides."""

    def __init__(self, path: Path) -> None:
        super().__init__(lambda base: overlay(base, FileSource(path, now=lambda: 4e9)))
        self.path = path
        self.source = MemorySource(document())
        self.put(document(beta=True))

    def put(self, data: bytes) -> None:
        self.path.write_bytes(data)


class OnTheWeb:
    """A server that knows ETags, reached with a login and a token."""

    def __init__(self, server: Web) -> None:
        self.server = server
        server.data = document(beta=True)

    def open(self) -> Source:
        login = self.server.url.replace("://", f"://ann:{SECRET}@")
        return HttpSource(f"{login}/flags.json?token={SECRET}", format="native")

    def put(self, data: bytes) -> None:
        self.server.answer = None
        self.server.data = data

    def break_it(self) -> bool:
        self.server.answer = lambda handler: handler.reply(503, b"later")
        return True


class AtAVendor(OnTheWeb):
    """Another system's server, as its URL names it, with TLS; what is put there is said in its words."""

    verbatim = False

    def __init__(self, server: Web, vendor: str) -> None:
        self.translate, self.path = VENDORS[vendor]
        self.vendor = vendor
        super().__init__(server)
        self.put(document(beta=True))

    def open(self) -> Source:
        return from_url(f"{self.vendor}+https://{SECRET}@localhost:{self.server.server_port}{self.path}")

    def put(self, data: bytes) -> None:
        super().put(self.translate(data))


class UnderTheEnvironment(InMemory):
    """Definitions in memory whose flag ``extra`` a variable has switched off."""

    verbatim = False

    def __init__(self) -> None:
        super().__init__(lambda base: environment_over(base, {"FLAG_EXTRA": "off"}))
        self.put(document(beta=True))

    def put(self, data: bytes) -> None:
        tree = json.loads(data)
        tree["flags"]["extra"] = {"rules": [{"serve": True}]}
        self.source.put(json.dumps(tree).encode())


class InRedis:
    """A set of flags of its own in the session's Redis, reached through a proxy that can fail."""

    def __init__(self, url: str, between: Proxy, wrap: Callable[[Source], Source] = lambda source: source) -> None:
        name = uuid4().hex
        self.between, self.wrap = between, wrap
        self.direct = RedisSource(f"{url}?name={name}", snapshot_key=KEY)
        # Redis takes any password for a user who needs none.
        self.url = f"redis://default:{SECRET}@127.0.0.1:{between.port}/0?name={name}"
        self.put(document(beta=True))

    def open(self) -> Source:
        return self.wrap(RedisSource(self.url, snapshot_key=KEY))

    def put(self, data: bytes) -> None:
        self.between.mode = "pass"
        known = self.direct.fetch(None) if self.direct._redis().exists(self.direct.key) else None
        self.direct.write(Change(data=data), known.revision if known is not None else None)

    def break_it(self) -> bool:
        self.between.mode = "refuse"
        self.between.drop()
        return True


@pytest.fixture
def between(redis_url: str) -> Iterator[Proxy]:
    """A proxy before the session's Redis."""
    with proxy(urlsplit(redis_url).port or 0) as between:
        yield between


@pytest.fixture(scope="module")
def valkey_url() -> Iterator[str]:
    """A Valkey for this file."""
    with valkey_server() as url:
        yield url


@pytest.fixture
def vouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """What a server of this machine needs for TLS that this process believes."""
    file, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return context


class TestReadonly(SourceContract):
    """A writable source that may not be written."""

    @pytest.fixture
    def store(self) -> InMemory:
        return InMemory(readonly)


class TestOverlay(SourceContract):
    """A file over memory."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> InFile:
        return InFile(tmp_path / "local.json")


class TestFallbackSecond(SourceContract):
    """The first of two is never there."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> InMemory:
        return InMemory(lambda source: fallback(FileSource(tmp_path / "gone.yaml"), source))


class TestHttp(SourceContract):
    """A real server."""

    @pytest.fixture
    def store(self) -> Iterator[OnTheWeb]:
        with web() as server:
            yield OnTheWeb(server)


class TestVendors(SourceContract):
    """Unleash, flagd and RocketFlag, each as its URL names it, over TLS."""

    @pytest.fixture(params=list(VENDORS))
    def store(self, request: pytest.FixtureRequest, vouched: ssl.SSLContext) -> Iterator[AtAVendor]:
        with web(tls=vouched) as server:
            yield AtAVendor(server, request.param)


class TestEnvironment(SourceContract):
    """Variables over memory."""

    @pytest.fixture
    def store(self) -> UnderTheEnvironment:
        return UnderTheEnvironment()


class TestRedis(SourceContract):
    """A real Redis."""

    @pytest.fixture
    def store(self, redis_url: str, between: Proxy) -> InRedis:
        return InRedis(redis_url, between)


class TestValkey(SourceContract):
    """A real Valkey, through the same client."""

    @pytest.fixture
    def store(self, valkey_url: str) -> Iterator[InRedis]:
        with proxy(urlsplit(valkey_url).port or 0) as between:
            yield InRedis(valkey_url, between)


class TestCached(SourceContract):
    """Redis with the last good snapshot on disk."""

    @pytest.fixture
    def store(self, redis_url: str, between: Proxy, tmp_path: Path) -> InRedis:
        return InRedis(redis_url, between, lambda source: cached(source, tmp_path / "cache"))


class TestSigned(SourceContract):
    """Redis, believed only with our signature."""

    @pytest.fixture
    def store(self, redis_url: str, between: Proxy) -> InRedis:
        return InRedis(redis_url, between, lambda source: signed(source, b"the key that is coming next", KEY))


class TestFallbackFirst(SourceContract):
    """The first of two answers."""

    @pytest.fixture
    def store(self, redis_url: str, between: Proxy) -> InRedis:
        store = InRedis(redis_url, between, lambda source: fallback(source, FileSource("/gone.yaml")))
        store.break_it = lambda: False  # type: ignore[method-assign]
        return store
