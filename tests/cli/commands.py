"""Runs the ``flags`` command in this process."""

from __future__ import annotations

from click.testing import CliRunner, Result

from flagmiddleware.cli import flags

__all__ = ["run"]


def run(*args: str, code: int = 0) -> Result:
    """Run a command and check its exit code."""
    result = CliRunner().invoke(flags, list(args))
    assert result.exit_code == code, result.output
    return result
