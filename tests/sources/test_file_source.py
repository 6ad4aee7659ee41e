"""A flag file that is edited while the site runs."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import pytest

from flagmiddleware import Context, Flags
from flagmiddleware.errors import SourceError
from flagmiddleware.sources import FileSource
from tests.services import wait_for

pytestmark = pytest.mark.faults


def document(**flags: bool) -> str:
    lines = [f"  {key}: {{default: {str(value).lower()}}}\n" for key, value in flags.items()]
    return "version: 1\nflags:\n" + "".join(lines)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "flags.yaml"
    path.write_text(document(beta=False, other=True))
    return path


def watch(path: Path) -> Flags:
    """Flags that look at the file on every read, as a request after the deadline does."""
    return Flags(path, refresh=0)


def test_an_edit_in_place_is_followed(path: Path) -> None:
    """The next look after a change serves the new flags."""
    flags = watch(path)
    assert not flags.is_enabled("beta")
    path.write_text(document(beta=True, other=True))
    assert flags.is_enabled("beta")
    assert flags.status.reloads == 1


def test_an_editors_rename_is_followed(path: Path) -> None:
    """Editors write beside the file and rename: another inode, perhaps the same size and time."""
    flags = watch(path)
    before = path.stat()
    beside = path.with_suffix(".tmp")
    beside.write_text(document(beta=True, other=True).replace("true", "true ", 1))
    os.utime(beside, ns=(before.st_atime_ns, before.st_mtime_ns))
    beside.replace(path)
    assert flags.is_enabled("beta")


@pytest.mark.parametrize("stamp", [0, 4_000_000_000])
def test_a_modification_time_that_lies_is_seen_through(path: Path, stamp: int) -> None:
    """Same size, and a time preserved from 1970 or set to 2096: the change time and inode tell."""
    os.utime(path, (stamp, stamp))
    flags = watch(path)
    path.write_text(document(beta=True, other=True))
    os.utime(path, (stamp, stamp))
    assert flags.is_enabled("beta")


def test_a_partial_write_is_waited_out(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Half a file, caught in the middle, takes no flag away: the writer gets time to finish."""
    flags = watch(path)
    whole = document(beta=True, other=True)
    for cut in range(len("version: 1\nflags:\n"), len(whole)):
        path.write_text(whole[:cut])
        assert not flags.is_enabled("beta") or flags.is_enabled("other")
        assert flags.is_enabled("other")
    path.write_text(whole)
    assert flags.is_enabled("beta")


def test_a_rule_that_is_being_written_again_is_waited_for(path: Path) -> None:
    """Cut at the end of a line, a rule may serve those whom the next line leaves out: the old text went on there."""
    rule = "  beta:\n    rules:\n      - serve: true\n"
    whole = f"version: 1\nflags:\n{rule}        if: {{country: AU}}\n"
    path.write_text(whole)
    flags = watch(path)
    path.write_text(f"version: 1\nflags:\n{rule}")
    assert not flags.is_enabled("beta")
    path.write_text(whole.replace("AU", "NZ"))
    assert flags.is_enabled("beta", Context("user-1", country="NZ"))


def test_flags_that_were_really_removed_go_when_the_file_is_quiet(path: Path) -> None:
    """Two seconds after the last write what is there counts as meant."""
    clock = [path.stat().st_mtime]
    flags = Flags(FileSource(path, now=lambda: clock[0]), refresh=0)
    path.write_text(document(beta=True))
    clock[0] = path.stat().st_mtime + 0.5
    assert flags.is_enabled("other")
    clock[0] += 2
    assert not flags.is_enabled("other")
    assert flags.is_enabled("beta")


def test_a_configmaps_symlink_swap_is_followed(tmp_path: Path) -> None:
    """Kubernetes swaps ..data; the file's own path never changes."""
    for version, value in (("one", False), ("two", True)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "flags.yaml").write_text(document(beta=value))
    data = tmp_path / "..data"
    data.symlink_to("one")
    (tmp_path / "flags.yaml").symlink_to("..data/flags.yaml")
    flags, folder = watch(tmp_path / "flags.yaml"), watch(tmp_path)
    assert not flags.is_enabled("beta")
    swap = tmp_path / "..data_tmp"
    swap.symlink_to("two")
    swap.replace(data)
    assert flags.is_enabled("beta")
    assert folder.is_enabled("beta")


def test_a_link_above_the_file_may_be_swapped(tmp_path: Path) -> None:
    """A deploy that moves `current ->` is a change like any other."""
    for version, value in (("one", False), ("two", True)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "flags.yaml").write_text(document(beta=value))
    current = tmp_path / "current"
    current.symlink_to("one")
    flags = watch(current / "flags.yaml")
    current.unlink()
    current.symlink_to("two")
    assert flags.is_enabled("beta")


