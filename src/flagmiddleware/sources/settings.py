"""What a URL or a site's settings may put round any source: a cache on disk, a signature, a limit to the first wait."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote_plus

from ..errors import ConfigurationError
from .base import Source

__all__ = ["SETTINGS", "dressed", "split_options"]

SETTINGS: Final = ("cache_dir", "snapshot_key", "start_timeout")
"""The settings, as every adapter takes them."""

_IN_URLS: Final = ("cache_dir", "snapshot_key_file", "start_timeout")
_NOT_IN_URLS: Final[Mapping[str, str]] = {
    "snapshot_key": "a URL ends up in logs: name a file that holds the key, snapshot_key_file=PATH",
    "max_stale": "the health check of the site takes it: give it to the middleware",
}


def split_options(url: str) -> tuple[str, dict[str, Any]]:
    """A URL without the options that are ours, and these; whatever else is in the query stays as it was written.

    Raises ConfigurationError for one that does not belong into a URL; its value is not shown.

    >>> split_options("redis://localhost/0?name=shop&start_timeout=0.5")
    ('redis://localhost/0?name=shop', {'start_timeout': '0.5'})
    """
    before, _, query = url.partition("?")
    query, hash_sign, fragment = query.partition("#")
    found: dict[str, Any] = {}
    kept: list[str] = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name in _NOT_IN_URLS:
            raise ConfigurationError(f"{name}: {_NOT_IN_URLS[name]}")
        if name in _IN_URLS:
            found[name] = unquote_plus(value)
        else:
            kept.append(part)
    if not found:
        return url, {}
    if "snapshot_key_file" in found:
        found["snapshot_key"] = _key_file(found.pop("snapshot_key_file"))
    return before + ("?" if any(kept) else "") + "&".join(kept) + hash_sign + fragment, found


def _key_file(path: str) -> list[bytes]:
    """The keys in a file, one a line: the first one signs."""
    try:
        with open(path, "rb") as file:
            return [line.strip() for line in file if line.strip()]
    except OSError as error:
        raise ConfigurationError(f"snapshot_key_file: {path} cannot be read: {error.strerror or error}") from error


def dressed(source: Source, *, cache_dir: Any = None, snapshot_key: Any = None, start_timeout: Any = None) -> Source:
    """``source`` with what the settings ask for; without any, ``source`` itself.

    ``cache_dir`` keeps the last good snapshot there, ``snapshot_key`` (text or bytes, or several: the first one signs)
    believes only what was signed with it, the disk's included, ``start_timeout`` ends a start's waiting, in seconds.
    Raises ConfigurationError for a value that makes no sense.
    """
    if start_timeout is not None:
        source.start_timeout = _seconds(start_timeout)  # type: ignore[attr-defined]
    keys = None if snapshot_key is None else _keys(snapshot_key)
    if keys is not None:
        source = _signed(source, keys)
    if cache_dir is not None:
        source = _cached(source, cache_dir)
        if keys is not None:
            from .signed import signed

            source = signed(source, *keys)  # what the disk holds is checked, too
    return source


def _signed(source: Any, keys: list[bytes]) -> Source:
    from .signed import signed

    if not hasattr(source, "snapshot_key"):
        raise ConfigurationError(f"snapshot_key: {source.name} carries no signatures; Redis, PostgreSQL and HTTP do")
    source.snapshot_key = keys[0]
    return signed(source, *keys)


def _cached(source: Source, folder: Any) -> Source:
    from .cached import cached

    if not isinstance(folder, str | os.PathLike) or not os.fspath(folder):
        raise ConfigurationError(f"cache_dir: {folder!r} is not a folder; give a path")
    return cached(source, folder)


def _seconds(value: Any) -> float:
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ConfigurationError(f"start_timeout: {value!r} is not a number of seconds; give 0.5, 2 …")
    return seconds


def _keys(given: Any) -> list[bytes]:
    several = [given] if isinstance(given, str | bytes) else list(given) if isinstance(given, Iterable) else []
    keys = [one.encode() if isinstance(one, str) else one for one in several if isinstance(one, str | bytes)]
    if not keys or len(keys) < len(several) or min(map(len, keys)) < 16:
        raise ConfigurationError("snapshot_key: needs at least 16 bytes, as text, bytes or a list of several")
    return keys
