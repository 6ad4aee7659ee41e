"""A view behind a shut gate looks like no view: for methods that it does not take, for OPTIONS, without its slash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote, urlsplit

from flask import Flask, Response
from flask import request as current_request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import MapAdapter, RequestRedirect, Rule

from ..web.gate import Gate, gates_on
from .gate import gates_of_view
from .reach import flags_from

if TYPE_CHECKING:
    from ..web.request import RequestFlags

__all__ = ["hide_gated_views"]


def hide_gated_views(app: Flask) -> None:
    """Have the application ask the gates before it tells of a view that it does not call.

    These methods are those that a subclass of ``Flask`` would override; no page passes through them.
    """
    hiding = _Hiding(app)
    app.handle_http_exception = hiding.handle_http_exception  # type: ignore[method-assign,assignment]
    app.raise_routing_exception = hiding.raise_routing_exception  # type: ignore[method-assign]
    app.make_default_options_response = hiding.make_default_options_response  # type: ignore[method-assign]


class _Hiding:
    def __init__(self, app: Flask) -> None:
        self._app = app
        self._raise: Callable[..., NoReturn] = app.raise_routing_exception
        self._handle: Callable[..., Any] = app.handle_http_exception
        self._options: Callable[..., Response] = app.make_default_options_response

    def raise_routing_exception(self, request: Any) -> NoReturn:
        """Flask's 405s and redirects to the path with its slash, of views that exist."""
        problem = request.routing_exception
        if isinstance(problem, RequestRedirect):
            target = unquote(urlsplit(problem.new_url).path)
            self._hidden_methods(target.removeprefix(request.root_path.rstrip("/")))
        elif isinstance(problem, MethodNotAllowed):
            hidden = self._hidden_methods(request.path)
            if hidden:
                raise MethodNotAllowed(sorted({*(problem.valid_methods or ())} - hidden))
        self._raise(request)

    def make_default_options_response(self, *arguments: Any) -> Response:
        """Flask's own answer to OPTIONS, without the methods of views that do not exist."""
        hidden = self._hidden_methods(current_request.path)
        response = self._options(*arguments)
        if hidden:
            response.headers["Allow"] = ", ".join(method for method in response.allow if method not in hidden)
        return response

    def handle_http_exception(self, *arguments: Any) -> Any:
        """What is refused of a view before its gate is asked, as a missing CSRF token is."""
        rest, error, rule = arguments[:-1], arguments[-1], current_request.url_rule
        code = error.code or 0
        if rule is not None and 400 <= code < 500 and code != 404 and self._is_hidden(rule.endpoint, _here(), code):
            error = NotFound()
        return self._handle(*rest, error)

    def _hidden_methods(self, path: str) -> set[str]:
        """The methods of a path's views that do not exist; NotFound where none of them does."""
        here = _here()
        adapter = self._app.create_url_adapter(current_request._get_current_object())  # type: ignore[attr-defined]
        rules = dict(_rules(adapter, path)) if adapter is not None else {}
        hidden = {method for method, rule in rules.items() if self._is_hidden(rule.endpoint, here)}
        if rules and hidden.issuperset(rules.keys() - {"OPTIONS"}):
            raise NotFound
        return hidden - {"OPTIONS"}  # of several views for a path the first one answers it, for all of them

    def _is_hidden(self, endpoint: str, here: RequestFlags, status: int = 405) -> bool:
        hiding = (gate for gate in self._gates(endpoint) if gate.hides and not gate.may_tell(status, here))
        return any(not gate.allows(here) for gate in hiding)

    def _gates(self, endpoint: str) -> Iterator[Gate]:
        view = self._app.view_functions.get(endpoint)
        yield from gates_of_view(view)
        blueprint = endpoint.rpartition(".")[0]
        while blueprint:
            for guard in self._app.before_request_funcs.get(blueprint, ()):
                yield from gates_on(guard)
            blueprint = blueprint.rpartition(".")[0]


def _here() -> RequestFlags:
    return flags_from(current_request)


def _rules(adapter: MapAdapter, path: str) -> Iterator[tuple[str, Rule]]:
    """The rule behind each method that a path takes."""
    for method in adapter.allowed_methods(path):
        try:
            yield method, adapter.match(path, method, return_rule=True)[0]
        except HTTPException:
            continue
