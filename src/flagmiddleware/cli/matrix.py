"""``flags matrix``: the Blast Radius Matrix in the terminal, or as a page, picture or table."""

from __future__ import annotations

from pathlib import Path

import click
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ..errors import SourceError
from ..release.matrix import Matrix, Placement, draw_matrix
from ..release.matrix_render import render_html, render_markdown, render_svg, summary
from ..release.policy import LEVELS
from .bench import Bench, format_option, pass_bench, policy_option
from .listing import STYLES
from .output import clean, console, print_json

__all__ = ["matrix"]

_RENDER = {"html": render_html, "svg": render_svg, "md": render_markdown}


@click.command()
@click.argument("file", required=False)
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="Write to this file.")
@format_option("table", "json", "html", "svg", "md")
@policy_option
@pass_bench
def matrix(bench: Bench, file: str | None, output: str | None, style: str) -> None:
    """Draw the Blast Radius Matrix: each flag in its quadrant, its stage, age and next step."""
    if file is not None:
        bench.source = file
    drawn = draw_matrix(bench.ruleset, bench.policy, now=bench.now(), changed=_ages(bench))
    if style in _RENDER:
        text = _RENDER[style](drawn)
        if output is not None:
            Path(output).write_text(text, "utf-8")
        else:
            click.echo(text.encode("utf-8", "replace"), nl=False)
    elif style == "json":
        print_json(drawn.to_dict())
    else:
        _print(drawn)


def _ages(bench: Bench) -> dict[str, float]:
    """When each flag came to its stage, by the change log; empty where there is none."""
    from ..release.history import HistoryError, stages_since
    from .changelog import changes_of

    try:
        return stages_since(changes_of(bench, until=bench.now()))
    except (HistoryError, SourceError, click.UsageError):
        return {}


def _print(drawn: Matrix) -> None:
    out = console()
    if not out.is_terminal:
        out.width = 160
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=1)
    grid.add_column(ratio=1)
    for business in reversed(LEVELS):
        grid.add_row(*(_panel(drawn, technical, business) for technical in LEVELS))
    out.print(grid)
    if drawn.unplaced:
        out.print(Text("no quadrant (declare risk: {technical: low|high, business: low|high})", style="bold"))
        out.print(Columns([_flag(placed) for placed in drawn.unplaced], padding=(0, 3)))


def _panel(drawn: Matrix, technical: str, business: str) -> RenderableType:
    strategy, placed = drawn.quadrant(technical, business)
    lines: list[RenderableType] = [_flag(one) for one in placed] or [Text("no flags", style="dim")]
    head = [Text(summary(strategy), style="dim")] if strategy else []
    return Panel(
        Group(*head, *lines),
        title=f"{strategy.title if strategy else 'no strategy'}",
        subtitle=f"technical {technical} · business {business}",
        title_align="left",
        subtitle_align="right",
    )


def _flag(placed: Placement) -> Text:
    key, _, rest = placed.line.partition(": ")
    return Text.assemble((clean(key), "bold"), " ", (clean(rest), STYLES[placed.stage.kind]))
