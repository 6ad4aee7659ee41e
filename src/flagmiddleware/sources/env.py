"""Flags from environment variables, for a container or a shell: ``FLAG_NEW_CHECKOUT=on``.

They lie over another source: the variable says which variant to serve to everyone, and the rest of the flag stays
what its definition says, a kill included.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from .base import Layers, Snapshot, Source
from .overlay import content
from .wrappers import _Wrapper, kept_by, lie_over

__all__ = ["PREFIX", "WORDS", "environment_over", "forced_variants"]

PREFIX: Final = "FLAG_"

WORDS: Final[Mapping[str, bool]] = MappingProxyType({
    "on": True, "true": True, "1": True, "yes": True, "off": False, "false": False, "0": False, "no": False,
})  # fmt: skip
"""How yes and no are written where everything is text."""


def forced_variants(environ: Mapping[str, str] | None = None, *, prefix: str = PREFIX) -> dict[str, bool | str]:
    """What the variables ask for: flag key to true, false, or a variant's name as written.

    >>> forced_variants({"FLAG_NEW_CHECKOUT": "on", "FLAG_BUTTON": "green", "PATH": "/bin"})
    {'new-checkout': True, 'button': 'green'}
    """
    found = os.environ if environ is None else environ
    return {
        name[len(prefix) :].lower().replace("_", "-"): WORDS.get(value.strip().lower(), value.strip())
        for name, value in found.items()
        if name.startswith(prefix) and len(name) > len(prefix) and value.strip()
    }


class _Forced(_Wrapper):
    """Hands out what another source has, with the variants that some of its flags are to serve."""

    def __init__(self, inner: Source, variants: Mapping[str, bool | str]) -> None:
        super().__init__(inner)
        self.name = f"environment over {inner.name}"
        self._variants = dict(variants)
        lie_over(self, inner)

    def changed(self, known: Snapshot | None) -> bool:
        """Whether the source below has something new."""
        return self.inner.changed(None if known is None else known.token)

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        """What the source below has, to be forced where it is read."""
        return self._forced(self.inner.fetch(None if known is None else known.token))

    def last_good(self) -> Snapshot | None:
        """What the source below can give without a wait, forced alike."""
        return self._forced(kept_by(self.inner))

    def _forced(self, found: Snapshot | None) -> Snapshot | None:
        if found is None:
            return None
        layers = Layers(lower=content(found), forced=self._variants)
        return replace(found, data=layers, name=self.name, sha256="", signature="", token=found)

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
) -> Source:
    """``source`` with the flags that variables name serving one variant to everyone; ``source`` itself where none do.

    ``environ`` is read once, here (default: this process's). A flag that is killed stays killed.

    >>> from flagmiddleware import Flags
    >>> from flagmiddleware.sources import MemorySource
    >>> base = MemorySource(b'{"version": 1, "flags": {"new-checkout": {}}}')
    >>> Flags(environment_over(base, {"FLAG_NEW_CHECKOUT": "on"})).is_enabled("new-checkout")
    True
    """
    variants = forced_variants(environ, prefix=prefix)
    return _Forced(source, variants) if variants else source
