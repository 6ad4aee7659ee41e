"""A view behind a shut gate looks like no view, also where Django answers before or after the gate is asked.

CommonMiddleware redirects to the path with its slash, by a view's ``should_append_slash`` and whatever its gate says:
gated views say no, and for those that exist the redirect is made here. LocaleMiddleware redirects to the path with its
language: for views that do not exist it is kept from finding one. Decorators over a gate and the check of CSRF tokens
come before it: what they refuse of a view that does not exist is turned into the site's 404 here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.common import CommonMiddleware
from django.middleware.locale import LocaleMiddleware
from django.urls import ResolverMatch, get_script_prefix, is_valid_path
from django.utils.module_loading import import_string
from django.utils.translation import get_language, get_language_from_path

from ..web.gate import Gate
from ..web.request import RequestFlags
from .checks import gates_on_view
from .gates import SLASH_WANTED, NoSuchPage

__all__ = ["Hiding", "SecondThought"]

M = TypeVar("M", CommonMiddleware, LocaleMiddleware)

_REDIRECTS: Final = (301, 302, 307, 308)
_KEPT: Final = 10_000
"""Views of which it is remembered whether they have gates: a site may make views for each request."""


class SecondThought(NamedTuple):
    """What answers in the place of a response: where all of the gates are open, or else where one is shut."""

    gates: tuple[Gate, ...]
    opened: Callable[[], HttpResponseBase]
    shut: Callable[[], HttpResponseBase]

    def answer(self, here: RequestFlags) -> HttpResponseBase:
        """The one or the other."""
        return (self.opened if all(gate.allows(here) for gate in self.gates) else self.shut)()

    async def aanswer(self, here: RequestFlags) -> HttpResponseBase:
        """The same in asynchronous code; the site's 404 page may ask the database."""
        is_open = all([await gate.aallows(here) for gate in self.gates])
        return self.opened() if is_open else await sync_to_async(self.shut, thread_sensitive=False)()


class Hiding:
    """What the other middlewares of a site would tell of views that do not exist; one for each FlagMiddleware."""

    def __init__(self) -> None:
        self._gated: dict[Any, bool] = {}

    def second_thought(
        self, request: HttpRequest, here: RequestFlags, response: HttpResponseBase
    ) -> SecondThought | None:
        """What a response that is no page depends on; None where it tells nothing of a gated view."""
        status, of_rest = response.status_code, hasattr(response, "accepted_renderer")
        if request.resolver_match is None:
            if status == 404:
                return self._with_slash(request, response) or self._with_language(request, response)
            return self._redirected(request, response) if status in _REDIRECTS else None
        if status >= 500 or (status == 404 and not of_rest):
            return None  # REST framework's 404 is not the site's own
        gates = self._gates(request.resolver_match, request)
        if gates and of_rest:
            here.reauthenticate()
        asked = tuple(gate for gate in gates if not gate.may_tell(status, here))
        return SecondThought(asked, lambda: response, lambda: _not_found(request)) if asked else None

    def _with_slash(self, request: HttpRequest, response: HttpResponseBase) -> SecondThought | None:
        """A redirect that CommonMiddleware leaves to us, or will make, further out, of this 404."""
        path, urlconf = request.path_info, getattr(request, "urlconf", None)
        if not settings.APPEND_SLASH or path.endswith("/") or is_valid_path(path, urlconf):
            return None
        match = is_valid_path(f"{path}/", urlconf)
        gates = self._gates(match, request)
        wanted = getattr(match.func, SLASH_WANTED, None) if match else False
        if wanted is None:
            return SecondThought(gates, lambda: response, lambda: _nowhere(request, response)) if gates else None
        common = self._common if wanted else None
        if common is None:
            return None
        redirect = common.response_redirect_class
        return SecondThought(gates, lambda: redirect(common.get_full_path_with_slash(request)), lambda: response)

    def _with_language(self, request: HttpRequest, response: HttpResponseBase) -> SecondThought | None:
        """A redirect that LocaleMiddleware will make, further out, of this 404."""
        gates = self._gates(self._in_language(request), request)
        return SecondThought(gates, lambda: response, lambda: _nowhere(request, response)) if gates else None

    def _redirected(self, request: HttpRequest, response: HttpResponseBase) -> SecondThought | None:
        """A redirect that one of the two has made, further in."""
        target = unquote(urlsplit(response.headers.get("Location", "")).path)
        root, path = get_script_prefix().rstrip("/"), request.path_info
        match: Any = None
        if target == f"{root}{path}/":
            match = is_valid_path(f"{path}/", getattr(request, "urlconf", None))
        elif target.rstrip("/") == f"{root}/{get_language()}{path}".rstrip("/"):
            match = self._in_language(request)
        gates, locale = self._gates(match, request), self._locale

        def shut() -> HttpResponseBase:
            missing = _nowhere(request, _not_found(request))
            return missing if locale is None else locale.process_response(request, missing)

        return SecondThought(gates, lambda: response, shut) if gates else None

    def _gates(self, match: Any, request: HttpRequest) -> tuple[Gate, ...]:
        """The gates that hide a view from such a request."""
        view = getattr(match, "func", None)
        if view is None:
            return ()
        is_gated = self._gated.get(view)
        if is_gated is None:  # looking through a class of REST framework's takes as long as some pages
            is_gated = any(True for _ in gates_on_view(view))
            if len(self._gated) < _KEPT:
                self._gated[view] = is_gated
        if not is_gated:
            return ()
        return tuple(gate for gate, _ in gates_on_view(view, request.method or "") if gate.hides)

    def _in_language(self, request: HttpRequest) -> ResolverMatch | None:
        """The view to whose path LocaleMiddleware redirects, if it does."""
        if self._locale is None or get_language_from_path(request.path_info):
            return None
        path, urlconf = f"/{get_language()}{request.path_info}", getattr(request, "urlconf", None)
        return is_valid_path(path, urlconf) or (settings.APPEND_SLASH and is_valid_path(f"{path}/", urlconf)) or None

    @cached_property
    def _common(self) -> CommonMiddleware | None:
        return _made(CommonMiddleware)

    @cached_property
    def _locale(self) -> LocaleMiddleware | None:
        return _made(LocaleMiddleware)


def _made(wanted: type[M]) -> M | None:
    """The site's middleware of this kind, on its own: to ask it what it would answer."""
    for path in settings.MIDDLEWARE:
        found = import_string(path)
        if isinstance(found, type) and issubclass(found, wanted):
            return found(lambda request: request)
    return None


def _not_found(request: HttpRequest) -> HttpResponseBase:
    """The site's own page for a path that is not there."""
    return response_for_exception(request, NoSuchPage())


def _nowhere(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """A 404 of a request whose path leads nowhere, whatever is put before it: middlewares further out find no view."""
    request.urlconf = ()  # type: ignore[assignment]
    return response
