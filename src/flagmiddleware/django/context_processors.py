"""``{% if flags.new_checkout %}`` in every template rendered with a request."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from ..web.lookup import FlagLookup
from .installed import flags_from

__all__ = ["flags"]


def flags(request: HttpRequest) -> dict[str, Any]:
    """``flags``: each attribute is whether that flag is on; ``_`` stands for ``-``. Nothing is read until asked."""
    return {"flags": FlagLookup(flags_from(request))}
