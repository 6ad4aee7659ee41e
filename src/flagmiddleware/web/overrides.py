"""QA overrides: signed links that show one browser another variant, for a while."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from time import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import SplitResult, quote, unquote_plus, urlencode

import msgspec

from ..errors import ConfigurationError
from .facts import Facts, find_cookie
from .gate import explain_unknown, nearest
from .network import host_name
from .options import WebOptions
from .say import Say
from .signing import Signer
from .visitor import cookie_names, is_secure, set_cookie

if TYPE_CHECKING:
    from ..flags import Flags
    from ..model import Ruleset

__all__ = ["LONGEST_TTL", "Overrides", "Redirect", "link_to", "local_path", "sign"]

LONGEST_TTL: Final = 24 * 3600
"""No link lives longer, whoever signed it."""

_LONGEST_TOKEN: Final = 3800
"""What browsers certainly keep: 4096 bytes with the cookie's name and attributes (RFC 6265, section 6.1)."""

_PURPOSE: Final = "flagmiddleware.override"


class _Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a link says: variants by flag, until when, for which host and environment, of which epoch."""

    flags: dict[str, str]
    until: int
    host: str
    environment: str
    epoch: int


class Redirect(NamedTuple):
    """What answers a QA link: send it with these headers and no body."""

    status: int
    headers: list[tuple[str, str]]


def sign(
    flags: Flags,
    choices: Mapping[str, str],
    *,
    host: str,
    keys: Sequence[str | bytes],
    ttl: float = 3600,
    epoch: int = 0,
) -> str:
    """A token that shows its bearer these variants on ``host`` for ``ttl`` seconds (a day at most).

    Only flags that say ``qa: true`` may be named, and only variants that they declare.
    """
    if not keys:
        raise ConfigurationError("secret_keys: QA links need a key to sign with, and none is set")
    if not 0 < ttl <= LONGEST_TTL:
        raise ConfigurationError(f"ttl: {ttl!r} seconds is not between 1 second and 24 hours")
    name = host_name(host)
    if name is None:
        raise ConfigurationError(f"host: {host!r} is not a host; give it as the browser will ask for it")
    ruleset = flags.plan.ruleset
    for key, variant in choices.items():
        _check_choice(ruleset.flags, key, variant)
    token = _Token(dict(choices), int(time() + ttl), name, ruleset.environment or "", epoch)
    packed = urlsafe_b64encode(msgspec.json.encode(token)).rstrip(b"=").decode()
    signed = Signer(keys, _PURPOSE).sign(packed)
    if len(signed) > _LONGEST_TOKEN:
        raise ConfigurationError(f"QA link: {len(choices)} flags are more than a cookie holds; make one for fewer")
    return signed


def _check_choice(flags: Mapping[str, Any], key: str, variant: str) -> None:
    flag = flags.get(key)
    if flag is None:
        raise ConfigurationError(explain_unknown(key, nearest(key, flags), "QA link"))
    if not flag.qa:
        raise ConfigurationError(f"flag {key!r} does not allow QA links; set `qa: true` on it")
    if variant not in flag.variants:
        raise ConfigurationError(f"flag {key!r} has no variant {variant!r}; it has {', '.join(flag.variants)}")


class Overrides:
    """Reads the links and the cookie of one installation."""

    __slots__ = ("_cookie", "_facts", "_known", "_names", "_options", "_parameter", "_say", "_signer", "idle")

    def __init__(self, facts: Facts[Any], options: WebOptions, say: Say) -> None:
        self._facts = facts
        self._options = options
        self._say = say
        self._known: Ruleset | None = None
        self.idle: Ruleset | None = None
        """Definitions without a flag that takes part: who decides by these need not ask for overrides."""
        self._cookie = options.qa_cookie_name
        self._signer = Signer(options.secret_keys, _PURPOSE)
        self._names = cookie_names(options.qa_cookie_name, options)
        self._parameter = re.compile(rf"(?:^|&){re.escape(options.qa_parameter)}=([^&]*)")

    def __bool__(self) -> bool:
        return bool(self._signer)

    def of(self, request: Any, ruleset: Ruleset) -> Mapping[str, str] | None:
        """The variants that this browser's cookie asks for; None without a valid one."""
        if self._known is not ruleset:
            self._known = ruleset
            self.idle = None if any(flag.qa for flag in ruleset.flags.values()) else ruleset
        if self.idle is ruleset:
            return None
        header = self._facts.header(request, "cookie")
        if header is None or self._cookie not in header:
            return None
        cookie = find_cookie(header, self._name(request))
        return self._verified(cookie, request, ruleset.environment) if cookie else None

    def answer_link(self, request: Any, query: str, environment: str | None) -> Redirect | None:
        """What answers a request whose query carries a token: the same page without it, and a cookie.

        An empty parameter takes the cookie away. A token that is not valid changes nothing.
        """
        found = self._parameter.search(query)
        if found is None or self._facts.method(request) not in ("GET", "HEAD"):
            return None
        token = unquote_plus(found[1])
        if token and self._verified(token, request, environment) is None:
            return None
        rest = self._parameter.sub("", query).strip("&")
        headers = [
            ("Location", local_path(self._facts.path(request)) + (f"?{_ascii(rest)}" if rest else "")),
            ("Set-Cookie", self.cookie(request, token or None)),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("Content-Length", "0"),
        ]
        return Redirect(303, headers)

    def cookie(self, request: Any, token: str | None) -> str:
        """The ``Set-Cookie`` that keeps a token, or with None takes it away."""
        signed = self._unpack(token) if token else None
        age = max(0, int(signed.until - time())) if signed else 0
        secure = is_secure(self._facts, self._options, request)
        return set_cookie(self._name(request), token or "", age, self._options, secure)

    def _name(self, request: Any) -> str:
        return self._names[is_secure(self._facts, self._options, request)]

    def _unpack(self, token: str) -> _Token | None:
        signed = self._signer.verify(token)
        if signed is None:
            return None
        try:
            packed = urlsafe_b64decode(signed[0] + "=" * (-len(signed[0]) % 4))
            return msgspec.json.decode(packed, type=_Token)
        except (Base64Error, ValueError, msgspec.MsgspecError):
            return None

    def _verified(self, token: str, request: Any, environment: str | None) -> Mapping[str, str] | None:
        unpacked = self._unpack(token)
        problem = self._problem(unpacked, request, environment)
        if unpacked is None or problem:
            self._say("a QA override was ignored: %s", problem)
            return None
        return unpacked.flags

    def _problem(self, token: _Token | None, request: Any, environment: str | None) -> str:
        now = time()
        if token is None:
            return "its signature is wrong"
        if token.until <= now:
            return "it has expired"
        if token.until > now + LONGEST_TTL:
            return "it would live longer than a day"
        if token.epoch != self._options.qa_epoch:
            return "it was revoked"
        if token.environment != (environment or ""):
            return "it was made for another environment"
        return "" if token.host == host_name(self._facts.host(request)) else "it was made for another host"


def link_to(page: SplitResult, token: str, parameter: str) -> str:
    """The page's address with a token in its query."""
    query = "&".join(part for part in (_ascii(page.query), urlencode({parameter: token})) if part)
    return page._replace(query=query).geturl()


def local_path(path: str | None) -> str:
    """The path as a redirect's target that cannot leave the site, whatever slashes it begins with."""
    return "/" + quote((path or "/").lstrip("/\\"), safe="/:@!$&'()*+,;=~-._", errors="surrogatepass")


def _ascii(query: str) -> str:
    return quote(query, safe="%=&+/:@!$'()*,;?~-._", errors="surrogatepass")
