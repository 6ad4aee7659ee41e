"""The imports of django-waffle and django-flags, held against the packages' own decisions on a seeded database."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("waffle", reason="the real package: pip install django-waffle")
pytest.importorskip("flags", reason="the real package: pip install django-flags")


def test_imported_files_decide_as_the_packages_do() -> None:
    """Every kind of row, every kind of user: what the import does not report as lost is decided as it was."""
    command = [sys.executable, "-m", "tests.imports.old_site"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["differ"] == []
    assert found["compared"]["waffle"] > 5_000
    assert found["compared"]["django-flags"] > 5_000
