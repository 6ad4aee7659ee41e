"""The matrix as a picture that a wiki, a pull request or a mail can carry: HTML, SVG, Markdown."""

from __future__ import annotations

from html import escape

from .matrix import Matrix, Placement, format_age
from .policy import LEVELS, Strategy
from .shares import format_share

__all__ = ["render_html", "render_markdown", "render_svg", "summary"]

_QUADRANTS = tuple((technical, business) for business in reversed(LEVELS) for technical in LEVELS)
_FILL = {("low", "low"): "#e6f4ea", ("low", "high"): "#fff4e0", ("high", "low"): "#e8f0fe", ("high", "high"): "#fce8e6"}
_CELL_WIDTH, _LINE, _MARGIN, _HEAD = 460, 20, 70, 78


def summary(strategy: Strategy) -> str:
    """A strategy in one line: its stages, who flips, and what stands between stages."""
    stages = " → ".join(["internal"] * strategy.cohort + [format_share(stage) for stage in strategy.stages])
    soak = [f"≥ {format_age(strategy.soak)} a stage"] if strategy.soak else []
    gates = " + ".join([*strategy.gates, *soak]) or "no gate"
    return f"{stages}; {' + '.join(strategy.owners)}; {gates}"


def render_markdown(matrix: Matrix) -> str:
    """A section a quadrant, a table row a flag."""
    out = ["# Blast Radius Matrix", ""]
    for technical, business in _QUADRANTS:
        strategy, placed = matrix.quadrant(technical, business)
        title = strategy.title if strategy else "no strategy"
        out += [f"## {title} (technical risk {technical}, business risk {business})", ""]
        out += [f"{summary(strategy)}.", ""] if strategy else []
        out += _markdown_table(placed)
    if matrix.unplaced:
        out += ["## no quadrant (risk not declared)", "", *_markdown_table(matrix.unplaced)]
    return "\n".join(out).rstrip() + "\n"


def _markdown_table(placed: tuple[Placement, ...]) -> list[str]:
    if not placed:
        return ["No flags.", ""]
    rows = [
        f"| `{one.key}` | {one.stage.text} | {_age(one)} | {one.next} | {_pipe(', '.join(one.owner))} |"
        for one in placed
    ]
    return ["| flag | stage | age | next | owner |", "|---|---|---|---|---|", *rows, ""]


def _pipe(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _age(placed: Placement) -> str:
    return "" if placed.age is None else format_age(placed.age)


def render_html(matrix: Matrix) -> str:
    """One self-contained page: a 2 × 2 table, and a list of what has no quadrant."""
    rows = []
    for business in reversed(LEVELS):
        cells = "".join(_html_cell(matrix, technical, business) for technical in LEVELS)
        rows.append(f'<tr><th scope="row">business risk {business}</th>{cells}</tr>')
    heads = "".join(f'<th scope="col">technical risk {technical}</th>' for technical in LEVELS)
    unplaced = _html_list(matrix.unplaced) if matrix.unplaced else ""
    rest = f"<h2>No quadrant: risk not declared</h2>{unplaced}" if unplaced else ""
    style = (
        ":root{color-scheme:light dark}td{color:#111;print-color-adjust:exact}li,tr{break-inside:avoid}"
        "body{font:15px/1.5 system-ui,sans-serif;margin:2rem}table{border-collapse:collapse;width:100%}"
        "td,th{border:1px solid #888;padding:.75rem;vertical-align:top;text-align:left}thead th{width:44%}"
        "h2{margin:0;font-size:1.1rem}p{margin:.25rem 0}td p{color:#444}ul{padding-left:1.2rem;margin:.5rem 0 0}"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"/><title>Blast Radius Matrix</title>'
        f"<style>{style}</style></head><body><h1>Blast Radius Matrix</h1>"
        f"<table><thead><tr><td></td>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>{rest}</body></html>\n"
    )


def _html_cell(matrix: Matrix, technical: str, business: str) -> str:
    strategy, placed = matrix.quadrant(technical, business)
    head = f"<h2>{escape(strategy.title)}</h2><p>{escape(summary(strategy))}</p>" if strategy else ""
    return f'<td style="background:{_FILL[technical, business]}">{head}{_html_list(placed)}</td>'


def _html_list(placed: tuple[Placement, ...]) -> str:
    items = "".join(f"<li><code>{escape(one.key)}</code> {escape(one.line[len(one.key) + 2 :])}</li>" for one in placed)
    return f"<ul>{items}</ul>" if items else "<p>No flags.</p>"


def render_svg(matrix: Matrix) -> str:
    """A picture of the four quadrants; it grows with the fullest one of each row."""
    heights = [_row_height(matrix, business) for business in reversed(LEVELS)]
    width = _MARGIN + 2 * _CELL_WIDTH + 10
    height = 30 + sum(heights) + (_LINE * (len(matrix.unplaced) + 2) if matrix.unplaced else 0) + 10
    body = [
        _svg_text(_MARGIN + index * _CELL_WIDTH, 20, f"technical risk {level}") for index, level in enumerate(LEVELS)
    ]
    top = 30
    for business, tall in zip(reversed(LEVELS), heights, strict=True):
        body.append(
            f'<text transform="rotate(-90)" x="{-top - tall // 2}" y="30" text-anchor="middle">'
            f"business risk {business}</text>"
        )
        for index, technical in enumerate(LEVELS):
            body += _svg_cell(matrix, technical, business, (_MARGIN + index * _CELL_WIDTH, top, tall))
        top += tall
    if matrix.unplaced:
        body.append(_svg_text(_MARGIN, top + _LINE, "no quadrant: risk not declared", "font-weight:bold"))
        body += [_svg_text(_MARGIN, top + _LINE * (2 + n), one.line) for n, one in enumerate(matrix.unplaced)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="Blast Radius Matrix">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(body)}</svg>\n'
    )


def _row_height(matrix: Matrix, business: str) -> int:
    most = max(len(matrix.quadrant(technical, business)[1]) for technical in LEVELS)
    return _HEAD + _LINE * max(most, 3) + 10


def _svg_cell(matrix: Matrix, technical: str, business: str, box: tuple[int, int, int]) -> list[str]:
    left, top, tall = box
    strategy, placed = matrix.quadrant(technical, business)
    fill = _FILL[technical, business]
    out = [f'<rect x="{left}" y="{top}" width="{_CELL_WIDTH}" height="{tall}" fill="{fill}" stroke="#888"/>']
    if strategy is not None:
        out.append(_svg_text(left + 10, top + 22, strategy.title, "font-weight:bold"))
        stages, _, rest = summary(strategy).partition("; ")
        out += [
            _svg_text(left + 10, top + 40 + 16 * n, text, "font-size:11px") for n, text in enumerate((stages, rest))
        ]
    for index, one in enumerate(placed):
        out.append(_svg_text(left + 10, top + _HEAD + _LINE * index, one.line))
    return out


def _svg_text(left: int, top: int, text: str, style: str = "") -> str:
    shown = text if len(text) <= 72 else text[:71] + "…"
    return f'<text x="{left}" y="{top}"{f" style={chr(34)}{style}{chr(34)}" if style else ""}>{escape(shown)}</text>'
