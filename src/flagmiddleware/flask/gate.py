"""``flag_required``: views, view classes and blueprints that exist only while a flag is on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from inspect import isawaitable, iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Blueprint, Response, abort, current_app, redirect, request, url_for
from flask.views import View
from werkzeug.exceptions import default_exceptions

from ..web.gate import GATE_ATTRIBUTE, Gate, gates_on
from .reach import current_flags

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..web.gate import GateOptions

__all__ = ["flag_required", "gates_of_view"]

T = TypeVar("T", bound="Callable[..., Any] | Blueprint")


def flag_required(key: str | None = None, /, **options: Unpack[GateOptions]) -> Callable[[T], T]:
    """Gate a view function (sync or async), a view class or a whole blueprint.

    While the flag is off the page does not exist (404), or answers with ``otherwise=`` (a view), ``redirect_to=`` (an
    endpoint or an address) or ``status=``. ``any=[…]``, ``all=[…]``, ``variant="green"``, ``"!key"`` say when it is on.
    """
    gate = Gate(key, **options)

    def decorate(target: Any) -> Any:
        if isinstance(target, Blueprint):
            return _gate_blueprint(target, gate)
        if isinstance(target, type) and issubclass(target, View):
            target.decorators = [*target.decorators, decorate]  # the class's own list: its parents stay as they are
            return _marked(target, gate)
        return _marked(_asynchronous(target, gate) if iscoroutinefunction(target) else _synchronous(target, gate), gate)

    return decorate


def _marked(target: Any, gate: Gate) -> Any:
    setattr(target, GATE_ATTRIBUTE, gate)
    return target


def _synchronous(view: Callable[..., Any], gate: Gate) -> Callable[..., Any]:
    @wraps(view)
    def gated(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs) if gate.allows(current_flags()) else _shut(gate, args, kwargs)

    return gated


def _asynchronous(view: Callable[..., Any], gate: Gate) -> Callable[..., Any]:
    @wraps(view)
    async def gated(*args: Any, **kwargs: Any) -> Any:
        if await gate.aallows(current_flags()):
            return await view(*args, **kwargs)
        if gate.otherwise is None:
            return _shut(gate, args, kwargs)
        answer = gate.otherwise(*args, **kwargs)
        return await answer if isawaitable(answer) else answer

    return gated


def _gate_blueprint(blueprint: Blueprint, gate: Gate) -> Blueprint:
    def guard() -> Any:
        return None if gate.allows(current_flags()) else _shut(gate, (), request.view_args or {})

    blueprint.before_request(_marked(guard, gate))
    return blueprint


def _shut(gate: Gate, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if gate.otherwise is not None:
        return current_app.ensure_sync(gate.otherwise)(*args, **kwargs)
    if gate.redirect_to is not None:
        return redirect(_address(gate.redirect_to), gate.status)
    # An answer of its own for the statuses that Werkzeug has no exception for (402, 426).
    abort(gate.status if gate.status in default_exceptions else Response(status=gate.status))


def gates_of_view(view: Any) -> Iterator[Gate]:
    """Each gate on what serves an endpoint: a view class has its own, and its function those of its decorators."""
    seen: set[int] = set()
    for part in (view, getattr(view, "view_class", None)):
        for gate in gates_on(part):
            if id(gate) not in seen:
                seen.add(id(gate))
                yield gate


def _address(target: str) -> str:
    """An endpoint's address; what looks like an address already is one."""
    return target if "/" in target else url_for(target)
