"""The middleware: gives every request its flags, and its response the headers that follow from what was read."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from time import time
from typing import Any, Final, cast
from weakref import ref

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_max_age, patch_cache_control

from ..web.caching import PUBLIC, SHARED_ONLY, CachePolicy
from ..web.context import PROMISED
from ..web.current import CURRENT, activate, deactivate
from ..web.debug import TracingMemo
from ..web.installation import Installation
from ..web.request import RequestFlags, request_flags
from .facts import LEAVING
from .headers import DjangoHeaders
from .hiding import Hiding
from .installed import app
from .pagecache import allow_storing

__all__ = ["TRACED", "FlagMiddleware"]

TRACED: Final = "flagmiddleware.traced"
"""In a request's META: somebody (the toolbar's panel) wants to know where its flags are read."""

_NOT_KEPT: Final = re.compile("private|no-cache|no-store", re.IGNORECASE)
_CACHING: Final = frozenset({"vary", "cache-control", *map(str.lower, SHARED_ONLY)})


class FlagMiddleware:
    """``request.flags`` for every view, synchronous or not.

    Which of the two this middleware is, is decided once, when it is made: around an asynchronous ``get_response`` it
    becomes the subclass below.
    """

    sync_capable = True
    async_capable = True

    def __new__(cls, get_response: Callable[[HttpRequest], Any]) -> FlagMiddleware:
        """The middleware for this kind of server."""
        return object.__new__(_AsyncFlagMiddleware if iscoroutinefunction(get_response) else cls)

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.second_thought = Hiding().second_thought
        self.app = app()
        self.app.installation  # noqa: B018 - opened now: a missing flag file stops the start, not the first visitor

    def __call__(self, request: HttpRequest) -> Any:
        """Serve one request."""
        installation = self.app.installation
        here = _begin(installation, request)
        if here is None:
            return _see_other(installation, request)
        token = CURRENT.set(here)
        try:
            response = self.get_response(request)
            if response.status_code >= 300 or request.method == "OPTIONS":
                second = self.second_thought(request, here, response)
                response = response if second is None else second.answer(here)
        except BaseException:  # Django answers what fails: this is a client that went away, or the end of the process
            installation.observe(here, 500, raised=True)
            raise
        finally:
            CURRENT.reset(token)
        return _finish(installation, here, response)


class _AsyncFlagMiddleware(FlagMiddleware):
    """The same where the server and the views are asynchronous."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> Any:
        """Serve one request."""
        installation = self.app.installation
        here = _begin(installation, request)
        if here is None:
            return _see_other(installation, request)
        token = CURRENT.set(here)
        try:
            response = await self.get_response(request)
            if response.status_code >= 300 or request.method == "OPTIONS":
                second = self.second_thought(request, here, response)
                response = response if second is None else await second.aanswer(here)
        except BaseException:  # Django answers what fails: this is a client that went away, or the end of the process
            installation.observe(here, 500, raised=True)
            raise
        finally:
            CURRENT.reset(token)
        return _finish(installation, here, response)


def _begin(installation: Installation, request: HttpRequest) -> RequestFlags | None:
    """The request's flags, put on it; None for a QA link, which has an answer of its own."""
    meta = request.META
    if meta.get("QUERY_STRING") and installation.answer_link(request) is not None:
        return None
    # A middleware further out may have read some already: those are the request's flags, and its headers' business.
    here = request.__dict__.get("flags")
    if here is None or not isinstance(here, RequestFlags):
        here = request.flags = request_flags(installation, request)  # type: ignore[attr-defined]
    if TRACED in meta and not here.is_bound:
        here._memo = TracingMemo()
    return here


def _see_other(installation: Installation, request: HttpRequest) -> HttpResponse:
    redirect = installation.answer_link(request)
    response = HttpResponse(status=303)
    headers = DjangoHeaders(response)
    for name, value in redirect.headers if redirect is not None else ():
        headers.add(name, value)
    return response


