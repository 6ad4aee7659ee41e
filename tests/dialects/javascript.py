"""Runs JavaScript under Node, with the packages that tests/dialects/node/package.json names."""

from __future__ import annotations

import fcntl
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.services import program

__all__ = ["FOLDER", "Evaluator", "evaluator", "install", "run"]

FOLDER = Path(__file__).parent / "node"


def install() -> Path:
    """The folder with the packages in it; installed by npm once for a checkout."""
    program("node")
    (FOLDER / "node_modules").mkdir(exist_ok=True)
    with (FOLDER / "node_modules" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = FOLDER / "node_modules" / ".done"
        wanted = (FOLDER / "package.json").read_text()
        if not done.exists() or done.read_text() != wanted:
            _npm_install()
            done.write_text(wanted)
    return FOLDER


def _npm_install() -> None:
    """Within two minutes, or a failure that says what npm said: a registry out of reach is no hanging test."""
    quiet = ["--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    bounded = ["--fetch-retries=1", "--fetch-retry-maxtimeout=2000", "--fetch-timeout=30000"]
    try:
        done = subprocess.run(
            [program("npm"), "install", *quiet, *bounded], cwd=FOLDER, capture_output=True, text=True, timeout=120
        )
    except subprocess.TimeoutExpired:
        pytest.fail(f"npm install in {FOLDER} took more than two minutes: is npm's registry within reach?")
    if done.returncode != 0:
        pytest.fail(f"npm install in {FOLDER} failed; is npm's registry within reach?\n{done.stderr[-2000:]}")


def run(script: str, *arguments: str, timeout: float = 60) -> Any:
    """What a script of that folder prints, as JSON."""
    command = [program("node"), str(install() / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Evaluator:
    """json-logic-js in a Node process of its own, asked line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def apply(self, rule: Any, data: Any) -> Any:
        """The result, or ``{"error": …}``; numbers that JSON cannot say come as text, undefined as null."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([rule, data]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def evaluator() -> Iterator[Evaluator]:
    """Start and stop an :class:`Evaluator`."""
    command = [program("node"), str(install() / "jsonlogic.js")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Evaluator(process)
    finally:
        process.kill()
        process.wait()
