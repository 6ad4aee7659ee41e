"""The native flag file: one document or several, checked as a whole, made into a ruleset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ...collector import paused_collector
from ...model import Ruleset
from ..syntax import SYNTAXES, Document, read
from .ruleset import build

__all__ = ["parse", "parse_documents", "recognises"]

_FOREIGN: Final = frozenset({"features", "events", "$evaluators"})


def recognises(document: Any) -> bool:
    """Whether plain data looks like a native flag file, and bears no mark of another dialect.

    >>> recognises({"version": 1, "flags": {}}), recognises({"version": 2, "features": []})
    (True, False)
    """
    return (
        isinstance(document, dict)
        and "version" in document
        and isinstance(flags := document.get("flags", {}), dict)
        and _FOREIGN.isdisjoint(document)
        and not str(document.get("$schema", "")).startswith("https://flagd.dev/")
        and not any(isinstance(flag, dict) and "state" in flag and "variants" in flag for flag in flags.values())
    )


def parse(
    data: bytes,
    *,
    name: str = "",
    environment: str | None = None,
    strict: bool = True,
    options: Mapping[str, Any] = {},
) -> Ruleset:
    """Read one flag file; ``options["syntax"]`` may say which of YAML, JSON and TOML it is.

    >>> parse(b"version: 1\\nflags: {beta: {rules: [{rollout: 10%}]}}").flags["beta"].rules[0].gate.share.text
    '10%'
    """
    with paused_collector():
        return _read_and_parse(data, name, environment, strict, options)


def _read_and_parse(
    data: bytes, name: str, environment: str | None, strict: bool, options: Mapping[str, Any]
) -> Ruleset:
    syntax = options.get("syntax")
    document = read(data, name=name, syntax=syntax if syntax in SYNTAXES else None)
    return build([document], environment=environment, strict=strict, with_lines=bool(options.get("lines")))


def parse_documents(
    documents: Sequence[Document],
    *,
    environment: str | None = None,
    strict: bool = True,
    options: Mapping[str, Any] = {},
) -> Ruleset:
    """Make one ruleset of documents that are read already: a file, or the files of a folder."""
    with paused_collector():
        return build(documents, environment=environment, strict=strict, with_lines=bool(options.get("lines")))
