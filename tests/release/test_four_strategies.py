"""The four strategies, played from dark to 100 % on the running Flask shop, with a kill in the middle of each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from flagmiddleware import Context, Flags
from flagmiddleware.cli import flags
from tests.e2e.shops import EXAMPLES, environment
from tests.release.scripted import ScriptedRepository, instant
from tests.services import HOST, free_port, running, wait_for

DARK = """\
version: 1
flags:
  banner:      # fast lane
    owner: [product]
    risk: {technical: low, business: low}
  pricing:     # product canary
    owner: [product]
    risk: {technical: low, business: high}
  engine:      # engineering sandbox
    owner: [engineering]
    risk: {technical: high, business: low}
  ledger:      # measured crawl
    owner: [engineering, product]
    risk: {technical: high, business: high}
"""
PROBE = """\
import os

from flagmiddleware import Context
from flagmiddleware.flask import current_flags
from flask_shop import create_app

app = create_app()

@app.get("/_probe/<key>")
def probe(key):
    flags = current_flags().flags
    return {"worker": os.getpid(), "on": sum(flags.is_enabled(key, Context(f"u{n}")) for n in range(1000))}
"""
STAGES = {
    "banner": ["100%"],
    "pricing": ["5%", "25%", "50%", "100%"],
    "engine": ["1%", "5%", "25%", "50%", "100%"],
    "ledger": ["1%", "5%", "10%", "25%", "50%", "100%"],
}
GATES = ("--gate", "person=tickets fine", "--gate", "metrics=p95 unchanged")


class Play:
    """The repository, the running shop, and a clock that the test moves."""

    def __init__(self, repository: ScriptedRepository, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.repository, self.url, self._patch = repository, url, monkeypatch
        self.wait(0)

    now = instant("2026-03-02T09:00")

    def wait(self, hours: float) -> None:
        """Let time pass, for git and for the command line."""
        self.now += hours * 3600
        for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
            self._patch.setenv(name, f"{int(self.now)} +0000")
        self._patch.setattr("flagmiddleware.cli.bench.Bench.now", staticmethod(lambda: self.now))

    def run(self, *args: str, code: int = 0) -> Result:
        """A command, committed."""
        result = CliRunner().invoke(flags, [*args, "-m", "as planned", "--commit"])
        assert result.exit_code == code, result.output
        return result

    def obeyed(self, key: str) -> int:
        """Wait until every worker decides as the file says; how many of a thousand users have the flag."""
        context = [Context(f"u{n}") for n in range(1000)]
        expected = sum(Flags("flags.yaml").is_enabled(key, one) for one in context)
        seen: dict[int, int] = {}

        def all_workers() -> bool:
            found = httpx.get(f"{self.url}/_probe/{key}", timeout=30).json()
            seen[found["worker"]] = found["on"]
            return len(seen) == 2 and set(seen.values()) == {expected}

        wait_for(all_workers, f"the workers do not obey: {seen}, {expected} expected", timeout=30)
        return expected


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    """The shop under gunicorn with two workers, reading the flag file of a repository."""
    repository = ScriptedRepository(tmp_path / "repo")
    repository.commit(DARK, "dark", at=instant("2026-03-01T09:00"))
    (tmp_path / "probe.py").write_text(PROBE, "utf-8")
    monkeypatch.chdir(repository.root)
    monkeypatch.delenv("FLAGMIDDLEWARE_SOURCE", raising=False)
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"{HOST}:{port}", "--workers", "2", "probe:app"]
    variables = environment(repository.root)
    variables["PYTHONPATH"] = f"{tmp_path}:{EXAMPLES / 'flask'}:{EXAMPLES}"
    with running(command, port=port, log=tmp_path / "log", cwd=tmp_path, env=variables):
        url = f"http://{HOST}:{port}"
        wait_for(lambda: httpx.get(f"{url}/_probe/banner", timeout=30).status_code == 200, "the shop did not answer")
        yield Play(repository, url, monkeypatch)


def _cohort(play: Play) -> None:
    """The sandbox's internal cohort: refused before, then committed by hand."""
    assert "internal cohort missing" in play.run("next", "engine", code=1).stderr
    text = Path("flags.yaml").read_text("utf-8")
    rule = "business: low}\n    rules:\n      - if: {is_staff: true}\n        serve: true\n"
    play.repository.commit(text.replace("high, business: low}\n", f"high, {rule}"), "internal cohort", at=play.now)


def _kill_and_restore(play: Play, key: str) -> None:
    had = play.obeyed(key)
    play.run("kill", key)
    assert play.obeyed(key) == 0
    play.run("restore", key)
    assert play.obeyed(key) == had > 0


BEFORE: dict[str, Callable[[Play], None]] = {"engine": _cohort}


@pytest.mark.parametrize("key", list(STAGES))
def test_a_strategy_from_dark_to_everyone(play: Play, key: str) -> None:
    """Stage by stage with its gates, each obeyed by every worker; a kill in the middle is obeyed, too, and undone."""
    BEFORE.get(key, lambda _: None)(play)
    counts = []
    for place, stage in enumerate(STAGES[key]):
        if place:
            assert "the gate" in play.run("next", key, code=1).stderr
            if key == "ledger":
                assert "lasts at least 1 d" in play.run("next", key, *GATES, code=1).stderr
        play.wait(25)
        play.run("next", key, *GATES)
        assert f"rollout: {stage}" in Path("flags.yaml").read_text("utf-8")
        counts.append(play.obeyed(key))
        if place == len(STAGES[key]) // 2:
            _kill_and_restore(play, key)
    assert counts == sorted(counts)
    assert counts[-1] == 1000
    assert "is released to everyone" in play.run("next", key).stdout
    kinds = [line.split()[0] for line in play.repository.git("log", "--format=%s").splitlines()]
    assert kinds.count("ramped") == len(STAGES[key])
    assert (kinds.count("killed"), kinds.count("restored")) == (1, 1)
