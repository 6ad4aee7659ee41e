"""The package's logger, for when there is something to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger

__all__ = ["log"]


def log() -> Logger:
    """The logger ``flagmiddleware``.

    Not a name in each module, as is usual: importing `logging` takes an eighth of what importing the whole core does,
    and a process in which all goes well says nothing.

    >>> log().name
    'flagmiddleware'
    """
    import logging

    return logging.getLogger("flagmiddleware")
