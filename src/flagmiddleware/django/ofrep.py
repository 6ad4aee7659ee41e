"""The OFREP endpoints as URLs: ``path("ofrep/", include(ofrep_urls(Ofrep(flags))))``."""

from __future__ import annotations

from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt

from ..ofrep import Ofrep, OfrepRequest
from ..web.current import running_flags

__all__ = ["ofrep_urls"]


def ofrep_urls(ofrep: Ofrep) -> list[URLPattern]:
    """URL patterns that answer OFREP; ``authorise`` gets Django's request.

    Exempt from CSRF protection: nothing is changed here, and no other origin may read the answer.
    """

    @csrf_exempt
    def answer(request: HttpRequest, rest: str) -> HttpResponse:
        asked = OfrepRequest(
            method=request.method or "",
            path=quote(request.path),
            body=request.read(ofrep.max_body + 1),
            content_type=request.headers.get("Content-Type", ""),
            if_none_match=request.headers.get("If-None-Match"),
            here=running_flags(),
            original=request,
        )
        found = ofrep.respond(asked)
        headers = {name: value for name, value in found.headers if name != "Content-Type"}
        kind = dict(found.headers).get("Content-Type")
        return HttpResponse(found.body, status=found.status, content_type=kind, headers=headers)

    return [path("v1/<path:rest>", answer, name="flagmiddleware-ofrep")]
