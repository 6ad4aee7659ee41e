"""`flags plan`: revisions, files, populations, verdicts, the comment, the Action's script and the hook."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from flagmiddleware.cli import flags
from flagmiddleware.release.codeowners import read_codeowners
from flagmiddleware.release.git import Repository
from tests.cli.commands import run
from tests.release.scripted import ScriptedRepository, instant

FILE = """\
version: 1
flags:
  checkout:
    owner: [engineering, product]
    risk: {technical: high, business: high}
    rules: [{rollout: 1%}]
  engine:
    owner: engineering
    risk: {technical: high, business: low}
  plain: {}
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedRepository:
    """A repository whose main branch has the file, and a branch `work` that is checked out."""
    made = ScriptedRepository(tmp_path / "repo")
    made.commit(FILE, "flags", at=instant("2026-01-01T12:00"))
    made.git("checkout", "--quiet", "-b", "work")
    monkeypatch.chdir(made.root)
    monkeypatch.delenv("FLAGMIDDLEWARE_SOURCE", raising=False)
    return made


def test_the_working_tree_is_compared_with_the_merge_base(repository: ScriptedRepository) -> None:
    """Without arguments, what is in the working tree is held against where the branch left main."""
    Path("flags.yaml").write_text(FILE.replace("1%", "5%"), "utf-8")
    out = run("plan").stdout
    assert "checkout: changed, exposure 1 % → 5 %" in out
    assert "after:  on for 5 % of everyone" in out


def test_a_step_too_far_exits_with_1(repository: ScriptedRepository) -> None:
    """A step that breaks the policy is told in the policy's words, and fails."""
    repository.commit(FILE.replace("1%", "50%"))
    out = run("plan", "main", "work", code=1).stdout
    assert "measured crawl may go from 1 % to at most 5 %; this asks for 50 %" in out


SPLIT = FILE.replace("rollout: 1%", "split: {off: 99, on: 1}")


def test_a_split_is_judged_by_what_it_exposes(repository: ScriptedRepository) -> None:
    """One part in a hundred that is not `off` is 1 %: from there 5 % is allowed and 50 % is not."""
    Path("a.yaml").write_text(SPLIT, "utf-8")
    Path("b.yaml").write_text(SPLIT.replace("off: 99, on: 1", "on: 50, off: 50"), "utf-8")
    Path("c.yaml").write_text(SPLIT.replace("off: 99, on: 1", "off: 95, on: 5"), "utf-8")
    out = run("plan", "a.yaml", "b.yaml", code=1).stdout
    assert "measured crawl may go from 1 % to at most 5 %; this asks for 50 %" in out
    run("plan", "a.yaml", "c.yaml")
    run("plan", "b.yaml", "a.yaml")


def test_a_rollout_between_variants_hides_no_default(repository: ScriptedRepository) -> None:
    """A default other than `off` reaches everyone at once, however small the rollout of another variant beside it."""
    fields = "risk: {technical: high, business: high}\n    variants: {a: x, b: y, c: z}\n    off: a"
    old = FILE.replace("risk: {technical: high, business: high}\n    rules: [{rollout: 1%}]", fields)
    Path("a.yaml").write_text(old, "utf-8")
    Path("b.yaml").write_text(
        old.replace("off: a", "off: a\n    default: b\n    rules: [{rollout: 1%, serve: c}]"), "utf-8"
    )
    out = run("plan", "a.yaml", "b.yaml", code=1).stdout
    assert "measured crawl may go from 0 % to at most 1 %; this asks for 100 %" in out


def test_exposure_behind_another_flag_is_not_called_that_of_everyone(repository: ScriptedRepository) -> None:
    """What a flag at 100 % serves reaches nobody whom the flag that it requires holds back: the line says so."""
    old = FILE.replace("plain: {}", "plain: {requires: {checkout: true}, rules: [{serve: true}]}")
    Path("a.yaml").write_text(old, "utf-8")
    Path("b.yaml").write_text(old.replace("1%", "5%"), "utf-8")
    said = "changed, exposure 100 % → 100 % of those whom checkout lets through"
    assert f"plain: {said}" in run("plan", "a.yaml", "b.yaml").stdout
    assert f"### `plain` — {said}" in run("plan", "a.yaml", "b.yaml", "--format", "md").stdout


