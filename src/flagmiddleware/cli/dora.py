"""``flags dora``: deployment beside release, and what harmful steps cost."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import click

from ..release.dora import DEFINITIONS, Dora, measure_dora
from ..release.dora_render import figure_text, grade_text, render_html, render_markdown
from ..release.git import Repository
from ..release.history import flag_history
from .bench import Bench, format_option, pass_bench
from .log import parse_since, since_option
from .output import echo, print_json, print_table, progress, shout

__all__ = ["dora"]


@click.command()
@since_option
@click.option("--deploys", metavar="PATTERN", help="Tags that mark deployments, such as deploy-*; default: commits.")
@click.option("--users", default=1, show_default=True, help="How many users there are, for the blast radius.")
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="Write to this file.")
@format_option("table", "json", "md", "html")
@pass_bench
def dora(bench: Bench, since: str | None, deploys: str | None, users: int, output: str | None, style: str) -> None:
    """Tell how often is deployed and released, how long it takes, how often it fails and what that costs."""
    if bench.path is None:
        raise click.UsageError("the figures come from git: name a flag file in a repository")
    repository = Repository.around(bench.path)
    if repository.is_shallow:
        shout("The clone is shallow: figures cover what was fetched (git fetch --unshallow).")
    records = flag_history(bench.path, environment=bench.environment, watch=progress)
    times = _deployments(repository, deploys)
    end = bench.now()
    first = min([record.origin.time for record in records] + times, default=end)
    figures = measure_dora(records, times, start=max(parse_since(since, end), first), end=end, users=users)
    if style == "json":
        print_json(figures.to_dict())
    elif style == "table":
        _print(figures)
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
