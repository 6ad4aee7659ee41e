"""A view behind a shut gate looks like no view: for methods that it does not take, for OPTIONS, without its slash.

Decorators over a gate, and functions before the request, answer before it is asked: what they refuse of a view that
does not exist is the site's 404. An answer that asks for credentials before any view was called stays: Flask asks those
functions about paths that are not there, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import unquote, urlsplit

from flask import Flask, Response
from flask import request as current_request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import MapAdapter, RequestRedirect, Rule

from ..web.gate import ASKING, Gate, gate_of, gates_on
from .gate import gates_of_view
from .reach import flags_from

if TYPE_CHECKING:
    from ..web.request import RequestFlags

__all__ = ["Hiding"]

_CALLED: Final = "flagmiddleware.called"
"""In a request's environment: its view is called, or a decorator of it."""


class Hiding:
    """Has an application ask the gates before it tells of a view that it does not call.

    Its methods take the place of those that a subclass of ``Flask`` would override. Pages pass through one of them,
    which :meth:`watch` puts in place where a gate hides anything.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._watches = False
        self._raise: Callable[..., NoReturn] = app.raise_routing_exception
        self._handle: Callable[..., Any] = app.handle_http_exception
        self._options: Callable[..., Response] = app.make_default_options_response
        app.handle_http_exception = self.handle_http_exception  # type: ignore[method-assign,assignment]
        app.raise_routing_exception = self.raise_routing_exception  # type: ignore[method-assign]
        app.make_default_options_response = self.make_default_options_response  # type: ignore[method-assign]

    def watch(self) -> None:
        """Look at answers, too; called when all views are registered."""
        app = self._app
        gated = [endpoint for endpoint in app.view_functions if any(gate.hides for gate in self._gates(endpoint))]
        if self._watches or not gated:
            return
        self._watches = True
        self._process: Callable[..., Response] = app.process_response
        app.process_response = self.process_response  # type: ignore[method-assign,assignment]
        for endpoint in gated:
            app.view_functions[endpoint] = self._guarded(endpoint, app.view_functions[endpoint])

    def _guarded(self, endpoint: str, view: Callable[..., Any]) -> Callable[..., Any]:
        """The view, of which it is noted that it was called, or a decorator of it."""

        @wraps(view)
        def guarded(**arguments: Any) -> Any:
            # Where nobody could be let in, no decorator over the gate is asked, which might write into the session.
            if self._is_hidden(endpoint, status=302):
                raise NotFound
            current_request.environ[_CALLED] = True
            return self._app.ensure_sync(view)(**arguments)

        return guarded

    def process_response(self, *arguments: Any) -> Response:
        """Flask's last look at an answer, which blueprints and sessions add to."""
        rest, response = arguments[:-1], arguments[-1]
        code = response.status_code
        if not (300 <= code < 500 and self._is_to_hide(code)):
            return self._process(*arguments)
        with _unrouted():
            if code != 404:
                handle: Callable[..., Any] = self._app.handle_user_exception
                response = self._app.make_response(handle(*rest, NotFound()))
            return self._process(*rest, response)

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
        """What is refused of a view before its gate is asked, as a missing CSRF token is, or by the gate."""
        code = arguments[-1].code or 0
        if not (400 <= code < 500 and self._is_to_hide(code)):
            return self._handle(*arguments)
        with _unrouted():
            return self._handle(*arguments[:-1], NotFound())

    def _is_to_hide(self, code: int) -> bool:
        """Whether an answer with this status tells of a view that does not exist."""
        rule = current_request.url_rule
        if rule is None or not self._is_hidden(rule.endpoint, status=code):
            return False
        return code not in ASKING or _CALLED in current_request.environ or self._has_own_guard(rule.endpoint)

    def _has_own_guard(self, endpoint: str) -> bool:
        """Whether a blueprint has functions before its requests, which are not asked about paths that are not there."""
        return any(gate_of(guard) is None for guard in self._guards(endpoint))

    def _hidden_methods(self, path: str) -> set[str]:
        """The methods of a path's views that do not exist; NotFound where none of them does."""
        here = flags_from(current_request)
        adapter = self._app.create_url_adapter(current_request._get_current_object())  # type: ignore[attr-defined]
        rules = dict(_rules(adapter, path)) if adapter is not None else {}
        hidden = {method for method, rule in rules.items() if self._is_hidden(rule.endpoint, here)}
        if rules and hidden.issuperset(rules.keys() - {"OPTIONS"}):
            raise NotFound
        return hidden - {"OPTIONS"}  # of several views for a path the first one answers it, for all of them

    def _is_hidden(self, endpoint: str, here: RequestFlags | None = None, status: int = 405) -> bool:
        for gate in self._gates(endpoint):
            if gate.hides:
                here = here or flags_from(current_request)
                if not gate.may_tell(status, here) and not gate.allows(here):
                    return True
        return False

    def _gates(self, endpoint: str) -> Iterator[Gate]:
        yield from gates_of_view(self._app.view_functions.get(endpoint))
        for guard in self._guards(endpoint):
            yield from gates_on(guard)

    def _guards(self, endpoint: str) -> Iterator[Any]:
        """The functions before the requests of a view's blueprint, and of those that this one is in."""
        blueprint = endpoint.rpartition(".")[0]
        while blueprint:
            yield from self._app.before_request_funcs.get(blueprint, ())
            blueprint = blueprint.rpartition(".")[0]


@contextmanager
def _unrouted() -> Iterator[None]:
    """The request as one whose path leads nowhere: its blueprint's handlers and headers would tell whose page it is."""
    rule = current_request.url_rule
    current_request.url_rule = None
    try:
        yield
    finally:
        current_request.url_rule = rule


def _rules(adapter: MapAdapter, path: str) -> Iterator[tuple[str, Rule]]:
    """The rule behind each method that a path takes."""
    for method in adapter.allowed_methods(path):
        try:
            yield method, adapter.match(path, method, return_rule=True)[0]
        except HTTPException:
            continue
