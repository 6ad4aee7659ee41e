"""The staff panel for QA overrides: see a variant in this browser, or make a link that shows it to a tester."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ..errors import ConfigurationError
from .endpoints import Answer
from .form_guard import FIELD, FormGuard
from .network import host_name
from .overrides import link_to, local_path
from .qa_page import POLICY, Choices, form_markup, page_markup

if TYPE_CHECKING:
    from ..model import Flag
    from .request import RequestFlags

__all__ = ["DURATIONS", "LARGEST_FORM", "Outcome", "forbidden", "form_fields", "panel_answer", "panel_form", "press"]

DURATIONS: Final = {"900": "15 minutes", "3600": "1 hour", "14400": "4 hours", "86400": "1 day"}
"""How long an override may hold, in seconds; a day is the longest that a token may live."""

LARGEST_FORM: Final = 64 * 1024
"""Bytes of a form's body; the panel's own are far smaller."""

_HEADERS: Final = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "private, no-store"),
    ("Content-Security-Policy", POLICY),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
)


class Outcome(NamedTuple):
    """What a button did: a ``Set-Cookie``, after which the browser is sent back to the form, or what the form says."""

    cookie: str | None = None
    link: str = ""
    error: str = ""


def press(here: RequestFlags, form: Mapping[str, str]) -> Outcome:
    """Do what the button asks for. The caller has checked that whoever pressed it may, and meant to."""
    installation = here.installation
    if form.get("action") == "clear":
        return Outcome(cookie=installation.override_cookie(here.request, None))
    try:
        token = installation.sign_link(_chosen(here, form), here.request, _seconds(form))
        if form.get("action") == "link":
            return Outcome(link=link_to(_page(here, form), token, installation.options.qa_parameter))
    except ConfigurationError as error:
        return Outcome(error=str(error))
    return Outcome(cookie=installation.override_cookie(here.request, token))


def panel_form(here: RequestFlags, outcome: Outcome, form: Mapping[str, str], hidden: Mapping[str, str]) -> str:
    """The form's markup, with what was chosen before still chosen."""
    choices = Choices(
        flags=_offered(here),
        chosen={flag.key: form.get(f"flag:{flag.key}", here.overrides.get(flag.key, "")) for flag in _offered(here)},
        durations=DURATIONS,
        seconds=form.get("seconds", "3600"),
        page=form.get("page", "/"),
    )
    can_sign = here.installation.signs
    return form_markup(
        choices, overrides=here.overrides, hidden=hidden, link=outcome.link, error=outcome.error, can_sign=can_sign
    )


def panel_answer(here: RequestFlags, form: Mapping[str, str] | None, extra: Mapping[str, str]) -> Answer:
    """The panel for a framework without pages of its own: None for a GET, a form's fields for a POST.

    ``extra`` are hidden fields that the site's own protection of forms wants to find.
    """
    if not here.installation.signs:
        return _page_answer(here, Outcome(), {}, extra)
    guard = FormGuard(here.installation)
    outcome, status = Outcome(), 200
    if form is not None and not guard.accepts(here.request, form.get(FIELD, "")):
        outcome, status = Outcome(error="This form is too old, or came from elsewhere: please send it again."), 403
    elif form is not None:
        outcome = press(here, form)
        status = 400 if outcome.error else 200
    if outcome.cookie is not None:
        back = local_path(here.installation.facts.path(here.request))
        return Answer(303, [("Location", back), ("Set-Cookie", outcome.cookie), ("Cache-Control", "private, no-store")])
    token, cookie = guard.ticket(here.request)
    answer = _page_answer(here, outcome, form or {}, {**extra, FIELD: token}, status)
    return answer if cookie is None else answer._replace(headers=[*answer.headers, ("Set-Cookie", cookie)])


def forbidden() -> Answer:
    """For those whom the site's callable does not let in."""
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "private, no-store")]
    return Answer(403, headers, b"Forbidden")


def form_fields(body: bytes) -> dict[str, str]:
    """The fields of an URL-encoded form; empty for anything else, and for what is longer than any form of ours.

    >>> form_fields(b"flag%3Abeta=on&page=%2F")
    {'flag:beta': 'on', 'page': '/'}
    """
    if len(body) > LARGEST_FORM:
        return {}
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=2000))
    except ValueError:
        return {}


def _page_answer(
    here: RequestFlags, outcome: Outcome, form: Mapping[str, str], hidden: Mapping[str, str], status: int = 200
) -> Answer:
    body = page_markup(panel_form(here, outcome, form, hidden), has_error=bool(outcome.error))
    return Answer(status, list(_HEADERS), body.encode("utf-8", "replace"))


def _offered(here: RequestFlags) -> list[Flag]:
    """The flags that a QA override may name; a killed one is off for testers too."""
    flags = here.plan.ruleset.flags.values()
    return sorted((flag for flag in flags if flag.qa and flag.enabled), key=lambda flag: flag.key)


def _chosen(here: RequestFlags, form: Mapping[str, str]) -> dict[str, str]:
    chosen = {flag.key: form.get(f"flag:{flag.key}", "") for flag in _offered(here)}
    chosen = {key: variant for key, variant in chosen.items() if variant}
    if not chosen:
        raise ConfigurationError("Choose a variant for at least one flag.")
    return chosen


def _seconds(form: Mapping[str, str]) -> int:
    seconds = form.get("seconds", "3600")
    if seconds not in DURATIONS:
        raise ConfigurationError("Choose one of the durations.")
    return int(seconds)


def _page(here: RequestFlags, form: Mapping[str, str]) -> SplitResult:
    """Where a link leads: a page of this site, whatever address was typed."""
    facts = here.installation.facts
    host = facts.host(here.request) or ""
    try:
        asked = urlsplit(form.get("page") or "/")
    except ValueError:
        asked = urlsplit("/")
    if asked.scheme not in ("", "http", "https") or host_name(asked.netloc or host) != host_name(host):
        asked = urlsplit("/")
    scheme = facts.scheme(here.request) or "http"
    return SplitResult(scheme, host, local_path(unquote(asked.path)), asked.query, "")
