"""Prints how many of the shared conformance cases pass, file by file; ``--write`` puts the table into the docs."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from .cases import Case

__all__ = ["main"]

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "conformance.md"
BEGIN, END = "<!-- conformance:begin -->", "<!-- conformance:end -->"
DIALECTS = ("flagd_cases", "openfeature_cases", "unleash_cases")


def folder() -> Path:
    """Where the shared cases lie."""
    return Path(os.environ.get("FLAGMIDDLEWARE_CONFORMANCE") or ROOT.parent / "shared" / "conformance")


def all_cases() -> Iterator[Case]:
    """The cases of every dialect."""
    for name in DIALECTS:
        yield from import_module(f"{__package__}.{name}").cases(folder())


def _verdict(case: Case) -> str:
    if case.skip:
        return "skipped"
    try:
        case.run()
    except Exception as error:
        print(f"FAILED {case.file} {case.mode} {case.name}: {error}", file=sys.stderr)
        return "failed"
    return "passed"


def table(cases: Iterator[Case]) -> tuple[list[str], Counter[str]]:
    """The table's lines, and the totals."""
    counts: dict[str, Counter[str]] = {}
    total: Counter[str] = Counter()
    reasons: dict[str, list[str]] = {}
    for case in cases:
        verdict = _verdict(case)
        label = f"{case.file} ({case.mode})" if case.mode else case.file
        counts.setdefault(label, Counter())[verdict] += 1
        total[verdict] += 1
        if case.skip:
            reasons.setdefault(case.skip, []).append(label)
    lines = ["| file | cases | passed | failed | skipped |", "|---|---:|---:|---:|---:|"]
    for label, count in [*counts.items(), ("**all**", total)]:
        lines.append(f"| {label} | {count.total()} | {count['passed']} | {count['failed']} | {count['skipped']} |")
    for reason, labels in reasons.items():
        lines += ["", f"Skipped in {', '.join(sorted(set(labels)))} ({len(labels)}): {reason}."]
    return lines, total


def main(arguments: list[str]) -> int:
    """Print the table; 1 where a case fails."""
    lines, total = table(all_cases())
    print("\n".join(lines))
    if "--write" in arguments:
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        DOCUMENT.write_text("\n".join([before + BEGIN, *lines, END]) + after, encoding="utf-8")
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
