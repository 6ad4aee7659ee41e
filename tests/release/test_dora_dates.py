"""Delivery figures where dates do a part of the releasing, and where a store has the log; worked out by hand."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner

from flagmiddleware.cli import flags
from flagmiddleware.release.changes import ChangeRecord, Origin
from flagmiddleware.release.dora import measure_dora
from flagmiddleware.release.stages import StageKind
from tests.cli.commands import run
from tests.release.scripted import ScriptedRepository, instant

DAY = 86_400.0
RAMP = "rules: [{ramp: [{at: 2026-01-05T00:00:00Z, to: 10%}, {at: 2026-01-06T00:00:00Z, to: 50%}]}]"
SALE = "  sale: {rules: [{schedule: {from: 2026-01-10T00:00:00Z, until: 2026-01-20T00:00:00Z}, serve: true}]}\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedRepository:
    """Two flags that are born dark on 1 January; on 2 January one gets a dated ramp and the other its dates."""
    made = ScriptedRepository(tmp_path / "repo")
    made.commit("version: 1\nflags:\n  slow: {}\n  sale: {}\n", "born", at=instant("2026-01-01T00:00"))
    made.commit(f"version: 1\nflags:\n  slow: {{{RAMP}}}\n{SALE}", "dates", at=instant("2026-01-02T00:00"))
    monkeypatch.chdir(made.root)
    monkeypatch.delenv("FLAGMIDDLEWARE_SOURCE", raising=False)
    monkeypatch.setattr("flagmiddleware.cli.bench.Bench.now", staticmethod(lambda: instant("2026-02-01T00:00")))
    return made


dora = partial(run, "dora")


def figures() -> dict[str, tuple[Any, int]]:
    """Value and samples of each figure, with 1,000 users."""
    told = json.loads(dora("--users", "1000", "--format", "json").stdout)["figures"]
    return {one["name"]: (one["value"], one["samples"]) for one in told}


def test_a_dated_step_that_is_killed_is_a_release_that_failed(repository: ScriptedRepository) -> None:
    """The ramp's steps of 5 and 6 January are releases, and so is the sale's first day; the second step is killed.

    31 days have 3 releases. The step to 50 % stood from 6 January, 00:00, to the kill at 03:00: 1,000 × 50 % × 180
    minutes. The slow flag was dark for 4 days, the sale for 9; the sale came to everyone after 9. Its end, which was
    set from the beginning, is no failure.
    """
    killed = f"version: 1\nflags:\n  slow: {{enabled: false, {RAMP}}}\n{SALE}"
    repository.commit(killed, "kill", at=instant("2026-01-06T03:00"))
    found = figures()
    assert found["releases"] == (pytest.approx(3 / (31 / 7)), 3)
    assert found["change failure rate"] == (pytest.approx(1 / 3), 3)
    assert found["time to restore"] == (3 * 3600, 1)
    assert found["blast radius spent"] == (pytest.approx(90_000, rel=1e-6), 1)
    assert found["dark time"] == (6.5 * DAY, 2)
    assert found["lead time"] == (9 * DAY, 1)
    assert "clock" not in CliRunner().invoke(flags, ["log"]).output


def _record(hour: float, flag: str, before: float, after: float, kind: str) -> ChangeRecord:
    """One change, so many hours after the beginning."""

    def stage(share: float) -> StageKind:
        return StageKind.RELEASED if share == 1 else StageKind.PARTIAL if share else StageKind.DARK

    return ChangeRecord(Origin(f"{hour}", hour * 3600), flag, kind, "", "", before, after, stage(before), stage(after))


def test_each_harmful_step_counts_once() -> None:
    """Two flags over 30 hours, 60 users. Releases: a at 10, 12, 20 (a restore) and 30 h, b when it came, at 5 h.

    Those of 12 h (a decrease at 13 h) and 5 h (a kill at 9 h) failed: 2 of 5; they lasted 1 and 4 hours, 2.5 in the
    middle; 25 % of 60 for 60 minutes and 50 % of 60 for 240 are 8,100 user minutes. What was decreased already fails no
    more when it is killed. a was dark for 10 hours and b for none; a came to everyone after 30.
    """
    a = [(0, 0, 0, "created"), (10, 0, 0.05, "increased"), (12, 0.05, 0.25, "increased"), (13, 0.25, 0.1, "decreased")]
    a += [(14, 0.1, 0, "killed"), (20, 0, 0.1, "restored"), (30, 0.1, 1, "increased")]
    b = [(5, 0, 0.5, "created"), (6, 0.5, 0.5, "edited"), (9, 0.5, 0, "killed")]
    changes = [(hour, flag, *rest) for flag, told in (("a", a), ("b", b)) for hour, *rest in told]
    records = [_record(*change) for change in sorted(changes)]  # type: ignore[arg-type]
    figures = measure_dora(records, [], start=0, end=7 * DAY, users=60).figures
    found = {one.name: (one.value, one.samples) for one in figures}
    assert found["releases"] == (5, 5)
    assert found["change failure rate"] == (0.4, 5)
    assert found["time to restore"] == (2.5 * 3600, 2)
    assert found["blast radius spent"] == (8_100, 2)
    assert found["dark time"] == (5 * 3600, 2)
    assert found["lead time"] == (30 * 3600, 1)


def test_dates_that_were_taken_back_in_time_did_nothing(repository: ScriptedRepository) -> None:
    """A ramp that somebody took out before its first date released nothing."""
    repository.commit("version: 1\nflags:\n  slow: {}\n  sale: {}\n", "not yet", at=instant("2026-01-03T00:00"))
    assert figures()["releases"] == (0, 0)


def test_a_shallow_clone_brings_no_flags(
    repository: ScriptedRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first fetched commit holds was not born there: no dark time, no release; only what follows counts."""
    raised = "version: 1\nflags:\n  slow: {rules: [{rollout: 5%}]}\n  sale: {}\n"
    repository.commit(raised, "5%", at=instant("2026-01-03T00:00"))
    repository.commit(raised.replace("5%", "50%"), "50%", at=instant("2026-01-04T00:00"))
    repository.git("clone", "--quiet", "--depth", "2", f"file://{repository.root}", str(tmp_path / "shallow"))
    monkeypatch.chdir(tmp_path / "shallow")
    assert "The clone is shallow" in dora().stderr
    found = figures()
    assert (found["releases"][1], found["dark time"][1], found["lead time"][1]) == (1, 0, 0)


