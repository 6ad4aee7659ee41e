"""``flags link``: a signed link that shows variants to a tester."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from ..errors import ConfigurationError
from ..web.installation import Installation
from ..web.options import WebOptions
from ..web.overrides import link_to, sign
from .bench import Bench, pass_bench

if TYPE_CHECKING:
    from ..flags import Flags

__all__ = ["SECRET_VARIABLE", "URL_VARIABLE", "link", "link_command"]

URL_VARIABLE: Final = "FLAGMIDDLEWARE_URL"
"""The variable that holds the site's address, so that ``flags link`` need not be told."""

SECRET_VARIABLE: Final = "FLAGMIDDLEWARE_SECRET_KEY"  # noqa: S105 - a name
"""The variable that holds the first of the site's ``secret_keys``, the one that signs: all of it is one key."""

_UNITS: Final = {"s": 1, "m": 60, "h": 3600}


def _seconds(text: str) -> int:
    """A duration in seconds.

    >>> _seconds("1h"), _seconds("30m"), _seconds("90")
    (3600, 1800, 90)
    """
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    if not (number.isascii() and number.isdigit()):
        raise click.BadParameter(f"--ttl: {text!r} is not a duration; write 90s, 30m or 1h")
    return int(number) * _UNITS[unit]


def _told(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every form of the command is told: choices, page and duration."""
    options = (
        click.argument("choices", metavar="KEY=VARIANT...", nargs=-1, required=True),
        click.option(
            "--url",
            envvar=URL_VARIABLE,
            default="http://127.0.0.1:8000/",
            show_default=True,
            help="The page that the link leads to, as in https://shop.example/basket: the link works on its host only.",
        ),
        click.option("--ttl", default="1h", show_default=True, help="How long it holds: 90s, 30m, 1h; 24h at most."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def link_command(provider: Callable[[], Installation]) -> click.Command:
    """The command of an adapter, for the installation that ``provider`` returns when it runs."""

    @click.command(name="link")
    @_told
    def link(choices: tuple[str, ...], url: str, ttl: str) -> None:
        """Make a signed link that shows these variants to whoever opens it."""
        installation = provider()
        click.echo(_link(installation.flags, installation.options, choices, url, ttl))

    return link


@click.command(name="link")
@_told
@click.option("--app", metavar="MODULE:NAME", help="The application whose FlagMiddleware knows flags and keys.")
@click.option("--epoch", default=0, show_default=True, help="The site's qa_epoch.")
@click.option("--parameter", default="flags", show_default=True, help="The site's qa_parameter.")
@pass_bench
def link(bench: Bench, choices: tuple[str, ...], url: str, ttl: str, **site: Any) -> None:
    """Make a signed link that shows these variants to whoever opens it.

    It is signed with the key in FLAGMIDDLEWARE_SECRET_KEY, the first of the site's secret_keys, or as --app says.
    """
    flags, options = _of_application(site["app"]) if site["app"] else (bench.flags, _options(site))
    click.echo(_link(flags, options, choices, url, ttl))


def _link(flags: Flags, options: WebOptions, choices: tuple[str, ...], url: str, ttl: str) -> str:
    page = urlsplit(url)
    if page.scheme not in ("http", "https") or not page.netloc:
        raise click.BadParameter(f"--url: {url!r} is not a URL; write https://shop.example/")
    for choice in choices:
        if not choice.partition("=")[2]:
            raise click.BadParameter(f"{choice!r} names no variant; write {choice.partition('=')[0]}=on")
    chosen = dict(choice.partition("=")[::2] for choice in choices)
    keys, epoch = options.secret_keys, options.qa_epoch
    token = sign(flags, chosen, host=page.netloc, keys=keys, ttl=_seconds(ttl), epoch=epoch)
    return link_to(page, token, options.qa_parameter)


def _options(site: dict[str, Any]) -> WebOptions:
    key = os.environ.get(SECRET_VARIABLE)
    if not key:
        cure = f"set {SECRET_VARIABLE} to the first of the site's secret_keys, or name the application: --app shop:app"
        raise ConfigurationError(f"there is no key to sign with: {cure}")
    settings = {"secret_keys": [key], "qa_epoch": site["epoch"], "qa_parameter": site["parameter"]}
    spellings = {"secret_keys": SECRET_VARIABLE, "qa_epoch": "--epoch", "qa_parameter": "--parameter"}
    return WebOptions.from_settings(settings, lambda name: spellings.get(name, name))


def _of_application(target: str) -> tuple[Flags, WebOptions]:
    """Flags and options of ``module:name``, looked for in the working directory first, as servers do."""
    module, _, name = target.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        app: Any = import_module(module)
        for part in (name or "app").split("."):
            app = getattr(app, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise click.BadParameter(f"--app: {target!r} cannot be loaded: {error}") from error
    installation = _installation_in(app)
    if installation is None:
        raise click.BadParameter(f"--app: {target!r} is wrapped in no FlagMiddleware of ASGI or WSGI")
    return installation.flags, installation.options


def _installation_in(app: Any) -> Installation | None:
    """What a FlagMiddleware among those that wrap an application has installed."""
    while app is not None:
        found = getattr(app, "installation", None)
        if isinstance(found, Installation):
            return found
        build = getattr(app, "build_middleware_stack", None)  # Starlette makes its middlewares when first called
        app = build() if callable(build) else getattr(app, "app", None)
    return None
