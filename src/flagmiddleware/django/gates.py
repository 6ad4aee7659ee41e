"""Gates for views: functions, asynchronous functions, classes, and REST framework's views of both kinds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar, cast

from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import Resolver404
from django.utils.module_loading import import_string

from ..errors import ConfigurationError
from ..web.gate import GATE_ATTRIBUTE, Gate, GateOptions
from .installed import flags_from

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["SLASH_WANTED", "FlagRequiredMixin", "NoSuchPage", "flag_required", "gate_view"]

V = TypeVar("V")

SLASH_WANTED: Final = "__flag_append_slash__"
"""On a gated view: whether Django's CommonMiddleware would redirect to it from the path without its slash."""


class NoSuchPage(Resolver404):
    """A 404 that only Django's page for DEBUG can tell from that of a path which nobody serves.

    What an exception is given, REST framework answers and a template of the site's may show, and so the class's name.
    """

    def __init__(self, gate: Gate | None = None) -> None:
        super().__init__()
        self.gate = gate

    def __str__(self) -> str:
        return "" if self.gate is None else f"flag gate: {', '.join(self.gate.keys)}"


NoSuchPage.__name__ = Resolver404.__name__


def flag_required(key: str | None = None, /, **options: Unpack[GateOptions]) -> Callable[[V], V]:
    """Let requests through where the flag is on; elsewhere the page does not exist (404).

    For view functions, view classes, viewsets and ``@api_view`` functions, under or over them. Instead of the 404:
    ``otherwise=`` another view, ``redirect_to=`` a path or a URL's name, ``status=``. Instead of one key: ``any=``,
    ``all=``; ``variant=`` asks for a variant; ``"!key"`` for a flag that is off.
    """
    gate = Gate(key, **options)

    def decorate(view: V) -> V:
        return cast(V, _gate_class(view, gate) if isinstance(view, type) else gate_view(view, gate))

    return decorate


def gate_view(view: Any, gate: Gate) -> Any:
    """The view function behind the gate."""
    if not callable(view):
        raise ConfigurationError(f"flag_required: {view!r} is not a view")
    owner = _owner(view)
    cls = getattr(view, "cls", None) if owner is None else type(owner)
    if cls is not None and _is_rest(cls) and (owner is None or getattr(view, "__name__", "") == "dispatch"):
        return _gate_rest_view(view, cls, gate)
    is_async = iscoroutinefunction(view) or getattr(owner, "view_is_async", False)
    return _marked(_gate_async(view, gate) if is_async else _gate_sync(view, gate), gate)


def _marked(view: Any, gate: Gate) -> Any:
    """The view, which now says that it has a gate, and that nobody but ``slashes`` may tell of it by a redirect."""
    setattr(view, GATE_ATTRIBUTE, gate)
    if SLASH_WANTED not in view.__dict__:
        setattr(view, SLASH_WANTED, getattr(view, "should_append_slash", True))
    view.should_append_slash = False
    return view


def _owner(view: Any) -> Any:
    """The view object whose method ``method_decorator`` has decorated here, under other decorators too; else None."""
    while view is not None:
        if isinstance(view, partial):
            return getattr(view.func, "__self__", None)
        view = getattr(view, "__wrapped__", None)
    return None


def _gate_sync(view: Callable[..., Any], gate: Gate) -> Callable[..., Any]:
    @wraps(view)
    def gated(request: Any, *args: Any, **kwargs: Any) -> Any:
        if gate.allows(_authenticated_flags(request)):
            return view(request, *args, **kwargs)
        return _shut(gate, request, args, kwargs)

    return gated


def _gate_async(view: Callable[..., Any], gate: Gate) -> Callable[..., Any]:
    @wraps(view)
    async def gated(request: Any, *args: Any, **kwargs: Any) -> Any:
        if await gate.aallows(_authenticated_flags(request)):
            answer = view(request, *args, **kwargs)
            return await answer if isawaitable(answer) else answer
        return await _ashut(gate, request, args, kwargs)

    return gated


