"""The commands that change flags: kill, restore, ramp, next, schedule."""

from __future__ import annotations

from pathlib import Path

import pytest

from flagmiddleware import Context, Flags
from tests.cli.commands import run
from tests.release.scripted import ScriptedRepository, instant

FILE = """\
version: 1
flags:
  checkout:
    owner: [engineering, product]
    risk: {technical: high, business: high}   # measured crawl
    rules: [{rollout: 1%}]
  engine:
    owner: engineering
    risk: {technical: high, business: low}    # engineering sandbox
  banner:
    owner: product
    risk: {technical: low, business: low}     # fast lane
"""
NOW = instant("2026-06-10T12:00")
GATES = ("--gate", "person=tickets fine", "--gate", "metrics=p95 unchanged")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedRepository:
    """A git repository with a flag file ten days old; its folder is the working directory."""
    made = ScriptedRepository(tmp_path / "repo")
    made.commit(FILE, "flags", at=instant("2026-06-01T12:00"))
    monkeypatch.chdir(made.root)
    monkeypatch.delenv("FLAGMIDDLEWARE_SOURCE", raising=False)
    monkeypatch.setattr("flagmiddleware.cli.bench.Bench.now", staticmethod(lambda: NOW))
    return made


def text() -> str:
    """The flag file as it is now."""
    return Path("flags.yaml").read_text("utf-8")


def test_a_kill_is_written_and_committed(repository: ScriptedRepository) -> None:
    """`flags kill --commit` changes the file and commits it with the reason and who, why, how as trailers."""
    run("kill", "checkout", "-m", "payments fail", "--commit")
    assert not Flags("flags.yaml").is_enabled("checkout", Context("user-1"))
    message = repository.git("log", "-1", "--format=%B")
    assert message.startswith("killed checkout\n\npayments fail\n")
    assert "Flags-Via: flags kill" in message
    assert repository.git("status", "--porcelain") == ""


def test_what_a_flag_lifts_is_judged_with_it(repository: ScriptedRepository) -> None:
    """Raising a flag of the fast lane brings a crawl that waits behind it to everybody: the crawl's policy says no."""
    waiting = "  ledger:\n    owner: [engineering, product]\n    risk: {technical: high, business: high}\n"
    behind = waiting + "    requires: {banner: true}\n    rules: [{serve: true}]\n"
    repository.commit(FILE + behind, "behind", at=instant("2026-06-02T12:00"))
    refused = run("ramp", "banner", "100%", "-m", "go", code=1).stderr
    assert "Refused: ledger: by way of banner: measured crawl may go from 0 % to at most 1 %" in refused
    assert text() == FILE + behind
    run("ramp", "banner", "1%", "-m", "go")
    run("kill", "banner", "-m", "burns")


def test_the_gates_of_what_is_lifted_are_asked(repository: ScriptedRepository) -> None:
    """A canary that a flag of the fast lane takes from 5 % to 25 % wants a person's word, like any other."""
    canary = "  prices:\n    owner: product\n    risk: {technical: low, business: high}\n"
    behind = canary + "    requires: {banner: true}\n    rules: [{rollout: 50%}]\n"
    banner = FILE.replace("business: low}     # fast", "business: low}\n    rules: [{rollout: 10%}]   # fast")
    repository.commit(banner + behind, "behind", at=instant("2026-06-02T12:00"))
    refused = run("ramp", "banner", "50%", "-m", "go", code=1).stderr
    assert refused.startswith("Refused: prices: the gate 'person' is shut")
    run("ramp", "banner", "50%", "-m", "go", "--gate", "person=no ticket")


def test_a_named_rule_for_some_is_judged(repository: ScriptedRepository) -> None:
    """`--rule` is no way round the stages: how many people meet its condition nobody said."""
    rules = "rules: [{name: au, if: {country: AU}, rollout: 1%}, {rollout: 1%}]"
    repository.commit(FILE.replace("rules: [{rollout: 1%}]", rules), "au", at=instant("2026-06-02T12:00"))
    refused = run("ramp", "checkout", "100%", "--rule", "au", "-m", "go", code=1).stderr
    assert "measured crawl: for AU from 1 % to 100 %; exposure unknown without --population" in refused


