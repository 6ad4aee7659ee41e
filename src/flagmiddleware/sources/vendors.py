"""The servers of other flag systems: their endpoints, headers and pace, over plain conditional HTTP.

URLs carry the token where a password would stand, and what belongs to us in the query:
``unleash+https://TOKEN@unleash.example.com/api?app_name=shop&stream=true``, ``flagd+https://…/flags.json``,
``rocketflag+https://TOKEN@…``; ``interval`` is the time, in seconds, between two polls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from ..errors import ConfigurationError
from .address import check_address
from .http import HttpSource

__all__ = ["flagd", "from_vendor_url", "rocketflag", "unleash"]

_UNLEASH_SPEC: Final = "5.2.0"  # the client specification that the format follows
_UNLEASH_PACE: Final = 15.0
_FLAGD_PACE: Final = 5.0
_ROCKETFLAG_PACE: Final = 15.0


class _VendorSource(HttpSource):
    """Polled no more often than the vendor wants; the names of the options are for URLs."""

    min_interval = 1.0


def _made(url: str, interval: float, **options: Any) -> HttpSource:
    if not interval > 0:
        raise ConfigurationError(f"interval: {interval!r} is no number of seconds between two polls")
    source = _VendorSource(url, **options)
    source.min_interval = interval
    return source


def unleash(
    url: str, *, token: str, app_name: str = "flagmiddleware", stream: bool = False, interval: float = _UNLEASH_PACE
) -> HttpSource:
    """Unleash's client API at ``url`` (which ends in ``/api``), with a client token.

    ``stream`` listens to its event stream, so that a change is fetched as soon as the server tells of one.
    """
    headers = {"Authorization": token, "Unleash-AppName": app_name, "Unleash-Client-Spec": _UNLEASH_SPEC}
    events = _below(url, "/client/streaming", "/client/features") if stream else None
    whole = _below(url, "/client/features", "/client/features")
    return _made(whole, interval, headers=headers, events=events, format="unleash")


def flagd(url: str, *, token: str = "", interval: float = _FLAGD_PACE) -> HttpSource:
    """A flagd definition at ``url``, as flagd's own HTTP sync reads it: with a bearer token, if any."""
    return _made(url, interval, headers=_bearer(token), format="flagd")


def rocketflag(url: str, *, token: str, interval: float = _ROCKETFLAG_PACE) -> HttpSource:
    """RocketFlag's management API at ``url``, with an API token."""
    whole = urlsplit(url).path.rstrip("/").endswith("/flags")
    full = _below(url, "" if whole else "/api/v1/flags")
    return _made(full, interval, headers=_bearer(token), format="rocketflag")


def _below(url: str, path: str, instead_of: str = "") -> str:
    """``url`` with ``path`` after its own, which may end in ``instead_of``; a query (``project=``) stays a query."""
    parts = urlsplit(url)
    return parts._replace(path=parts.path.rstrip("/").removesuffix(instead_of) + path).geturl()


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


_VENDORS: Final[dict[str, tuple[Callable[..., HttpSource], frozenset[str]]]] = {
    "unleash": (unleash, frozenset({"app_name", "stream", "interval"})),
    "flagd": (flagd, frozenset({"interval"})),
    "rocketflag": (rocketflag, frozenset({"interval"})),
}


def from_vendor_url(url: str) -> HttpSource:
    """The source that ``vendor+https://…`` names; raises ConfigurationError where the token is missing.

    >>> from_vendor_url("unleash+https://default:production.s3cret@unleash.example.com/api").name
    'https://unleash.example.com/api/client/features'
    """
    vendor, _, rest = url.partition("+")
    make, ours = _VENDORS[vendor.lower()]
    check_address(rest)
    parts = urlsplit(rest)
    login, _, host = parts.netloc.rpartition("@")
    query = parse_qsl(parts.query, keep_blank_values=True)
    options: dict[str, Any] = {name: _option(name, value) for name, value in query if name in ours}
    token = unquote(login)
    if token:
        options["token"] = token
    elif make is not flagd:
        raise ConfigurationError(f"{vendor}+{parts.scheme}://{host}: the token is missing: …://TOKEN@{host}")
    kept = urlencode([(name, value) for name, value in query if name not in ours])
    return make(parts._replace(netloc=host, query=kept).geturl(), **options)


def _option(name: str, value: str) -> Any:
    if name == "stream":
        return value.lower() in ("1", "true", "yes", "on")
    if name != "interval":
        return value
    try:
        return float(value)
    except ValueError:
        raise ConfigurationError(f"interval={value}: give a number of seconds") from None
