"""Django's page caches for sites with testers: who follows a QA link gets a page of their own, not the one for all.

``"flagmiddleware.django.cache.FetchFromCacheMiddleware"`` goes where Django's stands in ``MIDDLEWARE``, and
:func:`cache_page` where Django's decorates a view. They differ from Django's in nothing else.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.middleware import cache as django_cache
from django.utils.decorators import decorator_from_middleware_with_args

from .installed import installation

__all__ = ["CacheMiddleware", "FetchFromCacheMiddleware", "cache_page"]


class _PastTesters:
    """Looks into the cache for everybody but those with a valid override."""

    def process_request(self, request: HttpRequest) -> Any:
        """Django's look into the cache."""
        site = installation()
        if site.signs and site.overrides.of(request, site.flags.ruleset):
            request._cache_update_cache = False  # type: ignore[attr-defined]
            return None
        return super().process_request(request)  # type: ignore[misc]


class FetchFromCacheMiddleware(_PastTesters, django_cache.FetchFromCacheMiddleware):
    """Django's, which testers pass by."""


class CacheMiddleware(_PastTesters, django_cache.CacheMiddleware):
    """Django's, which testers pass by."""


def cache_page(timeout: float | None, *, cache: str | None = None, key_prefix: str | None = None) -> Any:
    """Django's ``cache_page``, which testers pass by; ``timeout`` in seconds."""
    decorate = decorator_from_middleware_with_args(CacheMiddleware)
    return decorate(page_timeout=timeout, cache_alias=cache, key_prefix=key_prefix)
