"""A release policy in a file of its own, in the project's settings, and in the flag file: what each may override."""

from __future__ import annotations

from pathlib import Path

import pytest

from flagmiddleware.errors import RulesetError
from flagmiddleware.release.policy import DAY, read_policy
from flagmiddleware.release.policy_file import read_policy_file
from tests.cli.commands import run

FILE = """\
version: 1
flags:
  a:
    owner: [engineering, product]
    risk: {technical: high, business: high}
    rules: [{rollout: 1%}]
"""
POLICY = """\
strategies:
  fast-lane: {stages: [10%, 100%], owners: [support], gates: [legal], soak: 1h, cohort: true}
  product-canary: {owners: [product, support]}
  measured-crawl: {stages: [1%, 20%, 100%], gates: [legal], soak: 0s}
gates: {legal: legal has signed}
settled_after: 7d
roles: {ann@example.com: admin}
environments: {production: {ben@example.com: view}}
teams: {product: [ann@example.com]}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a flag file and a policy file."""
    monkeypatch.chdir(tmp_path)
    Path("flags.yaml").write_text(FILE, "utf-8")
    Path("policy.yaml").write_text(POLICY, "utf-8")


@pytest.mark.parametrize("inside", [False, True])
def test_every_part_can_be_overridden_in_a_file(inside: bool) -> None:
    """Stages, owners, gates, soak, cohort, what settled means, roles, environments, teams, and gates of one's own."""
    if inside:
        indented = "".join(f"  {line}" for line in POLICY.splitlines(keepends=True))
        Path("policy.yaml").write_text(f"policy:\n{indented}", "utf-8")
    policy = read_policy_file("policy.yaml")
    lane = policy.strategies["fast-lane"]
    assert [stage.text for stage in lane.stages] == ["10%", "100%"]
    assert (lane.owners, lane.gates, lane.soak, lane.cohort) == (("support",), ("legal",), 3600, True)
    assert policy.strategies["product-canary"].owners == ("product", "support")
    assert policy.strategies["product-canary"].gates == ("person",)
    assert (policy.settled_after, policy.gates["legal"]) == (7 * DAY, "legal has signed")
    assert policy.roles == {"ann@example.com": "admin"}
    assert policy.environments == {"production": {"ben@example.com": "view"}}
    assert policy.teams == {"product": ("ann@example.com",)}


def test_one_policy_is_laid_over_another() -> None:
    """A flag file's section goes before the file's policy, part by part: what it does not name stays."""
    below = read_policy_file("policy.yaml")
    policy = read_policy({"strategies": {"measured-crawl": {"soak": "2d"}}, "roles": {"cat": "view"}}, base=below)
    crawl = policy.strategies["measured-crawl"]
    assert (crawl.soak, crawl.gates, [stage.text for stage in crawl.stages]) == (
        2 * DAY, ("legal",), ["1%", "20%", "100%"],
    )  # fmt: skip
    assert policy.roles == {"ann@example.com": "admin", "cat": "view"}
    assert policy.settled_after == 7 * DAY


def test_the_option_and_the_settings_choose_the_policy() -> None:
    """`--policy FILE` judges a step; so does `policy = "…"` in pyproject.toml, which the option goes before."""
    lines = POLICY.splitlines(keepends=True)
    Path("policy.yaml").write_text(
        "".join(line for line in lines if "ben@" not in line and "roles:" not in line), "utf-8"
    )
    assert "at most 5 %" in run("ramp", "a", "20%", "-m", "go", "--gate", "person=x", code=1).stderr
    refused = run("ramp", "a", "20%", "-m", "go", "--policy", "policy.yaml", code=1).stderr
    assert "the gate 'legal' is shut (legal has signed): --gate legal=\"what was found\"" in refused
    assert "at most" not in refused
    run("ramp", "a", "20%", "-m", "go", "--gate", "legal=signed", "--policy", "policy.yaml", "--dry-run")
    Path("pyproject.toml").write_text('[tool.flagmiddleware]\npolicy = "policy.yaml"\n', "utf-8")
    run("ramp", "a", "20%", "-m", "go", "--gate", "legal=signed", "--dry-run")
    Path("empty.yaml").write_text("strategies: {}\n", "utf-8")
    assert "at most 5 %" in run("ramp", "a", "20%", "-m", "go", "--policy", "empty.yaml", code=1).stderr


def test_plan_and_matrix_ask_the_policy_file_too() -> None:
    """The plan's verdicts and the matrix's next steps are those of the chosen policy."""
    Path("new.yaml").write_text(FILE.replace("1%", "20%"), "utf-8")
    assert run("plan", "flags.yaml", "new.yaml", "--policy", "policy.yaml", "--format", "json").exit_code == 0
    run("plan", "flags.yaml", "new.yaml", "--format", "json", code=1)
    assert "20 %" in run("matrix", "--policy", "policy.yaml", "--format", "md").stdout


def test_mistakes_are_told_with_file_and_line() -> None:
    """Every mistake of a policy file, and of a flag file's section, is listed where it stands; nothing is written."""
    wrong = POLICY.replace("soak: 1h", "soak: soon").replace("[product, support]", "[5]").replace(": admin", ": boss")
    Path("policy.yaml").write_text(f"{wrong}gatez: 1\n", "utf-8")
    before = Path("flags.yaml").read_bytes()
    told = run("ramp", "a", "2%", "-m", "go", "--policy", "policy.yaml", code=1).stderr.splitlines()
    assert [line.partition(": ")[0] for line in told] == [
        "policy.yaml:10",
        "policy.yaml:2",
        "policy.yaml:3",
        "policy.yaml:7",
    ]
    assert "did you mean 'gates'?" in told[0]
    assert "policy.strategies.fast-lane.soak: expected a duration" in told[1]
    assert Path("flags.yaml").read_bytes() == before
    Path("flags.yaml").write_text(f"{FILE}policy:\n  strategies:\n    fast-lain: {{}}\n", "utf-8")
    assert "flags.yaml:9: policy.strategies.fast-lain: unknown name 'fast-lain'" in run("lint", code=1).stdout
    assert "flags.yaml:9:" in run("ramp", "a", "2%", "-m", "go", code=1).stderr
    run("kill", "a", "-m", "no policy stands before a kill")


@pytest.mark.parametrize(
    ("text", "message"), [("- 1\n", "policy.yaml:1: expected a policy"), ("a: [", "policy.yaml:2")]
)
def test_what_is_no_policy_is_refused(text: str, message: str) -> None:
    """A list, broken YAML or a missing file is an error that names the file."""
    Path("policy.yaml").write_text(text, "utf-8")
    with pytest.raises(RulesetError, match=message):
        read_policy_file("policy.yaml")
    assert "cannot be read" in run("matrix", "--policy", "nowhere.yaml", code=2).stderr


def test_a_policy_may_be_json_or_toml() -> None:
    """The three syntaxes of flag files serve for policies, too."""
    Path("policy.toml").write_text('settled_after = "7d"\n[strategies.fast-lane]\nsoak = "1h"\n', "utf-8")
    Path("policy.json").write_text('{"settled_after": "7d", "strategies": {"fast-lane": {"soak": "1h"}}}', "utf-8")
    assert read_policy_file("policy.toml") == read_policy_file("policy.json")
