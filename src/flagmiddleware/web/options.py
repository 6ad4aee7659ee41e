"""Every option of an installation, with its default, checked when it is made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from inspect import iscoroutinefunction
from types import MappingProxyType
from typing import Any, Final

import msgspec

from ..errors import ConfigurationError

__all__ = ["WebOptions", "refuse_unknown"]

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's or a cookie's name: RFC 9110, section 5.6.2."""

_ATTRIBUTE_VALUE: Final = re.compile(r"[\x20-\x3a\x3c-\x7e]*")
"""What may stand in a cookie's attribute: RFC 6265, section 4.1.1."""


class WebOptions(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """How the flags of one site meet HTTP. Every adapter maps its framework's settings to these names.

    >>> WebOptions(trusted_proxies=-1)
    Traceback (most recent call last):
    flagmiddleware.errors.ConfigurationError: trusted_proxies: -1 is not a number of proxies; give 0, 1, 2 …
    """

    secret_keys: Sequence[str | bytes] = ()
    """Keys of the visitor cookie and of QA links: the first one signs, all of them verify. None: neither exists."""
    trusted_proxies: int = 0
    """How many proxies of yours stand before the application and append to ``X-Forwarded-For``."""
    headers: Mapping[str, str] = MappingProxyType({})
    """Attributes that come from a request header: ``{"country": "CF-IPCountry"}``."""
    shared_vary: Sequence[str] = ()
    """Headers of that map that your caches honour in ``Vary``; answers that read others are private."""
    context: Callable[[Any], Any] | None = None
    """The site's own attributes: ``callable(request)`` gives a mapping; may be async."""
    vary_on: Sequence[str] | None = None
    """The request headers that the callable's answer depends on; None: not known, so private."""
    visitor_cookie: bool | Callable[[Any], bool] = True
    """Whether visitors get a cookie, or ``callable(request)`` that says whether this one consented."""
    cookie_name: str = "flags_visitor"
    """The visitor cookie's name; ``__Host-`` is put before it under https unless a domain or path is set."""
    cookie_path: str = "/"
    """The visitor cookie's path."""
    cookie_domain: str | None = None
    """The visitor cookie's domain; None: this host only."""
    cookie_age: int = 400 * 24 * 3600
    """How many seconds the visitor cookie lasts; browsers allow 400 days at most."""
    cookie_secure: bool | None = None
    """Whether cookies are for https only; None: as the request's scheme is."""
    qa_parameter: str = "flags"
    """The query parameter that carries a QA link's token."""
    qa_cookie_name: str = "flags_override"
    """The cookie that keeps it."""
    qa_epoch: int = 0
    """Raise it to void every QA link that was ever made."""
    debug_header: bool | Callable[[Any], bool] = False
    """Whether answers tell what was decided (``X-Flags``, ``Server-Timing``), or ``callable(request)`` that says so."""
    observers: Sequence[Callable[[Any], None]] = ()
    """Called at the end of each request that read a flag, with an Observation."""
    client_attributes: Sequence[str] = ()
    """Attributes that a client may supply itself, where an endpoint takes a context from it."""
    max_stale: float | None = None
    """Seconds that the source may be out of reach before the health check answers 503; None: however long."""

    def __post_init__(self) -> None:
        """Refuse what would go wrong later, in a request."""
        for check in (_check_numbers, _check_lists, _check_headers, _check_cookies, _check_callables):
            check(self)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Every option's name."""
        return cls.__struct_fields__

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], spelling: Callable[[str], str] = str) -> WebOptions:
        """The options that a site's settings ask for; ``spelling`` writes a name as that site does.

        >>> WebOptions.from_settings({"trusted_proxy": 1}, str.upper)
        Traceback (most recent call last):
        flagmiddleware.errors.ConfigurationError: TRUSTED_PROXY: no such option; did you mean TRUSTED_PROXIES?
        """
        refuse_unknown(settings, cls.names(), spelling)
        try:
            return cls(**settings)
        except ConfigurationError as error:
            name, colon, rest = str(error).partition(":")
            raise ConfigurationError(spelling(name) + colon + rest) from None


