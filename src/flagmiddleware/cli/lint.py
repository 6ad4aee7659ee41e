"""``flags lint``: every problem of a flag file at once, with its place and its cure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from ..errors import Problem, RulesetError, SourceError
from ..release.documents import Documents, read_documents
from ..release.lint import LintReport
from ..release.lint import lint as check
from .bench import Bench, format_option, pass_bench, policy_option
from .code import code_folders, code_option
from .output import clean, console, echo, print_json, progress

__all__ = ["lint"]


@click.command()
@click.argument("file", nargs=-1)
@click.option("--strict", is_flag=True, help="Also check the release discipline, and the flags against the code.")
@code_option
@format_option()
@policy_option
@pass_bench
def lint(bench: Bench, file: tuple[str, ...], strict: bool, code: tuple[str, ...], style: str) -> None:
    """Check flag files: all problems at once, and the examples that the files carry.

    Exits with 0 where there is no error (warnings are allowed), 1 where there is one, 2 where a file cannot be read.
    """
    paths = file or (str(bench.path) if bench.path is not None else bench.location,)
    reports: dict[str, LintReport] = {}
    unread: list[SourceError] = []
    for path in paths:  # a file that is missing keeps nobody from the problems of the others
        try:
            reports[path] = _check(bench, path, code if strict else None)
        except SourceError as error:
            unread.append(error)
    if style == "json" and reports:
        print_json([_as_dict(path, report) for path, report in reports.items()])
    elif style != "json":
        for path, report in reports.items():
            _print(path, report)
    if unread:
        raise SourceError("; ".join(map(str, unread)))
    if any(report.errors for report in reports.values()):
        click.get_current_context().exit(1)


def _check(bench: Bench, path: str, code: tuple[str, ...] | None) -> LintReport:
    is_url = "://" in path
    documents = _fetched(path, bench.dialect) if is_url else read_documents(path, dialect=bench.dialect)
    report = check(documents, environment=bench.environment, now=bench.now(), watch=progress)
    if report.ruleset is None:
        return report
    try:
        policy = bench.policy_of(report.ruleset, place=documents.lines().place)
    except RulesetError as error:
        return _with(report, error.problems)
    if code is None:
        return report
    from ..release.strict import strict_problems

    folders = code_folders(code, None if is_url else Path(path))
    found = strict_problems(documents, report.ruleset, folders=folders, now=bench.now(), policy=policy, watch=progress)
    return _with(report, found)


def _with(report: LintReport, found: Iterable[Problem]) -> LintReport:
    return LintReport((*report.problems, *found), report.flags, report.examples, report.ruleset)


def _fetched(url: str, dialect: str | None) -> Documents:
    from ..sources import from_url
    from ..sources.wrappers import base_of

    source = base_of(from_url(url))
    try:
        snapshot = source.fetch(None)
    finally:
        source.close()
    data = snapshot.data if snapshot is not None else b""
    if not isinstance(data, bytes):
        raise click.UsageError(f"{source.name} holds no single document to check")
    return Documents(source.name, {source.name: data}, dialect=dialect)


def _print(path: str, report: LintReport) -> None:
    for problem in report.problems:
        _line(problem)
    counts = f"{_count(len(report.errors), 'error')}, {_count(len(report.warnings), 'warning')}"
    looked = f"{_count(report.flags, 'flag')}, {_count(report.examples, 'example')}" if report.ruleset else "not valid"
    echo(f"{path}: {looked}; {counts}", "red" if report.errors else "yellow" if report.warnings else "green")


def _line(problem: Problem) -> None:
    error = problem.severity == "error"
    text = clean(str(problem))
    console().print(f"{'error' if error else 'warning'}: {text}", style="red" if error else "yellow", soft_wrap=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _as_dict(path: str, report: LintReport) -> dict[str, Any]:
    return {
        "file": path,
        "flags": report.flags,
        "examples": report.examples,
        "errors": len(report.errors),
        "warnings": len(report.warnings),
        "problems": [problem._asdict() for problem in report.problems],
    }
