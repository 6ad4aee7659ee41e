"""``flags dora``: deployment beside release, and what harmful steps cost."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import click

from ..release.dora import DEFINITIONS, Dora, measure_dora
from ..release.dora_render import figure_text, grade_text, render_html, render_markdown
from ..release.git import Repository
from .bench import Bench, format_option, pass_bench
from .changelog import changes_of
from .log import parse_since, since_option
from .output import echo, print_json, print_table, progress, shout

__all__ = ["dora"]


@click.command()
@since_option
@click.option("--deploys", metavar="PATTERN", help="Tags that mark deployments, such as deploy-*; default: commits.")
@click.option("--users", type=int, help="How many users there are, for the blast radius; default: one.")
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="Write to this file.")
@format_option("table", "json", "md", "html")
@pass_bench
def dora(
    bench: Bench, since: str | None, deploys: str | None, users: int | None, output: str | None, style: str
) -> None:
    """Tell how often is deployed and released, how long it takes, how often it fails and what that costs."""
    # Deployments are git's in any case; releases are in the store's own log where flags are in a store.
    repository = Repository.around(bench.path if bench.path is not None else Path.cwd())
    if repository.is_shallow:
        shout("The clone is shallow: figures cover what was fetched (git fetch --unshallow).")
    records = changes_of(bench, watch=progress)
    times = _deployments(repository, deploys)
    end = bench.now()
    first = min([record.origin.time for record in records] + times, default=end)
    figures = measure_dora(records, times, start=max(parse_since(since, end), first), end=end, users=users or 1)
    if style == "json":
        print_json(figures.to_dict())
    elif style == "table":
        _print(figures)
        if users is None:
            echo("The blast radius is that of one user: --users N counts them all.", "dim")
    else:
        text = render_markdown(figures) if style == "md" else render_html(figures)
        if output is not None:
            Path(output).write_text(text, "utf-8")
        else:
            click.echo(text, nl=False)


def _deployments(repository: Repository, pattern: str | None) -> list[float]:
    if pattern is None:
        return [commit.time for commit in repository.log()] if repository.knows("HEAD") else []
    out = repository.run("for-each-ref", "refs/tags", "--format=%(refname:short) %(creatordate:unix)").decode()
    tags = (line.rsplit(" ", 1) for line in out.splitlines())
    return [float(at) for name, at in tags if fnmatch(name, pattern)]


def _print(figures: Dora) -> None:
    rows = [(one.name, figure_text(one), str(one.samples), grade_text(one)) for one in figures.figures]
    print_table(("FIGURE", "VALUE", "SAMPLES", "GRADE"), rows)
    echo("")
    for name, text in DEFINITIONS.items():
        echo(f"{name}: {text}", "dim")
