"""The commands that read: lint, list, explain, eval, schema."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from flagmiddleware import Context, Flags
from flagmiddleware.cli import flags, group_for
from tests.cli.commands import run
from tests.cli.terminal import on_a_terminal

SHOP = """\
version: 1
attributes: [plan]
segments:
  insiders:
    any:
      - is_staff: true
      - email: {ends_with: "@yourcompany.com"}
flags:
  new-checkout:
    description: The one-page checkout
    owner: [product, engineering]
    risk: {technical: high, business: high}
    requires: {payments-v2: true}
    rules:
      - name: insiders
        if: {segment: insiders}
        serve: true
      - name: anz
        if: {country: [AU, NZ], plan: pro}
        rollout: 25%
      - rollout: 1%
    tests:
      - given: {user: user-42, email: ann@yourcompany.com}
        expect: true
  payments-v2: {rules: [{serve: true}]}
  checkout-button:
    variants: {blue: "#00f", green: "#0f0"}
    off: blue
    default: blue
    rules:
      - split: {blue: 1, green: 1}
  old-search: {enabled: false}
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a flag file, and the working directory."""
    monkeypatch.delenv("FLAGMIDDLEWARE_SOURCE", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flags.yaml").write_text(SHOP, "utf-8")
    return tmp_path


def test_list_says_the_state_in_words(shop: Path) -> None:
    """`flags list` shows a flag's state as a sentence, not as rules."""
    out = run("list").stdout
    assert "on for insiders, 25 % of AU+NZ pro, 1 % of the rest; only where payments-v2 is on" in out
    assert "killed: off for everyone" in out


def test_list_json_is_stable(shop: Path) -> None:
    """The JSON of `flags list` has these fields, sorted by key."""
    rows = json.loads(run("list", "--format", "json").stdout)["flags"]
    assert [row["key"] for row in rows] == ["checkout-button", "new-checkout", "old-search", "payments-v2"]
    assert set(rows[0]) == {
        *("key", "description", "state", "state_text", "share", "variants", "owner", "risk", "expires", "file"),
    }


def test_list_filters_by_state(shop: Path) -> None:
    """`--state killed` leaves only killed flags."""
    rows = json.loads(run("list", "--state", "killed", "--format", "json").stdout)["flags"]
    assert [row["key"] for row in rows] == ["old-search"]


def test_explain_goes_rule_by_rule(shop: Path) -> None:
    """`flags explain` shows each rule's outcome, the bucket and the threshold."""
    out = run("explain", "new-checkout", "--user", "user-42", "country=AU", "plan=pro").stdout
    assert "rule 1 insiders: not matched" in out
    assert "rule 2 anz: outside; bucket 4036548753 (93.9832 %) ≥ threshold 1073741824 (25 %)" in out
    assert "rule 3: not reached" in out
    assert "→ off = False, SPLIT, decided by anz" in out


def test_explain_agrees_with_the_decision(shop: Path) -> None:
    """What `explain` ends with is what `Flags` decides for the same subject."""
    result = json.loads(run("explain", "checkout-button", "--user", "user-7", "--format", "json").stdout)["result"]
    assert result["value"] == Flags("flags.yaml").value("checkout-button", Context("user-7"))


def test_explain_suggests_the_nearest_key(shop: Path) -> None:
    """A mistyped key is a usage error that names the nearest one."""
    assert "did you mean 'new-checkout'?" in run("explain", "new-chekout", code=2).stderr


@pytest.mark.parametrize(
    ("text", "found"), [("n=5", 5), ("n=true", True), ("n=AU", "AU"), ('n="5"', "5"), ("n=007", "007"), ("n=", "")]
)
def test_attribute_values_have_json_types(shop: Path, text: str, found: object) -> None:
    """A value that reads as a JSON number or boolean is one, everything else is text."""
    context = json.loads(run("explain", "new-checkout", text, "--format", "json").stdout)["context"]
    assert context["n"] == found
    assert type(context["n"]) is type(found)


def test_an_attribute_given_twice_is_a_list(shop: Path) -> None:
    """`groups=a groups=b` is a list of both."""
    args = ("explain", "new-checkout", "groups=a", "groups=b", "--format", "json")
    assert json.loads(run(*args).stdout)["context"]["groups"] == ["a", "b"]


