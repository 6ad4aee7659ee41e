"""``flags schema``: the JSON Schema of a flag file, for editors."""

from __future__ import annotations

from importlib.resources import files

import click

__all__ = ["schema"]


@click.command()
@click.option("--format", "style", type=click.Choice(["json"]), default="json", help="What to print.")
def schema(style: str) -> None:
    """Print the JSON Schema of a flag file, so that an editor completes and checks it."""
    click.echo((files("flagmiddleware.formats") / "schema.json").read_text("utf-8").rstrip())
