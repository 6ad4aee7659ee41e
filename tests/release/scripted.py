"""A git repository that a test writes commit by commit, each at a moment of its own."""

from __future__ import annotations

import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path

__all__ = ["ScriptedRepository", "instant"]


def instant(text: str) -> float:
    """Seconds since 1970 of a UTC time such as 2026-03-01T12:00."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


class ScriptedRepository:
    """``main`` is the branch; nothing of the machine's own git settings counts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "Ann Example")
        self.git("config", "user.email", "ann@example.com")
        self.git("config", "commit.gpgsign", "false")

    def git(self, *args: str, at: float | None = None) -> str:
        """Run git; ``at`` is the moment that it believes to be now."""
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        if at is not None:
            environment |= {"GIT_AUTHOR_DATE": f"{int(at)} +0000", "GIT_COMMITTER_DATE": f"{int(at)} +0000"}
        done = subprocess.run(
            ["git", *args], cwd=self.root, env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    def commit(
        self, text: str, message: str = "change flags", *, at: float | None = None, file: str = "flags.yaml"
    ) -> str:
        """Write a file and commit it; returns the commit's id."""
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message, at=at)
        return self.git("rev-parse", "HEAD").strip()
