"""The Flask extension: what an application gets from ``FlagMiddleware(app)``."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from inspect import iscoroutinefunction
from typing import Any, Final

from flask import Flask
from jinja2.runtime import Context as TemplateContext

from ..bound import BoundFlags
from ..errors import ConfigurationError
from ..web.installation import Installation
from ..web.jinja import install_jinja
from .commands import FlagsGroup
from .entrance import Entrance
from .facts import FlaskFacts
from .reach import EXTENSION, FlagsOfContext, current_flags, telling_of_users

__all__ = ["FlagMiddleware"]

PREFIX: Final = "FLAGMIDDLEWARE_"


class FlagMiddleware:
    """Puts flags on the requests of an application: ``FlagMiddleware(app)``, or ``init_app`` later.

    Options come from ``app.config["FLAGMIDDLEWARE_…"]`` and, stronger, the call: ``FlagMiddleware(app, source=…)``.
    The object keeps nothing, so that one of them can serve any number of applications.
    """

    def __init__(self, app: Flask | None = None, **options: Any) -> None:
        if app is not None:
            self.init_app(app, **options)
        elif options:
            named = ", ".join(f"{name}=" for name in options)
            raise ConfigurationError(f"FlagMiddleware({named}): options belong to an app; give them to init_app")

    def init_app(self, app: Flask, **options: Any) -> None:
        """Install on one application."""
        if EXTENSION in app.extensions:
            raise ConfigurationError(f"FlagMiddleware is already installed on the application {app.name!r}")
        settings = _settings(app.config) | options
        user = settings.pop("user", None)
        if user is not None and (not callable(user) or iscoroutinefunction(user)):
            cure = "give a plain function of the request that returns who signed in"
            raise ConfigurationError(f"{_spelling('user')}: {user!r} cannot be called for an answer; {cure}")
        settings.setdefault("secret_keys", _secret_keys(app.config))
        installation = Installation.build(settings, FlaskFacts(app, user), spelling=_spelling)
        app.extensions[EXTENSION] = installation
        flags_on_g: dict[str, Any] = {"flags": FlagsOfContext()}
        if user is None:
            flags_on_g["__setattr__"] = telling_of_users(app.app_ctx_globals_class.__setattr__)
        app.app_ctx_globals_class = type("_AppCtxGlobals", (app.app_ctx_globals_class,), flags_on_g)  # type: ignore[assignment]
        Entrance(app, installation)
        install_jinja(app.jinja_env, find=_flags_of_template)
        app.cli.add_command(FlagsGroup())


def _flags_of_template(context: TemplateContext) -> BoundFlags:
    """Those that were passed to the template as ``flags`` (a mail with a context of its own), else the current ones."""
    given = context.get("flags")
    return given if isinstance(given, BoundFlags) else current_flags()


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name[len(PREFIX) :].lower(): value for name, value in config.items() if name.startswith(PREFIX)}


def _spelling(name: str) -> str:
    return PREFIX + name.upper()


def _secret_keys(config: Mapping[str, Any]) -> list[str | bytes]:
    """The application's own keys. A short one is stretched: it is as weak as the sessions that it signs already."""
    keys = [config.get("SECRET_KEY"), *(config.get("SECRET_KEY_FALLBACKS") or ())]
    return [key if len(key) >= 16 else _stretched(key) for key in keys if key]


def _stretched(key: str | bytes) -> str:
    return sha256(b"flagmiddleware" + (key.encode() if isinstance(key, str) else key)).hexdigest()