def test_a_missing_cohort_is_told(repository: ScriptedRepository) -> None:
    """A sandbox flag that goes public before its cohort breaks the policy."""
    repository.commit(FILE.replace("business: low}", "business: low}\n    rules: [{rollout: 1%}]"))
    assert "internal cohort missing" in run("plan", "main", code=1).stdout


def test_a_change_cannot_loosen_its_own_policy(repository: ScriptedRepository) -> None:
    """The policy that judges is the base's."""
    loose = "policy: {strategies: {measured-crawl: {stages: [50%, 100%]}}}\n"
    base = "policy: {strategies: {measured-crawl: {stages: [2%, 100%]}}}\n"
    repository.git("checkout", "--quiet", "main")
    repository.commit(FILE + base)
    repository.git("checkout", "--quiet", "-B", "work")
    repository.commit(FILE.replace("1%", "50%") + loose)
    assert "to at most 2 %" in run("plan", "main", code=1).stdout


@pytest.mark.parametrize("loosened", ["policy.yaml", "pyproject.toml"])
def test_a_change_cannot_loosen_a_policy_file_either(repository: ScriptedRepository, loosened: str) -> None:
    """A policy outside the flag file, and the setting that names it, are BASE's, too."""
    texts = {
        "policy.yaml": "strategies: {measured-crawl: {stages: [2%, 100%], soak: 0s}}\n",
        "pyproject.toml": '[tool.flagmiddleware]\npolicy = "policy.yaml"\n',
    }
    loose = {"policy.yaml": "strategies: {measured-crawl: {stages: [100%]}}\n", "pyproject.toml": "[tool.other]\n"}
    repository.git("checkout", "--quiet", "main")
    for file, text in texts.items():
        repository.commit(text, file=file)
    repository.git("checkout", "--quiet", "-B", "work")
    repository.commit(FILE.replace("1%", "3%"))
    repository.commit(loose[loosened], file=loosened)
    for args in ((), ("main", "work")):
        assert "from 1 % to at most 2 %; this asks for 3 %" in run("plan", *args, code=1).stdout


def test_the_author_must_belong_to_the_owners(repository: ScriptedRepository) -> None:
    """Who raises a flag of a team that the policy lists must be in it."""
    teams = "policy: {teams: {engineering: [eve@example.com], product: [pia@example.com]}}\n"
    repository.git("checkout", "--quiet", "main")
    repository.commit(FILE + teams)
    repository.git("checkout", "--quiet", "-B", "work")
    repository.commit(FILE.replace("1%", "5%") + teams)
    # No verdict of the step itself: judged only where there is something to judge.
    out = run("plan", "main", "work", "--author", "Mallory <mallory@example.com>", code=1).stdout
    assert "owner is engineering + product; author mallory@example.com is not in it" in out
    run("plan", "main", "work", "--author", "Eve <eve@example.com>")


def test_codeowners_is_asked_where_the_policy_has_no_teams(repository: ScriptedRepository) -> None:
    """Without teams, CODEOWNERS of the flag's file says who may."""
    (repository.root / "CODEOWNERS").write_text("*.yaml eve@example.com\n", "utf-8")
    repository.commit(FILE.replace("1%", "5%"))
    out = run("plan", "main", "work", "--author", "Mallory <mallory@example.com>", code=1).stdout
    assert "author mallory@example.com is not in CODEOWNERS of it" in out
    run("plan", "main", "work", "--author", "Eve <eve@example.com>")


def test_nobody_becomes_an_owner_in_the_change_that_they_ask_for(repository: ScriptedRepository) -> None:
    """Like the policy, CODEOWNERS is that of BASE: it is read in the place where GitHub looks first."""
    repository.git("checkout", "--quiet", "main")
    repository.commit("*.yaml eve@example.com\n", file=".github/CODEOWNERS")
    repository.git("checkout", "--quiet", "-B", "work")
    repository.commit("*.yaml mallory@example.com\n", file=".github/CODEOWNERS")
    repository.commit("*.yaml mallory@example.com\n", file="CODEOWNERS")
    repository.commit(FILE.replace("1%", "5%"))
    out = run("plan", "main", "work", "--author", "Mallory <mallory@example.com>", code=1).stdout
    assert "author mallory@example.com is not in CODEOWNERS of it" in out
    run("plan", "main", "work", "--author", "Eve <eve@example.com>")