def _authenticated_flags(request: Any) -> Any:
    """The request's flags; under ``@api_view`` they follow whom REST framework has authenticated meanwhile."""
    here = flags_from(request)
    if not isinstance(request, HttpRequest) and hasattr(request, "authenticators"):
        request.user  # noqa: B018 - authenticates, and tells Django's request whom
        here.reauthenticate()
    return here


# -- what a shut gate answers ---------------------------------------------------------------------------------------


def _refusal(gate: Gate) -> HttpResponseBase:
    if gate.redirect_to is not None:
        response = redirect(gate.redirect_to)
        response.status_code = gate.status
        return response
    if gate.status == 404:
        raise NoSuchPage(gate)
    return HttpResponse(status=gate.status)


def _other_view(gate: Gate) -> Any:
    view: Any = import_string(gate.otherwise) if isinstance(gate.otherwise, str) else gate.otherwise
    return view.as_view() if hasattr(view, "as_view") else view


def _shut(gate: Gate, request: Any, args: Any, kwargs: Any) -> Any:
    if gate.otherwise is None:
        return _refusal(gate)
    view = _other_view(gate)
    return (
        async_to_sync(view)(request, *args, **kwargs) if iscoroutinefunction(view) else view(request, *args, **kwargs)
    )


async def _ashut(gate: Gate, request: Any, args: Any, kwargs: Any) -> Any:
    if gate.otherwise is None:
        return _refusal(gate)
    view = _other_view(gate)
    if not iscoroutinefunction(view):
        view = sync_to_async(view)
    answer = await view(request, *args, **kwargs)
    return await answer if isawaitable(answer) else answer


# -- classes --------------------------------------------------------------------------------------------------------


