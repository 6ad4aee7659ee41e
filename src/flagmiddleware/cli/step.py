"""One change of one flag by one person: judged, written, put on the record."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from ..model import Flag
from ..release import edits
from ..release.documents import Documents
from ..release.edits import Edited
from ..release.everywhere import Reached, judge_everywhere, leaving, reached
from ..release.git import GitError, Repository
from ..release.history import stages_since, uncommitted
from ..release.permissions import Actor, may
from ..release.policy import Policy
from ..release.targets import FileTarget, StoreTarget, Target
from ..release.words import describe, describe_instant
from .bench import Bench, policy_option, source_at
from .changelog import changes_of
from .explain import find_flag
from .output import SHALLOW, echo, shout, warn

__all__ = ["Step", "change_options", "gated_options", "identity", "repository_around"]


_NOTES: Final = {"Flags-Gates": "x-gates", "Flags-Override": "x-override"}
"""What a commit's trailers are called in a flag file."""


def change_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--reason``, ``--commit`` and ``--dry-run``."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Say what would happen; write nothing."),
        click.option("--commit", is_flag=True, help="Commit the file with the reason as message."),
        click.option(
            "--reason",
            "-m",
            metavar="WHY",
            callback=_asked,
            help="Why; it goes into the change log. Asked for where it is not given.",
        ),
    ):
        command = option(command)
    return command


def _asked(context: click.Context, _: click.Parameter, reason: str | None) -> str:
    """The reason, asked for at a terminal: nobody should have to look up an option at night."""
    if reason is None and sys.stdin.isatty():
        reason = click.prompt("Why")
    if not (reason or "").strip():
        key = context.params.get("key") or "KEY"
        raise click.UsageError(f'say why: flags {context.info_name} {key} -m "what happened"')
    return str(reason).strip()


