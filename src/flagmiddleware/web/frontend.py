"""Flags in the browser: only those marked public, written so that no value can break out of its page."""

from __future__ import annotations

import re
from hashlib import blake2b
from html import escape
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import msgspec

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from ..bound import BoundFlags
    from ..flags import Flags
    from ..plan import Plan
    from .request import RequestFlags

__all__ = ["Payload", "banner", "flags_json", "health", "is_fresh", "payload", "public_keys", "script_tag"]

_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")

_IN_HTML: Final = str.maketrans(
    {character: f"\\u{ord(character):04x}" for character in ("<", ">", "&", "'", "\u2028", "\u2029")}
)
"""JSON escapes for what could end a script element, an attribute or, in old engines, a line of JavaScript."""


class Payload(NamedTuple):
    """The answer of the JSON endpoint."""

    body: bytes
    etag: str


def public_keys(plan: Plan) -> list[str]:
    """The flags that may reach a browser."""
    return [key for key, flag in plan.ruleset.flags.items() if flag.public]


def _values(here: BoundFlags) -> dict[str, Any]:
    return {key: here.evaluate(key).value for key in public_keys(here.plan)}


def flags_json(here: BoundFlags) -> str:
    """The public flags' values as JSON for a script element, or for an attribute in single quotes.

    JSON itself is full of double quotes: an attribute in these it would end.

    >>> from flagmiddleware import Flags
    >>> flags = Flags({"version": 1, "flags": {"hi": {"public": True, "variants": {"a": "</script>"}, "off": "a"}}})
    >>> flags_json(flags.bind())
    '{"hi":"\\\\u003c/script\\\\u003e"}'
    """
    return msgspec.json.encode(_values(here)).decode().translate(_IN_HTML)


def script_tag(here: BoundFlags, *, nonce: str | None = None, variable: str = "flags") -> str:
    """A script element that gives a page's JavaScript the public flags' values, as ``window.flags``."""
    if not _IDENTIFIER.fullmatch(variable):
        raise ConfigurationError(f"flags_script_tag: {variable!r} is not the name of a JavaScript variable")
    attribute = f' nonce="{escape(nonce)}"' if nonce else ""
    return f"<script{attribute}>window.{variable}={flags_json(here)};</script>"


def payload(here: BoundFlags) -> Payload:
    """The public flags' variants and values, and an entity tag for them."""
    decided = {key: here.evaluate(key) for key in public_keys(here.plan)}
    body = msgspec.json.encode(
        {"flags": {key: {"value": found.value, "variant": found.variant} for key, found in decided.items()}}
    )
    return Payload(body, f'"{blake2b(body, digest_size=12).hexdigest()}"')


def is_fresh(if_none_match: str | None, etag: str) -> bool:
    """Whether the client already has this (RFC 9110, section 13.1.2: weak comparison).

    >>> is_fresh('W/"abc", "def"', '"abc"'), is_fresh("*", '"abc"'), is_fresh(None, '"abc"')
    (True, True, False)
    """
    tags = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",", 100)]
    return etag in tags or tags == ["*"]


_SERVING: Final = frozenset({"READY", "STALE"})


def health(flags: Flags, *, detail: bool = False, max_stale: float | None = None) -> tuple[int, dict[str, Any]]:
    """Status and body of a health check: the state alone, unless the caller may see more.

    ``max_stale`` is how many seconds the source may have been out of reach before this process counts as not ready.
    """
    status = flags.status
    state = str(status.state)
    body: dict[str, Any] = {"state": state}
    if detail:
        body |= {"revision": status.revision, "age": round(status.age, 1), "flags": len(flags.ruleset.flags)}
        body |= {"fallbacks": status.fallbacks, "last_error": status.last_error or None}
    too_old = max_stale is not None and state == "STALE" and status.age > max_stale
    return (200 if state in _SERVING and not too_old else 503), body


def banner(here: BoundFlags) -> str:
    """A small bar that tells a tester which variants a QA link shows; empty for everybody else."""
    overrides = getattr(here, "overrides", None)
    if not overrides:
        return ""
    parameter = cast("RequestFlags", here).installation.options.qa_parameter
    shown = ", ".join(f"<strong>{escape(key)}</strong>: {escape(variant)}" for key, variant in overrides.items())
    return (
        '<aside role="status" aria-label="QA override" style="position:fixed;inset:auto 0 0 0;padding:.5rem 1rem;'
        'background:#3b0764;color:#fff;font:1rem/1.4 sans-serif;z-index:2147483647">'
        f'You see this page with {shown}. <a href="?{escape(parameter)}=" style="color:#fff">Stop</a></aside>'
    )
