"""Blueprints that a Flask site may register: the public flags, a health check, the QA panel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Request, Response, current_app, request

from ..errors import ConfigurationError
from ..web.endpoints import Answer, flags_answer
from ..web.qa_panel import forbidden, panel_answer
from .reach import flags_from, installation_of

__all__ = ["flags_blueprint", "qa_blueprint"]


def flags_blueprint(url_prefix: str = "/flags", *, may_see: Callable[[Request], Any] | None = None) -> Blueprint:
    """A blueprint: the public flags as JSON with an entity tag, and below it ``/health``.

    ``may_see(request)`` says who gets more of the health check than the state.
    """
    blueprint = Blueprint("flagmiddleware", __name__, url_prefix=url_prefix)

    @blueprint.get("/")
    def flags() -> Response:
        return _response(flags_answer(flags_from(request), request.headers.get("If-None-Match")))

    @blueprint.get("/health")
    def health() -> Response:
        detail = may_see is not None and bool(_asked(may_see))
        return _response(installation_of(current_app).health(detail=detail))

    return blueprint


def qa_blueprint(
    url_prefix: str = "/flags-qa",
    *,
    authorise: Callable[[Request], Any],
    hidden: Callable[[Request], Mapping[str, str]] | None = None,
) -> Blueprint:
    """The QA panel, for those whom ``authorise(request)`` lets in; it may also ``abort`` or redirect by that.

    ``hidden(request)`` gives fields that the site's own protection of forms wants beside the panel's.
    """
    if not callable(authorise):
        raise ConfigurationError("qa_blueprint: authorise= has to be a function of the request that says who may")
    blueprint = Blueprint("flagmiddleware_qa", __name__, url_prefix=url_prefix)

    @blueprint.route("", methods=["GET", "POST"])
    def panel() -> Response:
        if not _asked(authorise):
            return _response(forbidden())
        form = request.form.to_dict() if request.method == "POST" else None
        return _response(panel_answer(flags_from(request), form, {} if hidden is None else _asked(hidden)))

    return blueprint


def _asked(ask: Callable[[Request], Any]) -> Any:
    """What the site says, by a function that may be asynchronous."""
    return current_app.ensure_sync(ask)(request)


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers)
