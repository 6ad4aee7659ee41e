"""System checks: settings, the order of the middleware, and flag keys that nobody defined. None asks the database."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from inspect import isfunction
from typing import Any, Final, NamedTuple

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver, get_resolver

from ..errors import FlagMiddlewareError
from ..model import Ruleset
from ..web.gate import Gate, explain_unknown, gate_of, nearest
from ..web.mentions import unknown_mentions
from .installed import installation
from .scanning import template_mentions

__all__ = ["Gated", "gates_in_urls", "gates_on_view", "register_all"]

_MIDDLEWARE: Final = "flagmiddleware.django.FlagMiddleware"
_UPDATE: Final = "django.middleware.cache.UpdateCacheMiddleware"
_FETCH: Final = "django.middleware.cache.FetchFromCacheMiddleware"
_API_VIEW: Final = "rest_framework.decorators"
_OUR_FETCH: Final = "flagmiddleware.django.cache.FetchFromCacheMiddleware"


def register_all() -> None:
    """Register every check of this module."""
    checks.register(check_settings)
    checks.register(check_middleware)
    checks.register(check_gates, checks.Tags.urls)
    checks.register(check_templates, checks.Tags.templates)


def check_settings(app_configs: Iterable[AppConfig] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    """E001: the settings, or the definitions that they name, cannot be used."""
    try:
        installation()
    except FlagMiddlewareError as error:
        return [checks.Error(str(error), id="flagmiddleware.E001")]
    return []


def check_middleware(app_configs: Iterable[AppConfig] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    """W001: not installed. W002: where Django's page cache is used, it has to be between its two halves."""
    order = list(settings.MIDDLEWARE)
    if _MIDDLEWARE not in order:
        hint = f"Add {_MIDDLEWARE!r} to MIDDLEWARE, or requests have no flags and no headers that keep caches right."
        return [checks.Warning("FlagMiddleware is not installed.", hint=hint, id="flagmiddleware.W001")]
    place = order.index(_MIDDLEWARE)
    fetch = _OUR_FETCH if _OUR_FETCH in order else _FETCH
    wrong = (_UPDATE in order and order.index(_UPDATE) > place) or (fetch in order and order.index(fetch) < place)
    if not wrong:
        return []
    hint = f"Put {_MIDDLEWARE!r} after {_UPDATE!r} and before {fetch!r}."
    message = "FlagMiddleware is in the wrong place for Django's page cache, which would store pages too early."
    return [checks.Warning(message, hint=hint, id="flagmiddleware.W002")]


def check_gates(app_configs: Iterable[AppConfig] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    """W003: a gate on a view or a URL asks for a flag that does not exist."""
    ruleset = _ruleset()
    if ruleset is None or not getattr(settings, "ROOT_URLCONF", None):
        return []
    try:
        gates = list(gates_in_urls(get_resolver()))
    except (ImportError, ImproperlyConfigured):
        return []  # Django's own check of the URLs tells what is wrong with them
    unknown = [(key, where) for gate, where in gates for key in gate.keys if key not in ruleset.flags]
    return [
        checks.Warning(explain_unknown(key, nearest(key, ruleset.flags), where), id="flagmiddleware.W003")
        for key, where in dict.fromkeys(unknown)
    ]


def check_templates(app_configs: Iterable[AppConfig] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    """W004: a template asks for a flag that does not exist."""
    ruleset = _ruleset()
    if ruleset is None:
        return []
    return [checks.Warning(text, id="flagmiddleware.W004") for text in unknown_mentions(template_mentions(), ruleset)]


def _ruleset() -> Ruleset | None:
    """The definitions; None where there are none to compare with (a network source that has not answered yet)."""
    try:
        ruleset = installation().flags.ruleset
    except FlagMiddlewareError:
        return None
    return ruleset if ruleset.flags else None


class Gated(NamedTuple):
    """A gate, and where it stands."""

    gate: Gate
    where: str


def gates_in_urls(resolver: URLResolver) -> Iterator[Gated]:
    """Every gate on the views of a URL configuration and on the patterns themselves."""
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            gate = gate_of(pattern)
            if gate is not None:
                yield Gated(gate, f"flag_path {str(pattern.pattern)!r}")
            yield from gates_in_urls(pattern)
        elif isinstance(pattern, URLPattern):
            yield from gates_on_view(pattern.callback)


def gates_on_view(view: Any, method: str | None = None) -> Iterator[Gated]:
    """Those on a view, however many decorators deep, on its class and what that inherits, and among its permissions.

    With ``method``, only those that a request by it would meet: a class may gate one of its methods.
    """
    cls = getattr(view, "view_class", None) or getattr(view, "cls", None)
    named = cls or view
    where = f"flag_required on {getattr(named, '__module__', '')}.{getattr(named, '__qualname__', named)}"
    holders = list(_unwrapped(view))
    if cls is not None:
        met = None if method is None else ("dispatch", *_handlers(view, method.lower()))
        holders += [cls, *_permissions(view, cls)]
        holders += (layer for member in _members(cls, met) for layer in _unwrapped(member))
    for holder in holders:
        make = getattr(holder, "get_flag_gate", None)
        gate = make() if make is not None else gate_of(holder)
        if gate is not None:
            yield Gated(gate, where)


def _permissions(view: Any, cls: Any) -> Iterable[Any]:
    """REST framework's, unless the class chooses among them by itself: an action's own, or those of the class."""
    choose = getattr(cls, "get_permissions", None)
    if getattr(choose, "__module__", "") != "rest_framework.views":
        return ()
    own: Iterable[Any] = getattr(view, "initkwargs", {}).get("permission_classes") or cls.permission_classes
    return own


def _handlers(view: Any, method: str) -> Iterator[str]:
    """What a view class calls its methods that may answer requests by this method; a viewset maps them to actions."""
    actions = getattr(view, "actions", None) or {}
    for each in (method, "get") if method == "head" else (method,):
        yield actions.get(each, each)


def _members(cls: type, met: Container[str] | None) -> Iterator[Any]:
    """The methods of a view class that have one of these names, or all; those that a subclass replaced aside.

    For REST framework's ``@api_view``, which makes a class of a function, it is that function, whatever the method.
    """
    seen: set[str] = set()
    for home in cls.__mro__:
        for name, member in vars(home).items():
            if name not in seen and isfunction(member):
                if member.__module__ == _API_VIEW:
                    yield from (cell.cell_contents for cell in member.__closure__ or ())
                elif met is None or name in met:
                    yield member
        seen |= vars(home).keys()


def _unwrapped(view: Any) -> Iterator[Any]:
    """A function and those that it decorates."""
    seen: set[int] = set()
    while view is not None and id(view) not in seen:
        seen.add(id(view))
        yield view
        view = getattr(view, "__wrapped__", None)
