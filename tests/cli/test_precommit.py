"""The hooks that ship with the package, run by pre-commit itself on a commit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.release.scripted import ScriptedRepository, instant

ROOT = Path(__file__).parents[2]
FILE = """\
version: 1
flags:
  checkout:
    owner: [engineering, product]
    risk: {technical: high, business: high}
    rules: [{rollout: 1%}]
"""


@pytest.fixture
def repository(tmp_path: Path) -> ScriptedRepository:
    """A repository whose pre-commit configuration has our hooks, as local ones: nothing is installed from elsewhere."""
    made = ScriptedRepository(tmp_path / "repo")
    hooks: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    for hook in hooks:
        hook["language"] = "system"
        hook["entry"] = f"{sys.executable} -m flagmiddleware {hook['entry'].partition(' ')[2]}"
        del hook["additional_dependencies"]
    config = {"repos": [{"repo": "local", "hooks": hooks}]}
    made.commit(yaml.safe_dump(config), file=".pre-commit-config.yaml", at=instant("2026-01-01T12:00"))
    made.commit(FILE, at=instant("2026-01-02T12:00"))
    return made


def commit(repository: ScriptedRepository, text: str) -> subprocess.CompletedProcess[str]:
    """Stage a new flag file and let pre-commit look at what is staged."""
    (repository.root / "flags.yaml").write_text(text, "utf-8")
    repository.git("add", "flags.yaml")
    environment = {**os.environ, "PRE_COMMIT_HOME": str(repository.root.parent / "cache"), "NO_COLOR": "1"}
    environment.pop("FLAGMIDDLEWARE_SOURCE", None)
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", "run"],
        cwd=repository.root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_step_that_the_policy_allows_is_committed(repository: ScriptedRepository) -> None:
    """Both hooks pass a file that is right and goes one stage on."""
    done = commit(repository, FILE.replace("1%", "5%"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Passed") == 2


def test_a_step_too_far_is_refused(repository: ScriptedRepository) -> None:
    """The plan's verdict stands in what pre-commit prints, and the commit does not happen."""
    done = commit(repository, FILE.replace("1%", "50%"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "may go from 1 % to at most 5 %; this asks for 50 %" in done.stdout


def test_a_file_that_is_wrong_is_refused(repository: ScriptedRepository) -> None:
    """The lint's findings stand in what pre-commit prints."""
    done = commit(repository, FILE.replace("rollout", "rolout"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "rolout" in done.stdout


def test_other_files_wake_no_hook(repository: ScriptedRepository) -> None:
    """A commit without a flag file costs nothing."""
    done = commit(repository, FILE)
    assert done.stdout.count("Skipped") == 2, done.stdout + done.stderr
