"""Log lines that a request causes: once for each cause, so that nobody can fill a disk with them."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["LOGGER", "Say"]

LOGGER: Final = logging.getLogger("flagmiddleware")

_CAUSES_KEPT: Final = 200


class Say:
    """Logs a warning the first time that its message and first argument are seen; one belongs to an installation."""

    __slots__ = ("_said",)

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()

    def __call__(self, message: str, cause: object = "", *details: object) -> None:
        """``cause`` fills the message and, with it, is what counts as the same; ``details`` are only shown."""
        key = (message, str(cause)[:200])
        if key in self._said or len(self._said) >= _CAUSES_KEPT:
            return
        self._said.add(key)
        shown = (message % key[1:]) if "%" in message else message
        LOGGER.warning("%s%s", shown, "".join(f" ({detail!r:.300})" for detail in details))
