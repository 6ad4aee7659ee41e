"""Which source a URL names."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from ..errors import ConfigurationError
from .base import Source
from .file import FileSource

__all__ = ["SCHEMES", "from_url"]


def _file(url: str) -> Source:
    from urllib.parse import unquote, urlsplit

    return FileSource(unquote(urlsplit(url).path))


def _http(url: str) -> Source:
    from .http import HttpSource

    return HttpSource(url)


def _redis(url: str) -> Source:
    from .redis import RedisSource

    return RedisSource(url)


def _postgres(url: str) -> Source:
    from .postgres import PostgresSource

    return PostgresSource(url)


def _vendor(url: str) -> Source:
    from .vendors import from_vendor_url

    return from_vendor_url(url)


SCHEMES: Final[Mapping[str, Callable[[str], Source]]] = MappingProxyType(
    {
        "file": _file,
        "http": _http,
        "https": _http,
        "redis": _redis,
        "rediss": _redis,
        "redis+sentinel": _redis,
        "redis+cluster": _redis,
        "postgresql": _postgres,
        "postgres": _postgres,
        **{
            f"{vendor}+{scheme}": _vendor
            for vendor in ("unleash", "flagd", "rocketflag")
            for scheme in ("http", "https")
        },
    }
)
"""The makers of sources, by scheme."""

_EXTRAS: Final = {"http": "http", "https": "http", "redis": "redis", "rediss": "redis", "postgresql": "postgres"}


def from_url(url: str, schemes: Mapping[str, Callable[[str], Source]] = SCHEMES) -> Source:
    """The source that a URL names; ``schemes`` holds what an adapter adds to :data:`SCHEMES`.

    Raises ConfigurationError for a scheme that nobody knows, with the nearest one that somebody does, and for one whose
    library is not installed, with the extra that brings it.

    >>> from_url("file:///etc/flags.yaml").name
    '/etc/flags.yaml'
    """
    scheme = url.partition("://")[0].lower()
    make = schemes.get(scheme)
    if make is None:
        near = difflib.get_close_matches(scheme, schemes, 1)
        hint = f"did you mean {near[0]}://? " if near else ""
        raise ConfigurationError(f"no source is known for {scheme}:// ({hint}known: {', '.join(sorted(schemes))})")
    try:
        return make(url)
    except ImportError as error:
        extra = _EXTRAS.get(scheme.rpartition("+")[2], scheme.partition("+")[0])
        told = f"{scheme}:// needs {error.name}: pip install 'flagmiddleware[{extra}]'"
        raise ConfigurationError(told) from error


def option(url: str, name: str, default: str | None = None) -> str | None:
    """One option of a URL's query string."""
    from urllib.parse import parse_qs, urlsplit

    return parse_qs(urlsplit(url).query).get(name, [default])[0]