def _gate_class(cls: Any, gate: Gate) -> Any:
    """Put the gate into a view class; its subclasses inherit it."""
    dispatch = getattr(cls, "dispatch", None)
    if dispatch is None:
        raise ConfigurationError(f"flag_required: {cls.__qualname__} is not a view class: it has no dispatch()")
    if _is_rest(cls):
        _ask_after_authentication(cls)

    @wraps(dispatch)
    def gated(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return _pass(gate, self, request, args, kwargs, lambda: dispatch(self, request, *args, **kwargs))

    cls.dispatch = _marked(gated, gate)
    setattr(cls, GATE_ATTRIBUTE, gate)
    return cls


def _pass(gate: Gate, view: Any, request: Any, args: Any, kwargs: Any, go_on: Callable[[], Any]) -> Any:
    if _is_rest(view):
        return _pass_waiting(gate, request, args, kwargs, go_on)
    if getattr(view, "view_is_async", False):
        return _apass(gate, request, args, kwargs, go_on)
    return go_on() if gate.allows(flags_from(request)) else _shut(gate, request, args, kwargs)


async def _apass(gate: Gate, request: Any, args: Any, kwargs: Any, go_on: Callable[[], Any]) -> Any:
    if not await gate.aallows(flags_from(request)):
        return await _ashut(gate, request, args, kwargs)
    answer = go_on()
    return await answer if isawaitable(answer) else answer


class FlagRequiredMixin:
    """Put before ``View``, ``APIView`` or a viewset: ``flag_required = "new-checkout"``, and ``flag_options = {…}``."""

    flag_required: ClassVar[str | None] = None
    """The flag's key; several go into the options, as ``any`` or ``all``."""
    flag_options: ClassVar[GateOptions] = {}
    """What the decorator takes as keywords."""

    @classmethod
    def get_flag_gate(cls) -> Gate:
        """The gate of this view; made once for each class."""
        gate = vars(cls).get(GATE_ATTRIBUTE)
        if gate is None:
            gate = Gate(cls.flag_required, **cls.flag_options)
            setattr(cls, GATE_ATTRIBUTE, gate)
        return cast(Gate, gate)

    @classmethod
    def as_view(cls, *args: Any, **initkwargs: Any) -> Any:
        """Django's view function, marked as gated."""
        return _marked(super().as_view(*args, **initkwargs), cls.get_flag_gate())  # type: ignore[misc]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Django's entry to a view."""
        go_on: Callable[..., Any] = super().dispatch  # type: ignore[misc]
        return _pass(self.get_flag_gate(), self, request, args, kwargs, lambda: go_on(request, *args, **kwargs))

    def perform_authentication(self, request: Any) -> None:
        """REST framework's, which comes before permissions: who may not pass does not learn that the page exists."""
        super().perform_authentication(request)  # type: ignore[misc]
        _pass_rest(self, request)


# -- Django REST framework ------------------------------------------------------------------------------------------
# Recognised by what its views have, so that nothing is imported that a site may not have installed.

_GATES: Final = "_flagmiddleware_gates"
"""On Django's request: the gates that wait until REST framework has authenticated."""


def _is_rest(view: Any) -> bool:
    return hasattr(view, "initialize_request")


def _pass_rest(view: Any, request: Any) -> None:
    """Whoever asks is known: the gates that came with the request decide."""
    here, plain = flags_from(request), request._request
    here.reauthenticate()
    for gate in plain.__dict__.pop(_GATES, ()):
        if gate.allows(here):
            continue
        if gate.hides:
            plain.__dict__[_GATES] = [gate]  # once more at the end, for the site's own page instead of a REST answer
            raise NoSuchPage(gate)
        answer = _shut(gate, plain, getattr(view, "args", ()), getattr(view, "kwargs", {}))
        # Permissions and throttles of a page that is not there are nobody's business.
        view.check_permissions = view.check_throttles = lambda request: None
        for method in view.http_method_names:
            setattr(view, method, lambda *_, answer=answer, **__: answer)
        return


def _pass_waiting(gate: Gate, request: Any, args: Any, kwargs: Any, go_on: Callable[[], Any]) -> Any:
    """Let the gate come with the request; what waits for it in the class does nothing for requests that bring none."""
    request.__dict__.setdefault(_GATES, []).append(gate)
    answer = go_on()
    if isawaitable(answer):
        return _ajudged(request, args, kwargs, answer)
    # Nobody asked: a decorator below or REST framework itself has answered before anybody was authenticated (401, 406).
    for waiting in request.__dict__.pop(_GATES, ()):
        here = flags_from(request)
        if not waiting.may_tell(answer.status_code, here) and not waiting.allows(here):
            return _shut(waiting, request, args, kwargs)
    return answer


async def _ajudged(request: Any, args: Any, kwargs: Any, answer: Any) -> Any:
    answer = await answer
    for waiting in request.__dict__.pop(_GATES, ()):
        here = flags_from(request)
        if not waiting.may_tell(answer.status_code, here) and not await waiting.aallows(here):
            return await _ashut(waiting, request, args, kwargs)
    return answer


def _gate_rest_view(view: Any, cls: Any, gate: Gate) -> Any:
    """A function that REST framework made of a class, maybe with decorators over it, which stay where they are."""
    _ask_after_authentication(cls)

    def gated(request: Any, *args: Any, **kwargs: Any) -> Any:
        return _pass_waiting(gate, request, args, kwargs, lambda: view(request, *args, **kwargs))

    if iscoroutinefunction(view):
        markcoroutinefunction(gated)
    return _marked(wraps(view)(gated), gate)


def _ask_after_authentication(cls: Any) -> None:
    authenticate = cls.perform_authentication
    if hasattr(authenticate, _GATES) or issubclass(cls, FlagRequiredMixin):
        return

    @wraps(authenticate)
    def authenticated(self: Any, request: Any) -> None:
        authenticate(self, request)
        _pass_rest(self, request)

    setattr(authenticated, _GATES, True)
    cls.perform_authentication = authenticated
