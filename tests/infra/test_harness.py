"""The measuring harness: what its figures rest on."""

from __future__ import annotations

import gc
from itertools import count
from pathlib import Path

import pytest

from benchmarks import report, run
from benchmarks.harness import Contender, Cost, Settings, Workload, WrongAnswer, memory, quiet

ROUNDS = Settings(rounds=3)


def keys(number: int) -> list[tuple[str]]:
    return [(f"user-{number}-{index}",) for index in range(4)]


def workload(contender: Contender) -> Workload:
    return Workload(name="length", inputs=keys, floor=Contender(name="floor", call=len), contenders=[contender])


def test_a_wrong_answer_stops_the_measurement() -> None:
    """A contender that answers otherwise than the floor is refused, whatever its speed."""
    with pytest.raises(WrongAnswer, match="cheat answered 0, not 9"):
        workload(Contender(name="cheat", call=lambda key: 0)).measure(ROUNDS)


def test_every_contender_runs_in_every_round_on_that_rounds_inputs() -> None:
    """Costs have one entry for each round, and no input is seen in two rounds."""
    seen: list[str] = []
    costs = workload(Contender(name="other", call=lambda key: seen.append(key) or len(key))).measure(ROUNDS)
    assert [(cost.name, len(cost.rounds)) for cost in costs] == [("floor", 3), ("other", 3)]
    assert len(seen) == len(set(seen)) == 4 * (3 + 1)  # one unmeasured round comes first


def test_a_cost_is_that_of_one_unit() -> None:
    """A call that does several things is divided by their number."""
    ticks = count()
    flat = Workload(
        name="units",
        inputs=keys,
        floor=Contender(name="floor", call=len),
        contenders=[Contender(name="ten", call=len, units=10)],
        clock=lambda: next(ticks) * 400,
    )
    floor, ten = flat.measure(ROUNDS)
    assert (floor.median, ten.median) == (100, 10)


def test_a_peer_may_bring_its_own_check() -> None:
    """`check` replaces the comparison with the floor, and sees arguments and results."""
    checked: list[tuple[object, object]] = []
    peer = Contender(name="peer", call=str.upper, check=lambda inputs, results: checked.append((inputs[0], results[0])))
    workload(peer).measure(Settings(rounds=1))
    assert checked[-1] == (("user-0-0",), "USER-0-0")


def test_ratios_are_taken_within_a_round() -> None:
    """A round in which the whole machine was slow does not move the ratio."""
    base, ours = Cost("base", (10, 100, 10)), Cost("ours", (20, 200, 20))
    assert ours.over(base) == 2


def test_the_collector_is_off_inside_and_as_before_after() -> None:
    """No collection is paid for by whoever happens to be measured."""
    with quiet():
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 0
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_memory_tells_what_is_kept_from_what_was_passing() -> None:
    """Retained is what the result holds, peak is what building it needed."""
    measured = memory(lambda: len(bytearray(3_000_000)) and bytearray(1_000_000))
    assert 1_000_000 <= measured.retained < 1_100_000
    assert 3_000_000 <= measured.peak < 4_100_000


def test_a_script_replaces_its_own_section_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RESULTS.md is shared: writing one section twice leaves it once, and its neighbours as they were."""
    monkeypatch.setattr(report, "RESULTS", tmp_path / "RESULTS.md")
    table = report.Table("Costs", ["", "least"], [["floor", r"1 \1 ns"]])
    for name in ("load", "decide", "load"):
        report.write_section(name, name.title(), [table], note="", load=0.0)
    text = (tmp_path / "RESULTS.md").read_text()
    assert text.count("<!-- bench:load -->") == text.count("<!-- bench:decide -->") == 1
    assert text.count(r"1 \1 ns") == 2


def test_a_figure_over_its_limit_is_listed() -> None:
    """`--strict` exits 1 for exactly the figures that are over."""
    table = report.ratio_table()
    report.add_ratio(table, "static", "ours / floor", 1.9, 2)
    report.add_ratio(table, "split", "ours / floor", 2.1, 2)
    assert table.missed == ["split: ours / floor is 2.10, limit 2"]


def test_run_names_what_there_is_when_asked_for_something_else(capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped benchmark is answered with the list."""
    assert run.main(["imports"]) == 2
    assert "import" in capsys.readouterr().err
