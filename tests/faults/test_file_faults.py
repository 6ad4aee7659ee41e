"""What happens to files, clocks, disks and documents; requests read on, and the newest good flags win."""

from __future__ import annotations

import logging
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flagmiddleware import Context, Flags
from flagmiddleware.errors import RulesetError, SourceError
from flagmiddleware.sources import MemorySource, Snapshot
from flagmiddleware.web.frontend import health
from tests.services import missing, wait_for

from .load import document, load

pytestmark = pytest.mark.faults

LONG = bool(os.environ.get("FAULTS_LONG"))
ROOT = Path(__file__).parents[2]
FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


def replace(path: Path, content: bytes) -> None:
    """As deployments do it: written beside, then renamed."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    beside.replace(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "flags.json"
    path.write_bytes(document(1))
    return path


@pytest.mark.parametrize("above", [False, True], ids=["..data", "current"])
def test_configmap_swap(tmp_path: Path, above: bool) -> None:
    """Kubernetes swaps the link ``..data``, deployments ``current`` above it; the path itself never moves."""

    def version(number: int) -> Path:
        folder = tmp_path / f"..2026_{number}"
        folder.mkdir()
        (folder / "flags.json").write_bytes(document(number))
        return folder

    def point(link: Path, target: Path) -> None:
        beside = tmp_path / "..link_tmp"
        beside.symlink_to(target)
        beside.replace(link)

    link = tmp_path / ("current" if above else "..data")
    point(link, version(1))
    watched = link / "flags.json"
    if not above:
        (tmp_path / "flags.json").symlink_to(Path("..data", "flags.json"))
        watched = tmp_path / "flags.json"
    with load(Flags(watched, refresh=0.05)) as readers:
        for number in range(2, 6):
            point(link, version(number))
            readers.until(number)
        readers.until_state("READY")


def test_slow_write(path: Path) -> None:
    """Half a file, a pause of 1.2 s, the rest: the old flags until the new ones are whole."""
    with load(Flags(path, refresh=0.05)) as readers:
        readers.until(1)
        content = document(2)
        with open(path, "wb", buffering=0) as file:
            file.write(content[: len(content) // 2])
            time.sleep(1.2)
            assert readers.seen == [1]
            file.write(content[len(content) // 2 :])
        readers.until(2)
        readers.until_state("READY")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b'{"version": 1, "flags": {"left": {"variants": {"v": NaN}, "off": "v"}}}',
        b'{"version": 1, "flags": {}, "flags": {}}',
        b"null",
        b"[]",
    ],
    ids=["empty", "not UTF-8", "200,000 deep", "NaN", "duplicate keys", "null", "a list"],
)
def test_bad_documents(path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Under load, nothing of it is served, one line tells of it, and a good file heals it."""
    with load(Flags(path, refresh=0.05)) as readers:
        readers.until(1)
        replace(path, content)
        readers.until_state("STALE")
        assert readers.seen == [1]
        time.sleep(0.3)
        assert sum("could not be loaded" in record.message for record in caplog.records) == 1
        replace(path, document(2))
        readers.until(2)
        readers.until_state("READY")


def test_a_deleted_file(path: Path) -> None:
    """Gone, and there again."""
    with load(Flags(path, refresh=0.05)) as readers:
        readers.until(1)
        path.unlink()
        readers.until_state("STALE")
        replace(path, document(2))
        readers.until(2)


def test_oversize(path: Path) -> None:
    """Above 64 MiB: not read; the last good flags stay."""
    with load(Flags(path, refresh=0.05)) as readers:
        readers.until(1)
        big = path.with_name("big")
        with open(big, "wb") as file:
            file.truncate(65 * 2**20)  # a hole: the disk holds nothing of it
        big.replace(path)
        readers.until_state("STALE")
        assert "64 MiB" in readers.flags.status.last_error
        replace(path, document(2))
        readers.until(2)


