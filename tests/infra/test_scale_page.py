"""The page about many processes quotes the simulation, and the simulation plays the refresher."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.simulate_scale import COLUMNS, ENGINES, SNAPSHOT, Engine, row
from flagmiddleware.sources import vendors

PAGE = (Path(__file__).parents[2] / "docs/explanation/scale.md").read_text("utf-8")


def quoted(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_columns_are_those_of_the_simulation() -> None:
    """And every engine has its row."""
    table = [quoted(line) for line in PAGE.split("\n\n## ")[0].splitlines() if line.startswith("|")]
    assert table[0] == list(COLUMNS)
    assert [cells[0] for cells in table[2:]] == [engine.name for engine in ENGINES]


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_the_page_says_what_the_simulation_prints(engine: Engine) -> None:
    """Figure by figure, for 10,000 processes: the dice have a seed."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {engine.name} |")]
    assert quoted(line) == row(engine, 10_000)


def test_the_paces_are_those_of_the_vendors() -> None:
    """An engine is called by the vendors that are polled at its interval."""
    paces = {engine.name: engine.interval for engine in ENGINES}
    assert paces["HTTP with an ETag, every 5 s (flagd)"] == vendors.flagd("https://h/f").min_interval
    for made in (vendors.unleash("https://h/api", token="t"), vendors.rocketflag("https://h", token="t")):
        assert paces["HTTP with an ETag, every 15 s (Unleash, RocketFlag)"] == made.min_interval


def test_flagd_over_grpc_sends_the_whole_each_time() -> None:
    """Its looks come at the source's own pace; neither they nor its announcements are less than a snapshot."""
    grpc = pytest.importorskip("flagmiddleware.sources.flagd_grpc", reason="the extra flagd-grpc is not installed")
    (engine,) = [engine for engine in ENGINES if engine.name.startswith("gRPC")]
    assert engine.interval == grpc.from_grpc_url("flagd+grpc://h").min_interval
    assert engine.look == engine.hint == SNAPSHOT
