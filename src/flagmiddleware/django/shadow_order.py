"""Which of a site's middleware, below ours, may read a flag on an event loop before the view is known."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.conf import settings
from django.utils.deprecation import MiddlewareMixin
from django.utils.module_loading import import_string

__all__ = ["Within", "within"]


class Within(NamedTuple):
    """What is below: middleware that can run on an event loop, and middleware that runs nowhere else."""

    may: bool
    must: bool


def within(own: type) -> Within:
    """What ``settings.MIDDLEWARE`` has after the middleware ``own``; all of it where that is not in the list itself."""
    listed = list(settings.MIDDLEWARE)
    name = f"{own.__module__}.{own.__qualname__}"
    below = [import_string(path) for path in listed[listed.index(name) + 1 if name in listed else 0 :]]
    reading = [each for each in below if getattr(each, "async_capable", False) and not _stays_in_threads(each)]
    return Within(bool(reading), any(not getattr(each, "sync_capable", True) for each in reading))


def _stays_in_threads(middleware: Any) -> bool:
    # Django calls the hooks (process_request and so on) of what is made from its mixin in threads.
    if not (isinstance(middleware, type) and issubclass(middleware, MiddlewareMixin)):
        return str(getattr(middleware, "__module__", "")).startswith("flagmiddleware.")
    unchanged = MiddlewareMixin.__call__, MiddlewareMixin.__acall__
    return (middleware.__call__, middleware.__acall__) == unchanged