def refuse_unknown(settings: Mapping[str, Any], known: Sequence[str], spelling: Callable[[str], str]) -> None:
    """Refuse a setting that does not exist, with the nearest one that does."""
    for name in settings:
        if name not in known:
            near = get_close_matches(str(name), known, 1, 0.5)
            every = ", ".join(map(spelling, known))
            hint = f"did you mean {spelling(near[0])}?" if near else f"the options are {every}"
            raise ConfigurationError(f"{spelling(str(name))}: no such option; {hint}")


def _refuse(name: str, value: object, wanted: str) -> None:
    raise ConfigurationError(f"{name}: {value!r} is not {wanted}")


def _check_numbers(options: WebOptions) -> None:
    for name, wanted in (
        ("trusted_proxies", "a number of proxies; give 0, 1, 2 …"),
        ("cookie_age", "a number of seconds; give a positive integer"),
        ("qa_epoch", "an epoch; give 0, and a higher integer to void all links"),
    ):
        value = getattr(options, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            _refuse(name, value, wanted)
    stale = options.max_stale
    if stale is not None and (not isinstance(stale, int | float) or isinstance(stale, bool) or not stale > 0):
        _refuse("max_stale", stale, "a number of seconds; give 60, 300 …, or None")


def _check_lists(options: WebOptions) -> None:
    for name in ("secret_keys", "shared_vary", "vary_on", "observers", "client_attributes"):
        value = getattr(options, name)
        if value is None and name == "vary_on":
            continue
        if isinstance(value, str | bytes) or not isinstance(value, Sequence):
            shown = "a secret" if name == "secret_keys" else repr(value)
            raise ConfigurationError(f"{name}: {shown} is not a list; put it in one: {name}=[…]")
    for key in options.secret_keys:
        if not isinstance(key, str | bytes) or len(key) < 16:
            raise ConfigurationError("secret_keys: each key must be text or bytes of at least 16 characters")


def _check_headers(options: WebOptions) -> None:
    if not isinstance(options.headers, Mapping):
        _refuse("headers", options.headers, 'a map of attribute to header; give {"country": "CF-IPCountry"}')
    for place, names in (
        ("headers", options.headers.values()),
        ("shared_vary", options.shared_vary),
        ("vary_on", options.vary_on or ()),
    ):
        for name in names:
            if not isinstance(name, str) or not _TOKEN.fullmatch(name):
                _refuse(place, name, "a header's name")
    mapped = {header.lower() for header in options.headers.values()}
    for name in options.shared_vary:
        if name.lower() not in mapped:
            _refuse("shared_vary", name, f"in headers, which maps {sorted(mapped)}; map an attribute to it first")


def _check_cookies(options: WebOptions) -> None:
    for name in ("cookie_name", "qa_cookie_name", "qa_parameter"):
        value = getattr(options, name)
        if not isinstance(value, str) or not _TOKEN.fullmatch(value) or value.startswith(("__Host-", "__Secure-")):
            _refuse(name, value, "a plain name; leave out prefixes, spaces and separators")
    if not isinstance(options.cookie_path, str) or not options.cookie_path.startswith("/"):
        _refuse("cookie_path", options.cookie_path, "a path; it starts with a slash")
    for name in ("cookie_path", "cookie_domain"):
        value = getattr(options, name)
        if value is not None and (not isinstance(value, str) or not _ATTRIBUTE_VALUE.fullmatch(value)):
            _refuse(name, value, "printable text without semicolons")
    if options.cookie_name == options.qa_cookie_name:
        _refuse("qa_cookie_name", options.qa_cookie_name, "different from cookie_name")


def _check_callables(options: WebOptions) -> None:
    if options.context is not None and not callable(options.context):
        _refuse("context", options.context, "callable; give a function of the request that returns a mapping")
    for name in ("visitor_cookie", "debug_header"):
        value = getattr(options, name)
        if not isinstance(value, bool) and not callable(value):
            _refuse(name, value, "True, False or a function of the request")
        # Asked where nothing can be awaited, and a coroutine is true: everybody would have said yes.
        if iscoroutinefunction(value) or iscoroutinefunction(type(value).__call__):
            _refuse(name, value, "a plain function; this one is asynchronous")
    if options.cookie_secure not in (True, False, None):
        _refuse("cookie_secure", options.cookie_secure, "True, False or None")
    for observer in options.observers:
        if not callable(observer):
            _refuse("observers", observer, "callable")
