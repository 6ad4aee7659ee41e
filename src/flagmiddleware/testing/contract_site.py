"""The site that the contract of adapters is asked of: its pages, its flags, and what a driver has to build."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol, TypeAlias
from urllib.parse import urlencode

from ..flags import Flags

__all__ = [
    "ANN",
    "DEFINITIONS",
    "PAGES",
    "SECRET",
    "AdapterDriver",
    "Change",
    "Reply",
    "Site",
    "address",
    "answer",
    "signed_in",
]

Change: TypeAlias = "Callable[[Mapping[str, Any]], None]"
"""Replaces the definitions under the running site."""

SECRET: Final = "the adapter contract's secret key"  # noqa: S105 - a test's

PAGES: Final = {
    "/none": "reads no flag; body `none`",
    "/read?key=K&key=L": "reads the flags named, in order, through the request; body: `answer(flags, keys)`",
    "/aread?key=K": "the same from an asynchronous view, by `aevaluate`; as /read where the framework has none",
    "/current?key=K": "the same through `current_flags()`",
    "/cached?key=K": "as /read, with `Cache-Control: public, max-age=3600, s-maxage=7200` and `Vary: Accept`",
    "/twice?key=K": "as /read, then calls `hook()`, then reads again; body: a JSON list of both answers",
    "/stream?key=K": "a streaming response that reads the flags while the body is made; body as /read",
    "/stream?key=K&preload=1": "the same, after `flags.preload(*keys)`",
    "/stream?key=K&length=N": "the same as the first, with `Content-Length: N`",
    "/boom?key=K": "reads the flags and raises",
    "/flags/": "the adapter's endpoint for the public flags; below it `health`, whose detail staff may see",
    "/json": "the adapter's `flags_json`",
    "/script": "the adapter's script tag with the nonce `n0nce`",
    "/gated": "`flag_required('new-checkout')`; body `gated`",
    "/gated-class": "the same on the framework's class-based view",
    "/gated-otherwise": "`otherwise=` a view whose body is `old`",
    "/gated-redirect": "`redirect_to='/none'`",
    "/gated-status": "`status=403`",
    "/gated-any": "`any=['dark', 'new-checkout']`",
    "/gated-all": "`all=['always', 'new-checkout']`",
    "/gated-not": "`'!new-checkout'`",
    "/gated-variant": "`flag_required('checkout-button', variant='green')`",
}
"""What a driver's site has to serve. A request with the header ``X-Contract-User`` (JSON: id, email, groups,
is_staff, is_superuser) is one of that user, signed in as the framework does it; without it, nobody is signed in."""

DEFINITIONS: Final[Mapping[str, Any]] = {
    "version": 1,
    "flags": {
        "always": {"rules": [{"serve": True}]},
        "dark": {},
        "killed": {"enabled": False, "qa": True, "rules": [{"serve": True}]},
        "new-checkout": {"qa": True, "rules": [{"name": "anz", "if": {"country": ["AU", "NZ"]}, "serve": True}]},
        "checkout-button": {
            "qa": True,
            "public": True,
            "variants": {"blue": "#00f", "green": "#0f0"},
            "off": "blue",
            "rules": [{"if": {"language": "en-AU"}, "serve": "green"}],
        },
        "for-user": {"rules": [{"if": {"user": "user-42"}, "serve": True}]},
        "for-email": {"rules": [{"if": {"email": {"ends_with": "@yourcompany.com"}}, "serve": True}]},
        "for-domain": {"rules": [{"if": {"email_domain": "yourcompany.com"}, "serve": True}]},
        "for-group": {"rules": [{"if": {"groups": "beta"}, "serve": True}]},
        "for-staff": {"rules": [{"if": {"is_staff": True}, "serve": True}]},
        "for-superuser": {"rules": [{"if": {"is_superuser": True}, "serve": True}]},
        "for-anonymous": {"rules": [{"if": {"is_authenticated": False}, "serve": True}]},
        "for-ip": {"rules": [{"if": {"ip": "203.0.113.7"}, "serve": True}]},
        "for-path": {"rules": [{"if": {"path": "/read", "method": "GET"}, "serve": True}]},
        "for-host": {"rules": [{"if": {"host": "shop.example"}, "serve": True}]},
        "for-agent": {"rules": [{"if": {"user_agent": {"contains": "Contract"}}, "serve": True}]},
        "for-plan": {"rules": [{"if": {"plan": "pro"}, "serve": True}]},
        "half": {"rules": [{"rollout": "50%"}]},
        "by-visitor": {"sticky_by": "visitor", "rules": [{"rollout": "50%"}]},
    },
}
"""The flags of the contract's site."""

ANN: Final = {
    "id": "user-42",
    "email": "ann@yourcompany.com",
    "groups": ["beta", "sales"],
    "is_staff": True,
    "is_superuser": True,
}


class Reply(NamedTuple):
    """What came back; header names as sent, repeated ones repeated."""

    status: int
    headers: list[tuple[str, str]]
    text: str

    def header(self, name: str) -> str:
        """A header's value, repeated ones joined; empty where there is none."""
        return ", ".join(value for key, value in self.headers if key.lower() == name.lower())

    def set_cookies(self) -> list[str]:
        """Every ``Set-Cookie``."""
        return [value for key, value in self.headers if key.lower() == "set-cookie"]

    def cookie(self, name: str) -> str | None:
        """The value that a ``Set-Cookie`` gives this cookie."""
        for text in self.set_cookies():
            key, _, value = text.partition(";")[0].partition("=")
            if key.endswith(name):
                return value
        return None

    @property
    def varies_on(self) -> set[str]:
        """The names in ``Vary``, in lower case."""
        return {name.strip().lower() for name in self.header("vary").split(",") if name.strip()}

    @property
    def decided(self) -> dict[str, Any]:
        """The variants that were served, by flag."""
        return {key: found["variant"] for key, found in json.loads(self.text).items()}


class Site(Protocol):
    """A running site, in process or not; it keeps no cookies and follows no redirects."""

    def get(
        self, path: str, headers: Mapping[str, str] = ..., cookies: Mapping[str, str] = ..., method: str = ...
    ) -> Reply:
        """Send one request. ``Host`` is ``shop.example`` unless the headers name another."""


class AdapterDriver(Protocol):
    """Builds the contract's site with one adapter."""

    peer: str
    """The address that requests come from."""

    def make(self, flags: Flags, settings: Mapping[str, Any], hook: Callable[[], None]) -> Site:
        """The site of :data:`PAGES`, its adapter installed with ``flags`` and these settings (lower-case names)."""


def answer(here: Any, keys: list[str]) -> str:
    """The body of the pages that read flags."""
    found = {key: here.evaluate(key) for key in keys}
    return json.dumps(
        {key: {"variant": e.variant, "value": e.value, "reason": str(e.reason)} for key, e in found.items()}
    )


def address(*keys: str, page: str = "/read", **more: str) -> str:
    """The address of a page that reads these flags.

    >>> address("always", "dark", page="/stream", preload="1")
    '/stream?key=always&key=dark&preload=1'
    """
    return f"{page}?{urlencode([*(('key', key) for key in keys), *more.items()])}"


def signed_in(**changes: Any) -> dict[str, str]:
    """The header that makes a request Ann's, or that of somebody who differs from her in this."""
    return {"X-Contract-User": json.dumps({**ANN, **changes})}
