"""What the flag file may ask about a visitor beside the well-known attributes."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def flag_attributes(request: HttpRequest) -> dict[str, Any]:
    """The plan, and where the visitor is.

    The country that a visitor pretends to be in wins over the header of a proxy that knows.
    """
    return {"plan": getattr(request.user, "plan", None), "country": country(request)}


def country(request: HttpRequest) -> str | None:
    """Where the visitor is, as far as the shop knows."""
    return request.session.get("country") or request.headers.get("X-Country")
