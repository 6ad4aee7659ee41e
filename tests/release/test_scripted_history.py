"""A year in the life of a shop: 200 commits, 40 flags, incidents; every figure below was worked out by hand.

The script. Flags ``feature-00`` … ``feature-39`` are born dark, one a day from 1 January 2026, 00:00 UTC (40 commits).
From 1 March on each goes through 1 % and 25 % to 100 %, one flag a day: at 00:00, 06:00 and 12:00 of its day (120
commits). Each tenth flag (00, 10, 20, 30) has an incident: killed at 08:00, two hours after it went to 25 %, restored
at 10:00 (8 commits). 32 commits of other code follow, one a day from 1 May. That makes 200.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.commands import run
from tests.release.scripted import ScriptedRepository, instant

DAY = 86_400.0
BIRTH, RELEASE, CODE = (instant(f"2026-{month}-01T00:00") for month in ("01", "03", "05"))
END = instant("2026-07-01T00:00")
FLAGS = [f"feature-{n:02}" for n in range(40)]


def _file(shares: dict[str, str | None], killed: set[str]) -> str:
    lines = ["version: 1", "flags:"]
    for key, share in shares.items():
        lines += [f"  {key}:", "    owner: [engineering, product]", "    risk: {technical: low, business: high}"]
        lines += ["    enabled: false"] if key in killed else []
        lines += [f"    rules: [{{rollout: {share}}}]"] if share else []
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository that the script above describes; its folder."""
    repository = ScriptedRepository(tmp_path_factory.mktemp("history") / "shop")
    shares: dict[str, str | None] = {}
    killed: set[str] = set()
    for day, key in enumerate(FLAGS):
        shares[key] = None
        repository.commit(_file(shares, killed), f"add {key}", at=BIRTH + day * DAY)
    for day, key in enumerate(FLAGS):
        steps: list[tuple[int, str]] = [(0, "1%"), (6, "25%"), (12, "100%")]
        if day % 10 == 0:
            steps += [(8, "kill"), (10, "restore")]
        for hour, step in sorted(steps):
            if step in ("kill", "restore"):
                (killed.add if step == "kill" else killed.discard)(key)
            else:
                shares[key] = step
            repository.commit(_file(shares, killed), f"{step} {key}", at=RELEASE + day * DAY + hour * 3600)
    for day in range(32):
        repository.commit(f"{day}\n", "code", at=CODE + day * DAY, file="code.txt")
    return repository.root


@pytest.fixture(autouse=True)
def _there(history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(history)
    monkeypatch.delenv("FLAGMIDDLEWARE_SOURCE", raising=False)
    monkeypatch.setattr("flagmiddleware.cli.bench.Bench.now", staticmethod(lambda: END))


def data(*args: str, code: int = 0) -> list[dict[str, object]]:
    """A command's JSON."""
    return json.loads(run(*args, "--format", "json", code=code).stdout)  # type: ignore[no-any-return]


def test_the_log_has_every_change(history: Path) -> None:
    """40 births, 120 steps, 4 kills and 4 restores are 168 records, and nothing else is one."""
    records = data("log")
    kinds = [str(record["kind"]) for record in records]
    assert len(records) == 168
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        **{"created": 40, "increased": 120, "killed": 4, "restored": 4},
    }


def test_the_log_of_one_flag(history: Path) -> None:
    """A flag with an incident has its six changes after its birth, in order, with shares before and after."""
    found = [
        (one["kind"], round(float(str(one["exposure_before"])), 4), round(float(str(one["exposure_after"])), 4))
        for one in data("log", "feature-10")
    ]
    assert found == [
        ("created", 0, 0),
        ("increased", 0, 0.01),
        ("increased", 0.01, 0.25),
        ("killed", 0.25, 0),
        ("restored", 0, 0.25),
        ("increased", 0.25, 1),
    ]


