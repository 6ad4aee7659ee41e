"""Flags from environment variables, for a container or a shell: ``FLAG_NEW_CHECKOUT=on``.

They lie over another source: the variable says which variant to serve to everyone, and the rest of the flag stays
what its definition says, a kill included.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from .base import Snapshot, Source
from .overlay import force, parser
from .wrappers import _Wrapper

__all__ = ["PREFIX", "environment_over", "forced_variants"]

PREFIX: Final = "FLAG_"

_WORDS: Final = {
    "on": True, "true": True, "1": True, "yes": True, "off": False, "false": False, "0": False, "no": False,
}  # fmt: skip


def forced_variants(environ: Mapping[str, str] | None = None, *, prefix: str = PREFIX) -> dict[str, bool | str]:
    """What the variables ask for: flag key to true, false, or a variant's name as written.

    >>> forced_variants({"FLAG_NEW_CHECKOUT": "on", "FLAG_BUTTON": "green", "PATH": "/bin"})
    {'new-checkout': True, 'button': 'green'}
    """
    found = os.environ if environ is None else environ
    return {
        name[len(prefix) :].lower().replace("_", "-"): _WORDS.get(value.strip().lower(), value.strip())
        for name, value in found.items()
        if name.startswith(prefix) and len(name) > len(prefix) and value.strip()
    }


class _Forced(_Wrapper):
    """Parses what another source hands out, and forces some of its flags."""

    def __init__(self, inner: Source, variants: Mapping[str, bool | str], parse: Any) -> None:
        super().__init__(inner)
        self.name = f"environment over {inner.name}"
        self._variants, self._parse = dict(variants), parse

    def changed(self, known: Snapshot | None) -> bool:
        """Whether the source below has something new."""
        return self.inner.changed(None if known is None else known.token)

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        """What the source below has, forced; raises RulesetError where a variable names no flag or variant of it."""
        found = self.inner.fetch(None if known is None else known.token)
        if found is None:
            return None
        forced = force(self._parse(found), self._variants)
        return replace(found, data=forced, name=self.name, sha256="", signature="", token=found)

    def accepted(self, snapshot: Snapshot) -> None:
        """The source below learns of it, if it wants to."""
        accepted = getattr(self.inner, "accepted", None)
        if accepted is not None:
            accepted(snapshot.token)


def environment_over(
    source: Source,
    environ: Mapping[str, str] | None = None,
    *,
    prefix: str = PREFIX,
    environment: str | None = None,
) -> Source:
    """``source`` with the flags that variables name serving one variant to everyone; ``source`` itself where none do.

    ``environ`` is read once, here (default: this process's); ``environment`` is the one that the flags are in.

    >>> from flagmiddleware import Flags
    >>> from flagmiddleware.sources import MemorySource
    >>> base = MemorySource(b'{"version": 1, "flags": {"new-checkout": {}}}')
    >>> Flags(environment_over(base, {"FLAG_NEW_CHECKOUT": "on"})).is_enabled("new-checkout")
    True
    """
    variants = forced_variants(environ, prefix=prefix)
    return _Forced(source, variants, parser(environment)) if variants else source
