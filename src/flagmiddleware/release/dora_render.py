"""The delivery figures as a page with a plot, or as Markdown."""

from __future__ import annotations

from html import escape
from typing import Final

from .dora import DEFINITIONS, ENOUGH, Dora, Figure
from .matrix import format_age
from .words import describe_instant

__all__ = ["figure_text", "grade_text", "render_html", "render_markdown"]

_BAR, _GAP, _HIGH, _LEGEND = 8, 6, 160, 45


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


_STYLE: Final = (
    ":root{color-scheme:light dark;--deployments:#3d7a57;--releases:#2a56b8}"
    "@media(prefers-color-scheme:dark){:root{--deployments:#7fc79d;--releases:#8fb4ff}}"
    "@media print{:root{color-scheme:light;--deployments:#3d7a57;--releases:#2a56b8}tr,dd,svg{break-inside:avoid}"
    "dt{break-after:avoid}}"
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:60rem}table{border-collapse:collapse}"
    "td,th{border:1px solid #888;padding:.4rem .75rem;text-align:left}dt{font-weight:bold}.plot{overflow-x:auto}"
    ".deployments{fill:var(--deployments)}.releases{fill:var(--releases)}rect{print-color-adjust:exact}"
)


def render_html(dora: Dora) -> str:
    """One self-contained page: the table, deployments and releases week by week, the definitions."""
    rows = "".join(
        f"<tr><th scope='row'>{one.name}</th><td>{escape(figure_text(one))}</td><td>{one.samples}</td>"
        f"<td>{escape(grade_text(one))}</td></tr>"
        for one in dora.figures
    )
    heads = "".join(f"<th scope='col'>{name}</th>" for name in ("figure", "value", "samples", "grade"))
    terms = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in DEFINITIONS.items())
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width,initial-scale=1"/><title>Delivery figures</title>'
        f"<style>{_STYLE}</style></head><body><h1>Delivery figures</h1><p>{_period(dora)}</p>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}"
        f"</tbody></table><h2>Deployments and releases, week by week</h2>"
        f'<div class="plot" role="region" aria-label="plot" tabindex="0">{_plot(dora)}</div>'
        f"<dl>{terms}</dl></body></html>\n"
    )


def _plot(dora: Dora) -> str:
    top = max((max(deploys, releases) for _, deploys, releases in dora.weeks), default=0) or 1
    width = max(len(dora.weeks) * (2 * _BAR + _GAP), 280)
    bars = []
    for place, (at, *counts) in enumerate(dora.weeks):
        for side, (count, kind) in enumerate(zip(counts, ("deployments", "releases"), strict=True)):
            tall = round(count / top * _HIGH)
            left = place * (2 * _BAR + _GAP) + side * _BAR
            title = f"week of {describe_instant(at)[:10]}: {count} {kind}"
            bars.append(
                f'<rect x="{left}" y="{_LEGEND + _HIGH - tall}" width="{_BAR}" height="{tall}" class="{kind}">'
                f"<title>{title}</title></rect>"
            )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_LEGEND + _HIGH + 25}" role="img" '
        f'aria-label="deployments and releases a week, {top} at most" font-size="13" fill="currentColor">'
        f'{_legend(top)}{"".join(bars)}<path d="M0 {_LEGEND + _HIGH}.5H{width}" stroke="currentColor"/>'
        f"{_ends(dora)}</svg>"
    )


def _legend(top: int) -> str:
    """Words are in the colour of the text, which is read on any ground; the squares beside them are not."""
    kinds = "".join(
        f'<text x="{110 * place}" y="14"><tspan class="{kind}">■</tspan> {kind}</text>'
        for place, kind in enumerate(("deployments", "releases"))
    )
    return f'{kinds}<text y="32">highest: {top} a week</text>'


def _ends(dora: Dora) -> str:
    if not dora.weeks:
        return ""
    first, last = (describe_instant(dora.weeks[place][0])[:10] for place in (0, -1))
    return f'<text y="{_LEGEND + _HIGH + 18}">weeks of {first} to {last}</text>'
