"""What decisions read decides what caches are told."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import formatdate, parsedate_to_datetime
from hashlib import blake2b
from time import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from .context import PRIVATE as PRIVATE_ATTRIBUTES
from .context import SESSION, WebContext
from .headers import HeaderView
from .options import WebOptions

if TYPE_CHECKING:
    from ..bound import BoundFlags

__all__ = [
    "PRIVATE",
    "PUBLIC",
    "SHARED_ONLY",
    "CachePolicy",
    "CacheRules",
    "cache_key",
    "clamp",
    "make_policy",
    "merge_vary",
    "patch",
]

SHARED_ONLY: Final = ("CDN-Cache-Control", "Surrogate-Control", "X-Accel-Expires")
"""Headers that only shared caches read and that would overrule ``private``."""


class CachePolicy(msgspec.Struct, frozen=True):
    """The headers that an answer varies on, and whether it belongs to one person."""

    vary: tuple[str, ...]
    private: bool
    pairs: list[tuple[bytes, bytes]]
    """The same as an answer's headers, where it has none of the kind itself: what ASGI appends as it is."""
    lines: list[tuple[str, str]]
    """The same for WSGI."""


def make_policy(vary: Iterable[str] = (), private: bool = False) -> CachePolicy:
    """The policy with these effects."""
    names = tuple(dict.fromkeys(vary))
    lines = [("Vary", ", ".join(names))] if names else []
    if private:
        lines.append(("Cache-Control", "private"))
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in lines]
    return CachePolicy(names, private, pairs, lines)


PUBLIC: Final = make_policy()
PRIVATE: Final = make_policy(("Cookie",), True)

_POLICIES_KEPT: Final = 1000


class CacheRules:
    """The table of one installation: which attribute has which effect."""

    __slots__ = ("_private_names", "_site", "_vary", "known")

    def __init__(self, options: WebOptions) -> None:
        shared = {name.lower() for name in options.shared_vary}
        self._vary = {"host": "Host", "language": "Accept-Language", "user_agent": "User-Agent"}
        self._private_names = set(PRIVATE_ATTRIBUTES)
        for attribute, header in options.headers.items():
            self._private_names.discard(attribute)
            self._vary.pop(attribute, None)
            if header.lower() in shared:
                self._vary[attribute] = header
            else:
                self._private_names.add(attribute)
        self._site = _site_policy(options)
        # What a page reads is nearly always what another page read.
        self.known: dict[Any, CachePolicy] = {}

    def policy(self, context: WebContext) -> CachePolicy:
        """What follows from everything that this context was asked for."""
        known = self.known
        key: Any = tuple(context) if context.is_plain else (*context, context.site is None, context.was_private)
        policy = known.get(key)
        if policy is None:
            policy = self._make(context)
            if len(known) < _POLICIES_KEPT:
                known[key] = policy
        if policy.private and context.derivation.authorization(context.request) is not None:
            return make_policy((*policy.vary, "Authorization"), True)
        return policy

    def _make(self, context: WebContext) -> CachePolicy:
        private = context.was_private
        vary: list[str] = []
        for name in context:
            if name in self._private_names or name.startswith(SESSION):
                private = True
            elif name in self._vary:
                vary.append(self._vary[name])
        if context.site is not None:
            private = private or self._site.private
            vary += self._site.vary
        if private:
            vary.append("Cookie")
        return make_policy(vary, private) if vary else PUBLIC


def _site_policy(options: WebOptions) -> CachePolicy:
    if options.vary_on is None:
        return make_policy((), True)
    personal = {"cookie", "authorization"}
    return make_policy(options.vary_on, any(name.lower() in personal for name in options.vary_on))


def merge_vary(existing: str | None, names: Iterable[str]) -> str:
    """``Vary`` with these names added; ``*`` stays.

    >>> merge_vary("accept-encoding, Cookie", ["Cookie", "Host"])
    'accept-encoding, Cookie, Host'
    """
    present = [name.strip() for name in (existing or "").split(",") if name.strip()]
    if "*" in present:
        return "*"
    known = {name.lower() for name in present}
    for name in names:
        if name.lower() not in known:
            known.add(name.lower())
            present.append(name)
    return ", ".join(present)