@pytest.mark.parametrize(
    ("path", "owned"), [("conf/flags.yaml", True), ("conf/shop/flags.yaml", False), ("flags.yaml", False)]
)
def test_a_star_in_codeowners_stays_in_its_folder(repository: ScriptedRepository, path: str, owned: bool) -> None:
    """`conf/*` is what lies in conf, not what lies in its folders."""
    (repository.root / "CODEOWNERS").write_text("conf/* eve@example.com\n", "utf-8")
    assert read_codeowners(Repository(repository.root), path) == (("eve@example.com",) if owned else ())


def test_files_are_compared_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files need no repository."""
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(FILE, "utf-8")
    Path("b.yaml").write_text(FILE.replace("1%", "5%"), "utf-8")
    (flag,) = json.loads(run("plan", "a.yaml", "b.yaml", "--format", "json").stdout)["flags"]
    assert (flag["key"], round(flag["exposure_after"], 6)) == ("checkout", 0.05)


def test_a_population_is_counted_and_listed(repository: ScriptedRepository) -> None:
    """With users, the plan counts who gains and writes a list of who."""
    Path("flags.yaml").write_text(FILE.replace("1%", "5%"), "utf-8")
    Path("users.csv").write_text("user\n" + "".join(f"user-{n}\n" for n in range(5000)), "utf-8")
    args = ("plan", "--population", "users.csv", "--who-file", "who.csv", "--format", "json")
    (flag,) = json.loads(run(*args).stdout)["flags"]
    total = flag["population"]["total"]
    assert total["users"] == 5000
    assert total["gains"] == total["after"] - total["before"] > 0
    assert len(Path("who.csv").read_text("utf-8").splitlines()) == total["gains"] + 1


def test_a_population_judges_what_meets_a_condition(repository: ScriptedRepository) -> None:
    """Without users a crawl refuses a rule for some; with them it counts: one in a hundred may, one in ten may not."""
    old = FILE.replace("    rules: [{rollout: 1%}]\n", "")
    new = old.replace("business: high}\n", "business: high}\n    rules: [{if: {plan: pro}, serve: true}]\n")
    Path("a.yaml").write_text(old, "utf-8")
    Path("b.yaml").write_text(new, "utf-8")
    assert "exposure unknown without --population" in run("plan", "a.yaml", "b.yaml", code=1).stdout
    for few, code in ((1, 0), (10, 1)):
        rows = (f"u{n},{'pro' if n % 100 < few else 'free'}\n" for n in range(1000))
        Path("users.csv").write_text("user,plan\n" + "".join(rows), "utf-8")
        told = run("plan", "a.yaml", "b.yaml", "-p", "users.csv", "--format", "md", code=code).stdout
        assert f"measured, 0 % → {few} % of 1,000 users have it" in told
        assert "unknown" not in told


def test_a_change_of_owner_and_risk_is_told_and_asked(repository: ScriptedRepository) -> None:
    """It moves nobody; the plan says it in words, and who asks must belong to the owners that the flag had."""
    teams = "policy: {teams: {engineering: [eve@example.com], sales: [mal@example.com]}}\n"
    repository.git("checkout", "--quiet", "main")
    repository.commit(FILE + teams)
    repository.git("checkout", "--quiet", "-B", "work")
    mine = FILE.replace("[engineering, product]", "[sales]").replace("business: high}", "business: low}", 1)
    repository.commit(mine + teams)
    out = run("plan", "main", "work", "--author", "Mal <mal@example.com>", code=1).stdout
    assert "checkout: changed, exposure 1 % → 1 %" in out
    assert "owner goes from engineering + product to sales" in out
    assert "risk goes from technical high, business high to technical high, business low" in out
    assert "owner is engineering + product; author mal@example.com is not in it" in out
    run("plan", "main", "work", "--author", "Eve <eve@example.com>")


def test_a_flag_that_goes_and_comes_back_is_one_change(repository: ScriptedRepository) -> None:
    """Removed in one commit and added in another, with another risk: what is judged is what became of it."""
    gone = "version: 1\nflags:\n  plain: {}\n"
    repository.commit(gone)
    repository.commit(
        gone + "  checkout: {owner: product, risk: {technical: low, business: low}, rules: [{serve: true}]}\n"
    )
    out = run("plan", "main", "work", code=1).stdout
    assert "measured crawl may go from 1 % to at most 5 %; this asks for 100 %" in out


def test_an_sql_population(repository: ScriptedRepository) -> None:
    """Users may come from a database query."""
    import sqlite3

    with sqlite3.connect("users.db") as connection:
        connection.execute("create table people (id text, country text)")
        connection.executemany("insert into people values (?, 'AU')", [(f"user-{n}",) for n in range(100)])
    Path("flags.yaml").write_text(
        FILE.replace("plain: {}", "plain: {rules: [{if: {country: AU}, serve: true}]}"), "utf-8"
    )
    url = f"sqlite:///{Path('users.db').resolve()}?query=select+id,country+from+people"
    (flag,) = json.loads(run("plan", "-p", url, "--format", "json").stdout)["flags"]
    assert flag["population"]["total"]["gains"] == 100


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("users.csv", "name\nann\n", "no column targeting_key or user"),
        ("users.csv", "user,a\n" + "x\n" * 1_000_000, "100 broken lines up to line 101; nothing was computed"),
        ("users.txt", "", "expected a .csv, .jsonl or .parquet file"),
        ("users.parquet", "x", "arquet"),
    ],
)
def test_a_bad_population_is_a_clear_error(repository: ScriptedRepository, name: str, text: str, message: str) -> None:
    """Unknown columns, a million broken lines, an unknown kind of file: one error, and nothing half-written."""
    Path("flags.yaml").write_text(FILE.replace("1%", "5%"), "utf-8")
    Path(name).write_text(text, "utf-8")
    assert message in run("plan", "-p", name, "--who-file", "who.csv", code=2).stderr
    assert not Path("who.csv").exists()


def test_markdown_is_a_comment(repository: ScriptedRepository) -> None:
    """The Markdown starts with a marker, a verdict, and mentions nobody by accident."""
    repository.commit(
        FILE.replace("1%", "50%").replace("plain: {}", 'plain: {rules: [{if: {email: "@everyone"}, serve: true}]}')
    )
    text = run("plan", "main", "work", "--format", "md", code=1).stdout
    assert text.startswith("<!-- flags plan -->\n## Flags plan\n\n❌ 1 of 2 break the policy.")
    assert "@everyone" not in text


def test_outside_git_the_cure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a repository a plan needs two files, and the error says that there is no repository."""
    monkeypatch.chdir(tmp_path)
    Path("flags.yaml").write_text(FILE, "utf-8")
    assert "not in a git repository" in run("plan", code=2).stderr


