"""Unleash's client features payload (``/api/client/features``) and delta events, as a ruleset.

Facts: Unleash client specification (github.com/Unleash/client-specification) 5.2 and, where its cases are silent, the
behaviour of the Yggdrasil engine that Unleash's own SDKs share.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

from ..errors import ConfigurationError, Problem, RulesetError
from ..model import AllOf, Condition, Flag, Ruleset
from .dialect_text import decode
from .unleash_context import make_dialect
from .unleash_delta import apply_events
from .unleash_document import Feature, Segment, convert
from .unleash_features import Built, make_flag
from .unleash_operators import condition
from .unleash_parents import Parents
from .unleash_strategies import Strategies

__all__ = ["apply_events", "parse", "recognises"]

_OPTIONS: Final = ("app_name", "hostname", "strategies", "stringify")


def recognises(document: Any) -> bool:
    """Whether a parsed document looks like Unleash's: a list of features, or of events."""
    if not isinstance(document, Mapping):
        return False
    return isinstance(document.get("features"), list) or isinstance(document.get("events"), list)


def parse(
    data: bytes,
    *,
    name: str = "",
    environment: str | None = None,
    strict: bool = True,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Ruleset:
    """The ruleset of a payload; a document that is none raises RulesetError.

    A feature of the wrong shape answers PARSE_ERROR and leaves the others alone, ``strict`` or not: Unleash's server
    wrote the file, and the site cannot mend it. Options: ``app_name``, ``hostname`` (for applicationHostname),
    ``strategies`` (custom ones: name -> callable(parameters, context)), ``stringify`` ("json", or "python" to compare
    properties as UnleashClient for Python does).
    """
    _check(options)
    return _make_ruleset(_document(data, name), environment=environment, options=options)


def _make_ruleset(document: Mapping[str, Any], *, environment: str | None, options: Mapping[str, Any]) -> Ruleset:
    """The ruleset of a parsed client features document."""
    dialect = make_dialect(
        environment=environment, app_name=options.get("app_name"), python_text=options.get("stringify") == "python"
    )
    segments, broken = _segments(document.get("segments"))
    strategies = Strategies(
        dialect,
        segments=segments,
        broken=broken,
        hostname=options.get("hostname") or socket.gethostname(),
        custom=options.get("strategies") or {},
    )
    flags = _flags(document.get("features"), strategies)
    return Ruleset(flags, {str(key): one for key, one in segments.items()}, dialect, environment, _metadata(document))


def _flags(items: Any, strategies: Strategies) -> dict[str, Flag]:
    features, bad = convert(items, Feature, "name", str)
    built = {key: Built(feature, strategies) for key, feature in features.items()}
    parents = Parents(features, built, strategies)
    flags = {key: make_flag(built[key], parents.of(feature)) for key, feature in features.items()}
    for key, problem in bad.items():
        flags[key] = Flag(key=key, error=f"feature {key!r} has a shape that Unleash does not write: {problem}")
    return flags


def _segments(items: Any) -> tuple[dict[int, Condition], dict[int, str]]:
    shaped, broken = convert(items, Segment, "id", int)
    good: dict[int, Condition] = {}
    for number, segment in shaped.items():
        try:
            good[number] = AllOf(tuple(map(condition, segment.constraints)))
        except ValueError as error:
            broken[number] = str(error)
    return good, broken


def _metadata(document: Mapping[str, Any]) -> dict[str, Any]:
    latest = document.get("revision")
    return {"revision": latest} if isinstance(latest, int) else {}


def _document(data: bytes, name: str) -> Mapping[str, Any]:
    document = decode(data, name=name)
    if not recognises(document):
        expected = 'expected Unleash\'s client features: an object with a list under "features" (or "events")'
        raise RulesetError([Problem(expected, file=name)])
    return apply_events(document, document["events"]) if isinstance(document.get("events"), list) else document


def _check(options: Mapping[str, Any]) -> None:
    for option in options:
        if option not in _OPTIONS:
            close = get_close_matches(option, _OPTIONS, 1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(_OPTIONS)}"
            raise ConfigurationError(f"the Unleash format has no option {option!r}{hint}")
    if options.get("stringify") not in (None, "json", "python"):
        raise ConfigurationError(f'option "stringify" is "json" or "python", not {options["stringify"]!r}')
