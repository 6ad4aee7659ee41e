"""Flags from environment variables, for a container or a shell: ``FLAG_NEW_CHECKOUT=on``.

Meant to lie over another source (see :func:`.overlay.force`): the variable says which variant to serve to everyone,
and the rest of the flag stays what its definition says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

__all__ = ["PREFIX", "forced_variants"]

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
