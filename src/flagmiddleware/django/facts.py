"""How to read a Django request; what needs the database is never read on an event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import LazyObject, empty
from django.utils.module_loading import import_string

from ..errors import ContextNotReadyError
from ..web.caching import PRIVATE, patch
from ..web.current import CURRENT
from ..web.facts import Facts, find_cookie, on_loop, user_groups
from .headers import DjangoHeaders
from .pagecache import forbid_storing, not_stored

__all__ = ["LEAVING", "DjangoFacts"]

LEAVING: Final = "_flagmiddleware_response"
"""Where a request has a weak reference to its response, once that is complete and its headers are settled."""

_MISSING: Final = object()


def _meta_key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


_META_KEYS: Final = {name: _meta_key(name) for name in ("accept-language", "authorization", "cookie", "user-agent")}
"""Those that are asked for again and again."""


class DjangoFacts(Facts[HttpRequest]):
    """Everything about a request comes from Django's own view of it: its settings for proxies and hosts hold."""

    blocking_callable = True
    touches = True
    makes_bodies_late = True
    _authenticates: bool | None = None  # not known yet

    def touched(self, request: Any, attribute: str) -> None:
        """Keep the page out of Django's cache from here on: ``cache_page`` stores before any header can be patched."""
        request.__class__ = not_stored(request.__class__)  # forbid_storing(), and a call saved

    # -- after the headers were settled ---------------------------------------------------------------------------

    def is_over(self, request: HttpRequest) -> bool:
        """Whether the response, which was complete, has been sent."""
        return LEAVING in request.__dict__ and _leaving(request) is None

    def make_private(self, request: HttpRequest) -> bool:
        """Make the response private, which is complete and on its way through middlewares further out."""
        response = _leaving(request)
        if response is None:
            return False
        forbid_storing(request)
        patch(DjangoHeaders(response), PRIVATE)
        return True

    # -- the request line and the headers -------------------------------------------------------------------------

    def header(self, request: HttpRequest, name: str) -> str | None:
        """A request header; servers have joined repeated ones."""
        value: str | None = request.META.get(_META_KEYS.get(name) or _meta_key(name))
        return value

    def cookie(self, request: HttpRequest, name: str) -> str | None:
        """One cookie, found without parsing the others unless that was done."""
        parsed = request.__dict__.get("COOKIES")
        if parsed is not None:
            value: str | None = parsed.get(name)
            return value
        return find_cookie(request.META.get("HTTP_COOKIE"), name)

    def method(self, request: HttpRequest) -> str | None:
        """The method."""
        return request.method

    def path(self, request: HttpRequest) -> str | None:
        """The path, script name included."""
        return request.path

    def query(self, request: HttpRequest) -> str | None:
        """The query string."""
        value: str | None = request.META.get("QUERY_STRING")
        return value

    def scheme(self, request: HttpRequest) -> str | None:
        """The scheme, by SECURE_PROXY_SSL_HEADER."""
        return request.scheme

    def peer(self, request: HttpRequest) -> str | None:
        """The address at the other end of the connection."""
        return request.META.get("REMOTE_ADDR") or None

    def host(self, request: HttpRequest) -> str | None:
        """The host, by USE_X_FORWARDED_HOST; None for one that ALLOWED_HOSTS refuses."""
        try:
            return request.get_host()
        except DisallowedHost:
            return None

    # -- the user -------------------------------------------------------------------------------------------------

    def user(self, request: HttpRequest) -> Any:
        """``request.user``, left unevaluated until somebody asks for it here."""
        user = getattr(request, "user", None)
        if user is None:
            self._refuse_early(request)
        if isinstance(user, LazyObject) and user._wrapped is empty and on_loop():
            awaited = request.__dict__.get("_acached_user")
            if awaited is None:
                raise ContextNotReadyError("request.user needs the database: `await request.flags.ready(key)` first")
            return awaited
        return user

    def _refuse_early(self, request: HttpRequest) -> None:
        """Within our middleware, a request without a user has not come to AuthenticationMiddleware yet, if there is."""
        here = CURRENT.get()
        if here is None or here.request is not request or hasattr(request, "user"):
            return
        if self._authenticates is None:
            self._authenticates = any(_is_authentication(import_string(path)) for path in settings.MIDDLEWARE)
        if self._authenticates:
            cure = "put what reads flags after it in MIDDLEWARE"
            raise ContextNotReadyError(f"request.user was asked for before AuthenticationMiddleware had run; {cure}")

    async def auser(self, request: HttpRequest) -> Any:
        """``await request.auser()`` where ``request.user`` is still lazy."""
        user = getattr(request, "user", None)
        if user is None:
            self._refuse_early(request)
        if not isinstance(user, LazyObject) or user._wrapped is not empty:
            return user
        find = getattr(request, "auser", None)
        return await find() if find is not None else await sync_to_async(_evaluate)(user)

    def is_authenticated(self, user: Any) -> bool:
        """Whether the user has signed in."""
        known = getattr(user, "is_authenticated", None)
        return known if isinstance(known, bool) else super().is_authenticated(user)

    def user_id(self, user: Any) -> Any:
        """The primary key."""
        key = getattr(user, "pk", _MISSING)
        return super().user_id(user) if key is _MISSING else key

    def user_email(self, user: Any) -> str | None:
        """The user's email address, in whatever field the user model keeps it."""
        field = getattr(user, "get_email_field_name", None)
        email = getattr(user, field(), None) if field is not None else None
        return email if isinstance(email, str) else super().user_email(user)

    def groups(self, request: HttpRequest, user: Any) -> Iterable[str]:
        """The names of the user's groups: one query, however many flags ask."""
        if on_loop():
            raise ContextNotReadyError("groups need the database: `await request.flags.ready(key)` first")
        return _group_names(user)

    async def agroups(self, request: HttpRequest, user: Any) -> Iterable[str]:
        """The same, where the database may be awaited."""
        return await sync_to_async(_group_names)(user)

    # -- the session ----------------------------------------------------------------------------------------------

    def session(self, request: HttpRequest) -> Mapping[str, Any] | None:
        """The session; it loads itself when a key is read."""
        session = getattr(request, "session", None)
        if session is not None and on_loop() and not hasattr(session, "_session_cache"):
            raise ContextNotReadyError("the session needs the database: `await request.flags.ready(key)` first")
        return session

    async def asession(self, request: HttpRequest) -> Mapping[str, Any] | None:
        """The session, loaded."""
        session = getattr(request, "session", None)
        if session is not None and not hasattr(session, "_session_cache"):
            await session.aget("_")
        return session

    # -- the site's callable --------------------------------------------------------------------------------------

    def run_async(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Django's bridge, which finds the loop that this thread belongs to."""

        async def wait() -> Any:
            return await coroutine

        return async_to_sync(wait)()

    async def in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The thread in which this request's database connection lives."""
        return await sync_to_async(function)(*arguments)


def _leaving(request: HttpRequest) -> HttpResponseBase | None:
    reference = request.__dict__.get(LEAVING)
    response: HttpResponseBase | None = None if reference is None else reference()
    return None if response is None or response.closed else response


def _is_authentication(middleware: Any) -> bool:
    """By its name: importing it needs the models of an app that the site may not have."""
    wanted = ("django.contrib.auth.middleware", "AuthenticationMiddleware")
    return any((base.__module__, base.__qualname__) == wanted for base in getattr(middleware, "__mro__", ()))


def _evaluate(user: Any) -> Any:
    user.is_authenticated  # noqa: B018 - reading any attribute evaluates a lazy object
    return user


def _group_names(user: Any) -> Iterable[str]:
    manager = getattr(user, "groups", None)
    names = getattr(manager, "values_list", None)
    if manager is None or names is None:
        return user_groups(user)
    if "groups" in getattr(user, "_prefetched_objects_cache", ()):
        return tuple(group.name for group in manager.all())
    return tuple(names("name", flat=True))
