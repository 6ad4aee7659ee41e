"""Somebody who has never used the command has to switch something off, now: what they find, and are told."""

from __future__ import annotations

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
