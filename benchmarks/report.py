"""What a benchmark prints: plain tables on the terminal, and its own section of RESULTS.md."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from .harness import Cost, Settings, Workload

__all__ = ["Table", "cost_table", "duration", "main", "ratio_table", "size", "workload_tables"]

RESULTS = Path(__file__).with_name("RESULTS.md")


@dataclass
class Table:
    """A heading, column names and rows of text; ``missed`` lists the figures that are over their limit."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def plain(self) -> str:
        """The table in columns, for a terminal."""
        return "\n".join([self.title, *self._lines("  ", "  ", "", "-")]) + "\n"

    def markdown(self) -> str:
        """The table for RESULTS.md."""
        return "\n".join([f"**{self.title}**", "", *self._lines("| ", " | ", " |", "-")]) + "\n"

    def _lines(self, start: str, between: str, end: str, rule: str) -> Iterable[str]:
        lines = [self.columns, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.columns))]
        for number, line in enumerate(lines):
            yield (start + between.join(map(str.ljust, line, widths)) + end).rstrip()
            if number == 0:
                yield start + between.join(rule * width for width in widths) + end


def duration(nanoseconds: float) -> str:
    """A time in the unit that reads well.

    >>> duration(85.2), duration(1234), duration(56_000_000)
    ('85 ns', '1.23 µs', '56.0 ms')
    """
    for unit, factor in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= factor:
            value = nanoseconds / factor
            return f"{value:.{2 if value < 10 else 1}f} {unit}"
    return f"{nanoseconds:.0f} ns"


def size(octets: float) -> str:
    """A size in MB (10⁶ bytes)."""
    return f"{octets / 1e6:.1f} MB"


def cost_table(title: str, costs: Sequence[Cost]) -> Table:
    """What each cost, the first being the floor."""
    table = Table(title, ["", "least", "median", "spread", "× floor"])
    for cost in costs:
        ratio = f"{cost.over(costs[0]):.2f}"
        table.rows.append([cost.name, duration(cost.least), duration(cost.median), f"+{cost.spread:.0%}", ratio])
    return table


def ratio_table(title: str = "Against the limits") -> Table:
    """An empty table of ratios; :func:`add_ratio` fills it."""
    return Table(title, ["workload", "ratio", "measured", "limit", ""])


def add_ratio(table: Table, workload: str, what: str, measured: float, limit: float) -> None:
    """One demanded figure: a ratio, or any number that must stay at or under ``limit``."""
    met = measured <= limit
    table.rows.append([workload, what, f"{measured:.2f}", f"≤ {limit:g}", "met" if met else "OVER"])
    if not met:
        table.missed.append(f"{workload}: {what} is {measured:.2f}, limit {limit:g}")


def workload_tables(workloads: Iterable[Workload], settings: Settings) -> list[Table]:
    """Measure each workload: a table of costs for each, and one of all demanded ratios."""
    tables, ratios = [], ratio_table()
    for workload in workloads:
        costs = workload.measure(settings)
        tables.append(cost_table(workload.name, costs))
        print(tables[-1].plain(), flush=True)
        named = {cost.name: cost for cost in costs}
        for (subject, base), limit in workload.limits.items():
            if subject in named and base in named:
                add_ratio(ratios, workload.name, f"{subject} / {base}", named[subject].over(named[base]), limit)
    if ratios.rows:
        print(ratios.plain(), flush=True)
        tables.append(ratios)
    return tables


def main(
    name: str, title: str, measure: Callable[[Settings], Sequence[Table]], *, note: str = "", rounds: int = 25
) -> int:
    """The command line of one benchmark script; ``measure`` prints as it goes and returns its tables."""
    options = _arguments(name, rounds)
    settings = Settings(rounds=5, scale=0.1) if options.quick else Settings(rounds=options.rounds)
    load = os.getloadavg()[0]
    tables = measure(settings)
    if options.write:
        write_section(name, title, tables, note=note, load=load)
    missed = [figure for table in tables for figure in table.missed]
    for figure in missed:
        print(f"over the limit: {figure}", file=sys.stderr)
    return 1 if missed and options.strict else 0


def write_section(
    name: str, title: str, tables: Sequence[Table], *, note: str, load: float, command: str | None = None
) -> None:
    """Replace the section ``name`` of RESULTS.md, or append it; other sections are left as they are.

    ``command`` is what makes it, where that is not ``bench_NAME``.
    """
    made_by = command or f"python -m benchmarks.bench_{name} --write"
    body = [f"## {title}", "", f"`{made_by}` · {machine(load)}", ""]
    body += [note, ""] if note else []
    text = "\n".join([*body, *(table.markdown() for table in tables)])
    section = f"<!-- bench:{name} -->\n{text}\n<!-- /bench:{name} -->\n"
    old = RESULTS.read_text() if RESULTS.exists() else "# Results\n"
    pattern = re.compile(rf"<!-- bench:{re.escape(name)} -->.*?<!-- /bench:{re.escape(name)} -->\n", re.DOTALL)
    new, count = pattern.subn(lambda _: section, old)
    RESULTS.write_text(new if count else f"{old.rstrip()}\n\n{section}")


def machine(load: float) -> str:
    """What it was measured on, and how busy that was beforehand."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{python}, {_processor()}, {cores} cores, load before the start {load:.1f}, {date.today().isoformat()}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return found.group(1).strip() if found else platform.machine()


def _arguments(name: str, rounds: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.bench_{name}")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"repetitions of every contender ({rounds})")
    parser.add_argument("--quick", action="store_true", help="few rounds on few inputs: does it run at all?")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/RESULTS.md")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a figure is over its limit")
    return parser.parse_args()
