"""The adapter contract on Flask, with Flask-Login."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, Response, g, render_template_string, request, stream_with_context
from flask.views import MethodView
from flask_login import LoginManager, current_user

from flagmiddleware import Flags
from flagmiddleware.flask import FlagMiddleware, current_flags, flag_required, flags_blueprint
from flagmiddleware.testing.contract_adapter import AdapterContract, Site, answer
from tests.web.clients import PEER, WSGISite


def keys() -> list[str]:
    """The flags that the query names."""
    return request.args.getlist("key")


def read() -> str:
    """Read the flags through the request."""
    return answer(request.flags, keys())  # type: ignore[attr-defined]


def pages(hook: Callable[[], None]) -> dict[str, Callable[..., Any]]:
    """The pages that read flags."""

    async def aread() -> str:
        await g.flags.ready(*keys())
        return answer(g.flags, keys())

    def cached() -> Response:
        control = "public, max-age=3600, s-maxage=7200"
        return Response(read(), headers={"Cache-Control": control, "Vary": "Accept"})

    def twice() -> list[Any]:
        first = json.loads(read())
        hook()
        return [first, json.loads(read())]

    def stream() -> Response:
        def body() -> Iterator[str]:
            yield read()

        if "preload" in request.args:
            current_flags().preload(*keys())
        length = {"Content-Length": request.args["length"]} if "length" in request.args else {}
        return Response(stream_with_context(body()), headers=length)

    def boom() -> str:
        read()
        raise RuntimeError("boom")

    return {
        "/none": lambda: "none", "/read": read, "/aread": aread, "/current": lambda: answer(current_flags(), keys()),
        "/json": lambda: render_template_string("{{ flags_json() }}"),
        "/script": lambda: render_template_string("{{ flags_script_tag(nonce='n0nce') }}"),
        "/cached": cached, "/twice": twice, "/stream": stream, "/boom": boom,
    }  # fmt: skip


def gated_pages() -> dict[str, Callable[..., Any]]:
    """The pages behind a gate."""

    class Classy(MethodView):
        decorators = (flag_required("new-checkout"),)

        def get(self) -> str:
            return "gated"

    gates = {
        "/gated": flag_required("new-checkout"),
        "/gated-otherwise": flag_required("new-checkout", otherwise=lambda: "old"),
        "/gated-redirect": flag_required("new-checkout", redirect_to="/none"),
        "/gated-status": flag_required("new-checkout", status=403),
        "/gated-any": flag_required(any=["dark", "new-checkout"]),
        "/gated-all": flag_required(all=["always", "new-checkout"]),
        "/gated-not": flag_required("!new-checkout"),
        "/gated-variant": flag_required("checkout-button", variant="green"),
    }
    return {"/gated-class": Classy.as_view("classy"), **{path: gate(lambda: "gated") for path, gate in gates.items()}}


def load(request: Any) -> Any:
    """Who signs in with the contract's header."""
    sent = request.headers.get("X-Contract-User")
    return SimpleNamespace(**json.loads(sent), is_authenticated=True) if sent else None


class Driver:
    """A Flask application whose users are Flask-Login's."""

    peer = PEER

    def make(self, flags: Flags, settings: Mapping[str, Any], hook: Callable[[], None]) -> Site:
        app = Flask("contract")
        FlagMiddleware(app, flags=flags, **settings)
        LoginManager(app, add_context_processor=False).request_loader(load)
        for path, view in {**pages(hook), **gated_pages()}.items():
            app.add_url_rule(path, path[1:], view)
        app.register_blueprint(flags_blueprint(may_see=lambda request: getattr(current_user, "is_staff", False)))
        return WSGISite(app)


class TestFlaskContract(AdapterContract):
    @pytest.fixture
    def driver(self) -> Driver:
        return Driver()
