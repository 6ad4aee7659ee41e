"""``flags kill``, ``restore``, ``ramp``, ``next``, ``schedule``: one flag, one step, one reason."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..model import Flag
from ..release import edits
from ..release.documents import Documents
from ..release.edits import Edited
from ..release.git import GitError, Repository
from ..release.history import flag_history, stage_since
from ..release.judge import judge
from ..release.permissions import Actor, may
from ..release.policy import GATES, Policy
from ..release.shares import parse_percent
from ..release.stages import StageKind, stage_of
from ..release.targets import FileTarget, StoreTarget, Target
from ..release.words import describe
from .bench import Bench, pass_bench
from .explain import find_flag
from .output import echo, shout, warn

__all__ = [
    "Step",
    "advance",
    "change_options",
    "gated_options",
    "identity",
    "kill",
    "ramp",
    "repository_around",
    "restore",
    "schedule",
]


def change_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--reason``, ``--commit`` and ``--dry-run``."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Say what would happen; write nothing."),
        click.option("--commit", is_flag=True, help="Commit the file with the reason as message."),
        click.option("--reason", "-m", metavar="WHY", required=True, help="Why; it goes into the change log."),
    ):
        command = option(command)
    return command


def gated_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--gate`` and ``--override``."""
    for option in (
        click.option("--override", metavar="WHY", help="Break the policy, on the record."),
        click.option("--gate", multiple=True, metavar="NAME=WORD", help="Open a gate: what was looked at, and found."),
    ):
        command = option(command)
    return command


