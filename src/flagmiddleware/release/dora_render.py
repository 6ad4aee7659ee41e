"""The delivery figures as a page with a plot, or as Markdown."""

from __future__ import annotations

from html import escape

from .dora import DEFINITIONS, ENOUGH, Dora, Figure
from .matrix import format_age
from .words import describe_instant

__all__ = ["figure_text", "grade_text", "render_html", "render_markdown"]

_BAR, _GAP, _HIGH = 8, 6, 160


def figure_text(figure: Figure) -> str:
    """A figure's value as people read it."""
    if figure.value is None:
        return "no sample"
    if figure.unit == "seconds":
        return format_age(figure.value)
    if figure.unit == "share":
        return f"{figure.value:.0%}"
    if figure.unit == "a week":
        return f"{figure.value:.1f} a week"
    return f"{figure.value:,.0f} {figure.unit}"


def grade_text(figure: Figure) -> str:
    """A figure's grade, or why it has none."""
    return figure.grade or (f"fewer than {ENOUGH} samples" if figure.samples < ENOUGH else "not graded")


def _period(dora: Dora) -> str:
    return f"{describe_instant(dora.start)} to {describe_instant(dora.end)}"


def render_markdown(dora: Dora) -> str:
    """A table, and the definitions under it."""
    out = [
        "# Delivery figures",
        "",
        f"{_period(dora)}.",
        "",
        "| figure | value | samples | grade |",
        "|---|--:|--:|---|",
    ]
    out += [f"| {one.name} | {figure_text(one)} | {one.samples} | {grade_text(one)} |" for one in dora.figures]
    out += ["", *(f"- **{name}**: {text}." for name, text in DEFINITIONS.items()), ""]
    return "\n".join(out)


def render_html(dora: Dora) -> str:
    """One self-contained page: the table, deployments and releases week by week, the definitions."""
    rows = "".join(
        f"<tr><th scope='row'>{one.name}</th><td>{escape(figure_text(one))}</td><td>{one.samples}</td>"
        f"<td>{escape(grade_text(one))}</td></tr>"
        for one in dora.figures
    )
    terms = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in DEFINITIONS.items())
    style = (
        "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:60rem}table{border-collapse:collapse}"
        "td,th{border:1px solid #999;padding:.4rem .75rem;text-align:left}dt{font-weight:bold}"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"/><title>Delivery figures</title>'
        f"<style>{style}</style></head><body><h1>Delivery figures</h1><p>{_period(dora)}</p>"
        f"<table><thead><tr><th>figure</th><th>value</th><th>samples</th><th>grade</th></tr></thead><tbody>{rows}"
        f"</tbody></table><h2>Deployments and releases, week by week</h2>{_plot(dora)}<dl>{terms}</dl></body></html>\n"
    )


def _plot(dora: Dora) -> str:
    top = max((max(deploys, releases) for _, deploys, releases in dora.weeks), default=0) or 1
    width = len(dora.weeks) * (2 * _BAR + _GAP) + 160
    bars = []
    for place, (at, *counts) in enumerate(dora.weeks):
        for side, (count, colour) in enumerate(zip(counts, ("#7a8", "#36c"), strict=True)):
            tall = round(count / top * _HIGH)
            left = place * (2 * _BAR + _GAP) + side * _BAR
            title = f"week of {describe_instant(at)[:10]}: {count} {('deployments', 'releases')[side]}"
            bars.append(
                f'<rect x="{left}" y="{_HIGH - tall}" width="{_BAR}" height="{tall}" fill="{colour}">'
                f"<title>{title}</title></rect>"
            )
    legend = width - 150
    bars.append(f'<text x="{legend}" y="20" fill="#7a8">■ deployments</text>')
    bars.append(f'<text x="{legend}" y="40" fill="#36c">■ releases</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HIGH + 5}" role="img" '
        f'aria-label="deployments and releases a week" font-size="13">{"".join(bars)}</svg>'
    )
