"""Flags in the site's own database: the source, on SQLite and a real PostgreSQL, each scenario in a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with room for the tables."""
    if request.param == "sqlite":
        return str(tmp_path / "db.sqlite3")
    return str(request.getfixturevalue("postgres_url"))


SCENARIOS = [
    "follows",
    pytest.param("uncommitted", marks=pytest.mark.faults),
    pytest.param("writers", marks=pytest.mark.faults),
    pytest.param("tampered", marks=pytest.mark.faults),
    "empty",
    "pushed",
    "composed",
    "reverted",
    "migrated",
    "cut",
]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_store(scenario: str, database: str, tmp_path: Path) -> None:
    """Each scenario of ``store_site`` (its docstring says what it pins) holds on both databases."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.django.store_site", scenario],
        env={**os.environ, "DATABASE": database, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr[-4000:]
