"""Which source a URL names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ..errors import ConfigurationError
from .base import Source
from .file import FileSource

__all__ = ["SCHEMES", "SETTINGS", "from_url", "open_source"]

SETTINGS: Final = ("cache_dir", "snapshot_key", "start_timeout", "fallback", "overlay", "env_prefix", "readonly")
"""What may be put round a source, as every adapter takes it: see :func:`.settings.dressed`."""


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


def _flagd_sync(url: str) -> Source:
    from .flagd_grpc import from_grpc_url

    return from_grpc_url(url)


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
        "flagd+grpc": _flagd_sync,
        "flagd+grpcs": _flagd_sync,
    }
)
"""The makers of sources, by scheme."""

_EXTRAS: Final = {
    "http": "http",
    "https": "http",
    "redis": "redis",
    "rediss": "redis",
    "postgresql": "postgres",
    "grpc": "flagd-grpc",
    "grpcs": "flagd-grpc",
}


def from_url(url: str, schemes: Mapping[str, Callable[[str], Source]] = SCHEMES, **settings: Any) -> Source:
    """The source that a URL names; ``schemes`` holds what an adapter adds to :data:`SCHEMES`.

    ``settings`` are those of :func:`.settings.dressed`, and go before what the URL's query says. Raises
    ConfigurationError for a scheme that nobody knows, with the nearest one that somebody does, for one whose library is
    not installed, with the extra that brings it, and for settings that make no sense.

    >>> from_url("file:///etc/flags.yaml").name
    '/etc/flags.yaml'
    """
    from .settings import dressed, split_options

    scheme = url.partition("://")[0].lower()
    make = schemes.get(scheme)
    if make is None:
        from difflib import get_close_matches  # only who is wrong pays for this import

        near = get_close_matches(scheme, schemes, 1)
        hint = f"did you mean {near[0]}://? " if near else ""
        raise ConfigurationError(f"no source is known for {scheme}:// ({hint}known: {', '.join(sorted(schemes))})")
    plain, found = split_options(url)
    try:
        return dressed(make(plain), **(found | settings))
    except ImportError as error:
        extra = _EXTRAS.get(scheme.rpartition("+")[2], scheme.partition("+")[0])
        told = f"{scheme}:// needs {error.name}: pip install 'flagmiddleware[{extra}]'"
        raise ConfigurationError(told) from error


def open_source(where: str | os.PathLike[str] | Mapping[str, Any] | Source, **settings: Any) -> Source:
    """The source that a path, a URL, ``{"url": …}`` or a Source stands for, with what the settings put round it.

    ``cache_dir``, ``fallback``, ``overlay`` and so on: see :func:`.settings.dressed`. They may stand beside ``"url"``,
    too; those that are given here go before.

    >>> from tempfile import mkdtemp
    >>> from flagmiddleware import Flags
    >>> Flags(open_source("redis://localhost:1/0", cache_dir=mkdtemp(), start_timeout=0.5)).status.state
    <State.ERROR: 'ERROR'>
    """
    given = {name: value for name, value in settings.items() if value is not None}
    if isinstance(where, Mapping) and "url" in where:
        from .settings import from_mapping

        return from_mapping(where, **given)
    if isinstance(where, str) and "://" in where:
        return from_url(where, **given)
    source: Any = FileSource(where) if isinstance(where, str | os.PathLike) else where
    if not given:
        found: Source = source
        return found
    if not isinstance(source, Source):
        name = next(iter(given))
        raise ConfigurationError(f"{name}: definitions in the program need none; it is for a path, URL or Source")
    from .settings import dressed

    return dressed(source, **given)


def option(url: str, name: str, default: str | None = None) -> str | None:
    """One option of a URL's query string."""
    from urllib.parse import parse_qs, urlsplit

    return parse_qs(urlsplit(url).query).get(name, [default])[0]
