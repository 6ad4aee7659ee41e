"""`flags stale --apply` on the example shops: the flag is gone, and the shop's own tests still pass."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from flagmiddleware.cli import flags

EXAMPLES = Path(__file__).parents[2] / "example_apps"


@pytest.mark.parametrize(
    ("app", "package"), [("flask", "flask_shop"), ("starlette", "starlette_shop"), ("django", "store")]
)
def test_the_shop_works_without_its_settled_flag(
    tmp_path: Path, app: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sale is on for everybody and past its date: its flag is taken out of Python, templates and the flag file."""
    shops = tmp_path / "example_apps"
    for name in (app, "shopkit"):
        shutil.copytree(
            EXAMPLES / name, shops / name, ignore=shutil.ignore_patterns("__pycache__", "data", "*.sqlite3")
        )
    shutil.copy(EXAMPLES / "conftest.py", shops)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n", "utf-8")
    monkeypatch.chdir(shops / app)
    monkeypatch.delenv("FLAGMIDDLEWARE_SOURCE", raising=False)
    file = Path("flags.yaml")
    text = file.read_text("utf-8")
    settled = re.sub(
        r"(  summer-sale:\n)((?:    .*\n)*?)    rules:\n(?:      .*\n)+",
        r"\1    expires: 2026-01-01\n\2    rules: [{serve: true}]\n",
        text,
    )
    assert settled != text
    file.write_text(settled, "utf-8")

    listed = _tests_that_name_it("tests") if app != "django" else []
    code = (package, "../shopkit")
    result = CliRunner().invoke(flags, ["stale", "summer-sale", "--code", code[0], "--code", code[1], "--apply"])
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert "summer-sale" not in file.read_text("utf-8")
    files = [file for folder in code for file in Path(folder).rglob("*.*")]
    left = [path for path in files if "summer-sale" in path.read_text("utf-8", "replace")]
    assert left == []
    # Those that switch the sale off test what has been taken out: the tool has listed them.
    assert (app == "django") == (listed == [])
    command = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *(f"--deselect=example_apps/{app}/{test}" for test in listed),
        "tests",
    ]
    if app == "django":
        command = ["manage.py", "test"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"[1-9]\d* passed|Ran [1-9]", done.stdout + done.stderr)
    assert not listed or f"{len(listed)} deselected" in done.stdout


def _tests_that_name_it(folder: str) -> list[str]:
    """The tests around the places that `flags stale` lists for the flag."""
    result = CliRunner().invoke(flags, ["stale", "summer-sale", "--code", folder, "--format", "json"])
    (flag,) = json.loads(result.stdout)
    found = []
    for place in flag["mentions"]:
        for node in ast.parse(Path(place["file"]).read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.lineno <= place["line"] <= (node.end_lineno or 0):
                found.append(f"{place['file']}::{node.name}")
    assert len(found) == len(flag["mentions"])
    return list(dict.fromkeys(found))
