"""Somebody who has never used the command has to switch something off, now: what they find, and are told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from flagmiddleware.cli import flags
from tests.cli.terminal import on_a_terminal

FILE = "version: 1\nflags:\n  new-checkout: {rules: [{rollout: 5%}]}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a flag file, outside git."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLAGMIDDLEWARE_SOURCE", raising=False)
    Path("flags.yaml").write_text(FILE, "utf-8")


def test_help_begins_with_the_way_out() -> None:
    """`flags --help` says how to kill a flag before anything else, and lists every command, in whole sentences."""
    text = CliRunner().invoke(flags, ["--help"]).stdout
    assert 'flags kill KEY -m "what happened"' in text.split("Options:")[0]
    assert text.index("When something is wrong:") < text.index("  kill ") < text.index("Release:")
    for name in flags.list_commands(flags.make_context("flags", ["--help"], resilient_parsing=True)):
        assert f"\n  {name} " in text
    assert "..." not in text.split("Options:")[1]


def test_a_missing_reason_is_asked_for_at_a_terminal(tmp_path: Path) -> None:
    """At a terminal a kill without a reason asks for it; elsewhere the error is the command to type."""
    seen = on_a_terminal(tmp_path, "kill", "new-checkout", answer="payments fail\n")
    assert "Why:" in seen
    assert "enabled: false" in Path("flags.yaml").read_text("utf-8")
    Path("flags.yaml").write_text(FILE, "utf-8")
    result = CliRunner().invoke(flags, ["kill", "new-checkout"])
    assert result.exit_code == 2
    assert 'say why: flags kill new-checkout -m "what happened"' in result.stderr


def test_a_mistyped_key_is_answered_with_the_right_one() -> None:
    """The nearest key is in the error; nothing is written."""
    result = CliRunner().invoke(flags, ["kill", "new-chekout", "-m", "x"])
    assert result.exit_code == 2
    assert "has no flag 'new-chekout'; did you mean 'new-checkout'?" in result.stderr
    assert Path("flags.yaml").read_text("utf-8") == FILE


def test_a_mistyped_environment_is_doubted_aloud() -> None:
    """A kill in an environment that nobody named before is written, and said to reach only sites that run in it."""
    Path("flags.yaml").write_text(FILE + "  other: {environments: {production: {enabled: false}}}\n", "utf-8")
    kill = ["kill", "new-checkout", "-m", "payments fail", "-e"]
    assert "only sites that run in environment 'prodution'" in CliRunner().invoke(flags, [*kill, "prodution"]).stderr
    assert "only sites" not in CliRunner().invoke(flags, [*kill, "production"]).stderr


def test_a_full_disk_is_said_and_leaves_the_file(tmp_path: Path) -> None:
    """What the system refuses is told in one line, with exit code 2; the flags stay as they were, alone."""
    file = tmp_path / "flags.yaml"
    file.write_text("version: 1\nflags: {a: {rules: [{serve: true}]}}\n", "utf-8")
    limited = "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (8, 8))\n"
    limited += "from flagmiddleware.cli import main; main(['kill', 'a', '-m', 'burns', '--source', 'flags.yaml'])\n"
    before = file.read_bytes()
    done = subprocess.run([sys.executable, "-c", limited], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (2, "Error: File too large\n")
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["flags.yaml"]
