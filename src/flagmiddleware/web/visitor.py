"""The visitor cookie: who somebody is who has not signed in."""

from __future__ import annotations

from secrets import token_urlsafe
from typing import Any, TypeAlias

from .facts import Facts
from .options import WebOptions
from .signing import Signer

__all__ = ["Visitor", "VisitorCookie", "cookie_names", "is_secure", "set_cookie"]

Visitor: TypeAlias = "tuple[str, bool]"
"""A visitor's id, and whether the answer has to set the cookie (a new visitor, or a key that is being retired)."""


class VisitorCookie:
    """Reads and mints the cookie of one installation."""

    __slots__ = ("_facts", "_names", "_options", "_signer")

    def __init__(self, facts: Facts[Any], options: WebOptions) -> None:
        self._facts = facts
        self._options = options
        self._signer = Signer(options.secret_keys, "flagmiddleware.visitor")
        self._names = cookie_names(options.cookie_name, options)

    def identify(self, request: Any, *, may_mint: bool) -> Visitor | None:
        """Who this is; None where nobody can be told apart: no keys, no consent, or no cookie and nowhere to set one.

        A request that is not a document navigation mints nothing: the many that a first page makes at once would
        each draw another visitor, and the last to answer would win.
        """
        consent = self._options.visitor_cookie
        if consent is not True and not self._consents(request):
            return None
        token = self._facts.cookie(request, self._names[is_secure(self._facts, self._options, request)])
        known = self._signer.verify(token) if token else None
        if known is not None and known[1]:
            return known[0], False
        if self._signer and may_mint and _navigates(self._facts, request):
            return (token_urlsafe(16) if known is None else known[0]), True
        return None if known is None else (known[0], False)

    def header(self, request: Any, visitor: str) -> str:
        """The ``Set-Cookie`` that makes a browser keep this visitor."""
        options = self._options
        secure = is_secure(self._facts, options, request)
        return set_cookie(self._names[secure], self._signer.sign(visitor), options.cookie_age, options, secure)

    def _consents(self, request: Any) -> bool:
        consent = self._options.visitor_cookie
        return consent if isinstance(consent, bool) else bool(consent(self._facts.for_site(request)))


def cookie_names(name: str, options: WebOptions) -> tuple[str, str]:
    """A cookie's name under http and under https, where browsers can be told to take it from this host alone."""
    bound_to_host = options.cookie_domain is None and options.cookie_path == "/"
    return name, ("__Host-" if bound_to_host else "") + name


def is_secure(facts: Facts[Any], options: WebOptions, request: Any) -> bool:
    """Whether cookies of this request are for https only."""
    return facts.scheme(request) == "https" if options.cookie_secure is None else options.cookie_secure


def _navigates(facts: Facts[Any], request: Any) -> bool:
    """Whether a browser asked for a document to show, by Fetch Metadata; clients that send none count as browsers.

    Source: W3C, Fetch Metadata Request Headers, sections 2.1 and 2.2.
    """
    mode = facts.header(request, "sec-fetch-mode")
    if mode is None:
        return facts.header(request, "x-requested-with") is None
    return mode == "navigate" and facts.header(request, "sec-fetch-dest") in ("document", None)


def set_cookie(name: str, value: str, age: int, options: WebOptions, secure: bool, /) -> str:
    """A ``Set-Cookie`` text; everything in it was checked when the options were made."""
    domain = f"; Domain={options.cookie_domain}" if options.cookie_domain else ""
    flag = "; Secure" if secure else ""
    return f"{name}={value}; Path={options.cookie_path}; Max-Age={age}{domain}; HttpOnly; SameSite=Lax{flag}"
