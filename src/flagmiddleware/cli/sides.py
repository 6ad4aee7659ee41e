"""The two states that ``flags plan`` compares: git revisions, files or sources, in each environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click
import msgspec

from ..flags import Flags
from ..model import Flag, Ruleset
from ..release.codeowners import author_verdict, read_codeowners
from ..release.documents import Documents, read_documents
from ..release.git import Repository
from ..release.history import last_changes
from ..release.judge import Verdict
from ..release.permissions import Actor
from ..release.policy import Policy
from .bench import Bench
from .output import SHALLOW, warn

__all__ = ["Side", "Sides"]


class Side(msgspec.Struct, frozen=True):
    """One state: ``at`` gives what holds in an environment, ``environments`` are those that it names."""

    at: Callable[[str | None], Ruleset]
    environments: tuple[str, ...] = ()

    @classmethod
    def of(cls, documents: Documents) -> Side:
        """The state that flag files are in."""
        return cls(documents.parse, documents.environments())


def _side_of(flags: Flags) -> Side | None:
    """The state that a source is in; None where it holds no document that could be parsed for each environment."""
    snapshot = flags.source.fetch(None)
    if snapshot is None or not isinstance(snapshot.data, bytes | Mapping):
        return None
    files = snapshot.data if isinstance(snapshot.data, Mapping) else {snapshot.name: snapshot.data}
    return Side.of(Documents(snapshot.name, files, not isinstance(snapshot.data, bytes), snapshot.format))


class Sides:
    """What is compared, from wherever it was said to be."""

    def __init__(self, bench: Bench, base: str | None, head: str | None) -> None:
        self.bench = bench
        self.repository: Repository | None = None
        self.revision = ""
        self.author = ""
        if base is None:
            base = self._git().base()
        self.before = self._side(base)
        self.base_revision, self.author = self.revision, ""
        self.after = self._working() if head is None else self._side(head)
        if not self.author and self.repository is not None:
            self.author = self.repository.identity()

    def _git(self) -> Repository:
        if self.repository is None:
            path = self.bench.path
            if path is None:
                raise click.UsageError("the definitions are not in a file: name two files or URLs to compare")
            self.repository = Repository.around(path)
        return self.repository

    def environments(self) -> Iterator[str | None]:
        """The one that was named; else None for what all share, and each one that either side names."""
        chosen = self.bench.environment
        named = () if chosen else (*self.before.environments, *self.after.environments)
        yield from dict.fromkeys([chosen, *named])

    def _working(self) -> Side:
        path = self.bench.path
        if path is not None:
            return Side.of(read_documents(path, dialect=self.bench.dialect))
        return self._of_source(self.bench.flags)

    def _of_source(self, flags: Flags) -> Side:
        ruleset = flags.ruleset  # raises where it is wrong, in the words of its source
        return _side_of(flags) or Side(lambda environment: ruleset)

    def _side(self, what: str) -> Side:
        if "://" in what:
            flags = Flags(what, format=self.bench.dialect, environment=self.bench.environment)
            try:
                return self._of_source(flags)
            finally:
                flags.close()
        if Path(what).exists():
            return Side.of(read_documents(Path(what), dialect=self.bench.dialect))
        repository = self._git()
        path = self.bench.path
        assert path is not None  # noqa: S101 - _git() saw to it
        revision = repository.resolve(what)
        name = repository.relative(path)
        files = repository.files(revision, name)
        self.revision = revision
        self.author = repository.run("show", "-s", "--format=%an <%ae>", revision).decode("utf-8", "replace").strip()
        if not files:
            return Side(lambda environment: Ruleset(flags={}, environment=environment))
        shown = {f"{what}:{file}": data for file, data in files.items()}
        return Side.of(Documents(f"{what}:{name}", shown, len(files) > 1, self.bench.dialect))

    @property
    def policy(self) -> Policy:
        """The policy that judges: BASE's, so that a change cannot loosen the rules that it is judged by."""
        before = self.before.at(self.bench.environment)
        judged = before if before.flags else self.after.at(self.bench.environment)
        return self.bench.policy_of(judged, read=self._read_at_base)

    def _read_at_base(self, path: Path) -> bytes:
        """What was in a file at BASE; what is in it now where BASE is no revision, or has no such file."""
        found = path.resolve()
        if self.base_revision and self.repository is not None and found.is_relative_to(self.repository.root.resolve()):
            name = self.repository.relative(found)
            was = self.repository.files(self.base_revision, name).get(name)
            if was is not None:
                return was
        return path.read_bytes()

    def since(self, environment: str | None) -> dict[str, float]:
        """When each flag came to the stage that BASE has it at; nothing where BASE is no revision."""
        if not self.base_revision or self.bench.path is None:
            return {}
        if environment == self.bench.environment and self._git().is_shallow:  # the first that is asked for: said once
            warn(SHALLOW)
        return last_changes(self.bench.path, environment=environment, revision=self.base_revision)

    def author_judge(self, identity: str) -> Callable[[Flag], Verdict | None]:
        """Judges whether the author belongs to a flag's owners."""
        if not identity:
            return lambda flag: None
        actor, policy = Actor.from_git(identity), self.policy
        owners: tuple[str, ...] = ()
        if self.repository is not None and self.bench.path is not None:
            name = self.repository.relative(self.bench.path)
            owners = read_codeowners(self.repository, name, self.base_revision)
        return lambda flag: author_verdict(flag, actor, policy, owners)
