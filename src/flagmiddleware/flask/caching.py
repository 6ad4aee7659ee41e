"""Flask-Caching: views that flags decide, cached once for each answer, and never for somebody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import request

from ..web.caching import cache_key
from .reach import flags_from

__all__ = ["cached_by_flags"]


def cached_by_flags(*keys: str) -> dict[str, Callable[..., Any]]:
    """What ``@cache.cached`` needs for a view that these flags decide.

    ``@cache.cached(timeout=60, **cached_by_flags("new-checkout"))`` keeps one page for each address and each answer of
    the flags named. A page that read another flag, one that does not serve everybody the same, is not kept at all: the
    next reader might get another answer; nor is what a tester with a QA link sees.
    """

    def make_cache_key(*args: Any, **kwargs: Any) -> str:
        return f"{request.method} {request.host} {request.full_path} {cache_key(flags_from(request), *keys)}"

    def response_filter(response: Any) -> bool:
        here = flags_from(request)
        return not here.overrides and all(key in named or not here.plan.reads(key) for key in here.evaluated())

    named = frozenset(keys)
    return {"make_cache_key": make_cache_key, "response_filter": response_filter}
