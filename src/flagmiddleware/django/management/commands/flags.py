"""``manage.py flags``: the ``flags`` command line on the site's own flags, and ``link`` for QA."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ....errors import ConfigurationError
from ....extras import needs_cli
from ...installed import installation

if TYPE_CHECKING:
    import click

__all__ = ["Command"]


class Command(BaseCommand):
    """Everything after ``flags`` is the command line's; Django's own options have no part in it."""

    help = "Check, read and release this site's feature flags."
    requires_system_checks = ()  # a kill must not wait for a check of something else

    def run_from_argv(self, argv: list[str]) -> None:
        """From a shell: hand the words over as they are."""
        try:
            group = _group()
        except CommandError as error:  # told as Django tells one
            self.stderr.write(f"CommandError: {error}")
            sys.exit(error.returncode)
        group.main(args=argv[2:], prog_name=f"{argv[0]} {argv[1]}")

    def add_arguments(self, parser: CommandParser) -> None:
        """From ``call_command("flags", "list")``."""
        parser.add_argument("words", nargs=argparse.REMAINDER)

    def handle(self, *args: Any, words: list[str], **options: Any) -> None:
        """Run it; a failure becomes Django's error."""
        group = _group()
        from click import ClickException

        try:
            code = group.main(args=[*args, *words], prog_name="flags", standalone_mode=False)
        except ClickException as error:
            raise CommandError(error.format_message()) from error
        if code:
            raise CommandError(f"flags {' '.join(words)}: exit code {code}", returncode=code)


def _group() -> click.Group:
    # Click and Rich come with the [cli] extra, and a site may run without it: they are imported by who asks for them.
    try:
        with needs_cli():
            from ....cli import group_for
            from ....cli.link import link_command
    except ConfigurationError as error:
        raise CommandError(str(error), returncode=2) from error
    group = group_for(lambda: installation().flags)
    group.add_command(link_command(installation))
    return group
