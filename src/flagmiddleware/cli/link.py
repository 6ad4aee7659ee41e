"""``flags link``: a signed link that shows variants to a tester; for adapters, which know the site's keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import click

from ..web.overrides import sign

if TYPE_CHECKING:
    from ..web.installation import Installation

__all__ = ["link_command"]

_UNITS = {"s": 1, "m": 60, "h": 3600}


def _seconds(text: str) -> int:
    """A duration in seconds.

    >>> _seconds("1h"), _seconds("30m"), _seconds("90")
    (3600, 1800, 90)
    """
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    if not (number.isascii() and number.isdigit()):
        raise click.BadParameter(f"--ttl: {text!r} is not a duration; write 90s, 30m or 1h")
    return int(number) * _UNITS[unit]


def link_command(provider: Callable[[], Installation]) -> click.Command:
    """The command for the installation that ``provider`` returns when it runs."""

    @click.command(name="link")
    @click.argument("choices", metavar="KEY=VARIANT...", nargs=-1, required=True)
    @click.option("--url", required=True, help="The page that the link leads to, as in https://shop.example/basket.")
    @click.option("--ttl", default="1h", show_default=True, help="How long it holds: 90s, 30m, 1h; 24h at most.")
    def link(choices: tuple[str, ...], url: str, ttl: str) -> None:
        """Make a signed link that shows these variants to whoever opens it."""
        installation = provider()
        page, options = urlsplit(url), installation.options
        if page.scheme not in ("http", "https") or not page.netloc:
            raise click.BadParameter(f"--url: {url!r} is not a URL; write https://shop.example/")
        for choice in choices:
            if not choice.partition("=")[2]:
                raise click.BadParameter(f"{choice!r} names no variant; write {choice.partition('=')[0]}=on")
        chosen = dict(choice.partition("=")[::2] for choice in choices)
        keys, epoch = options.secret_keys, options.qa_epoch
        token = sign(installation.flags, chosen, host=page.netloc, keys=keys, ttl=_seconds(ttl), epoch=epoch)
        query = "&".join(part for part in (page.query, urlencode({options.qa_parameter: token})) if part)
        click.echo(page._replace(query=query).geturl())

    return link
