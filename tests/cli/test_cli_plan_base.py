"""What `flags plan` compares with: what was in force, whatever the change calls it, and by the rules of that time."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.cli.test_cli_plan import FILE, ROOT, _bin, repository, run
from tests.release.scripted import ScriptedRepository

__all__ = ["repository"]

LOOSE = "strategies: {measured-crawl: {stages: [100%], soak: 1s, gates: []}}\n"
TOO_FAR = "measured crawl may go from 1 % to at most 5 %; this asks for 100 %"


def test_a_policy_that_comes_with_the_change_judges_nothing(repository: ScriptedRepository) -> None:
    """Where BASE's project had no settings, those that the change brings do not judge it."""
    Path("pyproject.toml").write_text('[tool.flagmiddleware]\npolicy = "loose.yaml"\n', "utf-8")
    Path("loose.yaml").write_text(LOOSE, "utf-8")
    repository.commit(FILE.replace("1%", "100%"))
    assert TOO_FAR in run("plan", code=1).stdout


def test_a_policy_that_is_named_may_be_new(repository: ScriptedRepository) -> None:
    """`--policy` is said on purpose: a file that BASE has not is read as it is, so that a first one can come."""
    Path("loose.yaml").write_text(LOOSE, "utf-8")
    repository.commit(FILE.replace("1%", "100%"))
    run("plan", "--policy", "loose.yaml")


def test_a_policy_without_flags_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BASE may have rules before it has flags: they judge the first one."""
    made = ScriptedRepository(tmp_path / "repo")
    policy = "version: 1\npolicy: {strategies: {measured-crawl: {stages: [2%, 100%]}}}\n"
    made.commit(f"{policy}flags: {{}}\n")
    monkeypatch.chdir(made.root)
    made.git("checkout", "--quiet", "-b", "work")
    flags = FILE.partition("version: 1\n")[2].replace("1%", "100%")
    made.commit(policy.replace("2%, ", "") + flags)
    assert "measured crawl may go from 0 % to at most 2 %; this asks for 100 %" in run("plan", code=1).stdout


@pytest.mark.parametrize("place", ["conf/flags.yaml", "flags/shop.yaml"])
def test_a_file_that_was_moved_is_compared_with_itself(repository: ScriptedRepository, place: str) -> None:
    """Another name, or a place in a folder, adds no flag; and neither policy nor exposure are left behind."""
    Path(place).parent.mkdir()
    repository.git("mv", "flags.yaml", place)
    source = place if place.startswith("conf") else "flags"
    repository.commit(FILE, file=place)
    assert "No flag changes what it decides." in run("plan", "-s", source).stdout
    repository.commit(FILE.replace("1%", "100%") + f"policy: {{{LOOSE.strip()}}}\n", file=place)
    assert TOO_FAR in run("plan", "-s", source, code=1).stdout
    assert TOO_FAR in run("plan", "main", "HEAD", "-s", source, code=1).stdout


@pytest.mark.parametrize("project", [True, False])
def test_another_file_is_no_beginning(repository: ScriptedRepository, project: bool) -> None:
    """Definitions that are looked for elsewhere, and look unlike those of BASE, are compared with them all the same."""
    repository.git("checkout", "--quiet", "main")
    if project:
        repository.git("mv", "flags.yaml", "shop.yaml")
        repository.commit('[tool.flagmiddleware]\nsource = "shop.yaml"\n', file="pyproject.toml")
    repository.git("checkout", "--quiet", "-b", "elsewhere")
    repository.git("rm", "--quiet", "shop.yaml" if project else "flags.yaml")
    raised = yaml.safe_load(FILE.replace("1%", "100%"))
    raised["policy"] = yaml.safe_load(LOOSE)
    repository.commit(json.dumps(raised, indent=9), file="flags.json")
    if project:
        repository.commit('[tool.flagmiddleware]\nsource = "flags.json"\n', file="pyproject.toml")
    assert TOO_FAR in run("plan", code=1).stdout


def test_a_folder_that_was_moved_is_compared_with_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of flag files has its old name in BASE, too, by the files that went with it."""
    made = ScriptedRepository(tmp_path / "repo")
    made.commit(FILE, file="flags/shop.yaml")
    monkeypatch.chdir(made.root)
    made.git("checkout", "--quiet", "-b", "work")
    made.git("mv", "flags", "conf")
    made.commit(FILE.replace("1%", "100%"), file="conf/shop.yaml")
    assert TOO_FAR in run("plan", "-s", "conf", code=1).stdout


def test_a_broken_base_can_be_mended(repository: ScriptedRepository) -> None:
    """Sites went on with the last good definitions, so these are what the change is held against; and it is said."""
    repository.git("checkout", "--quiet", "main")
    repository.commit(FILE.replace("rollout", "rollot"))
    repository.git("checkout", "--quiet", "-b", "mend")
    repository.commit(FILE.replace("1%", "5%"))
    result = run("plan")
    assert "exposure 1 % → 5 %" in result.stdout
    assert "BASE is broken: compared with" in result.stderr
    repository.commit(FILE.replace("1%", "100%"))
    assert TOO_FAR in run("plan", code=1).stdout


