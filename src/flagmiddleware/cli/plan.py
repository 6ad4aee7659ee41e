"""``flags plan``: what a change would do, to whom, and whether the policy allows it."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
import msgspec

from ..model import Flag, Ruleset
from ..release.changes import changed_keys
from ..release.impact import reads
from ..release.judge import Verdict
from ..release.plan import PlannedFlag, ReleasePlan, make_plan, merged, with_population, without_columns
from ..release.plan_render import exposure_line, render_markdown
from ..release.population import read_population
from ..release.shares import format_fraction
from .bench import Bench, format_option, pass_bench, policy_option
from .output import echo, print_json, print_table, progress, warn
from .sides import Sides

__all__ = ["plan"]

_GIVEN = ("targeting_key", "user", "email_domain")  # what a context has, or derives, by itself


@click.command()
@click.argument("base", required=False)
@click.argument("head", required=False)
@click.option("--population", "-p", metavar="USERS", help="A .csv, .jsonl or .parquet file, or an SQL URL.")
@click.option("--users-key", metavar="COLUMN", help="The column with the targeting key.")
@click.option("--who", default=20, show_default=True, help="How many of the users hit to list.")
@click.option("--who-file", type=click.Path(dir_okay=False), help="Write every user hit to this CSV file.")
@click.option("--author", metavar="IDENTITY", help="Who asks for the change; default: the head's author.")
@format_option("table", "json", "md")
@policy_option
@pass_bench
def plan(bench: Bench, base: str | None, head: str | None, style: str, **options: Any) -> None:
    """Compare BASE with HEAD and tell who would be hit, exactly.

    Each is a git revision, a file or a URL. BASE defaults to where the work left the main branch, HEAD to the
    working tree. Every environment that the definitions name is told where it differs, unless --environment names
    one. Exits with 1 where a step breaks the policy.
    """
    sides = Sides(bench, base, head)
    author = options["author"] or sides.author
    judge = sides.author_judge(author)
    plans = [_planned(bench, sides, name, judge) for name in sides.environments()]
    told = tuple(sides.policy_verdicts(author))
    made = merged([plan for plan, _, _ in plans])
    if options["population"] is not None:
        options["internal"] = frozenset(sides.policy.internal)
        made = _measured(bench, made, plans, options)
    made = msgspec.structs.replace(made, policy=told)
    if style == "json":
        print_json(made.to_dict())
    elif style == "md":
        click.echo(render_markdown(made).encode("utf-8", "replace"), nl=False)
    else:
        _print(made)
    if made.breaks:
        click.get_current_context().exit(1)


_Planned = tuple[ReleasePlan, Ruleset, Ruleset]


def _planned(bench: Bench, sides: Sides, environment: str | None, author: Callable[[Flag], Verdict | None]) -> _Planned:
    """The plan in one environment, and what it was made from."""
    before, after = sides.before.at(environment), sides.after.at(environment)
    since = sides.since(environment) if changed_keys(before, after) else {}  # a history takes time to read
    return make_plan(before, after, sides.policy, now=bench.now(), since=since, author=author), before, after


def _measured(bench: Bench, made: ReleasePlan, plans: list[_Planned], options: dict[str, Any]) -> ReleasePlan:
    """The plan with what it does to real users: in each environment, of the flags that differ there."""
    if options["who_file"] is None:
        return merged([_decided(bench, made, one, options, None) for one in plans])
    temporary = Path(f"{options['who_file']}.part")
    try:
        with temporary.open("w", newline="", encoding="utf-8", errors="replace") as file:
            rows = csv.writer(file)
            rows.writerow(("flag", "user", "what", "from", "to", "environment"))
            done = merged([_decided(bench, made, one, options, rows) for one in plans])
        temporary.replace(options["who_file"])
    except OSError as error:
        raise click.UsageError(f"--who-file {options['who_file']} cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)  # a list that stops half-way is none
    return done


def _decided(bench: Bench, made: ReleasePlan, planned: _Planned, options: dict[str, Any], rows: Any) -> ReleasePlan:
    plan, before, after = planned
    place = plan.environment or ""
    kept = tuple(flag for flag in made.flags if (flag.environment or "") == place)
    plan = msgspec.structs.replace(plan, flags=kept)
    if not kept and place and place != bench.environment:
        return plan
    users = read_population(options["population"], key=options["users_key"])
    wanted = reads([flag.key for flag in kept], before, after, now=bench.now())
    missing = sorted(wanted - {*users.columns, *_GIVEN})
    if missing:
        warn(f"{users.name} has no column {', '.join(missing)}, which these flags ask for: missing for every user")
        plan = without_columns(plan, before, after, {*missing} - options["internal"], now=bench.now())
    users.narrow(wanted)
    watched = progress(users, f"deciding {place}".strip(), total=users.total)
    settings = {"now": bench.now(), "who": options["who"], "processes": os.cpu_count() or 1}
    each = None if rows is None else lambda *row: rows.writerow((*row, place))
    return with_population(plan, before, after, watched, each=each, **settings)


def _print(made: ReleasePlan) -> None:
    if made.policy:
        echo("The policy changes, for all that comes after:", "bold")
        _print_verdicts(made.policy)
        echo("")
    if not made.flags:
        echo("No flag changes what it decides.")
    for flag in made.flags:
        _print_flag(flag)
    if made.breaks:
        echo("A step breaks the policy.", "bold red")


def _print_flag(flag: PlannedFlag) -> None:
    echo(f"{flag.title}: {flag.kind}, {exposure_line(flag)}", "bold")
    echo(f"  before: {flag.old}")
    echo(f"  after:  {flag.new}")
    if flag.because:
        echo(f"  here because {flag.because}", "dim")
    for text in flag.reshuffles:
        echo(f"  RESHUFFLE: {text}", "bold red")
    _print_verdicts(flag.verdicts)
    rows: list[tuple[Any, ...]] = []
    for cohort in flag.cohorts:
        shares = (cohort.before, cohort.after, cohort.gains, cohort.loses, cohort.flips)
        cells = ["?"] * 5 if cohort.is_computed else [format_fraction(share) for share in shares]
        rows.append((f"  {cohort.words}", "", *cells))
    if flag.impact is not None:
        for name, found in (("all users", flag.impact.total), *flag.impact.segments.items()):
            counts = (found.users, found.before, found.after, found.gains, found.loses, found.flips)
            rows.append((f"  {name}", *(f"{count:,}" for count in counts)))
    print_table(("  WHO", "USERS", "BEFORE", "AFTER", "GAINS", "LOSES", "FLIPS"), rows)
    for user, kind, was, will in flag.impact.who if flag.impact else ():
        echo(f"    {user} {kind}: {was} → {will}", "dim")
    echo("")


def _print_verdicts(verdicts: Iterable[Verdict]) -> None:
    for verdict in verdicts:
        echo(f"  {'✗' if verdict.breaks else '·'} {verdict.text}", "red" if verdict.breaks else "dim")
