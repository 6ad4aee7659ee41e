"""The OFREP endpoints as a blueprint: ``app.register_blueprint(ofrep_blueprint(Ofrep(flags)))``."""

from __future__ import annotations

from urllib.parse import quote

from flask import Blueprint, Response, request

from ..ofrep import Ofrep, OfrepRequest
from ..web.current import running_flags

__all__ = ["ofrep_blueprint"]


def ofrep_blueprint(ofrep: Ofrep, url_prefix: str = "/ofrep") -> Blueprint:
    """A blueprint that answers OFREP below ``url_prefix``; ``authorise`` gets Flask's request."""
    blueprint = Blueprint("flagmiddleware_ofrep", __name__, url_prefix=url_prefix)

    def answer(rest: str) -> Response:
        asked = OfrepRequest(
            method=request.method,
            path=quote(request.path),
            body=request.stream.read(ofrep.max_body + 1),
            content_type=request.content_type or "",
            if_none_match=request.headers.get("If-None-Match"),
            here=running_flags(),
            original=request,
        )
        response = ofrep.respond(asked)
        return Response(response.body, response.status, list(response.headers))

    blueprint.add_url_rule("/v1/<path:rest>", "answer", answer, methods=["GET", "POST"])
    return blueprint
