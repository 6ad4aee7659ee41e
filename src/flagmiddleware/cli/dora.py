"""``flags dora``: deployment beside release, and what harmful steps cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import click

from ..release.changes import ChangeRecord
from ..release.dora import DEFINITIONS, Dora, measure_dora
from ..release.dora_render import figure_text, grade_text, render_html, render_markdown
from ..release.git import GitError, Repository
from .bench import Bench, format_option, pass_bench
from .changelog import changes_of
from .log import parse_since, since_option
from .output import echo, print_table, progress, shout

__all__ = ["dora"]


@click.command()
@since_option
@click.option("--deploys", metavar="PATTERN", help="Tags that mark deployments, such as deploy-*; default: commits.")
@click.option(
    "--users", type=click.IntRange(min=1), help="How many users there are, for the blast radius; default: one."
)
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="Write to this file.")
@format_option("table", "json", "md", "html")
@pass_bench
def dora(
    bench: Bench, since: str | None, deploys: str | None, users: int | None, output: str | None, style: str
) -> None:
    """Tell how often is deployed and released, how long it takes, how often it fails and what that costs."""
    if output is not None and style == "table":
        raise click.UsageError("--output wants --format json, md or html")
    # Deployments are git's in any case; releases are in the store's own log where flags are in a store.
    repository = _repository(bench)
    if repository is not None and repository.is_shallow:
        shout("The clone is shallow: figures cover what was fetched (git fetch --unshallow).")
    end = bench.now()
    records = _without_beginning(changes_of(bench, until=end, watch=progress), repository)
    times = _deployments(repository, deploys)
    first = min([record.origin.time for record in records] + times, default=end)
    figures = measure_dora(records, times, start=max(parse_since(since, end), first), end=end, users=users or 1)
    if style == "table":
        _print(figures)
        if users is None:
            echo("The blast radius is that of one user: --users N counts them all.", "dim")
    else:
        _write(_RENDER[style](figures), output)


_RENDER: Final[Mapping[str, Callable[[Dora], str]]] = {
    "json": lambda figures: json.dumps(figures.to_dict(), indent=2) + "\n",
    "md": render_markdown,
    "html": render_html,
}


def _write(text: str, output: str | None) -> None:
    if output is None:
        click.echo(text.encode(), nl=False)
    else:
        Path(output).write_text(text, "utf-8")
        echo(f"wrote {output}", "bold")


def _repository(bench: Bench) -> Repository | None:
    """The repository that deployments are counted in: a file's own, else the one around here, if there is one."""
    if bench.path is not None:
        return Repository.around(bench.path)
    try:
        return Repository.around(Path.cwd())
    except GitError:
        shout("No git repository here: deployments are not counted (run it in the one that is deployed).")
        return None


def _without_beginning(records: list[ChangeRecord], repository: Repository | None) -> list[ChangeRecord]:
    """The records without those of a shallow clone's first commit, which brought nothing: it is only where one cut."""
    if repository is None or not repository.is_shallow:
        return records
    first = next(iter(repository.log()), None)
    return [record for record in records if first is None or record.origin.id != first.id]


def _deployments(repository: Repository | None, pattern: str | None) -> list[float]:
    if repository is None:
        return []
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