def gated_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--gate``, ``--override`` and ``--policy``."""
    for option in (
        policy_option,
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
        self.bench, self.key, self.reason, self.via = bench, key, reason, via
        self.commit, self.dry_run, self.known = commit, dry_run, known
        self.trailers: dict[str, str] = {}
        self._since: dict[str | None, dict[str, float]] = {}
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
        place = self.documents.lines().place
        return self.bench.policy_of(self.documents.parse(self.bench.environment), place=place)

    def allow(self, action: str, environments: Iterable[str | None] = ()) -> None:
        """End here where the person may not do this, in one of the environments or in the one that was named."""
        actor, flag = Actor.from_git(self.actor), self.flag
        for environment in dict.fromkeys([self.bench.environment, *environments]):
            permission = may(actor, action, self.policy, flag=flag, environment=environment)
            if not permission:
                shout(f"Not allowed: {permission.why}")
                click.get_current_context().exit(1)

    def since(self, environment: str | None) -> dict[str, float]:
        """When each flag came to its stage there, where that is known."""
        if environment not in self.documents.environments():
            environment = None  # nothing is said of it, so its history is that of all, which is read already
        if environment in self._since:
            return self._since[environment]
        self._since[environment] = self._read_since(environment)
        return self._since[environment]

    def _read_since(self, environment: str | None) -> dict[str, float]:
        now, path = self.bench.now(), self.bench.path
        try:
            found = changes_of(self.bench, environment=environment, until=now)
            if path is not None:  # what is not committed came with the last write, as far as anybody can tell
                written = max(Path(name).stat().st_mtime for name in self.documents.files)
                found += uncommitted(path, self.documents.parse(environment), min(written, now))
        except (GitError, click.UsageError):  # no git around the file, or a store without a log
            return {}
        return stages_since(found)

    def check(self, edited: Edited, gate: tuple[str, ...], override: str | None) -> None:
        """Refuse a step that breaks the policy or leaves a gate shut, wherever it reaches, unless it is overridden."""
        policy, now, words = self.policy, self.bench.now(), _gate_words(gate, self.policy.gates)
        places = self.permit(edited)
        where = [place.environment for place in places]
        found = list(judge_everywhere(places, policy, now=now, since=self.since))
        if any(self._since.values()) and self.repository is not None and self.repository.is_shallow:
            warn(SHALLOW)
        broken = [one.text for one in found if one.verdict.breaks]
        for one in found:
            if not one.verdict.breaks:
                warn(one.text)
        for flag in (flag for place in places for flag in leaving(place, now=now)):
            broken += self._shut_gates(flag, words)
        if broken:
            self._override(list(dict.fromkeys(broken)), override, where)
        if words:
            self.allow("approve", where)
            self.trailers["Flags-Gates"] = "; ".join(f"{name}: {word}" for name, word in words.items())

    def permit(self, edited: Edited) -> list[Reached]:
        """End here where the person may not do this everywhere that it reaches: the environments, otherwise."""
        after = msgspec.structs.replace(self.documents, files={**self.documents.files, edited.file: edited.after})
        places = reached(self.documents, after, self.policy, only=self.bench.environment)
        self.allow(self.via.rpartition(" ")[2], [place.environment for place in places])
        return places

    def _shut_gates(self, flag: Flag, words: dict[str, str]) -> list[str]:
        strategy = self.policy.strategy_of(flag.risk)
        shut = [gate for gate in strategy.gates if gate not in words] if strategy else []
        whose = "" if flag.key == self.key else f"{flag.key}: "
        return [
            f'{whose}the gate {gate!r} is shut ({self.policy.gates[gate]}): --gate {gate}="what was found"'
            for gate in shut
        ]

    def _override(self, broken: list[str], override: str | None, where: list[str | None]) -> None:
        for text in broken:
            shout(f"{'OVERRIDDEN' if override else 'Refused'}: {text}")
        if not override or not override.strip():
            warn("Nothing was written. --override WHY goes ahead, on the record.")
            click.get_current_context().exit(1)
        self.allow("override", where)
        self.trailers["Flags-Override"] = f"{override.strip()} ({'; '.join(broken)})"

    def finish(self, edited: Edited, what: str) -> None:
        """Write, commit if asked, and say what happened."""
        for warning in edited.warnings:
            with suppress(OSError, UnicodeError):
                shout(warning)
        edited = self._noted(edited)
        if self.dry_run:
            self._tell(edited)
            echo("Nothing was written: --dry-run.")
            return
        dirty = self._dirty(edited)
        # Written first and told then: a full disk below the terminal's log must not stand before a kill.
        done = self.target.write(edited, actor=self.actor, reason=self._recorded(), via=self.via, key=self.key)
        with suppress(OSError, UnicodeError):
            self._tell(edited)
            echo(f"{what}: {done}", "bold")
        if self.commit:
            self._commit(edited, what, dirty)
        elif self.repository is not None and isinstance(self.target, FileTarget) and edited.before != edited.after:
            told = "Not committed: git, and so flags log, learns of it when you do. --commit does it for you."
            with suppress(OSError):
                echo(told, "dim")

    def _noted(self, edited: Edited) -> Edited:
        """In a file that is not committed here, gates and overrides stand at the flag itself: nothing else has them."""
        if not self.trailers or self.commit or not isinstance(self.target, FileTarget):
            return edited
        where = f" in {self.bench.environment}" if self.bench.environment else ""
        who = f"{describe_instant(self.bench.now())}{where}, {self.actor}"
        notes = {_NOTES[name]: f"{who}: {' '.join(text.split())}" for name, text in self.trailers.items()}
        return edits.with_notes(edited, self.key, notes)

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
        self._doubt_environment()

    def _doubt_environment(self) -> None:
        """Say so where nobody ever named this environment: a slip of the finger must not pass for a kill."""
        wanted, known = self.bench.environment, self.documents.environments()
        if wanted and known and wanted not in known:
            only = f"only sites that run in environment {wanted!r} are reached"
            shout(f"No flag here knew of {wanted!r} before ({', '.join(known)} are known): {only}.")

    def _dirty(self, edited: Edited) -> str:
        """Why the file cannot be committed with this change and nothing else; a kill is written all the same."""
        problem = self._uncommittable(Path(edited.file)) if self.commit else ""
        if problem and self.via != "flags kill":
            cure = "commit or drop them first, or leave --commit out" if self.repository else "leave --commit out"
            raise click.UsageError(f"{problem}: {cure}")
        return problem

    def _uncommittable(self, file: Path) -> str:
        try:
            repository = Repository.around(file)
            is_dirty = repository.state(repository.relative(file))
        except GitError as error:
            return str(error)
        return f"{file} has changes of its own that are not committed" if is_dirty else ""

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
        with suppress(OSError):
            echo(f"committed {commit[:10]}")
        if self.repository.is_detached:
            shout("No branch is checked out, so the commit is on none: git switch -c NAME keeps it.")


def identity(repository: Repository | None) -> str:
    """Who is at the keyboard: git's identity where there is a repository, else the login."""
    return (repository.identity() if repository else "") or _login()


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name: no reason to stop a kill
        return "unknown"


def _target(bench: Bench) -> Target:
    if bench.path is not None:
        return FileTarget(bench.path, dialect=bench.dialect)
    if bench.has_provider:
        return StoreTarget(bench.flags.source)
    # Only what a write needs: whether a copy could be kept here, or what lies over the store, is nothing to it.
    return StoreTarget(source_at(bench.location, "snapshot_key", "readonly"), dialect=bench.dialect)


def repository_around(path: Path | None) -> Repository | None:
    """The git repository that a path, or the working directory, is in."""
    try:
        return Repository.around(path if path is not None else Path.cwd())
    except GitError:
        return None


def _gate_words(gates: tuple[str, ...], known: Mapping[str, str]) -> dict[str, str]:
    words = {}
    for gate in gates:
        name, _, word = gate.partition("=")
        if name not in known or not word.strip():
            raise click.UsageError(
                f'expected NAME="what was found" with NAME one of {", ".join(known)}, found {gate!r}'
            )
        words[name] = word.strip()
    return words
