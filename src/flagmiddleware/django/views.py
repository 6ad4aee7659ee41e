"""Two endpoints that a site may mount: the public flags for a front end, and a health check."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from ..web.endpoints import Answer, flags_answer
from .installed import flags_from, installation

__all__ = ["flags_health", "public_flags"]


@require_safe
def public_flags(request: HttpRequest) -> HttpResponse:
    """The public flags' values as JSON, with an entity tag."""
    return _response(flags_answer(flags_from(request), request.headers.get("If-None-Match")))


@require_safe
def flags_health(request: HttpRequest) -> HttpResponse:
    """200 or 503 and the state; staff see more."""
    detail = bool(getattr(getattr(request, "user", None), "is_staff", False))
    return _response(installation().health(detail=detail))


def _response(answer: Answer) -> HttpResponse:
    response = HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))
    if answer.status == 304:
        del response.headers["Content-Type"]  # Django's default, for a body that is not there
    return response
