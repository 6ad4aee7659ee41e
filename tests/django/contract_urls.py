"""The adapter contract's pages in Django."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template import engines
from django.urls import include, path
from django.views import View

from flagmiddleware.django import current_flags, flag_required, flags_from
from flagmiddleware.testing.contract_adapter import answer

hooks: list[Callable[[], None]] = []


def none(request: HttpRequest) -> HttpResponse:
    return HttpResponse("none")


def keys(request: HttpRequest) -> list[str]:
    return request.GET.getlist("key")


def read(request: HttpRequest) -> HttpResponse:
    return HttpResponse(answer(request.flags, keys(request)))


async def aread(request: HttpRequest) -> HttpResponse:
    await request.flags.ready(*keys(request))
    return HttpResponse(answer(request.flags, keys(request)))


def current(request: HttpRequest) -> HttpResponse:
    return HttpResponse(answer(current_flags(), keys(request)))


def cached(request: HttpRequest) -> HttpResponse:
    control = "public, max-age=3600, s-maxage=7200"
    return HttpResponse(answer(request.flags, keys(request)), headers={"Cache-Control": control, "Vary": "Accept"})


def twice(request: HttpRequest) -> HttpResponse:
    first = json.loads(answer(request.flags, keys(request)))
    hooks[-1]()
    return HttpResponse(json.dumps([first, json.loads(answer(flags_from(request), keys(request)))]))


def length(request: HttpRequest) -> dict[str, str]:
    return {"Content-Length": request.GET["length"]} if "length" in request.GET else {}


def stream(request: HttpRequest) -> StreamingHttpResponse:
    if "preload" in request.GET:
        request.flags.preload(*keys(request))

    def body() -> Iterator[str]:
        yield answer(request.flags, keys(request))

    return StreamingHttpResponse(body(), headers=length(request))


def boom(request: HttpRequest) -> HttpResponse:
    answer(request.flags, keys(request))
    raise RuntimeError("boom")


def template(text: str) -> Callable[[HttpRequest], HttpResponse]:
    made = engines["django"].from_string("{% load flags %}" + text)
    return lambda request: HttpResponse(made.render({}, request))


def old(request: HttpRequest) -> HttpResponse:
    return HttpResponse("old")


def gated(*args: Any, **options: Any) -> Any:
    @flag_required(*args, **options)
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("gated")

    return view


@flag_required("new-checkout")
class GatedClass(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("gated")


def patterns(views: Iterable[Callable[..., Any]], gated: Callable[..., Any], old: Any, gated_class: Any) -> list[Any]:
    """The contract's pages; those of ``views`` are called as their functions are."""
    return [
        path("none", none),
        path("aread", aread),
        *(path(view.__name__, view) for view in views),
        path("json", template("{{ flags|flags_json }}")),
        path("script", template("{% flags_script_tag nonce='n0nce' %}")),
        path("flags/", include("flagmiddleware.django.urls")),
        path("gated", gated("new-checkout")),
        path("gated-class", gated_class.as_view()),
        path("gated-otherwise", gated("new-checkout", otherwise=old)),
        path("gated-redirect", gated("new-checkout", redirect_to="/none")),
        path("gated-status", gated("new-checkout", status=403)),
        path("gated-any", gated(any=["dark", "new-checkout"])),
        path("gated-all", gated(all=["always", "new-checkout"])),
        path("gated-not", gated("!new-checkout")),
        path("gated-variant", gated("checkout-button", variant="green")),
    ]


urlpatterns = patterns((read, current, cached, twice, stream, boom), gated, old, GatedClass)
