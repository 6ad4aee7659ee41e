"""``flags import``: the file, the report, the exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from flagmiddleware import Flags
from flagmiddleware.cli import flags

FIXTURE = [
    {"model": "waffle.switch", "pk": 1, "fields": {"name": "Search", "active": True}},
    {"model": "waffle.flag", "pk": 1, "fields": {"name": "half", "percent": "50.0", "groups": [7]}},
]


@pytest.fixture
def fixture(tmp_path: Path) -> Path:
    """A dumpdata fixture."""
    path = tmp_path / "waffle.json"
    path.write_text(json.dumps(FIXTURE))
    return path


def run(*arguments: Any) -> Result:
    """``flags import …``."""
    return CliRunner().invoke(flags, ["import", *map(str, arguments)])


def test_the_file_goes_to_stdout_and_the_report_to_stderr(fixture: Path) -> None:
    """So that ``flags import waffle dump.json > flags.yaml`` writes a file that loads, and the terminal the notes."""
    result = run("waffle", fixture)
    assert result.exit_code == 0
    path = fixture.with_name("flags.yaml")
    path.write_text(result.stdout)
    loaded = Flags(path)
    assert loaded.is_enabled("search")
    loaded.close()
    assert "lost: half: groups [7]" in result.stderr
    assert "reshuffles: half: 50 %" in result.stderr
    assert "2 flags imported. 1 came over exactly, 1 could not be expressed." in result.stderr  # each counted once


def test_an_import_of_nothing_says_so(tmp_path: Path) -> None:
    """No flag and no note: the last line is a sentence all the same."""
    path = tmp_path / "features.json"
    path.write_text("{}")
    assert run("growthbook", path).stderr.endswith("0 flags imported.\n")


def test_an_output_file_is_not_overwritten_unasked(fixture: Path) -> None:
    """--output writes it, a second time only with --force; the report is then a table on standard output."""
    target = fixture.with_name("flags.yaml")
    first = run("waffle", fixture, "-o", target)
    assert first.exit_code == 0
    assert "subjects moved" in first.stdout
    assert target.read_text().startswith("version: 1")
    assert run("waffle", fixture, "-o", target).exit_code == 1
    assert run("waffle", fixture, "-o", target, "--force").exit_code == 0


def test_json_is_one_document(fixture: Path) -> None:
    """--format json: the native document and the notes, for a script."""
    told = json.loads(run("waffle", fixture, "--format", "json").stdout)
    assert set(told["document"]["flags"]) == {"search", "half"}
    note = next(note for note in told["notes"] if note["kept"] == "reshuffles")
    assert (note["flag"], note["share"]) == ("half", 0.5)


def test_strict_fails_where_something_was_lost(fixture: Path) -> None:
    """--strict exits 1 when something could not be expressed."""
    assert run("waffle", fixture, "--strict").exit_code == 1
    fixture.write_text(json.dumps(FIXTURE[:1]))
    assert run("waffle", fixture, "--strict").exit_code == 0


def test_another_systems_file_is_refused_in_words(fixture: Path) -> None:
    """The wrong kind of file says what was expected; an unknown kind lists those that there are."""
    result = run("flagd", fixture)
    assert result.exit_code == 2
    assert "flags by key" in result.stderr
    assert "growthbook" in run("launchdarkly", fixture).stderr


def test_audiences_come_from_a_file(tmp_path: Path) -> None:
    """RocketFlag's audiences are not in its API: --audiences brings them."""
    item = {"id": "a", "name": "beta", "enabled": True, "trafficPercentage": 100, "cohorts": [], "audienceId": "pro"}
    (tmp_path / "rocket.json").write_text(json.dumps({"flags": [item]}))
    (tmp_path / "audiences.yaml").write_text("pro: {rules: [[{attribute: plan, operator: in, values: [pro]}]]}\n")
    result = run("rocketflag", tmp_path / "rocket.json", "--audiences", tmp_path / "audiences.yaml", "--strict")
    assert result.exit_code == 0
    assert "segment: pro" in result.stdout