def patch(headers: HeaderView, policy: CachePolicy, *, no_store: bool = False, until: float | None = None) -> None:
    """Make the headers say what the policy says, and let no cache keep the answer beyond the instant ``until``."""
    if policy.vary:
        headers.set("Vary", merge_vary(headers.get("Vary"), policy.vary))
    if policy.private or no_store:
        kept = _directives(headers.get("Cache-Control"), without=("public", "private", "s-maxage", *_if(no_store)))
        headers.set("Cache-Control", ", ".join(["private", *(["no-store"] if no_store else []), *kept]))
        for name in SHARED_ONLY:
            headers.remove(name)
    if until is not None:
        _clamp_headers(headers, until)


def _if(no_store: bool) -> tuple[str, ...]:
    return ("no-store", "max-age", "immutable", "stale-while-revalidate", "stale-if-error") if no_store else ()


_DIRECTIVE: Final = re.compile(r'\s*([^\s,="]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s,"]*))?)\s*(?:,|$)')


def _directives(value: str | None, *, without: tuple[str, ...] = ()) -> list[str]:
    """The directives of a ``Cache-Control``, but for some. ``private="X-Field"`` is dropped for plain ``private``."""
    found = _DIRECTIVE.findall(value or "")
    return [text for text in found if text.partition("=")[0].strip().lower() not in without]


def clamp(value: str, seconds: int) -> str:
    """A ``Cache-Control`` under which nothing is served later than ``seconds`` from now.

    >>> clamp("public, max-age=3600, stale-while-revalidate=60", 90), clamp("max-age=30", 90)
    ('public, max-age=90', 'max-age=30')
    """
    kept = _directives(value)
    ages = {name: _number(text) for text in kept for name in [_name(text)]}
    fresh = max((ages.get("max-age", 0), ages.get("s-maxage", 0)))
    stale = max((ages.get("stale-while-revalidate", 0), ages.get("stale-if-error", 0)))
    if fresh + stale <= seconds and "immutable" not in ages:
        return value
    dropped = {"immutable", "stale-while-revalidate", "stale-if-error"}
    return ", ".join(
        f"{_name(text)}={min(_number(text), seconds)}" if _name(text) in ("max-age", "s-maxage") else text
        for text in kept
        if _name(text) not in dropped
    )


def _name(text: str) -> str:
    return text.partition("=")[0].strip().lower()


def _number(text: str) -> int:
    digits = text.partition("=")[2].strip(' "')
    return int(digits[:10]) if digits.isascii() and digits.isdigit() else 0


def _clamp_headers(headers: HeaderView, until: float) -> None:
    now = time()
    seconds = max(0, int(until - now))
    for name in ("Cache-Control", "CDN-Cache-Control", "Surrogate-Control"):
        value = headers.get(name)
        if value is not None and (clamped := clamp(value, seconds)) != value:
            headers.set(name, clamped)
    nginx = headers.get("X-Accel-Expires")
    if nginx is not None and (nginx.startswith("@") or _number(f"x={nginx}") > seconds):
        headers.set("X-Accel-Expires", str(seconds))
    expires = headers.get("Expires")
    if expires is not None and _is_later(expires, until):
        headers.set("Expires", formatdate(now + seconds, usegmt=True))


def _is_later(expires: str, until: float) -> bool:
    try:
        return parsedate_to_datetime(expires).timestamp() > until
    except (TypeError, ValueError, OverflowError):
        return False


def cache_key(here: BoundFlags, *keys: str) -> str:
    """What tells apart the cached forms of a fragment or view: the variants that these flags serve here.

    Decides every flag that is named, so that a fragment which is taken from the cache depends on the same flags as
    one that is made; without names, those that were read so far. A tester's overrides tell apart all that they see: a
    flag that serves everybody else the same need not be named.

    >>> from flagmiddleware import Context, Flags
    >>> flags = Flags({"version": 1, "flags": {"beta": {"rules": [{"if": {"plan": "pro"}, "serve": True}]}}})
    >>> cache_key(flags.bind(Context("ann", plan="pro")), "beta") == cache_key(flags.bind(Context("bob")), "beta")
    False
    """
    chosen: Any = keys or sorted(here.evaluated())
    text = "\x00".join(f"{key}\x01{here.variant(key)}\x01{here.evaluate(key).value!r}" for key in chosen)
    here.plan  # noqa: B018 - a request's flags know of overrides once they are bound, which this does
    overrides = getattr(here, "qa", None)
    if overrides:
        text += f"\x02{sorted(overrides.items())!r}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()
