"""A panel for Django Debug Toolbar: each flag that the request read, why it got its answer, and where it was asked."""

from __future__ import annotations

from typing import Any

from debug_toolbar.panels import Panel
from django.http import HttpRequest, HttpResponse

from .installed import flags_from
from .middleware import TRACED

__all__ = ["FlagsPanel"]


class FlagsPanel(Panel):
    """Add ``"flagmiddleware.django.panel.FlagsPanel"`` to ``DEBUG_TOOLBAR_PANELS``."""

    title = "Flags"
    nav_title = "Flags"
    template = "flagmiddleware/panel.html"
    is_async = True

    @property
    def nav_subtitle(self) -> str:
        """How many flags were read."""
        count = len(self._stats().get("rows", ()))
        return f"{count} read"

    def _stats(self) -> dict[str, Any]:
        return self.get_stats() or {}  # type: ignore[no-untyped-call]

    def process_request(self, request: HttpRequest) -> Any:
        """Note from here on where flags are read."""
        request.META[TRACED] = True
        return super().process_request(request)  # type: ignore[no-untyped-call]

    def generate_stats(self, request: HttpRequest, response: HttpResponse) -> None:
        """Record what was read, as plain data: the toolbar keeps it for its history."""
        self.record_stats({"rows": rows(request)})  # type: ignore[no-untyped-call]


def rows(request: Any) -> list[dict[str, Any]]:
    """One row for each flag that was read."""
    here = flags_from(request)
    if not here.is_bound:
        return []
    places = {trace.key: f"{trace.filename}:{trace.line}" for trace in here.traces}
    return [
        {
            "key": key,
            "value": repr(found.value),
            "variant": found.variant,
            "reason": str(found.reason),
            "rule": found.rule,
            "error": found.error_message,
            "place": places.get(key, ""),
        }
        for key, found in here.evaluated().items()
    ]