def test_a_base_that_never_was_whole_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was ever in force: every flag of the first good file is new."""
    made = ScriptedRepository(tmp_path / "repo")
    made.commit("flags: [")
    monkeypatch.chdir(made.root)
    made.git("checkout", "--quiet", "-b", "work")
    made.commit(FILE)
    result = run("plan")
    assert "checkout: added" in result.stdout
    assert "compared with nothing" in result.stderr


@pytest.mark.parametrize("base", ["main", "an id"])
def test_a_file_called_like_the_base_is_not_the_base(repository: ScriptedRepository, base: str) -> None:
    """What git knows is what git says it is; `./main` would be the file."""
    base = repository.git("rev-parse", "main").strip() if base != "main" else base
    raised = FILE.replace("1%", "100%")
    repository.commit(raised)
    repository.commit(raised, file=f"{base}/flags.yaml")
    assert TOO_FAR in run("plan", base, "HEAD", code=1).stdout
    assert "No flag changes" in run("plan", f"./{base}", "HEAD").stdout


@pytest.mark.parametrize("base", [(), ("HEAD",)])
def test_before_the_first_commit_there_is_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: tuple[str, ...]
) -> None:
    """The hook looks at a repository's first commit as well: every flag is new, and a dark one may come."""
    made = ScriptedRepository(tmp_path / "repo")
    monkeypatch.chdir(made.root)
    Path("flags.yaml").write_text(FILE, "utf-8")
    assert "checkout: added, exposure 0 % → 1 %" in run("plan", *base).stdout
    Path("flags.yaml").write_text(FILE.replace("1%", "50%"), "utf-8")
    run("plan", *base, code=1)
    run("plan", "main", code=2)


def test_an_empty_base_is_none(repository: ScriptedRepository) -> None:
    """A workflow that knows no base says an empty one: the merge base is meant, and not the folder at hand."""
    repository.commit(FILE.replace("1%", "100%"))
    assert TOO_FAR in run("plan", "", "HEAD", code=1).stdout
    assert TOO_FAR in run("plan", "main", "", code=1).stdout


# -- populations --------------------------------------------------------------------------------------------------

FOR_PROS = FILE.replace("rules: [{rollout: 1%}]", "rules: [{if: {plan: pro}, serve: true}, {rollout: 1%}]")


def test_a_population_that_cannot_tell_takes_nothing_back(repository: ScriptedRepository) -> None:
    """Users without the column that a rule asks for would all be counted as missing it: the refusal stays."""
    repository.commit(FOR_PROS)
    Path("users.csv").write_text("user\n" + "".join(f"u{n}\n" for n in range(200)), "utf-8")
    out = run("plan", "-p", "users.csv", code=1).stdout
    assert "exposure unknown without --population; the population has no column plan" in out
    Path("users.csv").write_text("user,plan\n" + "".join(f"u{n},free\n" for n in range(200)), "utf-8")
    run("plan", "-p", "users.csv")


def test_a_population_need_not_know_ones_own_people(repository: ScriptedRepository) -> None:
    """Customers have no column for staff: what is free without being counted does not keep a count from counting."""
    rules = "rules: [{if: {is_staff: true}, serve: true}, {if: {plan: pro}, serve: true}, {rollout: 1%}]"
    repository.commit(FILE.replace("rules: [{rollout: 1%}]", rules))
    Path("users.csv").write_text("user,plan\n" + "".join(f"u{n},free\n" for n in range(200)), "utf-8")
    run("plan", "-p", "users.csv")


def test_the_error_about_a_url_keeps_its_password(repository: ScriptedRepository) -> None:
    """A database that cannot be asked for users is named without who would have asked."""
    repository.commit(FOR_PROS)
    result = run("plan", "-p", "mysql://root:hunter2@db/users?query=SELECT", code=2)
    assert "mysql://…: expected a .csv" in result.stderr
    assert "hunter2" not in result.output


# -- the comment --------------------------------------------------------------------------------------------------


def test_a_comment_stays_within_what_github_takes(repository: ScriptedRepository) -> None:
    """Flags that break the policy come first, and what has no room is counted: 65,536 characters are the limit."""
    many = "".join(f"  many-{n}: {{description: x, rules: [{{rollout: 1%}}]}}\n" for n in range(600))
    repository.commit(FILE.replace("1%", "50%") + many)
    text = run("plan", "--format", "md", code=1).stdout
    assert len(text) < 65_000
    assert text.index("`checkout`") < text.index("`many-0`")
    shown = text.count("### ")
    assert f"… and {601 - shown} more, for which a comment has no room" in text


