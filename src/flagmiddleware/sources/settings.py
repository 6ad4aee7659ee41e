"""What a URL or a site's settings may put round any source: a cache, a signature, a fallback, what lies over it …"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote_plus

from ..errors import ConfigurationError
from .base import Source
from .urls import SETTINGS, open_source

__all__ = ["dressed", "from_mapping", "split_options"]

_IN_URLS: Final = ("snapshot_key_file", *(name for name in SETTINGS if name != "snapshot_key"))
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


def from_mapping(described: Mapping[str, Any], **settings: Any) -> Source:
    """The source that ``{"url": …}`` describes, with the settings that stand beside it; ``settings`` go before these.

    Raises ConfigurationError for a name that is none of them, and for a value that makes no sense.

    >>> from_mapping({"url": "flags.yaml", "overlay": "mine.yaml"}).name
    'mine.yaml over flags.yaml'
    """
    beside = {name: value for name, value in described.items() if name != "url"}
    wrong = next((name for name in beside if name not in SETTINGS), None)
    if wrong is not None:
        from difflib import get_close_matches  # only who is wrong pays for this import

        near = get_close_matches(str(wrong), SETTINGS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigurationError(f"source[{wrong!r}]: known beside 'url' are {', '.join(SETTINGS)}{hint}")
    try:
        return open_source(described["url"], **{**beside, **settings})
    except ConfigurationError as error:
        name, colon, rest = str(error).partition(":")
        told = f"source[{name!r}]{colon}{rest}" if name in beside and name not in settings else str(error)
        raise ConfigurationError(told) from error


def dressed(source: Source, **settings: Any) -> Source:
    """``source`` with what the settings ask for; without any, ``source`` itself.

    From the inside out: ``snapshot_key`` (text or bytes, or several: the first one signs) believes only what was signed
    with it, the disk's included; ``cache_dir`` keeps the last good snapshot there; ``fallback`` (a path, URL or Source)
    is read while a start finds nothing; ``overlay`` (likewise) lies over the flags, if it is there; ``env_prefix``
    (``"FLAG_"``) lets variables that begin with it say which variant is served; ``readonly`` takes the means to write
    away; ``start_timeout`` ends a start's waiting, in seconds. Raises ConfigurationError for a value that makes no
    sense; None is as good as no value.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    source = _kept(source, given.get("snapshot_key"), given.get("cache_dir"))
    if "fallback" in given or "overlay" in given:
        source = _beside(source, given)
    if "env_prefix" in given:
        from .env import environment_over

        source = environment_over(source, prefix=_prefix(given["env_prefix"]))
    if "readonly" in given and _truth(given["readonly"]):
        from .wrappers import readonly

        source = readonly(source)
    if "start_timeout" in given:
        source.start_timeout = _seconds(given["start_timeout"])  # type: ignore[attr-defined]
    return source


def _kept(source: Source, snapshot_key: Any, cache_dir: Any) -> Source:
    keys = None if snapshot_key is None else _keys(snapshot_key)
    if keys is not None:
        source = _signed(source, keys)
    if cache_dir is not None:
        source = _cached(source, cache_dir)
        if keys is not None:
            from .signed import signed

            source = signed(source, *keys)  # what the disk holds is checked, too
    return source


def _beside(source: Source, given: Mapping[str, Any]) -> Source:
    from .overlay import overlay
    from .wrappers import fallback

    for name, put in (("fallback", fallback), ("overlay", overlay)):
        if name in given:
            source = put(source, _place(name, given[name]))
    return source


def _place(name: str, where: Any) -> Source:
    named = bool(os.fspath(where)) if isinstance(where, str | os.PathLike) else isinstance(where, Source | Mapping)
    if not named or (isinstance(where, Mapping) and "url" not in where):
        told = "a dict without 'url'" if isinstance(where, Mapping) else repr(where)
        raise ConfigurationError(f"{name}: {told} is no place of flags; give a path or a URL")
    try:
        return open_source(where)
    except ConfigurationError as error:
        raise ConfigurationError(f"{name}: {error}") from error


def _prefix(value: Any) -> str:
    if not isinstance(value, str) or not value.endswith("_") or not value.isidentifier() or value.strip("_") == "":
        raise ConfigurationError(f'env_prefix: {value!r} begins no variable; give text that ends in _, such as "FLAG_"')
    return value


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    from .env import WORDS

    found = WORDS.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise ConfigurationError(f"readonly: {value!r} is neither true nor false")
    return found


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
