"""Reaching the flags: of a request, and of whatever is running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from flask import current_app, g, has_app_context, has_request_context
from flask import request as current_request

from ..bound import BoundFlags
from ..errors import ConfigurationError
from ..web import current
from ..web.request import RequestFlags, request_flags

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask, Request

    from ..web.installation import Installation

__all__ = [
    "EXTENSION",
    "STARTED_KEY",
    "FlagsOfContext",
    "FlagsOfRequest",
    "begin",
    "current_flags",
    "current_of",
    "flags_from",
    "installation_of",
    "telling_of_users",
]

EXTENSION: Final = "flagmiddleware"
"""Where an application keeps its installation: ``app.extensions["flagmiddleware"]``."""

STARTED_KEY: Final = "flagmiddleware.started"
"""Where a request keeps its beginning, while observers want to know how long it took."""


def installation_of(app: Flask) -> Installation:
    """What was installed on the application: its ``Flags``, options and observers."""
    try:
        return cast("Installation", app.extensions[EXTENSION])
    except KeyError:
        cure = "call FlagMiddleware(app) or init_app"
        raise ConfigurationError(f"FlagMiddleware is not installed on the application {app.name!r}; {cure}") from None


def flags_from(request: Request) -> RequestFlags:
    """The request's flags, also where no middleware has run (``app.test_request_context()``)."""
    # Never Flask's proxy, which points to another request tomorrow.
    real = getattr(request, "_get_current_object", lambda: request)()
    here = real.__dict__.get("flags")
    if isinstance(here, RequestFlags):
        return here
    # By its class and not by `current_app`, which within another application's context is that one.
    known = getattr(type(real), "flags", None)
    return begin(real, known.installation if isinstance(known, FlagsOfRequest) else installation_of(current_app))


def current_flags() -> BoundFlags:
    """The running request's flags; in an app context without a request, the application's, bound to nobody.

    Outside both, the process's only installation; ConfigurationError where there is none or more than one.
    """
    if has_request_context():
        return flags_from(current_request)
    if has_app_context() and EXTENSION in current_app.extensions:
        here = g.get(EXTENSION)
        if here is None:
            here = g.flagmiddleware = installation_of(current_app).flags.bind()
        return cast("BoundFlags", here)
    return current.current_flags()


def current_of(app: Flask) -> RequestFlags | None:
    """The flags of the running request, if it is one of this application."""
    if has_request_context() and current_app._get_current_object() is app:  # type: ignore[attr-defined]
        return flags_from(current_request)
    return None


def begin(request: Request, installation: Installation) -> RequestFlags:
    """The request's flags, made and kept on it: copies of Flask's context share the request, and so its answers.

    The flags themselves look at the environment. A request that held flags that held the request would be freed by the
    garbage collector only; Flask takes care to leave no such circle (at its end it takes the request out of the
    environment), and a server that has to collect them is slower by a twentieth.
    """
    environ = request.environ
    here = request.__dict__["flags"] = request_flags(installation, environ)
    if STARTED_KEY in environ:
        here.started = environ[STARTED_KEY]
    return here


class FlagsOfRequest:
    """``request.flags``: made at the first access, an ordinary attribute from then on."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation

    def __get__(self, instance: Any, owner: object) -> Any:
        return self if instance is None else begin(instance, self.installation)


class FlagsOfContext:
    """``g.flags``: the same as ``current_flags()``. A site that keeps something of its own there still can."""

    def __get__(self, instance: Any, owner: object) -> Any:
        return self if instance is None else current_flags()


def telling_of_users(known: Callable[[Any, str, Any], None]) -> Callable[[Any, str, Any], None]:
    """The ``__setattr__`` of ``g``; where a site sets ``g.user`` after flags were read, they learn of it."""

    def set_attribute(self: Any, name: str, value: Any) -> None:
        is_news = name == "user" and value is not None and "user" not in self.__dict__
        known(self, name, value)
        if is_news and has_request_context():
            here = current_request.__dict__.get("flags")
            if isinstance(here, RequestFlags):
                here.learn_user()

    return set_attribute
