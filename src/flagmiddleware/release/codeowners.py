"""Whether who asks for a change belongs to those who own the flag, by the policy's teams or a CODEOWNERS file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from ..model import Flag
from .git import Repository
from .judge import Verdict
from .permissions import Actor, teams_of
from .policy import Policy

__all__ = ["author_verdict", "read_codeowners"]

_PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")


def read_codeowners(repository: Repository, path: str, revision: str = "") -> tuple[str, ...]:
    """The owners of ``path`` (as git names it): those of the last pattern that matches, as GitHub reads it.

    The file is that of ``revision``, so that nobody makes themselves an owner in the change that they ask for; only
    where there is none, or no revision, is it that of the working tree.
    """
    owners: tuple[str, ...] = ()
    for pattern, names in _lines(_text(repository, revision)):
        if re.match(_regex(pattern), path):
            owners = names
    return owners


def _text(repository: Repository, revision: str) -> str:
    was = (repository.files(revision, place).get(place) for place in _PLACES if revision)
    files = (repository.root / place for place in _PLACES)
    here = (file.read_bytes() for file in files if file.is_file())
    return next((data for data in chain(was, here) if data is not None), b"").decode("utf-8", "replace")


def _lines(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if words and not words[0].startswith("["):
            yield words[0], tuple(words[1:])


def _regex(pattern: str) -> str:
    anchored = "/" in pattern.rstrip("/")
    text = re.escape(pattern.strip("/")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", ".*")
    text = text.replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    # `docs/*` is what lies in docs, not what lies in its folders.
    end = "/" if pattern.endswith("/") else "$" if anchored and pattern.endswith("/*") else "(?:/|$)"
    return ("" if anchored else "(?:.*/)?") + text + end


def author_verdict(flag: Flag, author: Actor, policy: Policy, owners: tuple[str, ...] = ()) -> Verdict | None:
    """What to say where the author is in none of the flag's teams; None where they are, or where nobody says.

    ``owners`` are those that CODEOWNERS names for the flag's file. A team of the policy decides; where none of the
    flag's owners is such a team, CODEOWNERS does.
    """
    known = [owner for owner in flag.owner if owner in policy.teams]
    owner = " + ".join(flag.owner)
    if known:
        if set(known) & set(teams_of(author, policy)):
            return None
        return Verdict(f"owner is {owner}; author {author.names[-1] if author.names else '?'} is not in it")
    mine = {owner for owner in owners if owner.rsplit("/", 1)[-1].lstrip("@") in flag.owner or "@" in owner[1:]}
    if not owners or not flag.owner or not author.names:
        return None
    handles = {f"@{name}" for name in author.names} | set(author.names) | {f"@{team}" for team in author.teams}
    if handles & {*owners, *mine}:
        return None
    if not any("@" in name[1:] or (name.startswith("@") and "/" not in name) for name in owners):
        return None  # only teams that we cannot look into
    return Verdict(f"owner is {owner}; author {author.names[-1]} is not in CODEOWNERS of it")
