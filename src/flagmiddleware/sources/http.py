"""Definitions behind a URL: conditional GETs on an interval, and a stream of hints where the server offers one.

Every wait has an end: connecting, each read, and the whole answer, so that a server which sends a byte a second does
not hold the refresher. The size limit counts what comes out of decompression. Credentials go to the origin they were
given for and to no other, whatever a redirect says.
"""

from __future__ import annotations

import contextlib
import socket
import time
import weakref
from base64 import b64encode
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.util.wait import wait_for_read

from ..errors import ConfigurationError, SourceError
from .address import check_address
from .base import Snapshot
from .home import home

__all__ = ["HttpSource"]

_LIMIT: Final = 64 * 2**20
_CHUNK: Final = 64 * 1024
_REFUSALS: Final = frozenset({401, 403})
_SETTLED: Final = 2.0  # seconds after which a document's second is over, wherever the server's clock and disk round


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


class HttpSource:
    """Polls ``url``; answers 304 cost a round trip and nothing else.

    ``headers`` are sent to the URL's own origin only. ``timeout`` (seconds) ends a whole fetch, ``start_timeout`` a
    start's waiting. ``events`` is the URL of a server-sent event stream: whatever arrives there is a hint to fetch.
    Raises ConfigurationError for a URL that is none, SourceError from :meth:`fetch`.
    """

    threaded = True
    snapshot_key: bytes | None = None
    """Not used here: whoever publishes signs, in the header ``X-Flags-Signature``."""

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        events: str | None = None,
        timeout: float = 5.0,
        start_timeout: float = 2.0,
        format: str | None = None,
    ) -> None:
        check_address(url, at_sign_in_path=True)
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"{parts.scheme or url[:40]!r} is no http:// or https:// address")
        self._url, self._headers, self._events = url, dict(headers), events
        if parts.username:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
            self._url = url.replace(f"{parts.netloc.rpartition('@')[0]}@", "", 1)
        self.pushes = events is not None
        # Query strings carry tokens often enough: names are for logs.
        self.name = self._url.partition("?")[0]
        self.start_timeout = start_timeout
        self._timeout = timeout
        self._format = format
        self._home: object = None
        self._pool: Any = None
        self._stream: Any = None
        self._young = ""
        self._open_connections: weakref.WeakSet[Any] = weakref.WeakSet()

    def _http(self) -> urllib3.PoolManager:
        if self._home != home():  # sockets that a fork inherited belong to the parent
            self._home, self._stream = home(), None
            self._open_connections = weakref.WeakSet()
            self._pool = _pool_manager(self._open_connections)
        return self._pool  # type: ignore[no-any-return]

    def changed(self, known: Snapshot | None) -> bool:
        """Always worth a look."""
        return True

    # -- fetching -------------------------------------------------------------------------------------------------

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        """The newest document, None where the server says that it is still ``known``; raises SourceError."""
        try:
            return self._fetch(known)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise SourceError(f"{self.name}: {type(error).__name__}: {_reason(error)}") from error

    def _fetch(self, known: Snapshot | None) -> Snapshot | None:
        deadline = time.monotonic() + self._timeout
        headers = {**self._headers, "Accept-Encoding": "gzip, deflate"}
        if known is not None and known.token and known.token != self._young:
            headers["If-None-Match"] = known.token
        response = self._follow(headers, deadline)
        try:
            if response.status == 304 and known is not None:
                return None
            if response.status != 200:
                told = f"{self.name} answers {response.status}"
                raise SourceError(told, refused=response.status in _REFUSALS)
            data = self._body(response, deadline)
        finally:
            response.release_conn() if response.length_remaining == 0 else response.close()
        tag = response.headers.get("ETag", "")
        self._young = tag if _is_young(response.headers) else ""
        signature = response.headers.get("X-Flags-Signature", "")
        return Snapshot(
            data=data, name=self.name, format=self._format, revision=tag, signature=signature, token=tag or None
        )

    def _follow(self, headers: Mapping[str, str], deadline: float) -> Any:
        """The final answer after at most three redirects, each without our headers once it leaves the origin."""
        url = self._url
        for _ in range(4):
            same = _origin(url) == _origin(self._url)
            sent = headers if same else {"Accept-Encoding": headers["Accept-Encoding"]}
            response = self._open(url, sent, deadline)
            target = response.get_redirect_location()
            if not target:
                return response
            response.close()
            url = urllib3.util.parse_url(target).url if "://" in target else _join(url, target)
            if _origin(url)[0] == "http" and _origin(self._url)[0] == "https":
                raise SourceError(f"{self.name} redirects to an address without encryption: not followed")
        raise SourceError(f"{self.name} redirects more than three times")

    def _open(self, url: str, headers: Mapping[str, str], deadline: float) -> Any:
        left = max(0.05, deadline - time.monotonic())
        timeout = urllib3.Timeout(connect=min(left, 2.0), read=left)
        return self._http().request(
            "GET", url, headers=dict(headers), redirect=False, preload_content=False, timeout=timeout
        )

    def _body(self, response: Any, deadline: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            part = response.read1(_CHUNK, decode_content=True)
            if not part and (response.closed or not response._fp or response.length_remaining == 0):
                return b"".join(parts)
            size += len(part)
            parts.append(part)
            if size > _LIMIT:
                raise SourceError(f"{self.name} sends more than {_LIMIT // 2**20} MiB: that is no set of flags")
            if time.monotonic() > deadline:
                raise SourceError(f"{self.name} did not finish within {self._timeout:g} s")

    # -- hints ----------------------------------------------------------------------------------------------------

    def wait(self, timeout: float) -> bool:
        """Block up to ``timeout`` seconds for an event; without a stream, just wait."""
        if self._events is None:
            time.sleep(timeout)
            return False
        try:
            self._http()
            if self._stream is None:
                self._stream = self._listen(timeout)
                return True  # what happened before the stream stood is found by fetching now
            # Asked before it is read: a read that runs into its time limit costs the whole stream.
            if not wait_for_read(self._stream, timeout):
                return False
            if self._stream.read1(_CHUNK):
                return True
            raise OSError("the event stream ended")
        except (urllib3.exceptions.HTTPError, OSError):
            self._drop_stream()
            time.sleep(min(timeout, 0.5))
            return True

    def _drop_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _listen(self, timeout: float) -> Any:
        ours = self._headers if _origin(self._events or "") == _origin(self._url) else {}
        headers = {**ours, "Accept": "text/event-stream", "Cache-Control": "no-cache"}
        limits = urllib3.Timeout(connect=2.0, read=timeout)
        stream = self._http().request(
            "GET", self._events or "", headers=headers, redirect=False, preload_content=False, timeout=limits
        )
        if stream.status != 200:
            stream.close()
            raise urllib3.exceptions.HTTPError(f"the event stream answers {stream.status}")
        return stream

    def abort(self) -> None:
        """End what this process is waiting for, whatever phase it is in: for whoever finds that it takes too long."""
        if self._home == home():
            for connection in list(self._open_connections):
                _shut(connection)

    def close(self) -> None:
        """Close the sockets of this process."""
        if self._home == home() and self._pool is not None:
            self._drop_stream()
            self._pool.clear()


def _is_young(headers: Any) -> bool:
    """Whether the document was changed in the very second it was sent: its tag may then stand for the next change, too.

    nginx and others make an ETag of the second of the change and the size. Source: RFC 9110, section 8.8.2.2.
    """
    from email.utils import parsedate_to_datetime

    try:
        sent, changed = (parsedate_to_datetime(headers[name]) for name in ("Date", "Last-Modified"))
        return 0 <= (sent - changed).total_seconds() < _SETTLED
    except (KeyError, ValueError, TypeError):  # not told, or nothing that is a date
        return False


def _pool_manager(connections: weakref.WeakSet[Any]) -> urllib3.PoolManager:
    """A pool that notes each connection: a header that drips in is under no total time limit, but can be shut."""

    class Noted:
        def connect(self) -> None:
            super().connect()  # type: ignore[misc]
            connections.add(self)

    plain = type("Plain", (Noted, urllib3.connection.HTTPConnection), {})
    secure = type("Secure", (Noted, urllib3.connection.HTTPSConnection), {})
    manager = urllib3.PoolManager(num_pools=4, maxsize=2, retries=False)
    manager.pool_classes_by_scheme = {
        "http": type("PlainPool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("SecurePool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }
    return manager


def _shut(connection: Any) -> None:
    sock = getattr(connection, "sock", None)
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _join(base: str, target: str) -> str:
    from urllib.parse import urljoin

    return urljoin(base, target)


def _reason(error: BaseException) -> str:
    # urllib3 names the whole request, query string included, in its messages.
    return type(error.__cause__).__name__ if error.__cause__ is not None else str(error).partition("(")[0][:200]
