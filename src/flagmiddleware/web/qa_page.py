"""The QA panel's markup: one form for every framework, on a page of its own or within one of the site's."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from ..model import Flag

__all__ = ["POLICY", "TITLE", "Choices", "form_markup", "page_markup", "style_element"]

TITLE: Final = "QA overrides"

# Text and its background are 7:1 or more, controls 44 pixels high (WCAG 2.2, criteria 1.4.6 and 2.5.5).
_STYLE: Final = """
  body { margin: 0; padding: 1rem; background: #fff; color: #111827; font-family: system-ui, sans-serif; }
  .fm-qa { max-width: 48rem; font-size: 1rem; line-height: 1.5; }
  .fm-qa fieldset { border: 1px solid #6b7280; border-radius: .25rem; margin: 0 0 1rem; padding: .75rem 1rem; }
  .fm-qa legend { font-weight: 600; padding: 0 .25rem; }
  .fm-qa label { display: block; font-weight: 600; margin-top: .5rem; width: auto; float: none; }
  .fm-qa .fm-help { color: #4b5563; display: block; }
  .fm-qa select, .fm-qa input[type=text] { font: inherit; min-height: 2.75rem; width: 100%; max-width: 24rem;
    box-sizing: border-box; color: #111827; background: #fff; border: 1px solid #6b7280; border-radius: .25rem;
    padding: .25rem .5rem; }
  .fm-qa button { font: inherit; min-height: 2.75rem; padding: .25rem 1rem; border-radius: .25rem;
    border: 2px solid #3b0764; background: #3b0764; color: #fff; cursor: pointer; }
  .fm-qa button.fm-second { background: #fff; color: #3b0764; }
  .fm-qa :focus-visible { outline: 3px solid #b45309; outline-offset: 2px; }
  .fm-qa .fm-note { border-left: .375rem solid #3b0764; background: #f5f3ff; color: #111827; padding: .75rem 1rem;
    margin: 0 0 1rem; }
  .fm-qa .fm-note a { color: #3b0764; }
  .fm-qa .fm-error { border-left-color: #991b1b; background: #fef2f2; }
  .fm-qa code { overflow-wrap: anywhere; }
"""
_IN_PAGE: Final = _STYLE.partition("}\n")[2] + (
    "  @media (prefers-color-scheme: dark) { .fm-qa .fm-help { color: inherit; } }\n"
)
"""Without the body's rule: that belongs to the page that the form stands in, which may well be dark."""

POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""The content security policy of the page of its own: no script at all, and nobody may frame it."""


class Choices(NamedTuple):
    """What the form offers, and what is chosen of it."""

    flags: Sequence[Flag]
    chosen: Mapping[str, str]
    durations: Mapping[str, str]
    seconds: str
    page: str


def form_markup(
    choices: Choices,
    *,
    overrides: Mapping[str, str],
    hidden: Mapping[str, str],
    link: str = "",
    error: str = "",
    can_sign: bool = True,
) -> str:
    """The panel itself; ``hidden`` are the fields that prove where a form comes from."""
    fields = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in hidden.items()
    )
    parts = [_error(error), _link(link), _overrides(overrides, fields)]
    if not can_sign:
        parts.append(
            '<p class="fm-note fm-error" role="alert">No secret key is set, so overrides cannot be signed.</p>'
        )
    elif not choices.flags:
        parts.append("<p>No flag can be overridden: say <code>qa: true</code> on one in the flag file.</p>")
    else:
        parts += _form(choices, fields, has_error=bool(error))
    return '<div class="fm-qa">' + "\n".join(filter(None, parts)) + "</div>"


def page_markup(form: str, *, has_error: bool = False) -> str:
    """A whole page round the form."""
    title = f"Error: {TITLE}" if has_error else TITLE
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="robots" content="noindex">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{TITLE}</h1>\n{form}\n"
        "</main>\n</body>\n</html>\n"
    )


def style_element() -> str:
    """The form's style, for a page of the site."""
    return f"<style>{_IN_PAGE}</style>"


def _error(error: str) -> str:
    return f'<p class="fm-note fm-error" role="alert" id="fm-error">{escape(error)}</p>' if error else ""


def _link(link: str) -> str:
    if not link:
        return ""
    shown = escape(link)
    return (
        '<div class="fm-note" role="status">'
        '<p id="fm-link-label">This link shows the chosen variants to whoever opens it:</p>'
        f'<p><a href="{shown}" id="fm-link" aria-labelledby="fm-link-label fm-link"><code>{shown}</code></a></p></div>'
    )


def _overrides(overrides: Mapping[str, str], fields: str) -> str:
    if not overrides:
        return ""
    shown = ", ".join(
        f"<code>{escape(key)}</code> is <code>{escape(variant)}</code>" for key, variant in overrides.items()
    )
    return (
        f'<form method="post" class="fm-note">{fields}<p role="status">In this browser: {shown}.</p>'
        '<button type="submit" name="action" value="clear" class="fm-second">Stop overriding</button></form>'
    )


def _form(choices: Choices, fields: str, *, has_error: bool) -> Iterator[str]:
    described = ' aria-describedby="fm-error"' if has_error else ""
    yield f'<form method="post"{described}>{fields}<fieldset><legend>Variants to show</legend>'
    for flag in choices.flags:
        yield _flag(flag, choices.chosen.get(flag.key, ""))
    yield "</fieldset><fieldset><legend>For how long</legend>"
    yield '<label for="fm-seconds">Duration</label>'
    yield f'<select name="seconds" id="fm-seconds">{_options(choices.durations.items(), choices.seconds)}</select>'
    yield '<label for="fm-page">Page that a link leads to</label>'
    yield f'<input type="text" name="page" id="fm-page" value="{escape(choices.page)}" autocomplete="off"></fieldset>'
    yield '<button type="submit" name="action" value="here">Use in this browser</button>'
    yield '<button type="submit" name="action" value="link" class="fm-second">Make a link</button></form>'


def _flag(flag: Flag, chosen: str) -> str:
    key = escape(flag.key)
    helped = described = ""
    if flag.description:
        helped = f'<span class="fm-help" id="fm-help-{key}">{escape(flag.description)}</span>'
        described = f' aria-describedby="fm-help-{key}"'
    offered = [("", "as decided by its rules"), *((variant, variant) for variant in flag.variants)]
    return (
        f'<div><label for="fm-{key}">{key}</label>{helped}'
        f'<select name="flag:{key}" id="fm-{key}"{described}>{_options(offered, chosen)}</select></div>'
    )


def _options(offered: Iterable[tuple[str, str]], chosen: str) -> str:
    return "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in offered
    )
