"""Whose flags a template reads, for Django's engine and for Jinja's."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from ..bound import BoundFlags
from ..errors import ConfigurationError
from ..web.lookup import FlagLookup
from .installed import current_flags, flags_from

__all__ = ["bound_flags", "find_flags"]


def bound_flags(given: Any) -> BoundFlags:
    """The flags behind what a template holds: ``flags`` of the context processor, or ``request.flags``."""
    if isinstance(given, FlagLookup):
        return given._here
    if isinstance(given, BoundFlags):
        return given
    raise ConfigurationError(f"{type(given).__name__!r} holds no flags; give `flags` or `request.flags`")


def find_flags(context: Any) -> BoundFlags:
    """The flags of a template's context.

    Those passed as ``flags`` (an email's, say), else those of its request, else those of the request that is running
    here: Django renders its 500 page without a context of any kind.
    """
    given = context.get("flags")
    if isinstance(given, FlagLookup | BoundFlags):
        return bound_flags(given)
    for request in (context.get("request"), getattr(context, "request", None)):
        # An email about somebody's request may well call that so.
        if isinstance(getattr(request, "_request", request), HttpRequest):
            return flags_from(request)
    return current_flags()
