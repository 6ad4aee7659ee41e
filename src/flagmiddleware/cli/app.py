"""The group that all commands hang on, how a failure is told, and which code the command exits with."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from errno import EPIPE
from importlib import import_module
from typing import Any

import click

from ..errors import FlagMiddlewareError, RulesetError
from ..flags import Flags
from .bench import Bench
from .output import shout

__all__ = ["flags", "group_for", "main"]

_COMMANDS = {
    "dora": ("dora", "dora"),
    "eval": ("evaluate", "evaluate"),
    "explain": ("explain", "explain"),
    "import": ("import_", "import_flags"),
    "kill": ("change", "kill"),
    "link": ("link", "link"),
    "lint": ("lint", "lint"),
    "list": ("listing", "listing"),
    "log": ("log", "log"),
    "matrix": ("matrix", "matrix"),
    "next": ("change", "advance"),
    "plan": ("plan", "plan"),
    "pull": ("stores", "pull"),
    "push": ("push", "push"),
    "ramp": ("change", "ramp"),
    "restore": ("change", "restore"),
    "revert": ("revert", "revert"),
    "schedule": ("change", "schedule"),
    "schema": ("schema", "schema"),
    "stale": ("stale", "stale"),
    "status": ("stores", "status"),
    "watch": ("watch", "watch"),
}
"""Each command's module and function. A module is imported when its command is asked for: ``flags kill`` must not
wait for a syntax-tree library that only ``flags stale`` needs."""

_SECTIONS = {
    "When something is wrong": ("kill", "restore", "revert", "explain"),
    "Release": ("plan", "next", "ramp", "schedule", "link"),
    "Look": ("list", "matrix", "eval", "log", "dora", "stale", "watch", "status"),
    "Definitions": ("lint", "schema", "import", "push", "pull"),
}
"""How ``--help`` groups the commands; what is in no group comes last."""


class _Group(click.Group):
    """Finds commands by name, and turns our own errors into words and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*_COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)  # an adapter's `link` knows the site's keys, and goes before ours
        if own is not None or cmd_name not in _COMMANDS:
            return own
        module, function = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f".{module}", __package__), function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        there = self.list_commands(ctx)
        grouped = {name for names in _SECTIONS.values() for name in names}
        others = {"Others": tuple(name for name in there if name not in grouped)}
        for title, names in {**_SECTIONS, **others}.items():
            found = [(name, self.get_command(ctx, name)) for name in names if name in there]
            rows = [(name, one.get_short_help_str(limit=200)) for name, one in found if one is not None]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            close = get_close_matches(args[0], self.list_commands(ctx), n=1) if args else []
            hint = f" Did you mean {close[0]!r}?" if close and "Did you mean" not in error.message else ""
            raise click.UsageError(f"{error.message}{hint}", ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RulesetError as error:
            for problem in error.problems:
                shout(str(problem))
            ctx.exit(1)
        except FlagMiddlewareError as error:
            shout(f"Error: {error}")
            ctx.exit(2)
        except OSError as error:
            if error.errno is None or error.errno == EPIPE:  # a pipe whose reader has left is click's to end
                raise
            where = f"{error.filename}: " if error.filename else ""
            shout(f"Error: {where}{error.strerror}")
            ctx.exit(2)


def _enter(ctx: click.Context) -> None:
    # What an adapter handed over: a Flags, or a function that finds it once the command runs.
    given = ctx.obj
    if not isinstance(given, Bench):
        provider = (lambda: given) if isinstance(given, Flags) else given if callable(given) else None
        ctx.obj = Bench(provider)


@click.group(cls=_Group, name="flags", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="flagmiddleware", message="flagmiddleware %(version)s")
@click.pass_context
def flags(ctx: click.Context) -> None:
    """Check, read and release feature flags.

    Something is on fire? flags kill KEY -m "what happened"

    Exit codes: 0 all is well, 1 the definitions or the step asked for are not, 2 the command could not run.
    """
    _enter(ctx)


def group_for(provider: Callable[[], Flags], name: str = "flags") -> click.Group:
    """A group with all commands that works on the ``Flags`` that ``provider`` returns when a command runs.

    For a framework whose own command line already uses the context's object, such as Flask's.
    """

    @click.group(cls=_Group, name=name, help=flags.help)
    @click.pass_context
    def group(ctx: click.Context) -> None:
        ctx.obj = Bench(provider)

    return group


def main(args: list[str] | None = None) -> None:
    """Run the command line; ``args`` default to those of the process."""
    for stream in (sys.stdout, sys.stderr):
        # A pipe in a C locale must not make `flags list` die of an umlaut in a description.
        if hasattr(stream, "reconfigure"):
            with suppress(OSError):  # words of before that cannot be written
                stream.reconfigure(errors="replace")
    try:
        flags(args, prog_name="flags")
    finally:
        for stream in (sys.stdout, sys.stderr):
            _give_up(stream)


def _give_up(stream: Any) -> None:
    """Let go of words that cannot be written: on a full disk, Python would try once more and exit with 120."""
    try:
        stream.flush()
    except OSError:  # the command has told by its own exit code, or suppressed it for a kill
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
