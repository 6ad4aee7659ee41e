"""Every exception that flagmiddleware raises, under one root, so that one ``except`` can name them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = [
    "ConfigurationError",
    "ConflictError",
    "ContextNotReadyError",
    "FlagMiddlewareError",
    "Problem",
    "RulesetError",
    "SourceError",
]


class FlagMiddlewareError(Exception):
    """The root: catch this to catch everything that flagmiddleware raises on purpose."""


class ConfigurationError(FlagMiddlewareError):
    """A setting of the site is wrong; the message names the setting and what it should hold."""


class SourceError(FlagMiddlewareError):
    """Definitions could not be fetched or written; the message names the source, never its credentials.

    ``refused`` is true where the store does not let us in (401, 403): trying again soon will not help.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class ConflictError(SourceError):
    """Somebody else wrote first: the expected revision is no longer the current one."""


class ContextNotReadyError(FlagMiddlewareError):
    """An attribute that needs I/O was read on a running event loop before it was awaited.

    Evaluation turns it into ``off``, reason ERROR, code INVALID_CONTEXT; callers never see it.
    """


class Problem(NamedTuple):
    """One thing that is wrong in a definition, told so that a person can mend it.

    ``where`` is the path inside the document (``flags.new-checkout.rules[1].rollout``), ``line`` counts from 1
    and is 0 where no line is known, ``file`` is empty for definitions that came from no file.
    """

    message: str
    where: str = ""
    line: int = 0
    file: str = ""
    flag: str | None = None
    severity: str = "error"

    def __str__(self) -> str:
        line = (f":{self.line}" if self.file else f"line {self.line}") if self.line else ""
        place = self.file + line
        return ": ".join(part for part in (place, self.where, self.message) if part)


class RulesetError(FlagMiddlewareError):
    """Definitions are wrong; ``problems`` lists everything that is, not the first thing only.

    >>> str(RulesetError([Problem("unknown field 'rool'", "flags.beta", 3, "flags.yaml")]))
    "flags.yaml:3: flags.beta: unknown field 'rool'"
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))
