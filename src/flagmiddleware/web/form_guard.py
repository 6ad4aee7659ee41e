"""Keeps other sites from sending a form in a staff member's name, where the framework brings nothing for that."""

from __future__ import annotations

from hmac import compare_digest
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec.structs import replace

from .signing import Signer
from .visitor import cookie_names, is_secure, set_cookie

if TYPE_CHECKING:
    from .installation import Installation

__all__ = ["FIELD", "FormGuard", "Ticket"]

FIELD: Final = "flags_form"
"""The hidden field's name, and the cookie's."""

_AGE: Final = 24 * 3600
_OWN: Final = frozenset({None, "same-origin", "none"})


class Ticket(NamedTuple):
    """What a form carries, and the ``Set-Cookie`` that has to go with it; None where the browser has the cookie."""

    token: str
    cookie: str | None


class FormGuard:
    """A random cookie, and in the form its signature: another site can neither read the one nor make the other.

    A browser that tells where a request comes from (W3C, Fetch Metadata Request Headers, section 2.3) is believed, too.
    """

    __slots__ = ("_facts", "_names", "_options", "_signer")

    def __init__(self, installation: Installation) -> None:
        self._facts = installation.facts
        # Wherever the site's other cookies are sent: the panel may stand elsewhere.
        self._options = replace(installation.options, cookie_path="/", cookie_domain=None)
        self._names = cookie_names(FIELD, self._options)
        self._signer = Signer(installation.options.secret_keys, "flagmiddleware.form")

    def ticket(self, request: Any) -> Ticket:
        """The token for a form that is about to be shown; there have to be keys to sign it with."""
        secure = is_secure(self._facts, self._options, request)
        known = self._facts.cookie(request, self._names[secure])
        if known and known.isascii() and len(known) < 100:
            return Ticket(self._signer.sign(known), None)
        made = token_urlsafe(16)
        return Ticket(self._signer.sign(made), set_cookie(self._names[secure], made, _AGE, self._options, secure))

    def accepts(self, request: Any, token: str) -> bool:
        """Whether a form came from a page of ours that this browser was shown."""
        secure = is_secure(self._facts, self._options, request)
        known = self._facts.cookie(request, self._names[secure])
        signed = self._signer.verify(token)
        if not known or signed is None or self._facts.header(request, "sec-fetch-site") not in _OWN:
            return False
        return compare_digest(signed[0].encode(), known.encode("utf-8", "replace"))