class Step:
    """One change of one flag by one person."""

    def __init__(
        self, bench: Bench, key: str, reason: str, via: str, *, commit: bool, dry_run: bool, known: bool = True
    ) -> None:
        if not reason.strip():
            raise click.UsageError("say why: -m WHY")
        self.bench, self.key, self.reason, self.via = bench, key, reason.strip(), via
        self.commit, self.dry_run, self.known = commit, dry_run, known
        self.trailers: dict[str, str] = {}
        self.target: Target = _target(bench)
        self.documents: Documents = self.target.read()
        self.repository = repository_around(bench.path)
        self.actor = identity(self.repository)

    @property
    def flag(self) -> Flag:
        """The flag as it is; a dark one where it is about to come back."""
        if not self.known:
            return Flag(key=self.key)
        return find_flag(self.documents.parse(self.bench.environment), self.key)

    @property
    def policy(self) -> Policy:
        """The policy that judges."""
        return self.bench.policy_of(self.documents.parse(self.bench.environment))

    def allow(self, action: str) -> None:
        """End here where the person may not do this."""
        permission = may(
            Actor.from_git(self.actor), action, self.policy, flag=self.flag, environment=self.bench.environment
        )
        if not permission:
            shout(f"Not allowed: {permission.why}")
            click.get_current_context().exit(1)

    def since(self) -> float | None:
        """When the flag came to its stage, where that is known."""
        if self.bench.path is None:
            return None
        try:
            return stage_since(flag_history(self.bench.path, environment=self.bench.environment), self.key)
        except GitError:
            return None

    def check(self, edited: Edited, gate: tuple[str, ...], override: str | None) -> None:
        """Refuse a step that breaks the policy or leaves a gate shut, unless it is overridden."""
        old, now = self.flag, self.bench.now()
        new = edited.new.flags.get(self.key) if edited.new is not None else None
        verdicts = judge(old, new, self.policy, now=now, since=self.since())
        broken = [verdict.text for verdict in verdicts if verdict.breaks]
        for verdict in verdicts:
            if not verdict.breaks:
                warn(verdict.text)
        words = _gate_words(gate)
        if new is not None and stage_of(new, now).threshold > stage_of(old, now).threshold > 0:
            broken += self._shut_gates(old, words)
        if broken:
            self._override(broken, override)
        if words:
            self.allow("approve")
            self.trailers["Flags-Gates"] = "; ".join(f"{name}: {word}" for name, word in words.items())

    def _shut_gates(self, flag: Flag, words: dict[str, str]) -> list[str]:
        strategy = self.policy.strategy_of(flag.risk)
        shut = [gate for gate in strategy.gates if gate not in words] if strategy else []
        return [f'the gate {gate!r} is shut ({GATES[gate]}): --gate {gate}="what was found"' for gate in shut]

    def _override(self, broken: list[str], override: str | None) -> None:
        for text in broken:
            shout(f"{'OVERRIDDEN' if override else 'Refused'}: {text}")
        if not override or not override.strip():
            warn("Nothing was written. --override WHY goes ahead, on the record.")
            click.get_current_context().exit(1)
        self.allow("override")
        self.trailers["Flags-Override"] = f"{override.strip()} ({'; '.join(broken)})"

    def finish(self, edited: Edited, what: str) -> None:
        """Write, commit if asked, and say what happened."""
        for warning in edited.warnings:
            shout(warning)
        self._tell(edited)
        if self.dry_run:
            echo("Nothing was written: --dry-run.")
            return
        dirty = self._dirty(edited)
        done = self.target.write(edited, actor=self.actor, reason=self._recorded(), via=self.via, key=self.key)
        echo(f"{what}: {done}", "bold")
        if self.commit:
            self._commit(edited, what, dirty)

    def _recorded(self) -> str:
        """The reason, with the gates that were opened and the policy that was overridden."""
        return "\n".join([self.reason, *(f"{name}: {' '.join(text.split())}" for name, text in self.trailers.items())])

    def _tell(self, edited: Edited) -> None:
        if edited.before == edited.after:
            echo(f"{self.key} is so already.")
        if edited.old is not None and edited.new is not None:
            now = self.bench.now()
            for label, ruleset in (("before:", edited.old), ("after: ", edited.new)):
                flag = ruleset.flags.get(self.key)
                echo(f"  {label} {describe(flag, ruleset, now=now) if flag else 'absent'}")

    def _dirty(self, edited: Edited) -> str:
        if not self.commit:
            return ""
        if self.repository is None:
            problem = f"{edited.file} is in no git repository"
        else:
            state = self.repository.state(self.repository.relative(Path(edited.file)))
            if not state:
                return ""
            problem = f"{edited.file} has changes of its own that are not committed"
        if self.via != "flags kill":
            raise click.UsageError(f"{problem}: commit or drop them first, or leave --commit out")
        return problem

    def _commit(self, edited: Edited, what: str, dirty: str) -> None:
        if dirty or self.repository is None:
            shout(f"Written, but not committed: {dirty}. Commit it yourself.")
            return
        trailers = {"Flag": self.key, "Flags-Via": self.via, "Flags-Reason": " ".join(self.reason.split())}
        if self.bench.environment:
            trailers["Flags-Environment"] = self.bench.environment
        lines = [f"{name}: {' '.join(text.split())}" for name, text in {**trailers, **self.trailers}.items()]
        message = f"{what}\n\n{self.reason}\n\n" + "\n".join(lines)
        try:
            commit = self.repository.commit(self.repository.relative(Path(edited.file)), message)
        except GitError as error:
            shout(f"Written, but not committed: {error}")
            click.get_current_context().exit(0 if self.via == "flags kill" else 2)
        echo(f"committed {commit[:10]}")


def identity(repository: Repository | None) -> str:
    """Who is at the keyboard: git's identity where there is a repository, else the login."""
    return (repository.identity() if repository else "") or _login()


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name: no reason to stop a kill
        return "unknown"


def _target(bench: Bench) -> Target:
    path = bench.path
    return FileTarget(path, dialect=bench.dialect) if path is not None else StoreTarget(bench.flags.source)


def repository_around(path: Path | None) -> Repository | None:
    """The git repository that a path, or the working directory, is in."""
    try:
        return Repository.around(path if path is not None else Path.cwd())
    except GitError:
        return None


def _gate_words(gates: tuple[str, ...]) -> dict[str, str]:
    words = {}
    for gate in gates:
        name, _, word = gate.partition("=")
        if name not in GATES or not word.strip():
            raise click.UsageError(
                f'expected NAME="what was found" with NAME one of {", ".join(GATES)}, found {gate!r}'
            )
        words[name] = word.strip()
    return words