def _finish(installation: Installation, here: RequestFlags, response: HttpResponseBase) -> HttpResponseBase:
    # No flag is read while a file is sent; what Django gives no file to send is an iterable of the site's.
    if response.streaming and getattr(response, "file_to_stream", None) is None:
        _keep_current(installation, here, cast(StreamingHttpResponse, response))
        installation.finish(here, DjangoHeaders(response), streaming=True)
        return response
    if here.is_bound:
        policy = installation.simple_policy(here)
        if policy is not PUBLIC:
            if policy is None or not _patched(response, policy):
                installation.finish(here, DjangoHeaders(response))
                _age(here, response)
            if policy is None or not policy.private:  # no cache stores what is private
                _let_store(here.request, response)
    else:
        here.headers_sent = PROMISED
    here.request.__dict__[LEAVING] = ref(response)
    if installation.observers.all:
        _observe(installation, here, response)
    return response


def _let_store(request: HttpRequest, response: HttpResponseBase) -> None:
    """Caches outside of this middleware may store the page, if they keep apart what its ``Vary`` tells apart.

    With USE_I18N, Django's takes the active translation for ``Accept-Language``, which is another thing than what the
    browser sent: two browsers would share a page.
    """
    if not (settings.USE_I18N and "accept-language" in response.headers.get("Vary", "").lower()):
        allow_storing(request)


def _age(here: RequestFlags, response: HttpResponseBase) -> None:
    """Give a page an age where Django's cache would, which knows nothing of the schedules that end it."""
    until = here.plan.next_change
    if until is None or response.status_code not in (200, 304) or not here.request.__dict__.get("_cache_update_cache"):
        return
    if get_max_age(response) is None and not _NOT_KEPT.search(response.headers.get("Cache-Control", "")):
        seconds = max(0, min(int(until - time()), settings.CACHE_MIDDLEWARE_SECONDS))
        patch_cache_control(response, max_age=seconds)


def _patched(response: HttpResponseBase, policy: CachePolicy) -> bool:
    """Add the policy's headers to a response that has none of the kind, as most have not; that takes no merging.

    Django checks and encodes each header that it is given, which costs as much as all else that is done here; these
    are known to be right.
    """
    store: dict[str, tuple[str, str]] | None = getattr(response.headers, "_store", None)
    if store is None or not _CACHING.isdisjoint(store):
        return False
    if policy.vary:
        store["vary"] = ("Vary", policy.vary[0] if len(policy.vary) == 1 else ", ".join(policy.vary))
    if policy.private:
        store["cache-control"] = ("Cache-Control", "private")
    return True


def _observe(installation: Installation, here: RequestFlags, response: HttpResponseBase, failed: bool = False) -> None:
    raised = failed or getattr(here.request, "flags_raised", False)
    installation.observe(here, 500 if failed else response.status_code, raised=raised)


# -- streaming ------------------------------------------------------------------------------------------------------


def _keep_current(installation: Installation, here: RequestFlags, response: StreamingHttpResponse) -> None:
    """The body is made after the middleware has returned: the request's flags are current for each of its parts."""
    body: Any = response.streaming_content
    parts = _aparts if response.is_async else _parts
    response.streaming_content = parts(installation, here, response, body)


@contextmanager
def _sent(installation: Installation, here: RequestFlags, response: HttpResponseBase) -> Iterator[None]:
    """Tells observers of a body that was made, or broke off; a client that goes away early is no failure."""
    failed = True
    try:
        yield
        failed = False
    except GeneratorExit:
        failed = False
        raise
    finally:
        installation.body_sent(here)
        _observe(installation, here, response, failed)


def _parts(
    installation: Installation, here: RequestFlags, response: HttpResponseBase, body: Iterator[bytes]
) -> Iterator[bytes]:
    with _sent(installation, here, response):
        while True:
            token = activate(here)
            try:
                part = next(body)
            except StopIteration:
                return
            finally:
                deactivate(token)
            yield part


async def _aparts(
    installation: Installation, here: RequestFlags, response: HttpResponseBase, body: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    with _sent(installation, here, response):
        while True:
            token = activate(here)
            try:
                part = await anext(body)
            except StopAsyncIteration:
                return
            finally:
                deactivate(token)
            yield part
