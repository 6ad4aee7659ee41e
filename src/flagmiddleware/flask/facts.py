"""How to read a Flask request."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from flask import Flask, Request, current_app, g, session
from flask import request as current_request
from werkzeug.local import LocalProxy

from ..wsgi import Environ, WSGIFacts
from .reach import current_of

__all__ = ["FlaskFacts"]


class FlaskFacts(WSGIFacts):
    """Reads the requests of one application: their WSGI environments, and for the rest Flask's own context.

    ``user(request)`` is the site's own way to know who signed in.
    """

    makes_bodies_late = False  # Flask's responses say so themselves

    def __init__(self, app: Flask, user: Callable[[Request], Any] | None = None) -> None:
        self._app = app
        self._user = user

    def method(self, request: Environ) -> str:
        """The method, in upper case as Werkzeug has it."""
        method: str = request["REQUEST_METHOD"]
        return method.upper()

    def path(self, request: Environ) -> str:
        """The path, with what the application is mounted under, and one slash between as Werkzeug has it."""
        root, path = request.get("SCRIPT_NAME", ""), request.get("PATH_INFO", "")
        raw: str = f"{root.rstrip('/')}/{path.lstrip('/')}"
        return raw.encode("latin-1", "replace").decode("utf-8", "replace")

    def host(self, request: Environ) -> str | None:
        """The host that was asked for, as sent."""
        return request.get("HTTP_HOST")

    def session(self, request: Environ) -> Mapping[str, Any]:
        """Flask's session. Reading it makes Flask send ``Vary: Cookie``, as it should."""
        with self._during(request):
            found: Mapping[str, Any] = session._get_current_object()  # type: ignore[attr-defined]
            return found

    def user(self, request: Environ) -> Any:
        """Whoever signed in: by the site's function, by Flask-Login where the app has it, else ``g.user``."""
        ask = self._user
        if ask is not None:  # what `_running` and `_itself` do, written out
            try:
                real = current_request._get_current_object()  # type: ignore[attr-defined]
            except RuntimeError:
                real = None
            if real is not None and real.environ is request:
                user = ask(real)
                return user if not isinstance(user, LocalProxy) else _itself(user)
        with self._during(request):
            return _itself(self._signed_in())

    def for_site(self, request: Environ) -> Any:
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

    def _during(self, request: Environ) -> AbstractContextManager[object]:
        """Flask's context of this request: the one that is there, or after its end (late in a stream) a new one."""
        return nullcontext() if _running(request) is not None else self._app.request_context(request)


def _itself(user: Any) -> Any:
    """The user behind a proxy such as Flask-Login's, which in another thread or late in a stream is nobody's."""
    return user._get_current_object() if isinstance(user, LocalProxy) else user


def _here() -> Request:
    found: Request = current_request._get_current_object()  # type: ignore[attr-defined]
    return found


def _running(environ: Environ) -> Request | None:
    """The request of this environment, if it is the one that Flask runs here."""
    try:
        real: Request = current_request._get_current_object()  # type: ignore[attr-defined]
    except RuntimeError:  # Flask runs none here; to ask beforehand costs as much as the answer
        return None
    return real if real.environ is environ else None
