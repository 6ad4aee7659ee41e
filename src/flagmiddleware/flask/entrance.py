"""Where requests come in and their headers go out: round the application, not in its hooks.

Flask looks at every hook of every request to see whether it is a coroutine function, and searches its header objects
from end to end: three hooks cost a quarter of a bare request. Out here a request that reads no flag pays for one call,
and headers are plain pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import msgspec
from flask import Flask, Response, got_request_exception
from flask import request as current_request
from werkzeug.wsgi import ClosingIterator

from ..web.caching import SHARED_ONLY
from ..web.headers import PairHeaders
from ..web.request import RequestFlags
from .checks import warn_of_unknown_keys
from .hiding import Hiding
from .reach import HERE_KEY, STARTED_KEY, FlagsOfRequest, flags_from

if TYPE_CHECKING:
    from ..web.installation import Installation

__all__ = ["Entrance"]

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]

_RAISED: Final = "flagmiddleware.raised"
_STREAMS: Final = "flagmiddleware.streams"
_WITHOUT_BODY: Final = ("204", "304")
_PATCHED: Final = frozenset({"vary", "cache-control", "expires", *(name.lower() for name in SHARED_ONLY)})


class Entrance:
    """Stands between an application's WSGI function and whoever calls it."""

    def __init__(self, app: Flask, installation: Installation) -> None:
        self._app = app
        self._installation = installation
        self._parameter = installation.options.qa_parameter
        self._prepared = False
        self._give_requests_flags()
        self._process: Callable[[Response], Response] = app.process_response
        app.process_response = self._note_stream  # type: ignore[method-assign]
        self._hiding = Hiding(app)
        self._inner = _replace_innermost(app, self)
        got_request_exception.connect(self._note_exception, app)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if not self._prepared:
            self._prepare()
        if self._parameter in environ.get("QUERY_STRING", ""):
            link = self._installation.answer_link(environ)
            if link is not None:
                start_response("303 See Other", link.headers)
                return [b""]
        if self._installation.observers.all:
            environ[STARTED_KEY] = perf_counter()
        running = _Running(self._installation, environ, start_response)
        try:
            body = self._inner(environ, running.start)
        except BaseException:
            running.fail()
            raise
        return body if running.stream is None else _Stream(body, running)

    def _prepare(self) -> None:
        """Flask has no moment at which all views are registered and all classes chosen, before the first request."""
        self._hiding.watch()
        self._prepared = True
        self._give_requests_flags()
        warn_of_unknown_keys(self._app, self._installation)

    def _give_requests_flags(self) -> None:
        known = self._app.request_class
        found = getattr(known, "flags", None)
        # A class that another application lends has that one's flags; what a site itself calls so stays.
        if found is None or (isinstance(found, FlagsOfRequest) and found.installation is not self._installation):
            self._app.request_class = type(known.__name__, (known,), {"flags": FlagsOfRequest(self._installation)})

    def _note_stream(self, response: Response) -> Response:
        """A stream whose length the view has told looks complete from outside; here it can be told from one that is."""
        response = self._process(response)
        # A list is complete, files are passed through, and what Werkzeug makes of an error is that kind of iterator.
        body = response.response
        if type(body) is not list and not (response.is_sequence or response.direct_passthrough):  # noqa: SIM102
            if type(body) is not ClosingIterator and "Content-Length" in response.headers:
                current_request.environ[_STREAMS] = True
        return response

    def _note_exception(self, sender: Flask, **_: object) -> None:
        if self._installation.observers.all:
            current_request.environ[_RAISED] = current_request.__dict__.get("flags", "before any flag was read")


def _replace_innermost(app: Flask, entrance: Entrance) -> Callable[..., Iterable[bytes]]:
    """Put the entrance behind middlewares that are there already: what ProxyFix corrects must be corrected by then.

    Middlewares keep what they wrap as ``app``, all of Werkzeug's do; before one that does not, the entrance stays.
    """
    holder: Any = app
    name, inner = "wsgi_app", app.wsgi_app
    while not isinstance(inner, Flask) and callable(wrapped := getattr(inner, "app", None)):
        holder, name, inner = inner, "app", wrapped
    if isinstance(inner, Flask):  # it keeps the application itself for other ends
        holder, name, inner = app, "wsgi_app", app.wsgi_app
    setattr(holder, name, entrance)
    return inner


