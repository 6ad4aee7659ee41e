"""What became of each flag over time, from the git history of its file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from msgspec.structs import replace

from .. import formats
from ..errors import FlagMiddlewareError
from ..model import Ruleset
from .changes import ChangeRecord, Origin, record_changes
from .dated import dated_moves
from .documents import Documents
from .git import Commit, GitError, Repository

__all__ = [
    "HistoryError",
    "Since",
    "flag_history",
    "last_changes",
    "parse_files_at",
    "stages_since",
    "uncommitted",
    "whole_history",
]

HistoryError = GitError
"""There is no history to be read: no repository, no git."""

Watch = Callable[[Iterable[Commit], str], Iterable[Commit]]


def parse_files_at(files: dict[str, bytes], environment: str | None = None) -> Ruleset | None:
    """The definitions of one revision; None where they were broken then, an empty ruleset where there were none."""
    if not files:
        return Ruleset(flags={}, environment=environment)
    try:
        return formats.parse_files(files, environment=environment)
    except FlagMiddlewareError:
        return None


def flag_history(
    path: Path,
    *,
    environment: str | None = None,
    revision: str = "HEAD",
    until: float | None = None,
    watch: Watch = lambda items, _: items,
) -> list[ChangeRecord]:
    """Every change of every flag in the file or folder, oldest first.

    Each commit is compared with the one before it on the main line. A commit whose file was broken counts as no
    change: sites kept the last good plan, too. With ``until``, what dates did by themselves up to then is among them.
    """
    repository = Repository.around(path)
    return list(_records(repository, repository.relative(path), environment, revision, watch, until))


def _records(
    repository: Repository, path: str, environment: str | None, revision: str, watch: Watch, until: float | None
) -> Iterator[ChangeRecord]:
    if not repository.knows(revision):  # a repository without a commit
        return
    commits = repository.log(path, revision)
    old = Ruleset(flags={}, environment=environment)
    last: dict[str, bytes] = {}
    since = 0.0
    contents = repository.contents((commit.id for commit in commits), path)
    for commit, (_, files) in zip(watch(commits, "reading history"), contents, strict=True):
        if files == last:
            continue
        last = files
        new = parse_files_at(files, environment)
        if new is not None:
            if until is not None:
                yield from dated_moves(old, since, commit.time)
            yield from record_changes(old, new, _origin(commit, environment))
            old, since = new, commit.time
    if until is not None:
        yield from dated_moves(old, since, until)


def whole_history(path: Path, *, watch: Watch = lambda items, _: items) -> list[ChangeRecord]:
    """The same for what all environments share, then for each environment in which something else became of a flag."""
    repository = Repository.around(path)
    if not repository.knows("HEAD"):
        return []
    name = repository.relative(path)
    commits = repository.log(name, "HEAD")
    found: list[ChangeRecord] = []
    contents = repository.contents((commit.id for commit in commits), name)
    old = Documents(name, {})
    for commit, (_, files) in zip(watch(commits, "reading history"), contents, strict=True):
        new = Documents(name, files)
        if files != old.files and parse_files_at(files) is not None:
            found += _everywhere(old, new, commit)
            old = new
    return found


def _everywhere(old: Documents, new: Documents, commit: Commit) -> Iterator[ChangeRecord]:
    shared: dict[str, ChangeRecord] = {}
    for environment in dict.fromkeys([None, *old.environments(), *new.environments()]):
        before, after = (parse_files_at(dict(one.files), environment) for one in (old, new))
        if before is None or after is None:
            continue
        for record in record_changes(before, after, _origin(commit, environment)):
            told = replace(record, origin=_origin(commit, None))
            if environment is None or told != shared.get(record.flag):
                yield record
            if environment is None:
                shared[record.flag] = told


def _origin(commit: Commit, environment: str | None) -> Origin:
    trailers = commit.trailers
    actor = f"{commit.author} <{commit.email}>"
    reason = trailers.get("Flags-Reason") or commit.subject
    via = trailers.get("Flags-Via", "git")
    return Origin(commit.id, commit.time, actor, via, reason, commit.id, environment, commit.id)


def uncommitted(path: Path, ruleset: Ruleset, at: float) -> list[ChangeRecord]:
    """What ``ruleset``, as it lies in the working tree, changes over the last commit, as if somebody did so at ``at``.

    Raises GitError outside git.
    """
    repository = Repository.around(path)
    files = repository.files("HEAD", repository.relative(path)) if repository.knows("HEAD") else {}
    committed = parse_files_at(files, ruleset.environment)
    return [] if committed is None else list(record_changes(committed, ruleset, Origin("", at, via="uncommitted")))


class Since(dict[str, float]):
    """When each flag came to its present stage; ``touched`` is when anything of it was last changed.

    Both are seconds since 1970.
    """

    def __init__(self) -> None:
        super().__init__()
        self.touched: dict[str, float] = {}


def stages_since(records: Iterable[ChangeRecord]) -> Since:
    """When each flag came to its present stage, in seconds since 1970."""
    since = Since()
    for record in records:
        since.touched[record.flag] = record.origin.time
        if (record.before, record.stage_before) != (record.after, record.stage_after):
            since[record.flag] = record.origin.time
    return since


def last_changes(
    path: Path, *, environment: str | None = None, revision: str = "HEAD", until: float | None = None
) -> Since:
    """The same, of the flags in a file or folder as they were at a revision; see :func:`flag_history`."""
    return stages_since(flag_history(path, environment=environment, revision=revision, until=until))
