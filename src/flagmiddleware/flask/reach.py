"""Reaching the flags: of a request, and of whatever is running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from flask import current_app, g, has_app_context, has_request_context
from flask import request as current_request

from ..bound import NO_OVERRIDES, BoundFlags
from ..errors import ConfigurationError
from ..web import current
from ..web.request import RequestFlags, Unbound

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask, Request

    from ..web.installation import Installation

__all__ = [
    "EXTENSION",
    "HERE_KEY",
    "STARTED_KEY",
    "FlagsOfContext",
    "FlagsOfRequest",
    "current_flags",
    "current_of",
    "flags_from",
    "installation_of",
    "telling_of_users",
]

EXTENSION: Final = "flagmiddleware"
"""Where an application keeps its installation: ``app.extensions["flagmiddleware"]``."""

HERE_KEY: Final = "flagmiddleware.flask"
"""Where a request's flags are until its headers leave, to be found there without going through Flask's proxies."""

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
    made = known if isinstance(known, FlagsOfRequest) else FlagsOfRequest(installation_of(current_app))
    return cast("RequestFlags", made.__get__(real, type(real)))


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


class FlagsOfRequest:
    """``request.flags``: made at the first access, an ordinary attribute from then on.

    Copies of Flask's context share the request, and so its answers. The flags themselves look at the environment, which
    holds them only until the headers leave. A request that held flags that held the request would be freed by the
    garbage collector only; Flask takes care to leave no such circle (at its end it takes the request out of the
    environment), and a server that has to collect them is slower by a twentieth.
    """

    def __init__(self, installation: Installation) -> None:
        self.installation = installation

    def __get__(self, instance: Any, owner: object) -> Any:
        if instance is None:
            return self
        # What `request_flags` does, written out: each call less is half a hundredth of a small page's time.
        installation, environ = self.installation, instance.environ
        here = Unbound()
        here.installation = installation
        here.request = environ
        here.flags = installation.flags
        here._one = here._memo = here.draw = None
        here.qa = NO_OVERRIDES
        here.started = environ.get(STARTED_KEY) if installation.observers.all else None
        here.preloaded = here.headers_sent = False
        instance.__dict__["flags"] = environ[HERE_KEY] = here
        return here


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
