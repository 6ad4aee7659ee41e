"""``flask flags``: the ``flags`` command, on the flags of the application."""

from __future__ import annotations

from typing import Any

import click
from flask import current_app, has_app_context
from flask.cli import ScriptInfo

from ..errors import ConfigurationError
from ..extras import needs_cli
from .checks import unknown_in_gates, unknown_in_templates
from .reach import installation_of

__all__ = ["FlagsGroup"]


class FlagsGroup(click.Group):
    """All commands of ``flags``, and ``check``. They are imported when one is asked for: a server needs none."""

    def __init__(self) -> None:
        super().__init__("flags", help="Check, read and release this application's feature flags.")

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of everything, for the help."""
        return _all().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One command."""
        return _all().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command on the application's ``Flags``, with the words and exit codes of ``flags``."""
        if not has_app_context():
            ctx.with_resource(ctx.ensure_object(ScriptInfo).load_app().app_context())
        return _all().invoke(ctx)


class _CannotRun(click.ClickException):
    exit_code = 2


def _all() -> click.Group:
    try:
        with needs_cli():  # Click comes with Flask, but Rich only with the [cli] extra
            from ..cli import group_for
            from ..cli.link import link_command
    except ConfigurationError as error:
        raise _CannotRun(str(error)) from error
    group = group_for(lambda: installation_of(current_app).flags)
    group.add_command(check)
    group.add_command(link_command(lambda: installation_of(current_app)))
    return group


@click.command()
def check() -> None:
    """Find flag keys in views, blueprints and templates that no definition has."""
    site = current_app, installation_of(current_app)
    problems = [*unknown_in_gates(*site), *unknown_in_templates(*site)]
    for problem in problems:
        click.echo(problem)
    if problems:
        raise click.exceptions.Exit(1)
    click.echo("every flag_required and every template names flags that exist")