def test_dora_by_hand(history: Path) -> None:
    """Every figure of `flags dora` over the whole script.

    From 1 January to 1 July 2026 are 181 days, 25.857 weeks. 200 commits: 7.735 a week. Releases are 120 steps and 4
    restores, which raise the exposure, too: 124, of which 4 ended in a kill: 3.2 %. Restoring took 2 hours. 25 % of
    1,000,000 users for 120 minutes, four times, are 120,000,000 user minutes. A flag is born n days after 1 January,
    reaches 1 % 59 days later and 100 % 12 hours after that.
    """
    figures = {one["name"]: one for one in data("dora", "--users", "1000000")["figures"]}  # type: ignore[call-overload]
    weeks = 181 / 7
    found = {name: (one["value"], one["samples"]) for name, one in figures.items()}
    assert found["deployments"] == (pytest.approx(200 / weeks), 200)
    assert found["releases"] == (pytest.approx(124 / weeks), 124)
    assert found["lead time"] == (59 * DAY + 12 * 3600, 40)
    assert found["dark time"] == (59 * DAY, 40)
    assert found["change failure rate"] == (pytest.approx(4 / 124), 124)
    assert found["time to restore"] == (7200, 4)
    assert found["blast radius spent"] == (pytest.approx(120_000_000, rel=1e-6), 4)
    assert figures["time to restore"]["grade"] is None
    assert figures["change failure rate"]["grade"] == "elite"
    assert figures["lead time"]["grade"] == "low"


def test_dora_is_rendered(history: Path, tmp_path: Path) -> None:
    """The table has its definitions and sample sizes; the page has a plot and parses as XML."""
    from xml.etree import ElementTree

    out = run("dora").stdout
    assert "fewer than 10 samples" in out
    assert "from such a harmful step" in out
    assert "| change failure rate | 3% | 124 | elite |" in run("dora", "--format", "md").stdout
    page = tmp_path / "dora.html"
    run("dora", "--format", "html", "-o", str(page))
    tree = ElementTree.fromstring(page.read_text("utf-8").replace("<!doctype html>", "").strip())
    assert len([node for node in tree.iter() if node.tag.endswith("rect")]) == 2 * 26


def test_stale_by_hand(history: Path) -> None:
    """On 1 July all 40 have been at 100 % for longer than 30 days; after `--since` nothing else matters."""
    found = data("stale", "--code", "code.txt")
    assert len(found) == 40
    assert all(flag["settled"] is True for flag in found)
    # feature-39 went to 100 % on 9 April at 12:00: 82 days and 12 hours before.
    assert found[39]["reasons"] == ["at 100 % for 82 d 12 h", "no code or template reads it"]


def test_lint_strict_by_hand(history: Path) -> None:
    """Strictly, each of the 40 lacks a description and an expiry date, is settled, is read by nobody, started low."""
    (report,) = data("lint", "--strict", "--code", "code.txt", code=1)
    messages = [str(problem["message"]) for problem in report["problems"]]  # type: ignore[attr-defined]
    assert len(messages) == 120
    assert messages.count("declares no description, expires") == 40
    assert len([message for message in messages if "it is settled" in message]) == 40


def test_plan_across_an_incident(history: Path) -> None:
    """Between the commit before a kill and the kill, one flag changes, and a quarter of everybody loses it."""
    kill = next(str(one["revision"]) for one in data("log", "feature-20") if one["kind"] == "killed")
    plan = json.loads(run("plan", f"{kill}^", kill, "--format", "json").stdout)
    (flag,) = plan["flags"]
    assert flag["key"] == "feature-20"
    assert flag["cohorts"][-1]["loses"] == 0.25
    assert plan["breaks_policy"] is False


def test_plan_across_a_jump(history: Path) -> None:
    """From 1 % to 25 % a product canary skips 5 %… which its stages (5, 25, 50, 100) refuse for 25 % to 100 %."""
    steps = [str(one["revision"]) for one in data("log", "feature-05") if one["kind"] == "increased"]
    last = json.loads(run("plan", f"{steps[2]}^", steps[2], "--format", "json", code=1).stdout)["flags"][0]
    assert [verdict["text"] for verdict in last["verdicts"]] == [
        "product canary may go from 25 % to at most 50 %; this asks for 100 %",
    ]
