"""Reaching the flags: of a request, of the running code, of the site."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.http import HttpRequest

from ..bound import BoundFlags
from ..errors import ConfigurationError
from ..web.current import running_flags
from ..web.installation import Installation
from ..web.request import RequestFlags
from .apps import FlagMiddlewareConfig

__all__ = ["app", "current_flags", "flags_from", "installation"]


def app() -> FlagMiddlewareConfig:
    """The installed Django app."""
    config = apps.app_configs.get("flagmiddleware")
    if not isinstance(config, FlagMiddlewareConfig):
        raise ConfigurationError("settings.INSTALLED_APPS: add 'flagmiddleware.django'; the flags live on that app")
    return config


def installation() -> Installation:
    """The site's flags and options: ``installation().flags`` is its ``Flags``."""
    return app().installation


def flags_from(request: Any) -> RequestFlags:
    """The flags of this request: Django's, Django REST framework's, or one from ``RequestFactory``."""
    here = getattr(request, "flags", None)
    if isinstance(here, RequestFlags):
        return here
    plain = getattr(request, "_request", request)
    if not isinstance(plain, HttpRequest):
        raise ConfigurationError(f"flags_from: {request!r} is not a request")
    here = installation().begin(plain)
    plain.flags = here  # type: ignore[attr-defined]
    return here


def current_flags() -> BoundFlags:
    """The flags of the request that is running here; outside a request, the site's, bound to nobody in particular."""
    here = running_flags()
    return installation().flags.bind() if here is None else here
