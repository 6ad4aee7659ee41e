"""``settings.FLAGMIDDLEWARE``, read: its names are those of the web options in capitals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string

from ..errors import ConfigurationError
from ..web.installation import Installation
from .facts import DjangoFacts

__all__ = ["build", "read_settings", "spelling"]

_DOTTED: Final = ("FLAGS", "CONTEXT", "VISITOR_COOKIE", "DEBUG_HEADER")
"""Settings that hold an object, which settings modules name by a dotted path."""

_SHORTEST_KEY: Final = 16

_MIGRATION: Final = ("SHADOW", "SHADOW_NAMES", "SHADOW_CACHE", "WAFFLE_COOKIES_UNTIL")
"""Settings that ``shadow.py`` reads for itself."""


def spelling(name: str) -> str:
    """How a Django site writes a setting's name.

    >>> spelling("trusted_proxies")
    "settings.FLAGMIDDLEWARE['TRUSTED_PROXIES']"
    """
    return f"settings.FLAGMIDDLEWARE[{name.upper()!r}]"


def build() -> Installation:
    """The installation that the settings describe."""
    return Installation.build(read_settings(), DjangoFacts(), spelling=spelling)


def read_settings() -> dict[str, Any]:
    """The settings under the names that the web package knows, dotted paths replaced by what they name."""
    given = getattr(settings, "FLAGMIDDLEWARE", None)
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            f'settings.FLAGMIDDLEWARE: {given!r} is not a dict; give at least {{"SOURCE": BASE_DIR / "flags.yaml"}}'
        )
    read: dict[str, Any] = {}
    for name, value in given.items():
        if name != str(name).upper():
            raise ConfigurationError(f"settings.FLAGMIDDLEWARE[{name!r}]: write it in capitals: {str(name).upper()!r}")
        if name not in _MIGRATION:
            read[name.lower()] = _resolve(name, value)
    read.setdefault("secret_keys", _secret_keys())
    return read


def _resolve(name: str, value: Any) -> Any:
    if name in ("SOURCE", "FALLBACK", "OVERLAY"):
        return _place(value)
    if name in _DOTTED and isinstance(value, str):
        return _import(name, value)
    if name == "OBSERVERS" and isinstance(value, list | tuple):
        return [_import(name, item) if isinstance(item, str) else item for item in value]
    return value


def _place(value: Any) -> Any:
    """A place of flags: ``django`` is the site's own database, also where several places are composed."""
    if isinstance(value, str) and (value == "django" or value.startswith("django:")):
        from .store.source import OrmSource

        return OrmSource(value.partition(":")[2] or "default")
    if isinstance(value, Mapping) and "url" in value:
        return {name: _place(part) if name in ("url", "fallback", "overlay") else part for name, part in value.items()}
    return value


def _import(name: str, path: str) -> Any:
    try:
        return import_string(path)
    except ImportError as error:
        raise ConfigurationError(f"{spelling(name)}: {path!r} cannot be imported: {error}") from error


def _secret_keys() -> list[str]:
    """Django's own keys, with the fallbacks. A short one, as tests have, is stretched: Django's check tells of it."""
    try:
        keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    except ImproperlyConfigured:
        return []
    return [key if len(key) >= _SHORTEST_KEY else _stretched(key) for key in keys]


def _stretched(key: str) -> str:
    # The algorithm that was Django's default when this was first done: another one signs anew, and forgets visitors.
    return salted_hmac("flagmiddleware", "", key, algorithm="sha1").hexdigest()