def test_yaml_bomb(tmp_path: Path) -> None:
    """271 bytes that would unfold to gigabytes: refused for the first alias, before anything unfolds."""
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 8))
    bomb = ("l0: &l0 [x]\n" + levels)[:271].rpartition("\n")[0]
    (tmp_path / "flags.yaml").write_text(f"{bomb}\nversion: 1\nflags: {{}}\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RulesetError, match=r"anchor|alias"):
        Flags(tmp_path / "flags.yaml")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


# Not time.sleep: libfaketime gets in the way of the call that it makes.
CLOCK = """
import select, sys
from flagmiddleware import Flags
flags = Flags(sys.argv[1], refresh=0.1)
while True:
    print(flags.value("plain"), int(flags.is_enabled("sale")), flush=True)
    select.select([], [], [], 0.05)
"""


@pytest.mark.skipif(not FAKETIME and not os.environ.get("CI"), reason="needs libfaketime (apt install faketime)")
def test_clock_jump(tmp_path: Path) -> None:
    """The wall clock jumps an hour on and back: refreshing never notices, schedules follow it both ways."""
    library = str(FAKETIME[0]) if FAKETIME else missing("libfaketime")
    stamp, path = tmp_path / "stamp", tmp_path / "flags.json"
    noon = 1_800_000_000  # 2027-01-15T08:00:00Z

    def write(number: int) -> None:
        schedule = {"from": "2027-01-15T08:30:00Z", "until": "2027-01-15T10:00:00Z"}
        sale = f'{{"rules": [{{"schedule": {str(schedule).replace(chr(39), chr(34))}, "serve": true}}]}}'
        plain = f'{{"variants": {{"v": {number}}}, "off": "v"}}'
        replace(path, f'{{"version": 1, "flags": {{"plain": {plain}, "sale": {sale}}}}}\n'.encode())

    def jump(seconds: int) -> None:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(noon + seconds))
        beside = tmp_path / "stamp.new"
        beside.write_text(f"@{moment}\n")
        beside.replace(stamp)

    jump(0)
    write(1)
    environment = {
        **os.environ, "LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(stamp), "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": "UTC", "NO_FAKE_STAT": "1",
    }  # fmt: skip
    command = [sys.executable, "-c", CLOCK, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    assert process.stdout is not None
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:

        def until(expected: str) -> None:
            lines: list[str] = []
            while (line := process.stdout.readline().strip()) != expected:  # type: ignore[union-attr]
                lines.append(line)
                assert line, f"never said {expected!r}, but {lines[-3:]}"

        until("1 0")
        jump(3600)
        until("1 1")
        write(2)
        until("2 1")
        jump(0)
        until("2 0")
        write(3)
        until("3 0")
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


def test_unknown_key_storm(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A scanner asks for a new key each time: nothing is kept, nothing is logged a million times."""
    flags = Flags(path)
    count = 1_000_000 if LONG else 100_000
    for number in range(1000):
        flags.is_enabled(f"key-{number}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(count):
        flags.is_enabled(f"key-{number}")
        assert number % 1000 or flags.evaluate(f"other-{number}").error_code == "FLAG_NOT_FOUND"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB
    assert len(caplog.records) <= 1000


def test_reload_under_load(tmp_path: Path) -> None:
    """Thousands of flags rewritten again and again: no request fails, none is torn, the last revision arrives."""
    path = tmp_path / "flags.json"
    many = 10_000 if LONG else 2_000
    filler = ", ".join(f'"flag-{number}": {{"rules": [{{"rollout": "10%"}}]}}' for number in range(many))

    def write(number: int) -> None:
        replace(path, document(number).replace(b'"flags": {', f'"flags": {{{filler}, '.encode()))

    write(0)
    last = 60 if LONG else 5
    with load(Flags(path, refresh=0.1)) as readers:
        for number in range(1, last + 1):
            write(number)
            time.sleep(1 if LONG else 0.3)
        readers.until(last)
        print(f"\nslowest request while {many} flags were read {last} times: {1000 * readers.slowest:.0f} ms")
    assert readers.seen == sorted(readers.seen)


class Away(MemorySource):
    """A store that is away when told so."""

    threaded = True
    away = False

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        if self.away:
            raise SourceError("away")
        return super().fetch(known)


def test_max_stale(caplog: pytest.LogCaptureFixture) -> None:
    """STALE is served, and said; beyond ``max_stale`` seconds the process calls itself not ready, flags and all."""
    caplog.set_level(logging.INFO, "flagmiddleware")
    source = Away(document(1))
    heard: list[str] = []
    with load(Flags(source, refresh=0.1)) as readers:
        readers.flags.subscribe(lambda change: heard.append(str(change.state)))
        readers.until(1)
        assert health(readers.flags, max_stale=1)[0] == 200
        source.away = True
        readers.until_state("STALE")
        assert health(readers.flags)[0] == 200
        assert health(readers.flags, max_stale=3600)[0] == 200
        wait_for(lambda: health(readers.flags, max_stale=0.5)[0] == 503, "never unready")
        assert readers.seen == [1]
        source.away = False
        readers.until_state("READY")
        assert health(readers.flags, max_stale=0.5)[0] == 200
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert heard == ["STALE", "READY"]


class Odd:
    """A value whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not to be compared")


def test_evaluator_raise() -> None:
    """An attribute that raises when touched, a subscriber that fails: an answer all the same."""
    rules = [{"if": {"plan": "pro"}, "serve": True}, {"rollout": "50%"}]
    flags = Flags({"version": 1, "flags": {"beta": {"rules": rules}}})
    assert flags.evaluate("beta", Context("user-1", plan=Odd())).value in (True, False)
    assert flags.evaluate("beta", Context(Odd())).value is False  # type: ignore[arg-type]
    followed = Flags(Away(document(1)))
    followed.subscribe(lambda change: 1 / 0)
    followed.source.put(document(2))  # type: ignore[attr-defined]
    followed.refresh()
    assert followed.value("left") == 2
    followed.close()


PATTERNS = """
import sys
from flagmiddleware import Context, Flags
rules = [{"if": {"email": {"matches": "^(a+)+$"}}, "serve": True}]
flags = Flags({"version": 1, "flags": {"left": {"rules": rules}}})
print([flags.is_enabled("left", Context("u", email="a" * length + "!")) for length in (30, 300, 30_000)])
print(flags.is_enabled("left", Context("u", email="a" * 30_000)))
"""


def test_redos() -> None:
    """A pattern that would cost a backtracking engine 2^30000 steps: answered, and the time limit is the pin."""
    ended = subprocess.run([sys.executable, "-c", PATTERNS], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert ended.stdout.splitlines() == ["[False, False, False]", "True"], ended.stderr