@click.command()
@click.argument("key")
@change_options
@pass_bench
def kill(bench: Bench, key: str, reason: str, commit: bool, dry_run: bool) -> None:
    """Serve `off` of KEY to everyone, now. Nothing stands before a kill: no policy, no gate, no permission."""
    step = Step(bench, key, reason, "flags kill", commit=commit, dry_run=dry_run)
    step.finish(edits.kill(step.documents, key, environment=bench.environment), f"killed {key}")


@click.command()
@click.argument("key")
@change_options
@pass_bench
def restore(bench: Bench, key: str, reason: str, commit: bool, dry_run: bool) -> None:
    """Let KEY's rules decide again, as they stood when it was killed."""
    step = Step(bench, key, reason, "flags restore", commit=commit, dry_run=dry_run)
    step.allow("restore")
    step.finish(edits.restore(step.documents, key, environment=bench.environment), f"restored {key}")


@click.command()
@click.argument("key")
@click.argument("share", metavar="PERCENT")
@click.option("--rule", metavar="NAME", help="The rule to change; default: the last one for everyone.")
@change_options
@gated_options
@pass_bench
def ramp(bench: Bench, key: str, share: str, rule: str | None, **options: Any) -> None:
    """Set the share of KEY's rollout, as far as the policy lets it go in one step."""
    gate, override = options.pop("gate"), options.pop("override")
    step = Step(bench, key, via="flags ramp", **options)
    step.allow("ramp")
    _to(step, _share(share), rule, gate, override)


def _share(text: str) -> str:
    try:
        return parse_percent(text).text
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _to(step: Step, share: str, rule: str | None, gate: tuple[str, ...], override: str | None) -> None:
    if not step.flag.enabled:
        raise click.UsageError(f"{step.key} is killed: flags restore {step.key} first")
    edited = edits.set_share(step.documents, step.flag, share, environment=step.bench.environment, rule=rule)
    step.check(edited, gate, override)
    step.finish(edited, f"ramped {step.key} to {share}")


@click.command("next")
@click.argument("key")
@change_options
@gated_options
@pass_bench
def advance(bench: Bench, key: str, **options: Any) -> None:
    """Take KEY to the next stage of its strategy, if its gates are open and it has soaked long enough."""
    gate, override = options.pop("gate"), options.pop("override")
    step = Step(bench, key, via="flags next", **options)
    step.allow("next")
    strategy = step.policy.strategy_of(step.flag.risk)
    if strategy is None:
        raise click.UsageError(f"{key} declares no risk, so it has no stages: use flags ramp, or declare its risk")
    stage = stage_of(step.flag, bench.now())
    coming = strategy.next_stage(stage.threshold)
    if coming is None or stage.kind is StageKind.RELEASED:
        echo(f"{key} is released to everyone: nothing is left to do but to remove it (flags stale).")
        return
    _to(step, coming.text, None, gate, override)


@click.command()
@click.argument("key")
@click.option("--from", "start", metavar="TIME", help="From this instant on, such as 2026-12-01T09:00:00Z.")
@click.option("--until", metavar="TIME", help="Until, not including, this instant.")
@click.option("--step", "steps", multiple=True, metavar="TIME=PERCENT", help="A step of a dated ramp; repeatable.")
@click.option("--rule", metavar="NAME", help="The rule to change; default: the last one for everyone.")
@change_options
@gated_options
@pass_bench
def schedule(
    bench: Bench,
    key: str,
    start: str | None,
    until: str | None,
    steps: tuple[str, ...],
    rule: str | None,
    **options: Any,
) -> None:
    """Set the dates between which a rule of KEY counts, or the dated steps of its ramp."""
    gate, override = options.pop("gate"), options.pop("override")
    dates = {name: at for name, at in (("from", start), ("until", until)) if at is not None}
    if bool(dates) == bool(steps):
        raise click.UsageError("give --from and/or --until, or --step TIME=PERCENT once or more")
    step = Step(bench, key, via="flags schedule", **options)
    step.allow("schedule")
    where = {"environment": bench.environment, "rule": rule}
    if dates:
        edited = edits.set_schedule(step.documents, step.flag, dates, **where)
    else:
        pairs = [(at, _share(share)) for at, _, share in (text.rpartition("=") for text in steps)]
        edited = edits.set_ramp(step.documents, step.flag, pairs, **where)
    step.check(edited, gate, override)
    step.finish(edited, f"scheduled {key}")
