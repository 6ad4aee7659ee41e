"""Changes judged in each environment that they reach, and the ways round the stages that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flagmiddleware.formats import parse
from flagmiddleware.release.judge import judge
from flagmiddleware.release.policy import DEFAULT_POLICY
from flagmiddleware.release.stages import StageKind, stage_of
from tests.cli.commands import run
from tests.release.scripted import ScriptedRepository, instant

NOW = instant("2026-06-10T12:00")
CRAWL: dict[str, Any] = {"owner": ["engineering", "product"], "risk": {"technical": "high", "business": "high"}}
FILE = """\
version: 1
flags:
  pay:
    owner: [engineering, product]
    risk: {technical: high, business: high}
    rules: [{rollout: 1%}]
    environments:
      production: {rules: [{rollout: 1%}]}
"""
RAISED = FILE.replace("production: {rules: [{rollout: 1%}]}", "production: {rules: [{rollout: 50%}]}")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedRepository:
    """A repository whose committed flag has rules of its own in production."""
    made = ScriptedRepository(tmp_path / "repo")
    made.commit(FILE, "flags", at=instant("2026-06-01T12:00"))
    monkeypatch.chdir(made.root)
    monkeypatch.delenv("FLAGMIDDLEWARE_SOURCE", raising=False)
    monkeypatch.setattr("flagmiddleware.cli.bench.Bench.now", staticmethod(lambda: NOW))
    return made


def test_the_plan_tells_every_environment(repository: ScriptedRepository) -> None:
    """A step in one environment alone is told and judged without being asked for; what is shared is told once."""
    Path("flags.yaml").write_text(RAISED, "utf-8")
    Path("users.csv").write_text("user\n" + "".join(f"user-{n}\n" for n in range(1000)), "utf-8")
    plan = ("plan", "HEAD", "-p", "users.csv", "--who-file", "who.csv", "--format", "json")
    (flag,) = json.loads(run(*plan, code=1).stdout)["flags"]
    assert (flag["key"], flag["environment"], round(flag["exposure_after"], 6)) == ("pay", "production", 0.5)
    assert "to at most 5 %; this asks for 50 %" in flag["verdicts"][0]["text"]
    rows = Path("who.csv").read_text("utf-8").splitlines()
    assert rows[0] == "flag,user,what,from,to,environment"
    assert len(rows) == flag["population"]["total"]["gains"] + 1 > 400
    assert all(row.endswith("gains,off,on,production") for row in rows[1:])
    assert "pay in production: changed" in run("plan", "HEAD", code=1).stdout
    assert "`pay in production`" in run("plan", "HEAD", "--format", "md", code=1).stdout
    Path("flags.yaml").write_text(FILE.replace("rollout: 1%", "rollout: 5%"), "utf-8")
    told = json.loads(run("plan", "HEAD", "--format", "json").stdout)["flags"]
    assert [flag["environment"] for flag in told] == [None]
    named = json.loads(run("plan", "HEAD", "-e", "production", "--format", "json").stdout)
    assert [flag["environment"] for flag in named["flags"]] == ["production"]


def test_a_policy_that_arrives_with_the_change_does_not_judge_it(repository: ScriptedRepository) -> None:
    """Where the base says nothing of a policy, the default one judges, not the head's."""
    loose = "policy: {strategies: {measured-crawl: {stages: [50%, 100%]}}}\n"
    Path("flags.yaml").write_text(RAISED + loose, "utf-8")
    assert "to at most 5 %" in run("plan", "HEAD", code=1).stdout


def test_nobody_makes_themselves_the_owner(repository: ScriptedRepository) -> None:
    """The author is held against the owners that the flag has, not those that the change gives it."""
    teams = "policy: {teams: {engineering: [eve@example.com], sales: [mal@example.com]}}\n"
    repository.commit(FILE + teams, at=instant("2026-06-02T12:00"))
    mine = (FILE + teams).replace("[engineering, product]", "[engineering, product, sales]")
    Path("flags.yaml").write_text(mine.replace("rollout: 1%", "rollout: 5%"), "utf-8")
    told = run("plan", "HEAD", "--author", "Mal <mal@example.com>", code=1).stdout
    assert "author mal@example.com is not in it" in told