def test_a_file_that_vanishes_and_comes_back(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Meanwhile the last good flags stay, the status is STALE, and one line is logged, not one a request."""
    flags = watch(path)
    content = path.read_text()
    path.unlink()
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            assert flags.is_enabled("other")
    assert flags.status.state == "STALE"
    assert "cannot be read" in flags.status.last_error
    assert len(caplog.records) == 1
    path.write_text(content.replace("beta: {default: false}", "beta: {default: true}"))
    assert flags.is_enabled("beta")
    assert flags.status.state == "READY"
    assert flags.status.last_error == ""


def test_a_file_that_comes_back_unchanged_is_ready_again(path: Path) -> None:
    """The same bytes confirm the flags."""
    flags = watch(path)
    content = path.read_bytes()
    path.write_bytes(b"version: [")
    assert flags.status.state == "STALE"
    path.write_bytes(content)
    assert flags.status.state == "READY"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"version: 1\nflags: {beta: {rules: [{rollout: 900%}]}}\n",
        b"[" * 10_000,
        b"a: 1\na: 2\n",
        b"x: .nan\n",
    ],
    ids=["empty", "not UTF-8", "bad percentage", "10,000 deep", "duplicate keys", "NaN"],
)
def test_a_broken_file_keeps_the_last_good_plan(path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """All or nothing: nothing of a bad file reaches a request; the log has it once, the status until it is mended."""
    flags = watch(path)
    path.write_bytes(content)
    for _ in range(3):
        assert flags.is_enabled("other")
    assert flags.status.state == "STALE"
    assert str(path) in flags.status.last_error
    assert len(caplog.records) == 1


def test_a_folder_or_a_loop_of_links_in_the_files_place(path: Path) -> None:
    """What is no file any more is no file: the last good flags stay."""
    flags = watch(path)
    path.unlink()
    path.symlink_to(path)
    assert flags.is_enabled("other")
    path.unlink()
    path.mkdir()
    assert flags.is_enabled("other")
    assert flags.status.state == "STALE"


@pytest.mark.timeout(20)
def test_a_named_pipe_in_the_files_place_is_not_waited_for(path: Path) -> None:
    """A site goes on with its last good flags; one that starts is told in words."""
    path.write_text(document(beta=True))
    flags = watch(path)
    path.unlink()
    os.mkfifo(path)
    flags.refresh()
    assert flags.is_enabled("beta")
    assert flags.status.state == "STALE"
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        Flags(path)


def test_a_folder_follows_each_of_its_files(tmp_path: Path) -> None:
    """An edited file, a new one and a removed one all count; dot-names and other endings do not."""
    (tmp_path / "a.yaml").write_text(document(alpha=False))
    (tmp_path / ".hidden.yaml").write_text("nonsense: [")
    (tmp_path / "README.md").write_text("# not flags")
    flags = watch(tmp_path)
    assert not flags.is_enabled("alpha")
    (tmp_path / "a.yaml").write_text(document(alpha=True))
    assert flags.is_enabled("alpha")
    (tmp_path / "b.json").write_text('{"version": 1, "flags": {"beta": {"default": true}}}')
    assert flags.is_enabled("beta")
    (tmp_path / "c.toml").write_text("version = 1\n[flags.alpha]\n")
    assert flags.is_enabled("beta")
    assert "alpha" in flags.status.last_error


def test_a_big_file_is_read_in_a_thread_and_small_ones_are_not(tmp_path: Path) -> None:
    """The request that notices the change of a big file goes on with the old flags; none waits for parsing."""
    path = tmp_path / "flags.json"

    def write(value: str) -> None:
        many = ", ".join(f'"flag-{number}": {{"default": {value}}}' for number in range(5000))
        path.write_text(f'{{"version": 1, "flags": {{{many}}}}}')

    write("false")
    flags = watch(path)
    assert not flags.is_enabled("flag-7")
    write("true")

    def followed() -> bool:
        for thread in threading.enumerate():
            if thread.name == "flagmiddleware-reload":
                thread.join(30)
        return flags.is_enabled("flag-7")

    # A reload that was under way may have met the file half written: the next look makes up for it.
    assert wait_for(followed, "no reload followed the file")
    assert flags.status.reloads >= 1


def test_reading_starts_no_thread(path: Path) -> None:
    """Files need none: the request path's deadline is enough."""
    before = set(threading.enumerate())  # an OpenFeature provider of another test may still be watching
    flags = watch(path)
    path.write_text(document(beta=True, other=True))
    assert flags.is_enabled("beta")
    assert [thread.name for thread in threading.enumerate() if thread not in before] == []


def test_a_folder_without_flag_files_says_what_it_should_hold(tmp_path: Path) -> None:
    """At the start in words; later, an emptied folder takes no flag away."""
    with pytest.raises(SourceError, match=r"holds no flag file: expected \.json"):
        Flags(tmp_path)
    file = tmp_path / "one.yaml"
    file.write_text(document(beta=True))
    flags = watch(tmp_path)
    file.unlink()
    assert flags.is_enabled("beta")
    assert flags.status.state == "STALE"
