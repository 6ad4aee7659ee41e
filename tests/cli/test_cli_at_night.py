"""Somebody who has never used the command has to switch something off, now: what they find, and are told."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner

from flagmiddleware.cli import flags
from flagmiddleware.sources.redis import RedisSource
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


@pytest.mark.parametrize("before", ["", "import warnings; warnings.warn('of a library'); "])
def test_a_terminal_log_on_a_full_disk_does_not_stand_before_a_kill(before: str) -> None:
    """The flag is killed first and talked about then: whatever becomes of the words, it is off, and the exit code 0."""
    program = f"{before}from flagmiddleware.cli import main; main()"
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program, "kill", "new-checkout", "-m", "burns"],
            stdout=full,
            stderr=full,
            env=buffered,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0
    assert "enabled: false" in Path("flags.yaml").read_text("utf-8")


def test_a_lock_that_somebody_keeps_does_not_stand_before_a_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment that holds the folder's lock for minutes is waited for, and then a kill goes on; others are told."""
    monkeypatch.setattr("flagmiddleware.release.targets._PATIENCE", 0.1)
    folder = os.open(".", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        other = CliRunner().invoke(flags, ["ramp", "new-checkout", "1%", "-m", "less"])
        assert other.exit_code == 2
        assert "has been locked by another program for" in other.stderr
        assert Path("flags.yaml").read_text("utf-8") == FILE
        assert CliRunner().invoke(flags, ["kill", "new-checkout", "-m", "burns"]).exit_code == 0
    finally:
        os.close(folder)
    assert "enabled: false" in Path("flags.yaml").read_text("utf-8")


def test_settings_that_cannot_be_read_leave_a_way_to_kill() -> None:
    """A conflict in pyproject.toml hides where the flags are: the error says how to name them."""
    Path("pyproject.toml").write_text("<<<<<<< HEAD\n", "utf-8")
    kill = ["kill", "new-checkout", "-m", "burns"]
    result = CliRunner().invoke(flags, kill)
    assert "pyproject.toml is not valid TOML" in result.stderr
    assert "--source FILE goes on without it" in result.stderr
    assert CliRunner().invoke(flags, [*kill, "--source", "flags.yaml"]).exit_code == 0
    assert "enabled: false" in Path("flags.yaml").read_text("utf-8")


def test_a_kill_by_root_leaves_the_file_to_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sudo flags kill`: the new file is given to whom the old one belonged, or the site could not read the kill."""
    given: list[tuple[int, int]] = []
    monkeypatch.setattr("os.chown", lambda path, user, group: given.append((user, group)))
    os.chmod("flags.yaml", 0o640)
    was = os.stat("flags.yaml")
    assert CliRunner().invoke(flags, ["kill", "new-checkout", "-m", "burns"]).exit_code == 0
    assert given == [(-1, was.st_gid), (was.st_uid, -1)]
    assert os.stat("flags.yaml").st_mode == was.st_mode


def test_a_kill_outlasts_everybody_who_is_quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often somebody else writes between its look and its write, a kill begins anew and gets through."""
    from flagmiddleware.release.targets import FileTarget

    read, turns = FileTarget.read, iter(range(20))

    def hurried(self: FileTarget) -> object:
        found = read(self)
        for turn in turns:  # one write after each look, for twenty looks
            Path("flags.yaml").write_text(FILE + f"# {turn}\n", "utf-8")
            break
        return found

    monkeypatch.setattr(FileTarget, "read", hurried)
    assert CliRunner().invoke(flags, ["kill", "new-checkout", "-m", "burns"]).exit_code == 0
    text = Path("flags.yaml").read_text("utf-8")
    assert "enabled: false" in text
    assert "# 19" in text


@pytest.mark.parametrize("variable", ["CACHE_DIR=/proc/nowhere", "OVERLAY=missing.yaml", "FALLBACK=missing.yaml"])
def test_what_lies_round_a_store_does_not_stand_before_a_kill(
    variable: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that only the site may use, a developer's file that is gone: they are nothing to who writes."""
    url = f"{redis_url}?name={uuid4().hex}"
    assert CliRunner().invoke(flags, ["push", "flags.yaml", url, "-m", "new"]).exit_code == 0
    name, _, value = variable.partition("=")
    monkeypatch.setenv(f"FLAGMIDDLEWARE_{name}", value)
    result = CliRunner().invoke(flags, ["kill", "new-checkout", "-m", "burns", "--source", url])
    assert result.exit_code == 0, result.output


def test_a_mistake_in_a_store_does_not_stand_before_a_kill(redis_url: str) -> None:
    """Another flag's mistake, which somebody wrote past every check, is told, and the kill is written."""
    url = f"{redis_url}?name={uuid4().hex}"
    assert CliRunner().invoke(flags, ["push", "flags.yaml", url, "-m", "new"]).exit_code == 0
    source = RedisSource(url)
    broken = FILE.replace("flags:\n", "flags:\n  bad: {rools: 1}\n").encode()
    source._redis().hset(source.key, "data", broken)
    result = CliRunner().invoke(flags, ["kill", "new-checkout", "-m", "burns", "--source", url])
    assert result.exit_code == 0, result.output
    assert "rools" in result.stderr
    snapshot = source.fetch(None)
    assert snapshot is not None
    assert isinstance(snapshot.data, bytes)
    assert b"enabled: false" in snapshot.data
    source.close()