def test_eval_decides_all_flags(shop: Path) -> None:
    """`flags eval --all` gives every flag's evaluation for one subject."""
    found = json.loads(run("eval", "--all", "--user", "user-42", "--format", "json").stdout)
    assert found["targeting_key"] == "user-42"
    assert found["flags"]["old-search"]["reason"] == "DISABLED"
    assert found["flags"]["payments-v2"]["enabled"] is True


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("users.csv", "user,country,plan\nuser-1,AU,pro\nuser-42,AU,pro\n"),
        ("users.jsonl", '{"user": "user-1", "country": "AU", "plan": "pro"}\n{"user": "user-42", "country": "AU"}\n'),
    ],
)
def test_eval_decides_for_every_user_of_a_file(shop: Path, name: str, text: str) -> None:
    """`--users-file` decides the flags for each row, one JSON object a line."""
    (shop / name).write_text(text, "utf-8")
    lines = run("eval", "new-checkout", "--users-file", name, "--format", "json").stdout.splitlines()
    found = [json.loads(line) for line in lines]
    assert [row["targeting_key"] for row in found] == ["user-1", "user-42"]
    assert [row["flags"]["new-checkout"]["enabled"] for row in found] == [True, False]


def test_eval_of_all_flags_takes_no_other_word(shop: Path) -> None:
    """A word that is neither needed nor an attribute is a mistake, and not passed over."""
    assert "leave 'country' out" in run("eval", "--all", "country", "AU", code=2).stderr


def test_eval_tells_of_broken_lines(shop: Path) -> None:
    """A users file with broken lines is refused with their numbers."""
    (shop / "users.csv").write_text("user,country\nuser-1,AU\nuser-2\n", "utf-8")
    result = run("eval", "new-checkout", "--users-file", "users.csv", code=2)
    assert "users.csv:3: expected 2 cells, found 1" in result.stderr


def test_lint_passes_a_good_file(shop: Path) -> None:
    """A good file exits with 0 and says how much was looked at."""
    assert "4 flags, 1 example; 0 errors, 0 warnings" in run("lint", "flags.yaml").stdout


def test_lint_reports_all_problems_with_their_lines(shop: Path) -> None:
    """Every problem is reported at once, with file, line and the nearest name."""
    (shop / "bad.yaml").write_text(
        "version: 1\nflags:\n  a:\n    rools: []\n  b:\n    rules: [{rollout: 0.25}]\n", "utf-8"
    )
    out = run("lint", "bad.yaml", code=1).stdout
    assert "bad.yaml:4" in out
    assert "rules" in out
    assert "bad.yaml:6" in out


def test_lint_runs_the_examples_of_the_file(shop: Path) -> None:
    """An example that does not hold is an error at its line."""
    (shop / "flags.yaml").write_text(SHOP.replace("        expect: true", "        expect: false"), "utf-8")
    out = run("lint", "flags.yaml", code=1).stdout
    line = SHOP.splitlines().index("      - given: {user: user-42, email: ann@yourcompany.com}") + 1
    assert f"flags.yaml:{line}: flags.new-checkout.tests[0]" in out
    assert "expected off, found on (insiders: served)" in out


def test_lint_warns_about_undeclared_attributes(shop: Path) -> None:
    """An attribute that nobody declares is a warning with the nearest known name, and does not fail."""
    (shop / "flags.yaml").write_text(SHOP.replace("country: [AU", "contry: [AU"), "utf-8")
    result = run("lint", "flags.yaml", "--format", "json")
    (problem,) = json.loads(result.stdout)[0]["problems"]
    assert problem["severity"] == "warning"
    assert "'contry' is not declared; did you mean 'country'?" in problem["message"]
    assert problem["line"] == SHOP.splitlines().index("        if: {country: [AU, NZ], plan: pro}") + 1


def test_lint_warns_about_keys_that_templates_cannot_tell_apart(shop: Path) -> None:
    """Dialect keys that collide under `_` → `-` are warned about."""
    flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
    (shop / "flagd.json").write_text(json.dumps({"flags": {"a_b": flag, "a-b": flag}}), "utf-8")
    assert "are one name in templates" in run("lint", "flagd.json").stdout


def test_lint_of_a_missing_file_exits_with_2(shop: Path) -> None:
    """What cannot be read is no verdict on the definitions: exit code 2."""
    assert "nowhere.yaml" in run("lint", "nowhere.yaml", code=2).stderr


def test_a_missing_file_hides_no_problem_of_the_others(shop: Path) -> None:
    """The problems of what can be read are told beside what cannot, in both styles; the exit code stays 2."""
    (shop / "bad.yaml").write_text("version: 1\nflags: {beta: {enabld: true}}\n", "utf-8")
    for style in ("table", "json"):
        result = run("lint", "nowhere.yaml", "bad.yaml", "gone.yaml", "--format", style, code=2)
        assert "unknown field; did you mean" in result.stdout
        assert "nowhere.yaml" in result.stderr
        assert "gone.yaml" in result.stderr


@pytest.mark.timeout(20)
@pytest.mark.parametrize("words", [("lint",), ("list", "--source")])
def test_a_named_pipe_is_refused_and_not_waited_for(shop: Path, words: tuple[str, ...]) -> None:
    """What is neither a file nor a folder is told in one line, with exit code 2."""
    os.mkfifo(shop / "pipe.yaml")
    told = "Error: pipe.yaml is neither a file nor a folder (but a pipe, a socket or a device): check the path\n"
    assert run(*words, "pipe.yaml", code=2).stderr == told


