"""The little of git that releasing needs, by its own command."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from ..errors import FlagMiddlewareError

__all__ = ["Commit", "GitError", "Repository"]

_FIELDS: Final = "%H%x00%P%x00%ct%x00%an%x00%ae%x00%B%x00%x1e"
_MAIN: Final = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


class GitError(FlagMiddlewareError):
    """git could not do what was asked, or there is no repository; the message says what to do."""


class Commit(msgspec.Struct, frozen=True):
    """One commit; ``time`` is when it was committed, in seconds since 1970."""

    id: str
    parents: tuple[str, ...]
    time: float
    author: str
    email: str
    message: str

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.split("\n", 1)[0]

    @property
    def trailers(self) -> Mapping[str, str]:
        """The ``Name: value`` lines that end the message."""
        last = self.message.rstrip().rsplit("\n\n", 1)[-1] if "\n\n" in self.message else ""
        pairs = (line.partition(": ") for line in last.splitlines())
        return {name: value for name, colon, value in pairs if colon and " " not in name}


class Repository:
    """A working tree and its history."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def around(cls, path: Path) -> Repository:
        """The repository that ``path`` lies in; raises GitError where it lies in none."""
        folder = path if path.is_dir() else path.resolve().parent  # of a link: where what it points to has its history
        try:
            root = _git(folder.resolve(), "rev-parse", "--show-toplevel").decode().rstrip("\n")
        except GitError as error:
            if "not a git repository" not in str(error):
                raise
            raise GitError(f"{path} is not in a git repository: its history is unknown") from error
        return cls(Path(root))

    def run(self, *args: str) -> bytes:
        """What git prints; raises GitError with what it complains about."""
        return _git(self.root, *args)

    def relative(self, path: Path) -> str:
        """``path`` as git names it."""
        real, root = path.resolve(), self.root.resolve()
        if not real.is_relative_to(root):
            raise GitError(f"{path} is not in the repository {self.root}")
        return real.relative_to(root).as_posix() or "."

    def resolve(self, revision: str) -> str:
        """The id of a commit; raises GitError where there is no such revision."""
        if revision.startswith("-"):
            raise GitError(f"{revision!r} is no revision")
        try:
            return self.run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").decode().strip()
        except GitError as error:
            shallow = " (the clone is shallow: git fetch --unshallow)" if self.is_shallow else ""
            raise GitError(f"there is no revision {revision!r} in {self.root}{shallow}") from error

    def knows(self, revision: str) -> bool:
        """Whether there is such a revision."""
        try:
            self.resolve(revision)
        except GitError:
            return False
        return True

    @property
    def is_shallow(self) -> bool:
        """Whether the history was cut off when it was cloned."""
        return self.run("rev-parse", "--is-shallow-repository").strip() == b"true"

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever committed."""
        return not self.run("for-each-ref", "--count=1").strip() and not self.knows("HEAD")

    @property
    def is_detached(self) -> bool:
        """Whether no branch is checked out, so that a commit is on none."""
        return not self.run("branch", "--show-current").strip()

    def base(self, head: str = "HEAD") -> str:
        """Where ``head`` left the main branch; itself where it is on the main branch."""
        main = next((name for name in _MAIN if self.knows(name)), None)
        if main is None:
            raise GitError("there is no main branch to compare with: name the revision, as in flags plan HEAD~1")
        try:
            base = self.run("merge-base", main, head).decode().strip()
        except GitError as error:
            shallow = "; the clone is shallow: git fetch --unshallow" if self.is_shallow else ""
            raise GitError(f"{main} and {head} have no commit in common{shallow}") from error
        return base

    def files(self, revision: str, path: str) -> dict[str, bytes]:
        """The files at ``path`` (itself, or a folder's direct children) in a revision, by name; empty where none."""
        return next(self.contents([revision], path))[1]

    def former_name(self, path: str, revision: str, head: str | None = None) -> str:
        """What a file or folder was called at a revision, where ``head`` (or the working tree) renamed it; or empty."""
        told = ("diff", "--find-renames", "--diff-filter=R", "--name-status", "-z", revision)
        words = self.run(*told, *filter(None, (head,)), "--").decode("utf-8", "surrogateescape").split("\0")
        for was, now in zip(words[1::3], words[2::3], strict=False):
            if now == path:
                return was
            if now.rpartition("/")[0] == path:
                return was.rpartition("/")[0] or "."
        return ""

    def contents(self, revisions: Iterable[str], path: str) -> Iterator[tuple[str, dict[str, bytes]]]:
        """For each revision the files at ``path``, all through one git process."""
        process = subprocess.Popen(
            ["git", "cat-file", "--batch"],  # noqa: S607 - git is found as the user's shell finds it
            cwd=self.root,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with process:
            for revision in revisions:
                kind, data = _object(process, f"{revision}:{'' if path == '.' else path}")
                if kind == "tree":
                    yield revision, dict(self._children(process, revision, path))
                else:
                    yield revision, {path: data} if kind == "blob" else {}
            process.stdin.close()  # type: ignore[union-attr]

    def _children(self, process: subprocess.Popen[bytes], revision: str, path: str) -> Iterator[tuple[str, bytes]]:
        prefix = "" if path == "." else f"{path}/"
        listing = self.run("ls-tree", "-z", f"{revision}:{'' if path == '.' else path}").decode("utf-8", "replace")
        for entry in listing.split("\0"):
            _, _, name = entry.partition("\t")
            if name and not name.startswith(".") and name.lower().endswith((".yaml", ".yml", ".json", ".toml")):
                kind, data = _object(process, f"{revision}:{prefix}{name}")
                if kind == "blob":
                    yield prefix + name, data

    def log(self, path: str | None = None, revision: str = "HEAD") -> list[Commit]:
        """The commits that changed ``path`` (any path: None), oldest first, as the main line saw them."""
        where = ["--"] if path is None else ["--", path]
        out = self.run("log", "--first-parent", "--reverse", f"--format={_FIELDS}", revision, *where)
        return [_commit(text) for text in out.decode("utf-8", "replace").split("\x1e") if text.strip()]

    def identity(self) -> str:
        """Who git says is at the keyboard: ``Name <email>``, empty where it does not know."""
        try:
            return self.run("var", "GIT_AUTHOR_IDENT").decode("utf-8", "replace").rsplit(" ", 2)[0]
        except GitError:
            return ""

    def state(self, path: str) -> str:
        """The two letters of ``git status`` for a path: empty where it is as in the last commit."""
        out = self.run("status", "--porcelain", "--untracked-files=all", "--", path).decode("utf-8", "replace")
        return out[:2]

    def commit(self, path: str, message: str) -> str:
        """Commit the one path and nothing else; returns the commit's id."""
        self.run("add", "--", path)
        self.run("commit", "--quiet", "--only", "-m", message, "--", path)
        return self.resolve("HEAD")


def _environment() -> dict[str, str]:
    """git's own words in English, as they are looked at; and the repository that a path lies in, not a hook's.

    In a linked working tree git tells a hook its folder by GIT_DIR, and would then take any folder for the top.
    """
    told = () if "GIT_WORK_TREE" in os.environ else ("GIT_DIR", "GIT_PREFIX")
    return {name: value for name, value in os.environ.items() if name not in told} | {"LANGUAGE": "en"}


def _git(folder: Path, *args: str) -> bytes:
    # Whatever a person has set for their own eyes: names as they are, and no signatures among what is read.
    plain = ("-c", "core.quotePath=false", "-c", "log.showSignature=false", "--no-optional-locks")
    try:
        done = subprocess.run(["git", *plain, *args], cwd=folder, env=_environment(), capture_output=True, check=False)  # noqa: S603, S607
    except FileNotFoundError as error:
        raise GitError(f"git is not installed, or {folder} does not exist") from error
    if done.returncode != 0:
        complaint = done.stderr.decode("utf-8", "replace").strip() or f"exit code {done.returncode}"
        raise GitError(f"git {args[0]}: {complaint}")
    return done.stdout


def _object(process: subprocess.Popen[bytes], name: str) -> tuple[str, bytes]:
    """An object's kind and content; kind is "missing" where there is none."""
    assert process.stdin is not None  # noqa: S101
    assert process.stdout is not None  # noqa: S101
    process.stdin.write(name.encode() + b"\n")
    process.stdin.flush()
    words = process.stdout.readline().decode("utf-8", "replace").split()
    if len(words) != 3 or not words[2].isdigit():
        return "missing", b""
    data = process.stdout.read(int(words[2]))
    process.stdout.read(1)
    return words[1], data


def _commit(text: str) -> Commit:
    id, parents, time, author, email, message, _ = text.strip("\n").split("\0")
    return Commit(id, tuple(parents.split()), float(time), author, email, message.strip())
