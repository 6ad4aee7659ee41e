"""Bytes to a ruleset: which dialect a text is written in, and the module that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import msgspec

from ..collector import paused_collector
from ..errors import ConfigurationError, Problem, RulesetError
from ..model import Ruleset
from .syntax import SYNTAXES, Document, from_mapping, read
from .words import nearest

__all__ = ["FORMATS", "parse", "parse_document", "parse_files"]

FORMATS: Final[Mapping[str, str]] = {
    "native": "flagmiddleware.formats.native",
    "flagd": "flagmiddleware.formats.flagd",
    "unleash": "flagmiddleware.formats.unleash",
    "rocketflag": "flagmiddleware.formats.rocketflag",
}
"""Each dialect by name, and the module that reads it: ``parse(data, *, name, environment, strict, options)`` and
``recognises(document)``. Loaded when it is first needed."""


def parse(
    data: bytes,
    *,
    format: str | None = None,
    name: str = "",
    environment: str | None = None,
    strict: bool = True,
    options: Mapping[str, Any] = {},
) -> Ruleset:
    """The ruleset that a text defines.

    ``format`` is a dialect ("native", "flagd", "unleash", "rocketflag"), or "yaml", "json" or "toml" for the native
    one in that syntax; None recognises it. ``name`` is what problems call the file, and its ending tells the
    syntax. With ``strict`` off good flags load and bad ones carry their ``error``.

    >>> parse(b'{"version": 1, "flags": {"beta": {"rules": [{"serve": true}]}}}').flags["beta"].rules[0].payload
    Serve(variant='on')
    """
    return parse_files({name: data}, format=format, environment=environment, strict=strict, options=options)


def parse_files(
    files: Mapping[str, bytes],
    *,
    format: str | None = None,
    name: str = "",
    environment: str | None = None,
    strict: bool = True,
    options: Mapping[str, Any] = {},
) -> Ruleset:
    """The ruleset that several texts define together, by file name; a key in two of them is refused.

    ``name`` is what a problem calls the folder where it is in none of its files.
    """
    _check_format(format)
    if not files:
        raise RulesetError([Problem("there is no flag file in this folder", file=name)])
    how: dict[str, Any] = {"environment": environment, "strict": strict, "options": options}
    if format is not None and not _is_native(format):
        return _parse_dialect(files, format, how)
    with paused_collector():
        # A call, so that all that was only needed meanwhile is gone when the collector goes on.
        return _read_and_parse(files, format, how)


def _read_and_parse(files: Mapping[str, bytes], format: str | None, how: Mapping[str, Any]) -> Ruleset:
    from .native import parse_documents

    syntax = format if format in SYNTAXES else None
    documents = [read(files[name], name=name, syntax=syntax) for name in sorted(files)]
    found = format or _recognise(documents)
    if _is_native(found):
        return parse_documents(documents, **how)
    return _parse_dialect(files, found, how)


def parse_document(
    document: Mapping[str, Any],
    *,
    format: str | None = None,
    name: str = "",
    environment: str | None = None,
    strict: bool = True,
    options: Mapping[str, Any] = {},
) -> Ruleset:
    """The ruleset of a document that is plain data already, of any dialect as in :func:`parse`.

    >>> list(parse_document({"version": 1, "flags": {"beta": {}}}).flags)
    ['beta']
    """
    from .native import parse_documents

    _check_format(format)
    how: dict[str, Any] = {"environment": environment, "strict": strict, "options": options}
    read_already = from_mapping(document, name)
    found = format or _recognise([read_already])
    if _is_native(found):
        return parse_documents([read_already], **how)
    try:
        text = msgspec.json.encode(document)  # the other dialects are JSON
    except (TypeError, ValueError, RecursionError) as error:
        raise RulesetError([Problem(f"this is no JSON, which {found} is written in: {error}", file=name)]) from None
    return _parse_dialect({name: text}, found, how)


def _is_native(format: str) -> bool:
    return format == "native" or format in SYNTAXES


def _check_format(format: str | None) -> None:
    if format is not None and format not in FORMATS and format not in SYNTAXES:
        known = (*FORMATS, *SYNTAXES)
        raise ConfigurationError(f"unknown format {format!r}{nearest(format, known)} There are: {', '.join(known)}.")


def _recognise(documents: list[Document]) -> str:
    """The dialect of some documents; the native one where none claims them, so that its messages tell why."""
    from .native import recognises

    if all(recognises(document.tree) for document in documents):
        return "native"  # and no other dialect is even loaded
    claims = {document.name: _claims(document.tree) for document in documents}
    shared = [name for name in FORMATS if all(name in claimed for claimed in claims.values())]
    if len(shared) == 1:
        return shared[0]
    several = shared or next((claimed for claimed in claims.values() if len(claimed) > 1), [])
    if several:
        file = next(name for name, claimed in claims.items() if len(claimed) > 1)
        raise RulesetError([Problem(_which(several), file=file)])
    if all(claims.values()):
        told = ", ".join(f"{name} is {claimed[0]}" for name, claimed in claims.items())
        raise RulesetError(
            [Problem(f"the files of a folder are written in one dialect: {told}", file=documents[0].name)]
        )
    return "native"


def _claims(tree: Any) -> list[str]:
    """The dialects whose marks a document bears."""
    claimed = [name for name in FORMATS if name != "native" and _module(name).recognises(tree)]
    flags, version = (tree.get("flags"), tree.get("version")) if isinstance(tree, Mapping) else (None, None)
    if flags is None:
        return claimed
    if flags == [] and version is not None:
        return [name for name in claimed if name == "unleash"]  # no list of another dialect's, as there is none in it
    # Ours, beside another's marks, where it has our version, or flags that the others would not have written.
    return ["native", *claimed] if version == 1 or claimed == ["unleash"] else claimed


def _which(dialects: list[str]) -> str:
    choices = " or ".join(f"format={name!r}" for name in dialects)
    return f"this may be written in any of {', '.join(dialects)}; say which: {choices}"


def _module(dialect: str) -> Any:
    return import_module(FORMATS[dialect])


def _parse_dialect(files: Mapping[str, bytes], dialect: str, how: Mapping[str, Any]) -> Ruleset:
    parse_one = _module(dialect).parse
    rulesets: dict[str, Ruleset] = {name: parse_one(files[name], name=name, **how) for name in sorted(files)}
    if len(rulesets) == 1:
        return next(iter(rulesets.values()))
    return _join(rulesets)


def _join(rulesets: Mapping[str, Ruleset]) -> Ruleset:
    sources: dict[str, str] = {}
    problems = []
    for name, ruleset in rulesets.items():
        for key in ruleset.flags:
            if key in sources:
                message = f'the flag "{key}" is in {sources[key]}, too; keep one of them'
                problems.append(Problem(message, f"flags.{key}", 0, name, key))
            sources.setdefault(key, name)
    if problems:
        raise RulesetError(problems)
    first = next(iter(rulesets.values()))
    return Ruleset(
        flags={key: flag for ruleset in rulesets.values() for key, flag in ruleset.flags.items()},
        segments={name: value for ruleset in rulesets.values() for name, value in ruleset.segments.items()},
        dialect=first.dialect,
        environment=first.environment,
        metadata={name: value for ruleset in rulesets.values() for name, value in ruleset.metadata.items()},
        sources=sources,
    )
