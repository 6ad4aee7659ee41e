"""How to read a Flask request."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from flask import Flask, Request, current_app, g, session
from flask import request as current_request

from ..web.facts import Facts
from .reach import current_of

__all__ = ["FlaskFacts"]

_WITHOUT_PREFIX = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})  # the two headers that WSGI names differently


class FlaskFacts(Facts[Request]):
    """Reads the requests of one application. ``user(request)`` is the site's own way to know who signed in."""

    def __init__(self, app: Flask, user: Callable[[Request], Any] | None = None) -> None:
        self._app = app
        self._user = user

    def header(self, request: Request, name: str) -> str | None:
        """From the WSGI environment, where servers have joined repeated headers."""
        value: str | None = request.environ.get(_key(name))
        return value

    def header_reader(self, name: str) -> Callable[[Request], str | None]:
        """The same for one header, under the name that WSGI gives it."""
        key = _key(name)
        return lambda request: request.environ.get(key)

    def method(self, request: Request) -> str:
        """The request's method."""
        return request.method

    def path(self, request: Request) -> str:
        """The path, with what the application is mounted under."""
        return request.root_path.rstrip("/") + request.path

    def query(self, request: Request) -> str:
        """The raw query string."""
        value: str = request.environ.get("QUERY_STRING", "")
        return value

    def scheme(self, request: Request) -> str:
        """As Werkzeug knows it, after its ProxyFix where that is used."""
        return request.scheme

    def peer(self, request: Request) -> str | None:
        """The address that connected."""
        return request.remote_addr

    def session(self, request: Request) -> Mapping[str, Any]:
        """Flask's session. Reading it makes Flask send ``Vary: Cookie``, as it should."""
        with self._during(request):
            found: Mapping[str, Any] = session._get_current_object()  # type: ignore[attr-defined]
            return found

    def user(self, request: Request) -> Any:
        """Whoever signed in: by the site's function, by Flask-Login where the app has it, else ``g.user``."""
        real = _running(request)
        if real is not None and self._user is not None:
            return self._user(real)
        with self._during(request):
            return self._signed_in()

    def for_site(self, request: Request) -> Request:
        """Flask's request itself."""
        with self._during(request):
            return _here()

    def is_authenticated(self, user: Any) -> bool:
        """Whether the user has signed in; a property in all that Flask sites use."""
        found = getattr(user, "is_authenticated", None)
        return found if isinstance(found, bool) else super().is_authenticated(user)

    def user_id(self, user: Any) -> Any:
        """What identifies the user; nearly every user of a Flask site has it as ``id``."""
        found = getattr(user, "id", None)
        return super().user_id(user) if found is None or found == "" or callable(found) else found

    def running(self) -> Any:
        """The flags of the request whose Flask context is this thread's, if it is one of this application."""
        return current_of(self._app)

    def _signed_in(self) -> Any:
        if self._user is not None:
            return self._user(_here())
        # Flask-Login is known by what it puts on the app. It is never imported: a site that uses it has done so.
        if hasattr(current_app, "login_manager") and "flask_login" in sys.modules:
            return sys.modules["flask_login"].current_user
        return g.get("user")

    def _during(self, request: Request) -> AbstractContextManager[object]:
        """Flask's context of this request: the one that is there, or after its end (late in a stream) a new one."""
        return nullcontext() if _running(request) is not None else self._app.request_context(request.environ)


def _key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in _WITHOUT_PREFIX else f"HTTP_{key}"


def _here() -> Request:
    found: Request = current_request._get_current_object()  # type: ignore[attr-defined]
    return found


def _running(request: Request) -> Request | None:
    """The request of which this is the flags' copy, if it is the one that Flask runs here."""
    try:
        real = _here()
    except RuntimeError:  # Flask runs none here; to ask beforehand costs as much as the answer
        return None
    return real if real.environ is request.environ else None
