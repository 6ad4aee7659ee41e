"""``flags plan``: what a change would do, to whom, and whether the policy allows it."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import click

from ..flags import Flags
from ..model import Flag, Ruleset
from ..release.codeowners import author_verdict, read_codeowners
from ..release.documents import Documents, read_documents
from ..release.git import Repository
from ..release.history import last_changes
from ..release.impact import reads
from ..release.judge import Verdict
from ..release.permissions import Actor
from ..release.plan import PlannedFlag, ReleasePlan, make_plan, with_population
from ..release.plan_render import exposure_line, render_markdown
from ..release.policy import Policy
from ..release.population import read_population
from ..release.shares import format_fraction
from .bench import Bench, format_option, pass_bench, policy_option
from .output import echo, print_json, print_table, progress, warn

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
    working tree. Exits with 1 where a step breaks the policy.
    """
    sides = _Sides(bench, base, head)
    before, after = sides.before, sides.after
    author = options["author"] or sides.author
    made = make_plan(
        before,
        after,
        sides.policy,
        now=bench.now(),
        since=sides.since(),
        author=sides.author_judge(author),
    )
    if options["population"] is not None:
        made = _measured(bench, made, before, after, options)
    if style == "json":
        print_json(made.to_dict())
    elif style == "md":
        click.echo(render_markdown(made).encode("utf-8", "replace"), nl=False)
    else:
        _print(made)
    if made.breaks:
        click.get_current_context().exit(1)


class _Sides:
    """The two rulesets, from wherever they were said to be."""

    def __init__(self, bench: Bench, base: str | None, head: str | None) -> None:
        self.bench = bench
        self.repository: Repository | None = None
        self.revision = ""
        self.author = ""
        if base is None:
            base = self._git().base()
        self.before = self._ruleset(base)
        self.base_revision, self.author = self.revision, ""
        self.after = self._working() if head is None else self._ruleset(head)
        if not self.author and self.repository is not None:
            self.author = self.repository.identity()

    def _git(self) -> Repository:
        if self.repository is None:
            path = self.bench.path
            if path is None:
                raise click.UsageError("the definitions are not in a file: name two files or URLs to compare")
            self.repository = Repository.around(path)
        return self.repository

    def _working(self) -> Ruleset:
        path = self.bench.path
        return self.bench.ruleset if path is None else self._documents(path).parse(self.bench.environment)

    def _documents(self, path: Path) -> Documents:
        return read_documents(path, dialect=self.bench.dialect)

    def _ruleset(self, what: str) -> Ruleset:
        if "://" in what:
            flags = Flags(what, format=self.bench.dialect, environment=self.bench.environment)
            try:
                return flags.ruleset
            finally:
                flags.close()
        if Path(what).exists():
            return self._documents(Path(what)).parse(self.bench.environment)
        repository = self._git()
        path = self.bench.path
        assert path is not None  # noqa: S101 - _git() saw to it
        revision = repository.resolve(what)
        name = repository.relative(path)
        files = repository.files(revision, name)
        self.revision = revision
        self.author = repository.run("show", "-s", "--format=%an <%ae>", revision).decode("utf-8", "replace").strip()
        if not files:
            return Ruleset(flags={}, environment=self.bench.environment)
        shown = {f"{what}:{file}": data for file, data in files.items()}
        return Documents(f"{what}:{name}", shown, len(files) > 1, self.bench.dialect).parse(self.bench.environment)

    @property
    def policy(self) -> Policy:
        """The policy that judges: BASE's, so that a change cannot loosen the rules that it is judged by."""
        return self.bench.policy_of(self.before if self.before.policy else self.after)

    def since(self) -> dict[str, float]:
        """When each flag came to the stage that BASE has it at; nothing where BASE is no revision."""
        if not self.base_revision or self.bench.path is None:
            return {}
        return last_changes(self.bench.path, environment=self.bench.environment, revision=self.base_revision)

    def author_judge(self, identity: str) -> Callable[[Flag], Verdict | None]:
        """Judges whether the author belongs to a flag's owners."""
        if not identity:
            return lambda flag: None
        actor, policy = Actor.from_git(identity), self.policy
        owners: tuple[str, ...] = ()
        if self.repository is not None and self.bench.path is not None:
            owners = read_codeowners(self.repository.root, self.repository.relative(self.bench.path))
        return lambda flag: author_verdict(flag, actor, policy, owners)


def _measured(bench: Bench, made: ReleasePlan, before: Ruleset, after: Ruleset, options: dict[str, Any]) -> ReleasePlan:
    users = read_population(options["population"], key=options["users_key"])
    wanted = reads([flag.key for flag in made.flags], before, after, now=bench.now())
    missing = sorted(wanted - {*users.columns, *_GIVEN})
    if missing:
        warn(f"{users.name} has no column {', '.join(missing)}, which these flags ask for: missing for every user")
    users.narrow(wanted)
    watched = progress(users, "deciding", total=users.total)
    settings = {"now": bench.now(), "who": options["who"], "processes": os.cpu_count() or 1}
    if options["who_file"] is None:
        return with_population(made, before, after, watched, **settings)
    temporary = Path(f"{options['who_file']}.part")
    with temporary.open("w", newline="", encoding="utf-8", errors="replace") as file:
        done = with_population(made, before, after, watched, each=_writer(file), **settings)
    temporary.replace(options["who_file"])
    return done


def _writer(file: TextIO) -> Callable[[str, str, str, str | None, str | None], None]:
    rows = csv.writer(file)
    rows.writerow(("flag", "user", "what", "from", "to"))
    return lambda *row: rows.writerow(row)


def _print(made: ReleasePlan) -> None:
    if not made.flags:
        echo("No flag changes what it decides.")
    for flag in made.flags:
        _print_flag(flag)
    if made.breaks:
        echo("A step breaks the policy.", "bold red")


def _print_flag(flag: PlannedFlag) -> None:
    echo(f"{flag.key}: {flag.kind}, {exposure_line(flag)}", "bold")
    echo(f"  before: {flag.old}")
    echo(f"  after:  {flag.new}")
    if flag.because:
        echo(f"  here because {flag.because}", "dim")
    for text in flag.reshuffles:
        echo(f"  RESHUFFLE: {text}", "bold red")
    for verdict in flag.verdicts:
        echo(f"  {'✗' if verdict.breaks else '·'} {verdict.text}", "red" if verdict.breaks else "dim")
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
