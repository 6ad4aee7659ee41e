"""A policy in a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import ConfigurationError, FlagMiddlewareError, Problem, RulesetError
from ..formats import syntax
from .policy import Policy, read_policy

__all__ = ["read_policy_file"]


def read_policy_file(path: str | Path, *, read: Callable[[Path], bytes] = Path.read_bytes) -> Policy:
    """The policy in a YAML, JSON or TOML file: what a flag file would have under ``policy:``, or that section itself.

    ``read`` tells what is in the file: as it is, or as it was.
    Raises ConfigurationError where the file cannot be read, RulesetError with every problem, each with its line.
    """
    try:
        document = syntax.read(read(Path(path)), name=str(path))
    except OSError as error:
        raise ConfigurationError(f"policy file {path} cannot be read: {error.strerror}") from error
    except RulesetError:
        raise
    except FlagMiddlewareError as error:
        raise ConfigurationError(f"policy file {path}: {error}") from error
    tree, inside = document.tree, False
    if not isinstance(tree, Mapping):
        raise RulesetError([Problem("expected a policy: a mapping with strategies, roles and such", "", 1, str(path))])
    if "policy" in tree:
        tree, inside = tree["policy"], True

    def place(*where: str) -> tuple[str, int]:
        wanted = where if inside else where[1:]
        lines = document.lines()
        line = next((lines[wanted[:size]] for size in range(len(wanted), 0, -1) if wanted[:size] in lines), 1)
        return str(path), line

    return read_policy(tree, place=place)
