"""What is told where an extra of the package was not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import ConfigurationError

__all__ = ["needs_cli"]


@contextmanager
def needs_cli() -> Iterator[None]:
    """Around an import of the command line: raises ConfigurationError, which names the extra, where it is missing.

    >>> with needs_cli():
    ...     raise ModuleNotFoundError(name="rich")
    Traceback (most recent call last):
    ...
    flagmiddleware.errors.ConfigurationError: flags needs rich: pip install 'flagmiddleware[cli]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("click", "rich"):
            raise
        raise ConfigurationError(f"flags needs {missing}: pip install 'flagmiddleware[cli]'") from error
