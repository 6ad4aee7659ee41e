"""OFREP, the OpenFeature Remote Evaluation Protocol: a request in, a response out, of no framework.

Any OpenFeature SDK of a browser or phone can so use the flags of this application. Source: OFREP openapi.yaml 0.3.0,
and the ``configuration`` endpoint of the versions before it. What a caller may see and say:

* ``authorise(request)`` true: every flag, and the evaluation context is the caller's, as from another server;
* otherwise: flags marked ``public``, and of the caller's context only ``client_attributes`` (none unless listed), and
  those only where the server does not know better. A private flag and one that does not exist answer alike.

Answers are for one subject: ``private, no-cache``, and no CORS header is ever sent (who wants one names the origins in
the framework's own CORS middleware).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from hashlib import sha256
from inspect import isawaitable
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from .bound import BoundFlags
from .context import EMPTY, Context
from .errors import ConfigurationError
from .flags import Flags
from .model import ErrorCode, Evaluation, Reason
from .web.context import WebContext
from .web.frontend import is_fresh
from .web.layered import LayeredContext

__all__ = ["Ofrep", "OfrepRequest", "OfrepResponse"]

_ROUTE: Final = re.compile(
    r"(?:.*?/)?v1/(?:evaluate/flags(?:/(?P<key>.+))?|(?P<configuration>configuration))/?", re.DOTALL
)
_REASONS: Final = frozenset({"STATIC", "TARGETING_MATCH", "SPLIT", "DISABLED"})
_PRIVATE: Final = ("Cache-Control", "private, no-cache")


class OfrepRequest(msgspec.Struct, frozen=True):
    """What is asked. ``path`` is still percent-encoded; ``here`` are the flags bound to the request, where the site
    installed FlagMiddleware; ``original`` is the framework's own request, for ``authorise``.
    """

    method: str
    path: str
    body: bytes = b""
    content_type: str = ""
    if_none_match: str | None = None
    here: BoundFlags | None = None
    original: Any = None


class OfrepResponse(msgspec.Struct, frozen=True):
    """What is answered."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class _Refusal(Exception):
    def __init__(self, status: int, code: str, details: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(details)
        self.status, self.code, self.headers = status, code, headers


class _Caller(msgspec.Struct, frozen=True):
    bound: BoundFlags
    is_authorised: bool


class Ofrep:
    """The endpoints over one :class:`Flags`.

    ``authorise(request)`` (sync, or async where the mount is) tells whether a caller may see all flags; it gets the
    framework's request. ``client_attributes`` are the names that other callers may supply; ``"targetingKey"`` among
    them lets a client say who it is. ``max_body`` is in bytes, ``poll_ms`` how often (in ms) clients are asked to look.

    >>> from flagmiddleware import Flags
    >>> flags = Flags({"version": 1, "flags": {"beta": {"public": True, "rules": [{"serve": True}]}}})
    >>> asked = OfrepRequest("POST", "/ofrep/v1/evaluate/flags/beta", b'{"context": {"targetingKey": "a"}}')
    >>> Ofrep(flags).respond(asked).body
    b'{"key":"beta","reason":"TARGETING_MATCH","variant":"on","value":true}'
    """

    def __init__(
        self,
        flags: Flags,
        *,
        authorise: Callable[[Any], Any] | None = None,
        client_attributes: Collection[str] = (),
        max_body: int = 65_536,
        poll_ms: int = 30_000,
    ) -> None:
        if isinstance(client_attributes, str):
            raise ConfigurationError(f"client_attributes: expected a list of names, found {client_attributes!r}")
        self.flags = flags
        self.max_body = max_body
        self._authorise = authorise
        self._allowed = frozenset(client_attributes)
        self._poll_ms = poll_ms

    # -- entrances ------------------------------------------------------------------------------------------------

    def respond(self, request: OfrepRequest) -> OfrepResponse:
        """Answer a request; for synchronous servers."""
        try:
            key = self._route(request)
            allowed = self._authorise is not None and self._authorise(request.original)
            if isawaitable(allowed):  # anything awaitable is true: it must never pass for a yes
                getattr(allowed, "close", bool)()
                raise ConfigurationError("authorise is asynchronous and this server is not; give a plain function")
            caller = self._caller(request, allowed)
            return self._answer(request, key, caller)
        except _Refusal as refusal:
            return _refused(refusal, request)

    async def arespond(self, request: OfrepRequest) -> OfrepResponse:
        """Answer a request on a running loop: what needs I/O is awaited first."""
        try:
            key = self._route(request)
            allowed = self._authorise is not None and self._authorise(request.original)
            caller = self._caller(request, await allowed if isawaitable(allowed) else allowed)
            await caller.bound.ready(*self._visible(caller, key))
            return self._answer(request, key, caller)
        except _Refusal as refusal:
            return _refused(refusal, request)

    def _route(self, request: OfrepRequest) -> str | None:
        """The key that is asked for; None for all of them."""
        match = _ROUTE.fullmatch(request.path)
        if match is None:
            raise _Refusal(404, "GENERAL", "there is no such endpoint")
        wanted = "GET" if match["configuration"] else "POST"
        if request.method != wanted:
            raise _Refusal(405, "GENERAL", f"this endpoint takes {wanted}", (("Allow", wanted),))
        return _key_in(request.path)

    def _caller(self, request: OfrepRequest, allowed: Any) -> _Caller:
        if request.method == "GET":
            context: Context = EMPTY
        else:
            supplied = self._supplied(request, bool(allowed))
            context = self._context(request, supplied, bool(allowed))
        here = request.here
        plan = here.plan if here is not None and here.flags is self.flags else self.flags.plan
        return _Caller(BoundFlags.of(plan, context, self.flags), bool(allowed))

    # -- the context ----------------------------------------------------------------------------------------------

    def _supplied(self, request: OfrepRequest, is_authorised: bool) -> dict[str, Any]:
        if len(request.body) > self.max_body:
            raise _Refusal(413, "GENERAL", f"the body is larger than {self.max_body} bytes")
        media = request.content_type.partition(";")[0].strip().lower()
        if media and media != "application/json":
            raise _Refusal(415, "PARSE_ERROR", "expected application/json")
        try:
            body = msgspec.json.decode(request.body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise _Refusal(400, "PARSE_ERROR", "the body is not valid JSON") from error
        context = body.get("context") if isinstance(body, dict) else None
        if not isinstance(context, dict):
            raise _Refusal(400, "INVALID_CONTEXT", "the body holds no `context` object")
        key = context.get("targetingKey")
        if key is None and (is_authorised or request.here is None):
            raise _Refusal(400, "TARGETING_KEY_MISSING", "the context holds no targetingKey")
        if not isinstance(key, str | None):
            raise _Refusal(400, "INVALID_CONTEXT", "targetingKey is text")
        return context

    def _context(self, request: OfrepRequest, supplied: dict[str, Any], is_authorised: bool) -> Context:
        key = supplied.pop("targetingKey", None)
        if is_authorised:
            return Context(key, supplied)
        base = EMPTY if request.here is None else request.here.context
        if isinstance(base, WebContext):
            # No document navigation, whatever headers an SDK sends: a client that keeps no cookies would be another
            # visitor in each request, in place of the one that it names.
            base.sent = True
        under = {name: value for name, value in supplied.items() if name in self._allowed}
        spare = key if "targetingKey" in self._allowed else None
        return LayeredContext(base, under=under, spare_key=spare)

    # -- answers --------------------------------------------------------------------------------------------------

    def _visible(self, caller: _Caller, key: str | None) -> list[str]:
        flags = caller.bound.plan.ruleset.flags
        keys = flags if key is None else [key]
        return [name for name in keys if name in flags and (caller.is_authorised or flags[name].public)]

    def _answer(self, request: OfrepRequest, key: str | None, caller: _Caller) -> OfrepResponse:
        if request.method == "GET":
            return _conditional(self._configuration(), request)
        visible = self._visible(caller, key)
        if key is None:
            flags = [_item(caller.bound.evaluate(name), caller) for name in visible]
            metadata = _scalars(caller.bound.plan.ruleset.metadata) if caller.is_authorised else {}
            return _conditional({"flags": flags, **({"metadata": metadata} if metadata else {})}, request)
        if not visible:
            return _json(404, {"key": key, "errorCode": "FLAG_NOT_FOUND", "errorDetails": "there is no such flag"})
        item = _item(caller.bound.evaluate(key), caller)
        return _json(400 if "errorCode" in item else 200, item)

    def _configuration(self) -> dict[str, Any]:
        polling = {"enabled": True, "minPollingIntervalMs": self._poll_ms}
        types = ["int", "float", "string", "boolean", "object"]
        capabilities = {"cacheInvalidation": {"polling": polling}, "flagEvaluation": {"supportedTypes": types}}
        return {"name": "flagmiddleware", "capabilities": capabilities}


def _key_in(path: str) -> str | None:
    match = _ROUTE.fullmatch(path)
    return unquote(match["key"]) if match is not None and match["key"] is not None else None


def _scalars(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if isinstance(value, str | int | float)}


def _item(evaluation: Evaluation, caller: _Caller) -> dict[str, Any]:
    """An evaluation in OFREP's shape."""
    metadata: dict[str, Any] = _scalars(evaluation.flag_metadata)
    if evaluation.reason is Reason.ERROR:
        return _failure(evaluation, caller, metadata)
    reason = evaluation.reason.value
    if reason not in _REASONS:  # OFREP's list of reasons is shorter than OpenFeature's
        reason, metadata["reason"] = "UNKNOWN", reason
    if evaluation.error_code is not None:
        metadata["errorCode"] = evaluation.error_code.value
    item: dict[str, Any] = {"key": evaluation.flag_key, "reason": reason}
    if evaluation.variant is not None:  # without a value the caller's own default is used
        item.update(variant=evaluation.variant, value=evaluation.value)
    return {**item, "metadata": metadata} if metadata else item


def _failure(evaluation: Evaluation, caller: _Caller, metadata: dict[str, Any]) -> dict[str, Any]:
    code = evaluation.error_code or ErrorCode.GENERAL
    # What is wrong with a definition is for those who may read it.
    details = evaluation.error_message if caller.is_authorised else "the flag cannot be evaluated"
    item = {"key": evaluation.flag_key, "errorCode": code.value, "errorDetails": details or code.value}
    return {**item, "metadata": metadata} if metadata else item


def _json(status: int, document: Any, headers: tuple[tuple[str, str], ...] = ()) -> OfrepResponse:
    body = msgspec.json.encode(document)
    return OfrepResponse(status, body, (("Content-Type", "application/json"), _PRIVATE, *headers))


def _conditional(document: Any, request: OfrepRequest) -> OfrepResponse:
    response = _json(200, document)
    etag = f'"{sha256(response.body).hexdigest()[:32]}"'
    if is_fresh(request.if_none_match, etag):
        return OfrepResponse(304, b"", (("ETag", etag), _PRIVATE))
    return OfrepResponse(200, response.body, (*response.headers, ("ETag", etag)))


def _refused(refusal: _Refusal, request: OfrepRequest) -> OfrepResponse:
    document = {"errorCode": refusal.code, "errorDetails": str(refusal)}
    key = _key_in(request.path)
    return _json(refusal.status, document if key is None else {"key": key, **document}, refusal.headers)
