"""flagd's own sync service, as its in-process providers use it: definitions over gRPC, pushed as they change.

``flagd+grpc://flagd.example.com:8015?selector=flags.json`` (``flagd+grpcs://`` with TLS, a bearer token where a user
name would stand). A change is announced by ``SyncFlags``, whose stream stays open; what holds is fetched by
``FetchAllFlags``, so that a lost announcement costs one interval and never the right answer.

Source: the service ``flagd.sync.v1.FlagSyncService``, https://flagd.dev/reference/specifications/protos/
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import threading
import time
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

# gRPC's core has threads of its own, which a fork would leave behind; this makes it start them anew in the child. It is
# read when gRPC is first imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "1")

import grpc
from openfeature.schemas.protobuf.flagd.sync.v1 import sync_pb2, sync_pb2_grpc

from ..errors import ConfigurationError, SourceError
from .address import check_address
from .base import Snapshot
from .home import home

__all__ = ["FlagdSyncSource", "from_grpc_url"]

_PORT: Final = 8015
_PACE: Final = 5.0
_LIMIT: Final = 64 * 2**20  # bytes of one answer, as for HTTP
_REFUSALS: Final = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})


class FlagdSyncSource:
    """The definitions that a flagd daemon hands out at ``target`` (``host:port``).

    ``selector`` picks one of its sources, ``token`` is sent as a bearer token, ``secure`` means TLS. ``interval`` is
    the time, in seconds, between two looks besides the announced ones; ``timeout`` (seconds) ends a look. ``fetch``
    raises SourceError where the daemon gives no answer. Needs the extra ``flagd-grpc``.

    >>> FlagdSyncSource("localhost:8015", selector="flags.json").name
    'grpc://localhost:8015'
    """

    threaded = True
    pushes = True

    def __init__(
        self,
        target: str,
        *,
        selector: str = "",
        token: str = "",
        secure: bool = False,
        interval: float = _PACE,
        timeout: float = 5.0,
    ) -> None:
        if not interval > 0:
            raise ConfigurationError(f"interval: {interval!r} is no number of seconds between two looks")
        self.name = f"{'grpcs' if secure else 'grpc'}://{target}"
        self.min_interval = interval
        self._target, self._secure, self._selector, self._timeout = target, secure, selector, timeout
        self._metadata = [("flagd-selector", selector)] if selector else []
        if token:
            self._metadata.append(("authorization", f"Bearer {token}"))
        self._home: object = None
        self._adapted: object = None
        self._channel: Any = None
        self._listener: _Listener | None = None

    def _service(self) -> Any:
        if self._home != home():  # a channel that a fork inherited belongs to the parent
            self._home, self._listener = home(), None
            self._adapt()
            options = [("grpc.max_receive_message_length", _LIMIT), ("grpc.enable_retries", 0)]
            if self._secure:
                self._channel = grpc.secure_channel(self._target, grpc.ssl_channel_credentials(), options)
            else:
                self._channel = grpc.insecure_channel(self._target, options)
        return sync_pb2_grpc.FlagSyncServiceStub(self._channel)

    def _adapt(self) -> None:
        """Make gRPC wait as gevent does where gevent has patched the sockets: its own waiting stops every greenlet."""
        if self._adapted != self._home and socket.socket.__module__.startswith("gevent."):
            from grpc.experimental.gevent import init_gevent

            init_gevent()
            self._adapted = self._home

    def changed(self, known: Snapshot | None) -> bool:
        """Always worth a look."""
        return True

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        """What the daemon holds; None where that is what is ``known``; raises SourceError."""
        request = sync_pb2.FetchAllFlagsRequest(selector=self._selector)
        try:
            answer = self._service().FetchAllFlags(request, timeout=self._timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            code = error.code().name
            self.close()  # a channel that failed waits for ever longer; when to try again is the refresher's matter
            raise SourceError(f"{self.name}: {code}: {error.details()}", refused=code in _REFUSALS) from None
        data = answer.flag_configuration.encode()
        if known is not None and known.data == data:
            return None
        # Named, for a hash of digits alone would pass for a number, which has an order.
        revision = f"sha256:{hashlib.sha256(data).hexdigest()[:16]}"
        return Snapshot(data=data, name=self.name, format="flagd", revision=revision)

    def wait(self, timeout: float) -> bool:
        """Block up to ``timeout`` seconds until the daemon announces something."""
        service = self._service()
        if self._listener is None:
            request = sync_pb2.SyncFlagsRequest(selector=self._selector)
            self._listener = _Listener(service.SyncFlags(request, metadata=self._metadata))
        listener = self._listener
        if not listener.heard.wait(timeout):
            return False
        listener.heard.clear()
        if listener.ended:
            self._listener = None
            time.sleep(min(timeout, 0.5))
        return True

    def abort(self) -> None:
        """End what this process is waiting for."""
        self.close()

    def close(self) -> None:
        """Close the channel of this process."""
        if self._home == home() and self._channel is not None:
            self._home, self._listener = None, None
            self._channel.close()


class _Listener:
    """A thread that follows one stream: reading from it cannot be given a time limit."""

    def __init__(self, stream: Any) -> None:
        self.heard = threading.Event()
        self.ended = False
        self._stream = stream
        threading.Thread(target=self._follow, name="flagmiddleware-flagd-sync", daemon=True).start()

    def _follow(self) -> None:
        with contextlib.suppress(grpc.RpcError):
            for _ in self._stream:
                self.heard.set()
        self.ended = True
        self.heard.set()


def from_grpc_url(url: str) -> FlagdSyncSource:
    """The source that ``flagd+grpc://[TOKEN@]host[:port][?selector=…&interval=…]`` names; else ConfigurationError.

    >>> from_grpc_url("flagd+grpcs://s3cret@flagd.example.com").name
    'grpcs://flagd.example.com:8015'
    """
    check_address(url)
    parts = urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    unknown = sorted(options.keys() - {"selector", "interval"})
    if unknown or not parts.hostname:
        told = f"option {unknown[0]!r} is not known (selector, interval)" if unknown else "the host is missing"
        raise ConfigurationError(f"{parts.scheme}://{host}: {told}")
    if "interval" in options:
        try:
            options["interval"] = float(options["interval"])
        except ValueError:
            raise ConfigurationError(f"interval={options['interval']}: give a number of seconds") from None
    target = host if parts.port else f"{host}:{_PORT}"
    return FlagdSyncSource(target, token=unquote(login), secure=parts.scheme.endswith("s"), **options)
