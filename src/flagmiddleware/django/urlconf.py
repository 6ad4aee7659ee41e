"""URL patterns behind a gate: one view, or everything that an ``include`` brings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.urls import path, re_path
from django.urls.resolvers import ResolverMatch, URLPattern, URLResolver

from ..web.gate import GATE_ATTRIBUTE, Gate, GateOptions
from .gates import gate_view

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["GatedResolver", "flag_path", "flag_re_path"]


class GatedResolver(URLResolver):
    """An ``include`` whose views are behind a gate. URLs are reversed as ever: links are made before they work."""

    gate: Gate

    def resolve(self, path: Any) -> ResolverMatch:
        """Django's match, its view behind the gate; each view is wrapped once."""
        match = super().resolve(path)
        gated = self._gated.get(match.func)
        if gated is None:
            gated = self._gated[match.func] = gate_view(match.func, self.gate)
        match.func = gated
        return match

    @property
    def _gated(self) -> dict[Any, Any]:
        known: dict[Any, Any] = self.__dict__.setdefault("_gated_views", {})
        return known


def flag_path(
    route: str,
    view: Any,
    kwargs: dict[str, Any] | None = None,
    name: str | None = None,
    *,
    flag: str | None = None,
    **options: Unpack[GateOptions],
) -> URLPattern | URLResolver:
    """``path()`` behind a gate: ``flag_path("checkout/", view, name="checkout", flag="new-checkout")``.

    Takes what ``flag_required`` takes; ``view`` may be an ``include(…)``.
    """
    return _gated(path, route, view, kwargs, name, Gate(flag, **options))


def flag_re_path(
    route: str,
    view: Any,
    kwargs: dict[str, Any] | None = None,
    name: str | None = None,
    *,
    flag: str | None = None,
    **options: Unpack[GateOptions],
) -> URLPattern | URLResolver:
    """``re_path()`` behind a gate."""
    return _gated(re_path, route, view, kwargs, name, Gate(flag, **options))


def _gated(
    make: Callable[..., Any], route: str, view: Any, kwargs: dict[str, Any] | None, name: str | None, gate: Gate
) -> URLPattern | URLResolver:
    if not isinstance(view, list | tuple):
        pattern: URLPattern = make(route, gate_view(view, gate), kwargs=kwargs, name=name)
        return pattern
    made: URLResolver = make(route, view, kwargs=kwargs, name=name)
    resolver = GatedResolver(
        made.pattern, made.urlconf_name, made.default_kwargs, app_name=made.app_name, namespace=made.namespace
    )
    resolver.gate = gate
    setattr(resolver, GATE_ATTRIBUTE, gate)
    return resolver
