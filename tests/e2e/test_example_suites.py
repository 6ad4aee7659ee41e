"""The example shops' own tests and the command that starts them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.e2e.shops import EXAMPLES, environment
from tests.services import free_port, running, wait_for

ROOT = EXAMPLES.parent


def test_the_django_shops_own_tests_pass(tmp_path: Path) -> None:
    """``manage.py test``; the other shops' tests are pytest's and run with everything else."""
    (tmp_path / "flags.yaml").write_bytes((EXAMPLES / "django" / "flags.yaml").read_bytes())
    command = [sys.executable, "manage.py", "test"]
    done = subprocess.run(
        command,
        cwd=EXAMPLES / "django",
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Ran 7 tests" in done.stderr


def test_the_three_flag_files_are_one() -> None:
    """The same shop three times: whoever edits one demo's file edits all."""
    assert len({(EXAMPLES / app / "flags.yaml").read_bytes() for app in ("django", "flask", "starlette")}) == 1


@pytest.mark.parametrize("app", ["django", "flask", "starlette"])
def test_the_demo_starts_and_says_what_to_try(app: str, tmp_path: Path) -> None:
    """``python -m example_apps.demo APP PORT`` (what ``make demo`` runs) opens the shop and names what to try."""
    port, log = free_port(), tmp_path / "log"
    (tmp_path / "flags.yaml").write_bytes((EXAMPLES / app / "flags.yaml").read_bytes())
    command = [sys.executable, "-m", "example_apps.demo", app, str(port)]
    with running(command, port=port, log=log, cwd=ROOT, env=environment(tmp_path)):
        wait_for(lambda: "Kettle" in httpx.get(f"http://127.0.0.1:{port}/", timeout=30).text, "no shop")
        words = log.read_text()
    assert all(part in words for part in ("ann@yourcompany.com", "Australia", "user-42", "flags.yaml", f":{port}/"))


@pytest.mark.parametrize("arguments", [["rails", "8000"], ["flask", "eight"]])
def test_the_demo_explains_a_wrong_call(arguments: list[str]) -> None:
    """An unknown shop or a port that is none is refused with the usage."""
    command = [sys.executable, "-m", "example_apps.demo", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr[:6]) == (2, "usage:")