def test_a_stage_for_some_lasts_as_long(repository: ScriptedRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    """From 1 % to 5 % of Australia after a day, not before: by when anything of the flag was last changed."""
    rules = "rules: [{name: au, if: {country: AU}, rollout: 1%}, {rollout: 1%}]"
    repository.commit(FILE.replace("rules: [{rollout: 1%}]", rules), "au", at=instant("2026-06-10T00:00"))
    step = ("ramp", "checkout", "5%", "--rule", "au", "-m", "go", *GATES)
    assert "measured crawl: 1 % for AU has lasted 12 h, a stage lasts at least 1 d" in run(*step, code=1).stderr
    monkeypatch.setattr("flagmiddleware.cli.bench.Bench.now", staticmethod(lambda: instant("2026-06-11T00:01")))
    run(*step)
    assert "if: {country: AU}, rollout: 5%" in text()
    behind_a_segment = FILE.replace("rules: [{rollout: 1%}]", rules.replace("{country: AU}", "{segment: au}"))
    repository.commit(behind_a_segment + "segments: {au: {country: AU}}\n", at=instant("2026-06-10T00:00"))
    assert "exposure unknown without --population" in run(*step, code=1).stderr


def test_a_stage_that_a_date_brought_soaks_from_that_date(repository: ScriptedRepository) -> None:
    """A ramp that was written days ago, and came to 5 % by the clock an hour ago, has been there for an hour."""
    ramp = "rules: [{ramp: [{at: 2026-06-02T00:00:00Z, to: 1%}, {at: 2026-06-10T11:00:00Z, to: 5%}]}]"
    repository.commit(FILE.replace("rules: [{rollout: 1%}]", ramp), "dates", at=instant("2026-06-01T13:00"))
    refused = run("next", "checkout", "-m", "go", *GATES, code=1).stderr
    assert "5 % has lasted 1 h, a stage lasts at least 1 d" in refused


def test_nothing_stands_before_a_kill(repository: ScriptedRepository) -> None:
    """No policy (here a broken one), no role, no other flag's mistake, no dirty tree stops a kill."""
    Path("flags.yaml").write_text(
        FILE + "  bad: {rools: 1}\npolicy: {strategies: 5, roles: {nobody: admin}}\n", "utf-8"
    )
    result = run("kill", "checkout", "-m", "payments fail", "--commit")
    assert "enabled: false" in text()
    assert "not committed" in result.stderr
    assert "rools" in result.stderr


def test_a_broken_git_does_not_stand_before_a_kill(
    repository: ScriptedRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository that git does not trust, or cannot read any more: the flag is off, and the reason is git's own."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert "dubious ownership" in run("kill", "checkout", "-m", "bad", "--commit").stderr
    assert "enabled: false" in text()
    monkeypatch.delenv("GIT_TEST_ASSUME_DIFFERENT_OWNER")
    repository.git("checkout", "flags.yaml")
    Path(".git/index").write_text("broken", "utf-8")
    assert "index file smaller than expected" in run("kill", "checkout", "-m", "bad", "--commit").stderr
    assert "enabled: false" in text()
    assert "index file smaller" in run("next", "banner", "-m", "go", "--commit", code=2).stderr


def test_a_link_out_of_the_repository(repository: ScriptedRepository, tmp_path: Path) -> None:
    """Where the flag file is a link to one elsewhere, its history is what counts there; here it can be changed only."""
    Path("flags.yaml").rename(tmp_path / "shared.yaml")
    Path("flags.yaml").symlink_to(tmp_path / "shared.yaml")
    assert "is not in a git repository" in run("kill", "checkout", "-m", "bad", "--commit").stderr
    assert "enabled: false" in (tmp_path / "shared.yaml").read_text("utf-8")
    assert Path("flags.yaml").is_symlink()
    assert "leave --commit out" in run("next", "banner", "-m", "go", "--commit", code=2).stderr
    run("next", "banner", "-m", "go")
    run("lint", "--strict", code=1)
    run("stale")
    for command in ("dora", "log"):
        assert "is not in a git repository" in run(command, code=2).stderr


def test_a_reason_is_asked_for(repository: ScriptedRepository) -> None:
    """A change without a reason is a usage error."""
    run("kill", "checkout", code=2)
    run("kill", "checkout", "-m", " ", code=2)


def test_a_step_too_far_is_refused(repository: ScriptedRepository) -> None:
    """A crawl may go from 1 % to 5 %: more is refused, and nothing is written."""
    result = run("ramp", "checkout", "50%", "-m", "go", *GATES, code=1)
    assert "measured crawl may go from 1 % to at most 5 %; this asks for 50 %" in result.stderr
    assert text() == FILE


def test_gates_stand_before_the_next_stage(repository: ScriptedRepository) -> None:
    """`next` names each shut gate; with a word for each it goes one stage, and the words are on record."""
    result = run("next", "checkout", "-m", "go", code=1)
    assert "the gate 'person' is shut" in result.stderr
    assert "the gate 'metrics' is shut" in result.stderr
    run("next", "checkout", "-m", "go", "--commit", *GATES)
    assert text() == FILE.replace("rollout: 1%", "rollout: 5%")
    assert "Flags-Gates: person: tickets fine; metrics: p95 unchanged" in repository.git("log", "-1", "--format=%B")


def test_next_counts_on_the_split(repository: ScriptedRepository) -> None:
    """Where half of those let in get `off`, 1 % of everyone is a rollout of 2 %, and 5 % one of 10 %."""
    halved = FILE.replace("{rollout: 1%}", "{rollout: 2%, split: {on: 1, off: 1}}")
    repository.commit(halved, at=instant("2026-06-02T12:00"))
    run("next", "checkout", "-m", "go", *GATES)
    assert "{rollout: 10%, split: {on: 1, off: 1}}" in text()


def test_next_does_not_shrink_a_split(repository: ScriptedRepository) -> None:
    """No rollout lifts a split of one in a hundred to 5 %: that is said, and nothing is written."""
    weighed = FILE.replace("{rollout: 1%}", "{split: {on: 1, off: 99}}")
    repository.commit(weighed, at=instant("2026-06-02T12:00"))
    result = run("next", "checkout", "-m", "go", *GATES, code=2)
    assert "no rollout reaches 5 %: change the weights in the file" in result.stderr
    assert text() == weighed


def test_a_stage_soaks(repository: ScriptedRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crawl stays at a stage for a day, by the history of the file."""
    monkeypatch.setattr("flagmiddleware.cli.bench.Bench.now", staticmethod(lambda: instant("2026-06-01T18:00")))
    result = run("next", "checkout", "-m", "go", *GATES, code=1)
    assert "1 % has lasted 6 h, a stage lasts at least 1 d" in result.stderr


def test_a_stage_that_is_not_committed_soaks_too(repository: ScriptedRepository) -> None:
    """Two steps of a crawl in a row, neither committed: the second has to wait, whatever git knows of it."""
    run("next", "checkout", "-m", "go", *GATES)
    refused = run("next", "checkout", "-m", "go on", *GATES, code=1).stderr
    assert "5 % has lasted 0 s, a stage lasts at least 1 d" in refused


def test_an_override_is_recorded_and_shouted(repository: ScriptedRepository) -> None:
    """`--override WHY` goes ahead, says so in red, and the commit tells what was broken and why."""
    result = run("ramp", "checkout", "50%", "-m", "go", "--override", "the fair starts", "--commit")
    assert "OVERRIDDEN: measured crawl may go from 1 %" in result.stderr
    assert "Flags-Override: the fair starts (measured crawl may go" in repository.git("log", "-1", "--format=%B")


@pytest.mark.parametrize("inside", [True, False])
def test_an_override_without_a_commit_stands_at_the_flag(
    repository: ScriptedRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    """A file that is not committed, or is in no git at all, keeps itself who overrode what and why, and the gates."""
    before = text()
    if not inside:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
        Path("flags.yaml").write_text(before, "utf-8")
    run("ramp", "checkout", "50%", "-m", "go", "--override", "the fair: starts\ntoday", *GATES)
    added = [line.strip() for line in text().splitlines() if line not in before.splitlines()]
    assert [line for line in added if line.startswith("x-")] == added[-2:]
    note = next(line for line in added if line.startswith("x-override"))
    assert "the fair: starts today (measured crawl may go from 1 %" in note
    assert " UTC, " in note
    assert any(line.startswith("x-gates:") for line in added)
    assert run("lint").exit_code == 0
    assert run("ramp", "checkout", "5%", "-m", "less").exit_code == 0


def test_going_back_needs_no_gate(repository: ScriptedRepository) -> None:
    """A smaller share is always allowed."""
    run("ramp", "checkout", "0%", "-m", "too slow")
    assert "rollout: 0%" in text()


def test_a_sandbox_wants_its_cohort_first(repository: ScriptedRepository) -> None:
    """A dark sandbox flag is refused a public share before an internal cohort had it."""
    assert "internal cohort missing" in run("ramp", "engine", "1%", "-m", "go", code=1).stderr


def test_the_fast_lane_goes_straight_to_everyone(repository: ScriptedRepository) -> None:
    """A dark low-risk flag goes to 100 % in one step, without a gate."""
    run("next", "banner", "-m", "go")
    assert Flags("flags.yaml").is_enabled("banner")


def test_restore_gives_back_what_was_killed(repository: ScriptedRepository) -> None:
    """Kill, restore: the share is the one before; ramping while killed is refused."""
    run("kill", "checkout", "-m", "bad")
    run("ramp", "checkout", "5%", "-m", "go", *GATES, code=2)
    run("restore", "checkout", "-m", "mended")
    assert "rollout: 1%" in text()
    assert "enabled: true" in text()


def test_schedule_checks_every_step_of_a_ramp(repository: ScriptedRepository) -> None:
    """A dated ramp that jumps or hurries is refused, step by step; one that keeps to the stages is written."""
    jump = ("--step", "2026-07-01T00:00:00Z=25%", "--step", "2026-07-01T06:00:00Z=50%")
    result = run("schedule", "checkout", *jump, "-m", "go", *GATES, code=1)
    assert "this asks for 25 %" in result.stderr
    assert "the ramp leaves 25 % after 6 h" in result.stderr


def test_what_a_restore_leaves_killed_is_told(repository: ScriptedRepository) -> None:
    """A kill reaches environments that say otherwise; a restore names those in which the flag is still dead."""
    Path("flags.yaml").write_text(FILE + "    environments: {staging: {enabled: true}, qa: {owner: qa}}\n", "utf-8")
    run("kill", "banner", "-m", "bad")
    told = run("restore", "banner", "-m", "mended").stderr
    assert "banner is still killed in staging: flags restore banner --environment staging" in told
    assert "qa" not in told
    assert "still" not in run("restore", "banner", "-m", "mended", "-e", "staging").stderr
    assert "environments: {staging: {enabled: true}, qa: {owner: qa}}" in text()


def test_a_restore_of_what_was_not_killed_writes_nothing(repository: ScriptedRepository) -> None:
    """A flag that is on its way gets no field that it did not have."""
    assert "banner is so already." in run("restore", "banner", "-m", "?").stdout
    assert text() == FILE


def test_a_dated_ramp_begins_with_what_people_have(repository: ScriptedRepository) -> None:
    """A crawl at 1 % stays there until the first date; gates stand before dates, too, and 9 days are enough."""
    step = ("schedule", "checkout", "--step", "2026-06-10T18:00:00Z=5%", "-m", "go")
    refused = run(*step, code=1).stderr
    assert "the gate 'person' is shut" in refused
    assert "lasts at least" not in refused
    assert text() == FILE
    out = run(*step, *GATES).stdout
    assert "after:  on for 1 % of everyone (5 % at 2026-06-10 18:00 UTC)" in out
    assert "rules: [{ramp: [{at: 2026-06-10T12:00:00Z, to: 1%}, {at: 2026-06-10T18:00:00Z, to: 5%}]}]" in text()
    run("schedule", "banner", "--step", "2026-07-01T00:00:00Z=100%", "-m", "go")  # dark, and without gates
    assert "rules: [{ramp: [{at: 2026-07-01T00:00:00Z, to: 100%}]}]" in text()


def test_commit_wants_a_clean_file(repository: ScriptedRepository) -> None:
    """Somebody's uncommitted edits are never committed along."""
    Path("flags.yaml").write_text(FILE + "# mine\n", "utf-8")
    assert "not committed" in run("next", "banner", "-m", "go", "--commit", code=2).stderr
    assert text() == FILE + "# mine\n"


def test_a_commit_without_a_branch_is_told(repository: ScriptedRepository) -> None:
    """A change that is committed while no branch is checked out is easily lost: it is said how to keep it."""
    assert "No branch" not in run("next", "banner", "-m", "go", "--commit").stderr
    repository.git("checkout", "--detach")
    assert "git switch -c NAME keeps it" in run("kill", "banner", "-m", "stop", "--commit").stderr


def test_dry_run_writes_nothing(repository: ScriptedRepository) -> None:
    """`--dry-run` tells before and after and leaves the file."""
    out = run("next", "banner", "-m", "go", "--dry-run").stdout
    assert "after:  on for 100 % of everyone" in out
    assert text() == FILE


def test_roles_are_asked_of_git(repository: ScriptedRepository) -> None:
    """Where the policy has roles, the git identity must have the one that the command needs; a kill needs none."""
    policy = "policy: {roles: {ben@example.com: admin, ann@example.com: view}}\n"
    Path("flags.yaml").write_text(FILE + policy, "utf-8")
    result = run("next", "banner", "-m", "go", code=1)
    assert "next needs the role operate; ann@example.com has view" in result.stderr
    run("kill", "banner", "-m", "bad")


def test_outside_git_there_is_still_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No repository is no obstacle."""
    monkeypatch.chdir(tmp_path)
    Path("flags.yaml").write_text(FILE, "utf-8")
    run("kill", "checkout", "-m", "bad")
    assert "enabled: false" in text()
