"""The shop's views, one file for each part of it."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from shopkit.site import STATIC

TYPES = {"shop.css": "text/css; charset=utf-8", "art.svg": "image/svg+xml"}


def static(request: HttpRequest, name: str) -> HttpResponse:
    """The two files that every page needs. A real site leaves this to its web server or to WhiteNoise."""
    if name not in TYPES:
        raise Http404
    return HttpResponse((STATIC / name).read_bytes(), TYPES[name], headers={"Cache-Control": "public, max-age=60"})
