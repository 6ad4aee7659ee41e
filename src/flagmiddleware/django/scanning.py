"""Finds the flags that templates ask for, without rendering or compiling them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from django.template import engines

from ..web.mentions import Mention

__all__ = ["mentions_in", "template_mentions"]

_TAG: Final = re.compile(
    r"""\{%[-+]?\s*(?:(?:el)?flag|flag_value|flag_variant|variant)\s+(?P<q>["'])(?P<tag>[^"'{}\n]+)(?P=q)"""
    r"""|\bflag(?:_value|_variant)?\(\s*(?P<p>["'])(?P<call>[^"'{}\n]+)(?P=p)"""
    r"""|(?P<o>["'])(?P<test>[^"'{}\n]+)(?P=o)\s+is\s+(?:not\s+)?enabled_flag\b"""
)
_CACHE_KEY: Final = re.compile(r"""\{%[-+]?\s*flags_cache_key((?:\s+(?:"[^"{}\n]+"|'[^'{}\n]+'))+)""")
_LOOKUP: Final = re.compile(r"\bflags\.(?P<name>[a-z][a-z0-9_]*)")
_CODE: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_SILENT: Final = re.compile(
    r"\{#.*?#\}|\{%\s*comment\b.*?%\}.*?\{%\s*endcomment\s*%\}|\{%\s*verbatim\b.*?%\}.*?\{%\s*endverbatim\s*%\}",
    re.DOTALL,
)
_PROCESSOR: Final = "flagmiddleware.django.context_processors.flags"
_LARGEST: Final = 1_000_000


def mentions_in(text: str, file: str, *, lookups: bool) -> Iterator[Mention]:
    """The flags that a template's text names; ``lookups`` counts ``flags.new_checkout`` too.

    >>> [found.key for found in mentions_in('{% flag "beta" %}{{ flags.new_checkout }}', "a.html", lookups=True)]
    ['beta', 'new_checkout']
    """
    text = _SILENT.sub(lambda silent: "\n" * silent[0].count("\n"), text)
    for found in _TAG.finditer(text):
        key = found["tag"] or found["call"] or found["test"]
        yield Mention(key, file, text.count("\n", 0, found.start()) + 1)
    for found in _CACHE_KEY.finditer(text):
        for key in found[1].split():
            yield Mention(key.strip("\"'"), file, text.count("\n", 0, found.start()) + 1)
    if lookups:
        for code in _CODE.finditer(text):
            for name in _LOOKUP.finditer(code[0]):
                yield Mention(name["name"], file, text.count("\n", 0, code.start() + name.start()) + 1)


def template_mentions() -> Iterator[Mention]:
    """The flags that the site's templates name, through every engine; each file is read once."""
    seen: set[Path] = set()
    for backend in engines.all():
        options = getattr(getattr(backend, "engine", None), "context_processors", ())
        lookups = _PROCESSOR in options or _PROCESSOR in getattr(backend, "context_processors", ())
        for folder in _folders(backend):
            for file in sorted(folder.rglob("*")):
                if file not in seen and file.is_file() and file.stat().st_size <= _LARGEST:
                    seen.add(file)
                    yield from _mentions_of(file, lookups)


def _mentions_of(file: Path, lookups: bool) -> Iterator[Mention]:
    data = file.read_bytes()
    if b"flag" in data or b"variant" in data:
        yield from mentions_in(data.decode("utf-8", "replace"), str(file), lookups=lookups)


def _folders(backend: Any) -> Iterator[Path]:
    """The folders of an engine's loaders, without those of installed packages, which know none of this site's flags."""
    engine = getattr(backend, "engine", None)
    found = list(getattr(backend, "template_dirs", ()))
    for loader in _flattened(getattr(engine, "template_loaders", ())):
        found += loader.get_dirs() if hasattr(loader, "get_dirs") else ()
    for folder in dict.fromkeys(map(Path, found)):
        if folder.is_dir() and "site-packages" not in folder.parts and "flagmiddleware" not in folder.parts[-3:]:
            yield folder


def _flattened(loaders: Any) -> Iterator[Any]:
    for loader in loaders:
        yield loader
        yield from _flattened(getattr(loader, "loaders", None) or ())
