"""Disks that are full or read-only, files that may no longer be read: the flags are served all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flagmiddleware import Flags
from flagmiddleware.sources import FileSource
from flagmiddleware.sources.cached import cached

from .load import document

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "flags.json"
    path.write_bytes(document(1))
    return path


def open_to_others(path: Path) -> None:
    """Let another user reach a file of the test, through pytest's own folders."""
    for folder in path.parents:
        if folder.stat().st_mode & 0o005 != 0o005 and folder.is_relative_to("/tmp"):
            folder.chmod(0o755)


def test_disk_full(path: Path, tmp_path: Path) -> None:
    """No byte more can be written (RLIMIT_FSIZE): the flags are served, one line tells that the cache is not kept."""
    program = f"""
import logging, resource, signal, sys
logging.basicConfig(stream=sys.stdout, format="%(message)s")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
from flagmiddleware import Flags
from flagmiddleware.sources import FileSource
from flagmiddleware.sources.cached import cached
flags = Flags(cached(FileSource({str(path)!r}), {str(tmp_path / "cache")!r}), refresh=0)
print([flags.value("left") for _ in range(3)], os.listdir({str(tmp_path / "cache")!r}))
""".replace("import logging,", "import logging, os,")
    os.utime(path, (1, 1))
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=ROOT)
    lines = ended.stdout.splitlines()
    assert lines[-1] == "[1, 1, 1] []", ended.stderr
    assert sum("could not be kept on disk" in line for line in lines) == 1


def test_permissions_removed(path: Path) -> None:
    """The file may no longer be read: the last good flags stay, STALE; back again, they are followed."""
    open_to_others(path)
    program = f"""
import logging, os, sys  # another user may not be able to import anything later
from flagmiddleware import Flags
flags = Flags({str(path)!r}, refresh=0)
flags.value("left")
if os.getuid() == 0:
    os.setuid(65534)
for line in sys.stdin:
    print(flags.value("left"), flags.status.state, flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def ask() -> str:
        print("?", file=process.stdin, flush=True)
        return process.stdout.readline().strip()  # type: ignore[union-attr]

    try:
        path.chmod(0o644)
        assert ask() == "1 READY"
        beside = path.with_name("new")
        beside.write_bytes(document(2))
        beside.replace(path)
        path.chmod(0)
        assert ask() == "1 STALE"
        path.chmod(0o644)
        assert ask() == "2 READY"
    finally:
        process.kill()
        process.communicate()


def test_read_only_disk(path: Path, tmp_path: Path) -> None:
    """The cache may be read and not written: yesterday's snapshot still starts a process in the dark, and one line
    tells that today's is not kept."""
    folder = tmp_path / "cache"
    Flags(cached(FileSource(path, now=lambda: 4e9), folder)).close()
    (kept,) = folder.iterdir()
    yesterday = kept.read_bytes()
    path.write_bytes(document(2))
    open_to_others(path)
    if os.getuid() == 0:
        for item in (kept, folder):
            os.chown(item, 65534, 65534)
    folder.chmod(0o500)
    other = tmp_path / "other.json"
    other.write_bytes(document(9))
    program = f"""
import logging, os, sys
logging.basicConfig(stream=sys.stdout, format="%(message)s")
from flagmiddleware import Flags
from flagmiddleware.sources import FileSource
from flagmiddleware.sources.cached import cached
def start(path, folder):
    return Flags(cached(FileSource(path, now=lambda: 4e9), folder)).value("left")
start({str(other)!r}, {str(tmp_path / "warm")!r})  # another user may not be able to import anything
if os.getuid() == 0:
    os.setuid(65534)
print(start({str(path)!r}, {str(folder)!r}))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert ended.stdout.splitlines()[-1] == "2", ended.stderr
    assert ended.stdout.count("could not be kept on disk") == 1
    path.unlink()
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert ended.stdout.splitlines()[-1] == "1", ended.stderr
    assert kept.read_bytes() == yesterday


def test_a_cache_of_a_file_notices_a_settled_file(path: Path, tmp_path: Path) -> None:
    """What a writer may not have finished is never kept as the last good snapshot."""
    Flags(cached(FileSource(path), tmp_path / "cache")).close()
    assert list((tmp_path / "cache").iterdir()) == []
    Flags(cached(FileSource(path, now=lambda: 4e9), tmp_path / "cache")).close()
    assert len(list((tmp_path / "cache").iterdir())) == 1
