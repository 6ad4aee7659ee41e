"""``flags explain``: why a subject gets what it gets, rule by rule."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

import click

from ..bucketing import BUCKETS
from ..context import Context
from ..interpreter import Check, Explanation, RuleTrace
from ..model import Evaluation, Flag, Ruleset
from ..release.shares import format_fraction
from ..release.words import describe
from .bench import Bench, context_from, format_option, pass_bench
from .output import echo, print_json

__all__ = ["evaluation_dict", "explain", "find_flag"]

_STYLES = {"served": "bold green", "outside": "yellow", "no key": "red", "not reached": "dim"}


@click.command()
@click.argument("key")
@click.argument("attributes", nargs=-1, metavar="[ATTRIBUTE=VALUE]...")
@click.option("--user", "-u", help="The user, who is also the targeting key.")
@format_option()
@pass_bench
def explain(bench: Bench, key: str, attributes: tuple[str, ...], user: str | None, style: str) -> None:
    """Explain what KEY serves a subject and why, rule by rule.

    A value that reads as a JSON number, true or false is one, else it is text; "5" in double quotes is text. A name
    given twice makes a list: groups=qa groups=staff.
    """
    context = context_from(user, attributes)
    ruleset = bench.ruleset
    flag = find_flag(ruleset, key)
    explanation = bench.flags.explain(key, context)
    if style == "json":
        print_json(_as_dict(flag, context, explanation))
        return
    shown = ", ".join(f"{name}={value}" for name, value in context.items() if name != "user")
    echo(f"{key} for {context.targeting_key or 'nobody in particular'}" + (f" ({shown})" if shown else ""), "bold")
    echo(f"  {describe(flag, ruleset, now=bench.now())}", "dim")
    for line, line_style in _lines(explanation):
        echo(line, line_style)


def find_flag(ruleset: Ruleset, key: str) -> Flag:
    """The flag; a usage error with the nearest key where there is none."""
    flag = ruleset.flags.get(key)
    if flag is None:
        close = get_close_matches(key, ruleset.flags, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f" among {len(ruleset.flags)}"
        raise click.UsageError(f"there is no flag {key!r}{hint}")
    return flag


def _lines(explanation: Explanation) -> Iterator[tuple[str, str]]:
    if explanation.killed:
        yield "  killed: nothing else is read", "bold red"
    for needed in explanation.prerequisites:
        mark, style = ("✓", "") if needed.met else ("✗", "yellow")
        yield f"  {mark} needs {needed.key} = {' or '.join(needed.wanted)}; it serves {needed.served}", style
    for number, trace in enumerate(explanation.rules, 1):
        name = "" if trace.name == f"rule {number}" else f" {trace.name}"
        yield f"  rule {number}{name}: {trace.outcome}{_hashed(trace)}", _STYLES.get(trace.outcome, "")
        for check in trace.checks:
            yield f"      {_check(check)}", "" if check.holds else "dim"
    yield f"→ {_result(explanation.evaluation)}", "bold"


def _check(check: Check) -> str:
    found = "missing" if check.found is None else repr(check.found)
    segment = f"[{check.segment}] " if check.segment else ""
    return f"{'✓' if check.holds else '✗'} {segment}{check.text} — found {found}"


def _hashed(trace: RuleTrace) -> str:
    parts = []
    if trace.bucket is not None and trace.threshold is not None:
        sign = "<" if trace.bucket < trace.threshold else "≥"
        parts.append(f"bucket {_place(trace.bucket)} {sign} threshold {_place(trace.threshold)}")
    elif trace.threshold is not None:
        parts.append(f"threshold {_place(trace.threshold)}")
    if trace.split_bucket is not None:
        parts.append(f"split bucket {_place(trace.split_bucket)}")
    if trace.served is not None:
        parts.append(f"serves {trace.served}")
    return "; " + "; ".join(parts) if parts else ""


def _place(count: int) -> str:
    return f"{count} ({format_fraction(Fraction(count, BUCKETS))})"


def _result(evaluation: Evaluation) -> str:
    by = f", decided by {evaluation.rule}" if evaluation.rule else ""
    error = f"; {evaluation.error_code}: {evaluation.error_message}" if evaluation.error_code else ""
    return f"{evaluation.variant} = {evaluation.value!r}, {evaluation.reason}{by}{error}"


def evaluation_dict(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation as plain data, as every ``--format json`` writes it."""
    return {
        "value": evaluation.value,
        "variant": evaluation.variant,
        "enabled": evaluation.is_enabled,
        "reason": evaluation.reason.value,
        "rule": evaluation.rule,
        "error_code": evaluation.error_code.value if evaluation.error_code else None,
        "error_message": evaluation.error_message,
    }


def _as_dict(flag: Flag, context: Context, explanation: Explanation) -> dict[str, Any]:
    return {
        "key": flag.key,
        "targeting_key": context.targeting_key,
        "context": dict(context),
        "result": evaluation_dict(explanation.evaluation),
        "killed": explanation.killed,
        "prerequisites": [
            {"key": needed.key, "wanted": list(needed.wanted), "served": needed.served, "met": needed.met}
            for needed in explanation.prerequisites
        ],
        "rules": [_rule_dict(trace) for trace in explanation.rules],
    }


def _rule_dict(trace: RuleTrace) -> dict[str, Any]:
    return {
        "name": trace.name,
        "outcome": trace.outcome,
        "bucket": trace.bucket,
        "threshold": trace.threshold,
        "split_bucket": trace.split_bucket,
        "served": trace.served,
        "checks": [
            {"text": check.text, "found": check.found, "holds": check.holds, "segment": check.segment}
            for check in trace.checks
        ],
    }
