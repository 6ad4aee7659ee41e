"""The imports of django-waffle and django-flags, held against the packages' own decisions on a seeded database."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("waffle", reason="the real package: pip install django-waffle")
pytest.importorskip("flags", reason="the real package: pip install django-flags")


@cache
def found() -> dict[str, Any]:
    """What the old site tells."""
    command = [sys.executable, "-m", "tests.imports.old_site"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=170, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_imported_files_decide_as_the_packages_do() -> None:
    """Rows of every kind, the setting FLAGS in each of its spellings, every kind of user, through our adapter.

    What the import reports as lost is decided alike too, where its cure was followed (user names and parameters from
    the context callable) or does not matter (no test parameter, a browser in the site's language).
    """
    assert found()["differ"] == []
    assert found()["compared"]["waffle"] > 8_000
    assert found()["compared"]["rows"] > 20_000
    assert found()["compared"]["setting"] > 10_000


def test_a_percentage_moves_the_share_that_the_import_reports() -> None:
    """Thousands of visitors drawn by waffle and hashed by us: the share in is its, the share moved is the note's."""
    rows = found()["partial"]
    assert {row["name"] for row in rows} >= {"part-10-False", "part-50-True", "part-99-False", "drawn-50"}
    for row in rows:
        assert row["ours"] == pytest.approx(row["percent"], abs=3), row
        assert row["theirs"] == pytest.approx(row["percent"], abs=3), row
        assert row["moved"] == pytest.approx(row["reported"], abs=0.03), row


def test_the_report_says_in_words_what_was_random() -> None:
    """A dice in a cookie, a dice that is thrown again, a sample: each is named, with the cure where there is one."""
    texts = {row["name"]: row["text"] for row in found()["partial"]}
    assert "a dice kept in a cookie;" in texts["part-10-False"]
    assert "WAFFLE_COOKIES_UNTIL" in texts["part-10-False"]
    assert "drew again in each browser session" in texts["part-10-True"]
    assert "drew anew at each call" in texts["drawn-10"]
    assert all(row["kept"] for row in found()["partial"])  # the cookie is read by our pins as it is by waffle


def test_the_report_names_what_did_not_come_over() -> None:
    """Languages and the testing mode are the two things of waffle's that we do otherwise; nothing else is lost."""
    lost = {flag: text for flag, kept, text in found()["notes"] if kept == "lost"}
    assert sorted(lost) == ["spoken-0", "spoken-1", "spoken-2", "spoken-3", "tested"]
    assert "LANGUAGE_CODE" in lost["spoken-0"]
    assert "signed, expiring link" in lost["tested"]
