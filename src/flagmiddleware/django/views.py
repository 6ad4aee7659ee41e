"""Two endpoints that a site may mount: the public flags for a front end, and a health check."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.views.decorators.http import require_safe

from ..web.frontend import health, is_fresh, payload
from .installed import flags_from, installation

__all__ = ["flags_health", "public_flags"]


@require_safe
def public_flags(request: HttpRequest) -> HttpResponse:
    """The public flags' values as JSON, with an entity tag."""
    body, etag = payload(flags_from(request))
    if is_fresh(request.headers.get("If-None-Match"), etag):
        response: HttpResponse = HttpResponseNotModified()
    else:
        response = HttpResponse(body, content_type="application/json")
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = "no-cache"
    return response


@require_safe
def flags_health(request: HttpRequest) -> HttpResponse:
    """200 or 503 and the state; staff see more."""
    detail = bool(getattr(getattr(request, "user", None), "is_staff", False))
    status, body = health(installation().flags, detail=detail)
    return JsonResponse(body, status=status, headers={"Cache-Control": "private, no-store"})