def test_a_role_in_an_environment_holds_without_naming_it(repository: ScriptedRepository) -> None:
    """Leaving --environment out is no way round: a change of what is shared reaches production, too."""
    policy = "policy: {environments: {production: {shop@example.com: view}}, roles: {shop@example.com: approve}}\n"
    shared = FILE.replace("    environments:\n      production: {rules: [{rollout: 1%}]}\n", "")
    Path("flags.yaml").write_text(shared + policy, "utf-8")
    repository.git("config", "user.email", "shop@example.com")
    gates = ("--gate", "person=fine", "--gate", "metrics=fine")
    refused = run("ramp", "pay", "5%", "-m", "go", *gates, code=1).stderr
    assert "ramp needs the role operate in production; shop@example.com has view" in refused
    run("kill", "pay", "-m", "it burns")
    assert "restore needs the role operate in production" in run("restore", "pay", "-m", "x", code=1).stderr
    # Where production has rules of its own, it is not reached.
    Path("flags.yaml").write_text(FILE + policy, "utf-8")
    run("ramp", "pay", "5%", "-m", "go", *gates)


def flag(**fields: Any) -> Any:
    """A measured crawl of these fields."""
    document = {"version": 1, "flags": {"a": {**CRAWL, **fields}}}
    return parse(json.dumps(document).encode(), name="flags.json").flags["a"]


@pytest.mark.parametrize(
    "fields",
    [
        {"rules": [{"serve": True}, {"rollout": "1%"}]},
        {"rules": [{"rollout": "1%"}], "default": True},
        {"rules": [{"schedule": {"from": "2026-06-10T13:00:00Z"}, "serve": True}]},
        {"rules": [{"schedule": {"until": "2026-06-10T13:00:00Z"}, "rollout": "1%"}, {"serve": True}]},
        {"rules": [{"serve": True}], "risk": {"technical": "low", "business": "low"}},
    ],
)
def test_what_looks_like_a_small_step_is_not(fields: dict[str, Any]) -> None:
    """Rules that hide others, defaults, dates to come and a new risk are no way round the stages."""
    verdicts = judge(flag(rules=[{"rollout": "1%"}]), flag(**fields), DEFAULT_POLICY, now=NOW)
    assert any(verdict.breaks and "; this asks for 100 %" in verdict.text for verdict in verdicts)


def test_a_killed_flag_is_no_back_door() -> None:
    """A kill has no verdict; a share that is raised behind it has, for a restore gives it back unasked."""
    one, all_of_them = [{"rollout": "1%"}], [{"serve": True}]
    assert judge(flag(rules=one), flag(rules=one, enabled=False), DEFAULT_POLICY, now=NOW) == ()
    assert judge(flag(rules=all_of_them), flag(rules=one, enabled=False), DEFAULT_POLICY, now=NOW) == ()
    raised = judge(flag(rules=one, enabled=False), flag(rules=all_of_them, enabled=False), DEFAULT_POLICY, now=NOW)
    assert [verdict.breaks for verdict in raised] == [True]


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({"rules": [{"serve": True}, {"rollout": "1%"}]}, StageKind.RELEASED, "100 %"),
        ({"rules": [{"rollout": "1%"}], "default": True}, StageKind.RELEASED, "100 %"),
        ({"rules": [{"serve": False}, {"rollout": "1%"}]}, StageKind.DARK, "dark"),
        ({"rules": [{"rollout": "99%", "serve": False}], "default": True}, StageKind.PARTIAL, "1 %"),
        ({"rules": [{"schedule": {"from": "2027-01-01T00:00:00Z"}, "rollout": "5%"}]}, StageKind.DARK, "dark"),
        (
            {"rules": [{"schedule": {"until": "2027-01-01T00:00:00Z"}, "rollout": "5%"}, {"serve": True}]},
            *(StageKind.PARTIAL, "5 %"),
        ),
    ],
)
def test_a_stage_is_what_the_public_gets(fields: dict[str, Any], kind: StageKind, text: str) -> None:
    """The first rule for everyone whose dates hold decides, with the default for those whom its gate shuts out."""
    stage = stage_of(flag(**fields), NOW)
    assert (stage.kind, stage.text) == (kind, text)


def test_the_log_tells_every_environment(repository: ScriptedRepository) -> None:
    """A kill in one environment is in the log without asking for that environment, and is reverted by its id."""
    repository.git("config", "user.email", "ann@example.com")
    run("kill", "pay", "-m", "burns", "-e", "production", "--commit")
    told = json.loads(run("log", "pay", "--format", "json").stdout)
    assert [(row["kind"], row["environment"]) for row in told] == [("created", None), ("killed", "production")]
    run("revert", told[-1]["id"], "-m", "was not it", "--commit")
    assert Path("flags.yaml").read_text("utf-8") == FILE
    again = json.loads(run("log", "pay", "--format", "json").stdout)
    assert [row["kind"] for row in again] == ["created", "killed", "restored"]
    assert run("revert", told[-1]["id"], "-m", "x", code=2).stderr.count("was changed since")
