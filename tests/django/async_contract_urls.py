"""The adapter contract's pages as asynchronous views."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.views import View

from flagmiddleware.django import current_flags, flag_required, flags_from
from flagmiddleware.testing.contract_adapter import answer

from . import contract_urls
from .contract_urls import aread, hooks, keys, length, patterns


async def read(request: HttpRequest) -> HttpResponse:
    return await aread(request)


async def current(request: HttpRequest) -> HttpResponse:
    await request.flags.ready(*keys(request))
    return HttpResponse(answer(current_flags(), keys(request)))


async def cached(request: HttpRequest) -> HttpResponse:
    await request.flags.ready(*keys(request))
    return contract_urls.cached(request)


async def twice(request: HttpRequest) -> HttpResponse:
    await request.flags.ready(*keys(request))
    first = json.loads(answer(request.flags, keys(request)))
    hooks[-1]()
    return HttpResponse(json.dumps([first, json.loads(answer(flags_from(request), keys(request)))]))


async def stream(request: HttpRequest) -> StreamingHttpResponse:
    if "preload" in request.GET:
        await request.flags.ready(*keys(request))
        request.flags.preload(*keys(request))

    async def body() -> AsyncIterator[str]:
        await request.flags.ready(*keys(request))
        yield answer(request.flags, keys(request))

    return StreamingHttpResponse(body(), headers=length(request))


async def boom(request: HttpRequest) -> HttpResponse:
    await request.flags.ready(*keys(request))
    answer(request.flags, keys(request))
    raise RuntimeError("boom")


async def old(request: HttpRequest) -> HttpResponse:
    return HttpResponse("old")


def gated(*args: Any, **options: Any) -> Any:
    @flag_required(*args, **options)
    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("gated")

    return view


@flag_required("new-checkout")
class GatedClass(View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("gated")


urlpatterns = patterns((read, current, cached, twice, stream, boom), gated, old, GatedClass)