def test_what_cannot_be_written_or_counted_is_said(repository: ScriptedRepository) -> None:
    """A table goes to no file, no users are no number of them; every other format goes where it was told to."""
    assert "--output wants --format json, md or html" in dora("-o", "figures.txt", code=2).stderr
    dora("--users", "0", code=2)
    for style in ("json", "md", "html"):
        assert dora("--format", style, "-o", "figures.txt").stdout == "wrote figures.txt\n"
        assert "time to restore" in Path("figures.txt").read_text("utf-8")


def test_outside_git_the_log_of_a_store_is_read_all_the_same(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deployments are git's, so they are not counted; a flag file without a history has no figures at all."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.delenv("FLAGMIDDLEWARE_SOURCE", raising=False)
    Path("flags.yaml").write_text("version: 1\nflags: {a: {}}\n", "utf-8")
    assert "is not in a git repository: its history is unknown" in dora(code=2).stderr
    url = f"{redis_url}?name={uuid4().hex}"
    for words in (["push", "flags.yaml", url, "-m", "new"], ["ramp", "a", "5%", "-m", "go", "--source", url]):
        assert CliRunner().invoke(flags, words).exit_code == 0
    told = dora("--source", url, "--format", "json")
    assert "No git repository here: deployments are not counted" in told.stderr
    samples = {one["name"]: one["samples"] for one in json.loads(told.stdout)["figures"]}
    assert (samples["deployments"], samples["releases"]) == (0, 1)