@pytest.mark.parametrize("fails", [False, True])
def test_lint_reads_what_is_piped_into_it(shop: Path, fails: bool) -> None:
    """`… | flags lint /dev/stdin` works: at the other end of an open pipe there is somebody."""
    text = "version: 1\nflags: {a: {rools: 1}}\n" if fails else SHOP
    command = [sys.executable, "-m", "flagmiddleware", "lint", "/dev/stdin"]
    done = subprocess.run(command, cwd=shop, input=text, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "/dev/stdin:2: " in done.stdout) == (int(fails), fails), done


def test_commands_refuse_a_bad_file_with_its_problems(shop: Path) -> None:
    """Every command tells what is wrong with the definitions and exits with 1."""
    (shop / "flags.yaml").write_text("version: 1\nflags: {a: {rools: 1}}\n", "utf-8")
    assert "flags.yaml:2" in run("list", code=1).stderr


def test_schema_prints_the_schema(shop: Path) -> None:
    """`flags schema` prints a JSON Schema."""
    assert "$schema" in json.loads(run("schema").stdout)


def test_the_source_is_found_in_the_environment(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FLAGMIDDLEWARE_SOURCE names the definitions where the command line does not."""
    (shop / "flags.yaml").rename(shop / "elsewhere.yaml")
    monkeypatch.setenv("FLAGMIDDLEWARE_SOURCE", "elsewhere.yaml")
    assert "new-checkout" in run("list").stdout


def test_the_source_is_found_in_pyproject(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """[tool.flagmiddleware] names the definitions, relative to its file, from any folder below."""
    (shop / "conf").mkdir()
    (shop / "flags.yaml").rename(shop / "conf" / "shop.yaml")
    (shop / "pyproject.toml").write_text('[tool.flagmiddleware]\nsource = "conf/shop.yaml"\n', "utf-8")
    (shop / "src").mkdir()
    monkeypatch.chdir(shop / "src")
    assert "new-checkout" in run("list").stdout


def test_without_a_source_the_cure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are no definitions, the message names the ways to give some."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLAGMIDDLEWARE_SOURCE", raising=False)
    assert "FLAGMIDDLEWARE_SOURCE" in run("list", code=2).stderr


def test_adapters_hand_over_their_flags(shop: Path) -> None:
    """The group takes a Flags, or a function that returns one, from its caller."""
    mine = Flags({"version": 1, "flags": {"mine": {}}})
    assert "mine" in CliRunner().invoke(flags, ["list"], obj=mine).stdout
    assert "mine" in CliRunner().invoke(flags, ["list"], obj=lambda: mine).stdout
    assert "mine" in CliRunner().invoke(group_for(lambda: mine), ["list"], obj=object()).stdout


def test_an_environment_is_chosen(shop: Path) -> None:
    """`--environment` decides as in that environment."""
    (shop / "e.yaml").write_text("version: 1\nflags: {a: {environments: {staging: {rules: [{serve: true}]}}}}", "utf-8")
    assert "on for everyone" in run("list", "e.yaml", "-e", "staging").stdout
    assert "off for everyone" in run("list", "e.yaml").stdout


def test_definitions_cannot_write_to_the_terminal(shop: Path) -> None:
    """Escape sequences in a definition are not passed on."""
    text = 'version: 1\nflags: {a: {owner: ["x\\u001b[31m"]}}'
    (shop / "flags.yaml").write_text(text, "utf-8")
    assert "\x1b" not in run("list").stdout


def test_colours_are_for_terminals_only(shop: Path) -> None:
    """Colours on a terminal, none in a pipe, none under NO_COLOR."""
    assert "\x1b[" in on_a_terminal(shop, "list", NO_COLOR="")
    assert "\x1b[3" not in on_a_terminal(shop, "list", NO_COLOR="1")
    assert "\x1b" not in run("list").stdout


def test_long_work_shows_a_baron_a_terminal(shop: Path) -> None:
    """Several thousand users bring a progress bar on a terminal."""
    rows = "".join(f"user-{number}\n" for number in range(4000))
    (shop / "users.csv").write_text("user\n" + rows, "utf-8")
    assert "deciding" in on_a_terminal(shop, "eval", "new-checkout", "--users-file", "users.csv")


def test_many_examples_show_a_baron_a_terminal(shop: Path) -> None:
    """Linting several thousand flags brings a progress bar, too."""
    flag = {"default": True, "tests": [{"given": {"user": "ann"}, "expect": True}]}
    (shop / "many.json").write_text(json.dumps({"version": 1, "flags": {f"f-{n}": flag for n in range(4000)}}), "utf-8")
    assert "running the examples" in on_a_terminal(shop, "lint", "many.json")
