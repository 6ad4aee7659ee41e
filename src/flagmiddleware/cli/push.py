"""``flags push``: a flag file goes into a store, checked, compared, and never over somebody else's change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import ConflictError, FlagMiddlewareError, RulesetError, SourceError
from ..formats.native import recognises
from ..formats.native.lines import lay_out_files
from ..model import Ruleset
from ..plan import Plan
from ..release.apprevision import app_revision
from ..release.changes import UNCHANGED, changed_keys, told_changes
from ..release.documents import Documents, read_documents
from ..release.everywhere import Reached, judge_everywhere, reached, refusals
from ..release.permissions import Actor, may
from ..release.policy import Policy
from ..release.words import describe
from ..sources.base import Change, Snapshot
from ..sources.settings import split_options
from .bench import Bench, pass_bench
from .output import echo, shout, warn
from .step import identity, repository_around
from .stores import opened

__all__ = ["push"]

_SHOWN = 50
"""How many changed flags are told one by one."""


@click.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.argument("url", required=False)
@click.option("--reason", "-m", metavar="WHY", required=True, help="Why; it goes into the change log.")
@click.option("--expect", metavar="REVISION", help="Write only over this revision; default: the one that is compared.")
@click.option("--override", metavar="WHY", help="Break the policy, on the record.")
@click.option("--create", is_flag=True, help="Make PostgreSQL's tables first, where they are missing.")
@click.option("--dry-run", is_flag=True, help="Say what would change; write nothing.")
@pass_bench
def push(bench: Bench, file: Path, url: str | None, reason: str, **options: Any) -> None:
    """Write FILE (or a folder) to the store at URL; default: the store that the flags come from.

    Everything is checked and compiled first, for every environment. Exits with 1 where the definitions or a step are
    not allowed, with 2 where the store cannot be written or somebody else wrote meanwhile.
    """
    reason = reason.strip()
    if not reason:
        raise click.UsageError("say why: -m WHY")
    documents = read_documents(file, dialect=bench.dialect)
    new = _checked(documents)
    if options["create"] and not options["dry_run"]:
        _create_tables(url or bench.location)
    with opened(bench, url, writing=True) as source:
        was = _newest(source)
        old = _parsed(was)
        keys = changed_keys(old, new)
        _tell(old, new, keys)
        data = lay_out_files(documents.files)
        if was is not None and was.data == data:
            echo(f"{source.name} has this already, at revision {was.revision}.")
            return
        if was is not None:
            reason = _judged(bench, was, documents, reason, options["override"])
        if options["dry_run"]:
            echo("Nothing was written: --dry-run.")
            return
        change = _change(bench, was, documents, data, reason=reason, keys=keys)
        expected = options["expect"] or (was.revision if was is not None else None)
        echo(f"pushed {file} to {source.name}: revision {_written(source, change, expected, new)}", "bold")


def _change(
    bench: Bench, was: Snapshot | None, documents: Documents, data: bytes, *, reason: str, keys: list[str]
) -> Change:
    """What is written, with what it means for each flag in each environment."""
    before = _documents(was)
    records = told_changes(before if before.files else None, documents, now=bench.now())
    told = {record.flag for record in records if record.kind != UNCHANGED}
    return Change(
        data=data,
        actor=identity(repository_around(None)),
        reason=reason,
        via="flags push",
        keys=tuple(sorted({*keys, *told})),
        records=records,
        app_revision=app_revision(),
    )


def _checked(documents: Documents) -> Ruleset:
    """The definitions, after all of them were parsed and compiled in each environment."""
    if not all(recognises(tree) for _, tree in documents.trees()):
        documents.parse()  # whatever else is wrong with it is told first
        raise click.UsageError(f"{documents.name} is not in the native format: flags import makes one of it")
    for environment in (*documents.environments(), None):
        ruleset = documents.parse(environment)
        Plan(ruleset, Bench.now()).warm()
    return ruleset


def _newest(source: Any) -> Snapshot | None:
    try:
        found: Snapshot | None = source.fetch(None)
        return found
    except SourceError as error:
        if error.refused:
            raise
        # Empty, most likely; if it is out of reach, writing says so.
        warn(f"{source.name} is empty." if "holds no flags yet" in str(error) else str(error))
        return None


def _create_tables(url: str) -> None:
    if not url.startswith(("postgresql://", "postgres://")):
        raise click.UsageError(f"--create is for postgresql://, not for {url.partition('://')[0]}://")
    from ..sources.postgres import create_tables

    create_tables(split_options(url)[0])


def _documents(snapshot: Snapshot | None) -> Documents:
    """What the store holds, or no files where it holds none."""
    if snapshot is None or not isinstance(snapshot.data, bytes):
        return Documents("nothing", {})
    return Documents(snapshot.name, {snapshot.name: snapshot.data}, dialect=snapshot.format)


def _parsed(snapshot: Snapshot | None) -> Ruleset:
    documents = _documents(snapshot)
    try:
        return documents.parse() if documents.files else Ruleset(flags={})
    except RulesetError as error:
        shout(f"What is there now cannot be read, so everything counts as new:\n{error}")
        return Ruleset(flags={})


def _tell(old: Ruleset, new: Ruleset, keys: list[str]) -> None:
    for key in keys[:_SHOWN]:
        was, will = old.flags.get(key), new.flags.get(key)
        before = describe(was, old) if was is not None else ""
        after = describe(will, new) if will is not None else ""
        mark = "+" if was is None else "-" if will is None else "~"
        style = {"+": "green", "-": "red", "~": "yellow"}[mark]
        echo(f"{mark} {key}: {' → '.join(text for text in (before, after) if text)}", style)
    if len(keys) > _SHOWN:
        echo(f"… and {len(keys) - _SHOWN} more")
    for name in sorted({*old.segments, *new.segments}):
        if old.segments.get(name) != new.segments.get(name):
            echo(f"~ segment {name}", "yellow")
    if old.policy != new.policy:
        echo("~ the release policy", "yellow")


def _judged(bench: Bench, was: Snapshot, documents: Documents, reason: str, override: str | None) -> str:
    """The reason to write down; ends here where the policy in force forbids a step, in whatever environment."""
    old, new = _parsed(was), documents.parse()
    policy = bench.policy_of(old)
    places = reached(_documents(was), documents, policy)
    broken = [one for one in judge_everywhere(places, policy, now=bench.now()) if one.verdict.breaks]
    override = (override or "").strip()
    _permit(places, policy, ["ramp", *(["override"] if broken and override else [])], old.policy != new.policy)
    for one in broken:
        shout(f"{'OVERRIDDEN' if override else 'Refused'}: {'' if one.because else f'{one.key}: '}{one.text}")
    if broken and not override:
        warn("Nothing was written. --override WHY goes ahead, on the record.")
        click.get_current_context().exit(1)
    return f"{reason} (override: {override})" if broken else reason


def _permit(places: list[Reached], policy: Policy, actions: list[str], is_policy: bool) -> None:
    """End here where the person may not do this to one of the flags, or may not change the policy."""
    actor = Actor.from_git(identity(repository_around(None)))
    refused = [why for action in actions for why in refusals(places, actor, policy, action)]
    if is_policy and not (permission := may(actor, "policy", policy)):
        refused.append(permission.why)
    for why in dict.fromkeys(refused):
        shout(f"Not allowed: {why}")
    if refused:
        click.get_current_context().exit(1)


def _written(source: Any, change: Change, expected: str | None, new: Ruleset) -> str:
    try:
        return str(source.write(change, expected))
    except ConflictError:
        if expected is None:
            warn("What is there could not be read. --expect REVISION writes over it.")
            raise
        shout("Somebody else wrote meanwhile; nothing was written. Against what is there now, this file would mean:")
        try:
            now = _parsed(source.fetch(None))
            _tell(now, new, changed_keys(now, new))
        except FlagMiddlewareError as error:
            warn(str(error))
        raise