def test_a_comment_is_not_written_by_what_it_tells(repository: ScriptedRepository) -> None:
    """Keys and variants of other dialects may be anything: they mention nobody, and end neither line nor code."""
    key, name = "a`\n# b <!-- flags plan --> @team", "<img> @ann"
    flag = {"state": "ENABLED", "variants": {"off": False, name: True}, "defaultVariant": "off"}
    Path("old.json").write_text(json.dumps({"flags": {key: flag}}), "utf-8")
    Path("new.json").write_text(json.dumps({"flags": {key: {**flag, "defaultVariant": name}}}), "utf-8")
    Path("users.csv").write_text("user\n@eve\n", "utf-8")
    text = run("plan", "old.json", "new.json", "-p", "users.csv", "--format", "md").stdout
    assert re.findall("^#.*", text, re.MULTILINE) == [
        "## Flags plan",
        "### `a' # b &lt;!-- flags plan --> @\u200bteam` — changed, exposure 0 % → 100 %",
    ]
    assert not re.search(r"@\w|<img|<!-- flags plan -->.*\S", text)


def _run_script(tmp_path: Path, gh: str) -> subprocess.CompletedProcess[str]:
    script = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["runs"]["steps"][1]["run"]
    environment = _bin(tmp_path / "bin", gh) | {"SOURCE": "flags.yaml", "BASE": "main", "PULL_REQUEST": "7"}
    environment |= {"GH_REPO": "a/b", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    command = ["bash", "-e", "-o", "pipefail", "-c", script]
    return subprocess.run(command, env=environment, timeout=60, check=False, capture_output=True, text=True)


def test_the_action_writes_no_empty_comment(repository: ScriptedRepository, tmp_path: Path) -> None:
    """Without a plan the script fails with what is wrong in its log, and asks nobody for a comment."""
    repository.commit(FILE.replace("rollout", "rollot"))
    done = _run_script(tmp_path, f'echo "$@" >> "{tmp_path}/calls"')
    assert done.returncode == 1
    assert "rollot: unknown field" in done.stderr
    assert not (tmp_path / "calls").exists()


@pytest.mark.parametrize(("share", "code"), [("5%", 0), ("50%", 1)])
def test_the_plan_decides_where_no_comment_can_be_written(
    repository: ScriptedRepository, tmp_path: Path, share: str, code: int
) -> None:
    """A pull request from a fork has a token that may not write: the plan is in the summary, and its verdict counts."""
    repository.commit(FILE.replace("1%", share))
    done = _run_script(tmp_path, "echo 'Resource not accessible by integration' >&2; exit 1")
    assert done.returncode == code
    assert "::warning::the plan could not be written as a comment" in done.stdout
    assert f"1 % → {share[:-1]} %" in (tmp_path / "summary").read_text("utf-8")


# -- the policy itself --------------------------------------------------------------------------------------------

TOLD = "measured crawl: stages from 1 % → 5 % → 10 % → 25 % → 50 % → 100 % to 100 %"


@pytest.mark.parametrize("where", ["flags.yaml", "policy.yaml"])
def test_a_policy_that_changes_is_told(repository: ScriptedRepository, where: str) -> None:
    """It judges nothing in its own change, and all that comes after: whoever reviews it sees what goes to what."""
    repository.commit("settled_after: 30d\n", file="policy.yaml")
    repository.commit('[tool.flagmiddleware]\npolicy = "policy.yaml"\n', file="pyproject.toml")
    inside = where == "flags.yaml"
    strategies = "strategies: {measured-crawl: {stages: [100%]}}\n"
    repository.commit(f"{FILE}policy: {{{strategies.strip()}}}\n" if inside else strategies, file=where)
    out = run("plan", "HEAD~1").stdout
    assert TOLD in out
    assert "No flag changes what it decides." in out
    assert TOLD in run("plan", "HEAD~1", "HEAD", "--format", "md").stdout
    (told,) = json.loads(run("plan", "HEAD~1", "--format", "json").stdout)["policy"]
    assert told == {"text": TOLD, "breaks": False}
    assert "The policy changes" not in run("plan", "HEAD~2", "HEAD~1").stdout, "not what it is now: what it was then"


def test_only_an_admin_changes_a_policy_that_has_roles(repository: ScriptedRepository) -> None:
    """Where roles are given, the one that may change the policy is asked for in review, too."""
    roles = "policy: {roles: {ann@example.com: operate, eve@example.com: admin}}\n"
    repository.commit(FILE + roles)
    repository.commit(FILE + roles.replace("operate", "admin"))
    out = run("plan", "HEAD~1", code=1).stdout
    assert "roles.ann@example.com from operate to admin" in out
    assert "policy needs the role admin; ann@example.com has operate" in out
    run("plan", "HEAD~1", "--author", "Eve <eve@example.com>")
