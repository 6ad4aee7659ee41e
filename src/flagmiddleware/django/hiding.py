"""A view behind a shut gate looks like no view, also where Django answers before or after the gate is asked.

CommonMiddleware redirects to the path with its slash, by a view's ``should_append_slash`` and whatever its gate says:
gated views say no, and for those that exist the redirect is made here. Decorators over a gate and the check of CSRF
tokens come before it: what they refuse of a view that does not exist is turned into the site's 404 here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from django.conf import settings
from django.core.handlers.exception import response_for_exception
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.common import CommonMiddleware
from django.urls import is_valid_path
from django.utils.module_loading import import_string

from ..web.gate import Gate
from ..web.request import RequestFlags
from .checks import gates_on_view
from .gates import SLASH_WANTED

__all__ = ["SecondThought", "second_thought"]


class SecondThought(NamedTuple):
    """What answers in the place of a response: where all of the gates are open, or else where one is shut."""

    gates: tuple[Gate, ...]
    opened: Callable[[], HttpResponseBase]
    shut: Callable[[], HttpResponseBase]

    def answer(self, here: RequestFlags) -> HttpResponseBase:
        """The one or the other."""
        return (self.opened if all(gate.allows(here) for gate in self.gates) else self.shut)()

    async def aanswer(self, here: RequestFlags) -> HttpResponseBase:
        """The same in asynchronous code."""
        return (self.opened if all([await gate.aallows(here) for gate in self.gates]) else self.shut)()


def second_thought(request: HttpRequest, here: RequestFlags, response: HttpResponseBase) -> SecondThought | None:
    """What a response that is no page depends on; None where it tells nothing of a gated view."""
    status = response.status_code
    if status == 404:
        return _with_slash(request, response)
    if status >= 500:
        return None
    gates = tuple(gate for gate in _gates(request.resolver_match) if not gate.may_tell(status, here))
    return SecondThought(gates, lambda: response, lambda: response_for_exception(request, Http404())) if gates else None


def _gates(match: Any) -> tuple[Gate, ...]:
    """The gates that hide a view."""
    if not hasattr(getattr(match, "func", None), SLASH_WANTED):
        return ()
    return tuple(gate for gate, _ in gates_on_view(match.func) if gate.hides)


def _with_slash(request: HttpRequest, response: HttpResponseBase) -> SecondThought | None:
    path, urlconf = request.path_info, getattr(request, "urlconf", None)
    if not settings.APPEND_SLASH or path.endswith("/") or is_valid_path(path, urlconf):
        return None
    match = is_valid_path(f"{path}/", urlconf)
    common = _common_middleware() if match and getattr(match.func, SLASH_WANTED, False) else None
    if common is None:
        return None
    redirect = common.response_redirect_class
    return SecondThought(_gates(match), lambda: redirect(common.get_full_path_with_slash(request)), lambda: response)


def _common_middleware() -> CommonMiddleware | None:
    for path in settings.MIDDLEWARE:
        found = import_string(path)
        if isinstance(found, type) and issubclass(found, CommonMiddleware):
            return found(lambda request: request)
    return None
