"""How to read an ASGI connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final, TypeAlias

from .web.facts import LONGEST_HEADER, Facts

__all__ = ["SENT", "ASGIFacts", "Scope"]

Scope: TypeAlias = "MutableMapping[str, Any]"

_SHORT: Final = 32
"""Bytes. Longer values are not remembered: there may be as many as there are visitors."""
_FEW: Final = 1000
"""Values remembered for each header."""

SENT: Final = "flagmiddleware.sent"
"""Where a scope keeps the newest message of its response: there, because a field takes twice as long to set."""

_BODIES: Final = frozenset({"http.response.body", "http.response.pathsend", "http.response.zerocopysend"})


class ASGIFacts(Facts[Scope]):
    """How to read an ASGI scope."""

    makes_bodies_late = True
    progress_key = SENT

    def __init__(self) -> None:
        # Names come from the options and from this package, so this is as small as they are.
        self._readers: dict[str, Callable[[Scope], str | None]] = {}

    def is_over(self, request: Scope) -> bool:
        """Whether the last part of the body was sent, or the application has returned."""
        last = request.get(SENT)
        is_last = last is not None and last["type"] in _BODIES and not last.get("more_body", False)
        return is_last or request.get("state") is None

    def header(self, request: Scope, name: str) -> str | None:
        """A request header; repeated ones joined."""
        return (self._readers.get(name) or self.header_reader(name))(request)

    def header_reader(self, name: str) -> Callable[[Scope], str | None]:
        """What finds one header among the raw ones, whose names servers have lower-cased."""
        reader = self._readers[name] = _header_reader(name.lower().encode("latin-1"))
        return reader

    def attribute_reader(self, name: str, *, upper: bool) -> Callable[[Any], str | None]:
        """What derives an attribute from one header: the reader of the header and what comes after it in one."""
        wanted, repeated = name.lower().encode("latin-1"), super().attribute_reader(name, upper=upper)
        # What a site targets by has few values, countries and plans; looking one up takes a third of decoding it.
        texts: dict[bytes | None, str | None] = {None: None, b"": None}

        def read(context: Any) -> str | None:
            found: bytes | None = None
            for name, value in context.request["headers"]:
                if name == wanted:
                    if found is not None:
                        return repeated(context)
                    found = value
            try:
                return texts[found]
            except (KeyError, TypeError):  # a bytearray, of a server that takes no notice of the standard
                return _decoded(found, texts, upper=upper)

        return read

    def method(self, request: Scope) -> str | None:
        """The method; a websocket's handshake is a GET."""
        method: str = request.get("method", "GET")
        return method

    def path(self, request: Scope) -> str | None:
        """The path, mount points included: it begins with ``root_path``, which hypercorn's option leaves out of it."""
        path: str | None = request.get("path")
        root = request.get("root_path")
        if root and path is not None and not f"{path}/".startswith(f"{root.rstrip('/')}/"):
            return f"{root.rstrip('/')}{path}"
        return path

    def query(self, request: Scope) -> str | None:
        """The query string."""
        query: bytes = request.get("query_string", b"")
        return query.decode("latin-1")

    def scheme(self, request: Scope) -> str | None:
        """The scheme; that of a websocket is told as http's."""
        scheme: str = request.get("scheme", "http")
        return scheme if scheme[:2] != "ws" else "https" if scheme == "wss" else "http"

    def peer(self, request: Scope) -> str | None:
        """The client as the server tells it."""
        client = request.get("client")
        return client[0] if client else None

    def user(self, request: Scope) -> Any:
        """The user that an authentication middleware left, as Starlette's does."""
        return request.get("user")

    def session(self, request: Scope) -> Mapping[str, Any] | None:
        """The session that a session middleware left, as Starlette's does."""
        return request.get("session")


def _decoded(value: Any, texts: dict[bytes | None, str | None], *, upper: bool) -> str | None:
    """A header's text, remembered while it is short and few are."""
    text: str | None = None
    if len(value) <= LONGEST_HEADER:
        text = value.decode("latin-1").strip()
        text = text.upper() if upper else text
    if len(value) <= _SHORT and len(texts) < _FEW:
        texts[bytes(value)] = text
    return text


def _header_reader(wanted: bytes) -> Callable[[Scope], str | None]:
    # HTTP/2 may split cookies into several fields, to be joined by "; " (RFC 9113, section 8.2.3).
    glue = b"; " if wanted == b"cookie" else b", "

    def find(request: Scope) -> str | None:
        found: bytes | None = None
        for name, value in request["headers"]:
            if name == wanted:
                if found is not None:
                    return glue.join([value for name, value in request["headers"] if name == wanted]).decode("latin-1")
                found = value
        return None if found is None else found.decode("latin-1")

    return find