def test_unknown_revisions_and_shallow_clones(repository: ScriptedRepository, tmp_path: Path) -> None:
    """A revision that a shallow clone does not have is told with the command that fetches it."""
    first = repository.git("rev-parse", "HEAD").strip()
    repository.commit(FILE.replace("1%", "5%"))
    assert "there is no revision 'nowhere'" in run("plan", "nowhere", code=2).stderr
    clone = tmp_path / "shallow"
    subprocess.run(
        ["git", "clone", "--quiet", "--depth=1", f"file://{repository.root}", str(clone)], check=True, timeout=60
    )
    os.chdir(clone)
    assert "git fetch --unshallow" in run("plan", first, code=2).stderr
    Path("flags.yaml").write_text(FILE.replace("1%", "10%"), "utf-8")
    said = "a stage may have lasted longer than what was fetched tells (git fetch --unshallow)"
    plan, step = run("plan", code=1), run("ramp", "checkout", "20%", "-m", "go", code=1)
    assert plan.stderr.count(said) == step.stderr.count(said) == 1


def test_a_detached_head_is_planned(repository: ScriptedRepository) -> None:
    """A detached HEAD, as continuous integration checks out, is compared with main all the same."""
    commit = repository.commit(FILE.replace("1%", "5%"))
    repository.git("checkout", "--quiet", "--detach", commit)
    assert "exposure 1 % → 5 %" in run("plan").stdout


