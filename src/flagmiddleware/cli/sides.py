"""The two states that ``flags plan`` compares: git revisions, files or sources, in each environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from errno import ENOENT
from pathlib import Path
from typing import Final

import click
import msgspec

from ..flags import Flags
from ..model import Flag, Ruleset
from ..release.codeowners import author_verdict, read_codeowners
from ..release.documents import Documents, read_documents
from ..release.git import GitError, Repository
from ..release.history import last_changes
from ..release.judge import Verdict
from ..release.permissions import Actor, may
from ..release.policy import Policy
from ..release.policy_changes import policy_changes
from .bench import Bench
from .output import SHALLOW, warn

__all__ = ["Side", "Sides"]


class Side(msgspec.Struct, frozen=True):
    """One state: ``at`` gives what holds in an environment, ``environments`` are those that it names.

    ``is_there`` is False where there were no definitions yet.
    """

    at: Callable[[str | None], Ruleset]
    environments: tuple[str, ...] = ()
    is_there: bool = True

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


_HEAD: Final = "HEAD"
_NOTHING: Final = Side(lambda environment: Ruleset(flags={}, environment=environment), is_there=False)


class Sides:
    """What is compared, from wherever it was said to be."""

    def __init__(self, bench: Bench, base: str | None, head: str | None) -> None:
        self.bench = bench
        self.repository: Repository | None = None
        self.revision = ""
        self.author = ""
        if not base:  # empty, too: what a workflow says where it has none
            base = _HEAD if self._git().is_empty else self._git().base()
        self._former: Path | None = None
        self.before = self._side(base, is_base=True, head=head)
        self.base_revision, self.revision, self.author = self.revision, "", ""
        self.after = self._side(head) if head else self._working()
        self.head_revision = self.revision
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

    def _side(self, what: str, *, is_base: bool = False, head: str | None = None) -> Side:
        """The state that a word names; BASE's is what was in force, whatever its files are called in ``head``."""
        if "://" in what:
            flags = Flags(what, format=self.bench.dialect, environment=self.bench.environment)
            try:
                return self._of_source(flags)
            finally:
                flags.close()
        if Path(what).exists() and not self._is_revision(what):
            return Side.of(read_documents(Path(what), dialect=self.bench.dialect))
        repository, path = self._git(), self.bench.path
        assert path is not None  # noqa: S101 - _git() saw to it
        if is_base and what == _HEAD and repository.is_empty:  # a first commit, which a hook looks at
            return _NOTHING
        self.revision = repository.resolve(what)
        name = repository.relative(path)
        if is_base and not repository.files(self.revision, name):
            name = self._former_name(name, head)
            self._former = repository.root / name
        told = repository.run("show", "-s", "--format=%an <%ae>", self.revision, "--")
        self.author = told.decode("utf-8", "replace").strip()
        documents = self._documents(what, name)
        return self._in_force(documents, name) if is_base else Side.of(documents) if documents.files else _NOTHING

    def _former_name(self, name: str, head: str | None) -> str:
        """What definitions that are new by their name were called in BASE: by git, or by where BASE looked for them."""
        repository, revision = self._git(), self.revision
        usual = self.bench.usual_places(lambda path: self._read_at(revision, path))
        names = map(self._name_inside, usual)
        found = (repository.former_name(name, revision, head), *names)
        return next((one for one in found if one and repository.files(revision, one)), name)

    def _name_inside(self, place: str) -> str:
        """A path as git names it; empty where it is outside the repository, or a URL."""
        path, root = Path(place).resolve(), self._git().root.resolve()
        return self._git().relative(path) if "://" not in place and path.is_relative_to(root) else ""

    def _is_revision(self, what: str) -> bool:
        """Whether git knows the word: a change that brings a file called like BASE is not compared with that file."""
        try:
            return self.bench.path is not None and Repository.around(self.bench.path).knows(what)
        except (GitError, click.UsageError):
            return False

    def _documents(self, what: str, name: str) -> Documents:
        files = self._git().files(self.revision, name)
        shown = {f"{what}:{file}": data for file, data in files.items()}
        return Documents(f"{what}:{name}", shown, len(files) > 1, self.bench.dialect)

    def _in_force(self, documents: Documents, name: str) -> Side:
        """BASE, or what sites went on with where it is broken: the last definitions before it that were whole."""
        if not documents.files or documents.is_whole:
            return Side.of(documents) if documents.files else _NOTHING
        earlier = (commit.id for commit in reversed(self._git().log(name, self.revision)))
        for commit, files in self._git().contents(earlier, name):
            found = msgspec.structs.replace(documents, files=files)
            if files and found.is_whole:
                warn(f"BASE is broken: compared with {commit[:10]}, the last before it that was not.")
                return Side.of(found)
        warn("BASE is broken, and so was all before it: compared with nothing.")
        return _NOTHING

    @property
    def policy(self) -> Policy:
        """The policy that judges: BASE's, so that a change cannot loosen the rules that it is judged by."""
        return self._policy(self.before, self.base_revision) if self.before.is_there else self._later_policy

    @property
    def _later_policy(self) -> Policy:
        return self._policy(self.after, self.head_revision)

    def _policy(self, side: Side, revision: str) -> Policy:
        ruleset = side.at(self.bench.environment)
        return self.bench.policy_of(ruleset, read=lambda path: self._read_at(revision, path))

    def policy_verdicts(self, identity: str) -> Iterator[Verdict]:
        """What a change does to the policy, and whether the author may, where the policy has roles."""
        if not self.before.is_there:
            return
        changes = policy_changes(self.policy, self._later_policy)
        yield from (Verdict(text, False) for text in changes)
        permission = may(Actor.from_git(identity), "policy", self.policy)
        if changes and identity and not permission:
            yield Verdict(permission.why)

    def _read_at(self, revision: str, path: Path) -> bytes:
        """What was in a file at a revision; what is in it now where there is no revision."""
        repository = self.repository
        name = self._name_inside(str(path)) if repository is not None and revision else ""
        if repository is None or not name:
            return path.read_bytes()
        was = repository.files(revision, name).get(name)
        if was is None:
            raise FileNotFoundError(ENOENT, f"there is none in {revision[:10]}", str(path))
        return was

    @property
    def _path_at_base(self) -> Path | None:
        return self._former or self.bench.path

    def since(self, environment: str | None) -> dict[str, float]:
        """When each flag came to the stage that BASE has it at; nothing where BASE is no revision."""
        path = self._path_at_base if self.base_revision else None
        if path is None:
            return {}
        if environment == self.bench.environment and self._git().is_shallow:  # the first that is asked for: said once
            warn(SHALLOW)
        return last_changes(path, environment=environment, revision=self.base_revision, until=self.bench.now())

    def author_judge(self, identity: str) -> Callable[[Flag], Verdict | None]:
        """Judges whether the author belongs to a flag's owners."""
        if not identity:
            return lambda flag: None
        actor, policy = Actor.from_git(identity), self.policy
        owners: tuple[str, ...] = ()
        if self.repository is not None and self._path_at_base is not None:
            name = self.repository.relative(self._path_at_base)
            owners = read_codeowners(self.repository, name, self.base_revision)
        return lambda flag: author_verdict(flag, actor, policy, owners)