class _Running(msgspec.Struct, eq=False):  # made for every request, in a third of the time that a class takes
    """One request between its start and its end."""

    installation: Installation
    environ: Environ
    start_response: StartResponse
    status: str = "500"
    raised: bool = False
    stream: RequestFlags | None = None
    """The flags of a response that is still being made."""

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Any:
        """Flask's response is complete, or is a stream about to begin."""
        environ = self.environ
        if len(headers) == 2 and headers[0][0] == "Content-Type" and headers[1][0] == "Content-Length":
            streaming, plain = False, True  # as of most pages, for a call less
        else:
            streaming, plain = _look_at(status, headers)
        streaming = streaming or _STREAMS in environ
        here = environ.pop(HERE_KEY, None)
        if here is None or here.installation is not self.installation:  # an application may run in another one's view
            # A body that is still being made may read flags yet, which must know that the headers have left.
            here = _flags_of_running(made=streaming)
        if here is not None:
            installation = self.installation
            policy = installation.simple_policy(here, streaming) if plain else None
            if policy is None:
                view = PairHeaders(headers)
                installation.finish(here, view, streaming=streaming)
                headers = view.pairs
            elif policy.lines:
                headers = headers + policy.lines
            if streaming or installation.observers.all:
                self._remember(here, status, streaming)
        if exc_info is not None:
            return self.start_response(status, headers, exc_info)
        return self.start_response(status, headers)

    def _remember(self, here: RequestFlags, status: str, streaming: bool) -> None:
        self.status = status
        self.raised = self.environ.pop(_RAISED, None) is not None
        if streaming:
            self.stream = here
        else:
            self._observe(here)  # now, while Flask's contexts live, for observers that ask for more attributes

    def fail(self) -> None:
        """Flask passes an exception on: in tests, in debugging, or its own failure."""
        here = self.environ.pop(_RAISED, None)
        if isinstance(here, RequestFlags):
            self.raised = True
            self._observe(here)

    def close(self) -> None:
        """The stream has ended."""
        if self.stream is not None:
            self.installation.body_sent(self.stream)
            self._observe(self.stream)

    def _observe(self, here: RequestFlags) -> None:
        self.installation.observe(here, int(self.status[:3]), raised=self.raised)


def _flags_of_running(*, made: bool) -> RequestFlags | None:
    """The flags of Flask's request, if any was read (or ``made``, if need be); None where Flask runs none."""
    # Not environ["werkzeug.request"]: whoever makes another request object of this environment replaces that one.
    try:
        request = current_request._get_current_object()  # type: ignore[attr-defined]
    except RuntimeError:  # a middleware that hides Flask from us may answer by itself
        return None
    return flags_from(request) if made else request.__dict__.get("flags")


class _Stream(ClosingIterator):
    """The body of a response that is still being made: notes its end, and whether it fails before."""

    def __init__(self, body: Iterable[bytes], running: _Running) -> None:
        super().__init__(body, running.close)
        self._running = running

    def __next__(self) -> bytes:
        try:
            return super().__next__()
        except StopIteration:
            raise
        except BaseException:
            self._running.status, self._running.raised = "500", True  # whatever the headers have said by then
            raise


def _look_at(status: str, headers: Headers) -> tuple[bool, bool]:
    """Whether the body is still being made, and whether none of the headers that may need patching is there.

    Werkzeug measures every body that is complete: what has no length is a stream.
    """
    streaming = plain = True
    for name, _ in headers:
        if name == "Content-Length":  # as Werkzeug writes it
            streaming = False
        elif name != "Content-Type":  # nearly always there, and nothing to us
            lowered = name.lower()
            streaming &= lowered != "content-length"
            plain &= lowered not in _PATCHED
    return streaming and not status.startswith(_WITHOUT_BODY), plain