@pytest.mark.parametrize(
    "command", [("plan",), ("lint",), ("matrix",), ("list",), ("stale",), ("kill", "plain", "-m", "x")]
)
def test_a_merge_conflict_is_called_by_its_name(repository: ScriptedRepository, command: tuple[str, ...]) -> None:
    """Whatever is asked of a file with an unresolved conflict: the error says so, with the line; nothing is written."""
    text = FILE.replace("flags:\n", "<<<<<<< ours\nflags:\n=======\n>>>>>>> theirs\nflags:\n", 1)
    Path("flags.yaml").write_text(text, "utf-8")
    result = CliRunner().invoke(flags, list(command))
    assert result.exit_code in (1, 2)
    line = text.splitlines().index("<<<<<<< ours") + 1
    assert f"flags.yaml:{line}: an unresolved merge conflict stands here; resolve it first" in result.output
    assert Path("flags.yaml").read_text("utf-8") == text


def _bin(folder: Path, gh: str) -> dict[str, str]:
    """An environment whose `flags` is ours and whose `gh` is recorded."""
    folder.mkdir()
    for name, text in (("flags", f'exec "{sys.executable}" -m flagmiddleware "$@"'), ("gh", gh)):
        script = folder / name
        script.write_text(f"#!/bin/bash\n{text}\n", "utf-8")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize(("comment", "method"), [("", "POST"), ("77", "PATCH")])
def test_the_actions_script_comments_and_fails(
    repository: ScriptedRepository, tmp_path: Path, comment: str, method: str
) -> None:
    """The Action's script, run by bash: it writes its one comment (again), and fails where the policy is broken."""
    repository.commit(FILE.replace("1%", "50%"))
    script = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["runs"]["steps"][1]["run"]
    calls = tmp_path / "calls"
    environment = _bin(tmp_path / "bin", f'echo "$@" >> "{calls}"; case "$*" in *--jq*) echo "{comment}";; esac')
    environment |= {"SOURCE": "flags.yaml", "BASE": "main", "PULL_REQUEST": "7", "GH_REPO": "a/b"}
    environment |= {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], env=environment, timeout=60, check=False)
    assert done.returncode == 1
    assert f"--method {method}" in calls.read_text("utf-8")
    assert "this asks for 50 %" in (tmp_path / "summary").read_text("utf-8")


def test_the_actions_script_measures_a_population(repository: ScriptedRepository, tmp_path: Path) -> None:
    """The Action's `population` is handed on, whatever is in its name."""
    rules = "rules: [{if: {plan: pro}, serve: true}, {rollout: 1%}]"
    repository.commit(FILE.replace("rules: [{rollout: 1%}]", rules))
    Path("some users.csv").write_text("user,plan\n" + "".join(f"u{n},free\n" for n in range(100)), "utf-8")
    script = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["runs"]["steps"][1]["run"]
    environment = _bin(tmp_path / "bin", "true") | {"SOURCE": "flags.yaml", "BASE": "main"}
    for population, code in (("", 1), ("some users.csv", 0)):
        told = {**environment, "POPULATION": population}
        done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], env=told, timeout=60, check=False)
        assert done.returncode == code


def test_the_hooks_name_real_commands(repository: ScriptedRepository) -> None:
    """Each pre-commit hook's entry runs, on the staged file or on none, with the exit code that it should have."""
    hooks = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))}
    run(*hooks["flags-lint"]["entry"].split()[1:], "flags.yaml")
    Path("flags.yaml").write_text(FILE.replace("1%", "50%"), "utf-8")
    run(*hooks["flags-plan"]["entry"].split()[1:], code=1)
