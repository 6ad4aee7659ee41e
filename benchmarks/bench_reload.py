"""What requests feel while one of ten thousand flags changes every second, in memory and in time.

The store is a real Redis, written by another process; the requests run here, back to back, so that whatever the
refresher's thread takes from them shows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from flagmiddleware import Context, Flags
from flagmiddleware.formats.native.lines import LineReader, lay_out
from flagmiddleware.formats.syntax import read
from flagmiddleware.plan import Plan
from flagmiddleware.sources import MemorySource

from .bench_load import document
from .harness import Settings
from .report import Table, add_ratio, duration, main, ratio_table, size

NOTE = (
    "Requests of about 0.3 ms of Python run back to back on one thread, reading five flags, while another process "
    "changes a flag in Redis every second. *one line a flag* is what the stores hold; *one document* is the same "
    "definitions as any JSON, which is read in full. Memory is the process's resident size over that of an interpreter "
    "that has imported the library, the Redis client and the parser."
)

FLAGS = 10_000

WRITER = """
import json, sys, time
from benchmarks.bench_load import document
from benchmarks.bench_reload import changed, rendered
from flagmiddleware.sources.base import Change
from flagmiddleware.sources.redis import RedisSource
url, layout, count, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
source = RedisSource(url)
tree = document("plain", count)
revision = source.write(Change(data=rendered(tree, layout)), None)
print("ready", flush=True)
sys.stdin.readline()
end = time.monotonic() + seconds
number = 0
while time.monotonic() < end:
    begun = time.monotonic()
    number += 1
    changed(tree, number)
    revision = source.write(Change(data=rendered(tree, layout)), revision)
    time.sleep(max(0, 1 - (time.monotonic() - begun)))
print(revision, flush=True)
"""

MEMORY = """
import gc, sys
from flagmiddleware import Flags, Context
from flagmiddleware.sources.redis import RedisSource
from flagmiddleware.formats import parse
from flagmiddleware.formats.native.lines import LineReader, lay_out
def resident():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * 4096
parse(lay_out({"version": 1}, {"a": {"rules": [{"rollout": "1%"}]}, "b": {}}))
Flags({"version": 1, "flags": {"a": {"rules": [{"rollout": "1%"}]}}}).is_enabled("a", Context("u"))
before = resident()
flags = Flags(sys.argv[1])
after = resident()
flags.warm()
print(len(flags.ruleset.flags), after - before, resident() - before)
"""


def changed(tree: dict[str, Any], number: int) -> None:
    """Change one flag in place."""
    key = f"flag-{number % len(tree['flags']):05d}"
    tree["flags"][key]["rules"][-1] = {"rollout": f"{(37 * number + 11) % 101}%"}


def rendered(tree: dict[str, Any], layout: str) -> bytes:
    """The document in one of the two layouts."""
    if layout == "one line a flag":
        return lay_out({name: value for name, value in tree.items() if name != "flags"}, tree["flags"])
    return json.dumps(tree, separators=(",", ":")).encode()


def requests(flags: Flags, keys: list[str], seconds: float) -> Iterator[float]:
    """The time of each request, in nanoseconds."""
    end, number = time.monotonic() + seconds, 0
    rows = [{"id": row, "name": f"row {row}"} for row in range(400)]
    while time.monotonic() < end:
        number += 1
        begun = time.perf_counter_ns()
        here = flags.bind(Context(f"user-{number}", country="AU", plan="pro"))
        for key in keys:
            here.is_enabled(key)
        json.loads(json.dumps(rows))
        yield time.perf_counter_ns() - begun


def percentile(values: list[float], share: float) -> float:
    """The value that ``share`` of them are not above."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def latency(settings: Settings, url: str, ratios: Table) -> Table:
    """Requests while nothing changes, and while a flag changes every second."""
    seconds = max(5.0, 30 * settings.scale)
    table = Table(f"requests while 1 of {FLAGS:,} flags changes each second", ["", "p50", "p99", "longest", "reloads"])
    keys = [f"flag-{number:05d}" for number in range(0, FLAGS, FLAGS // 5)]
    for layout in ("one line a flag", "one document"):
        where = f"{url}?name={uuid4().hex}"
        arguments = [where, layout, str(FLAGS), str(seconds)]
        command = [sys.executable, "-c", WRITER, *arguments]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdin is not None
            assert writer.stdout is not None
            writer.stdout.readline()
            flags = Flags(where)
            assert len(flags.ruleset.flags) == FLAGS
            quiet = list(requests(flags, keys, seconds))
            writer.stdin.write("go\n")
            writer.stdin.flush()
            busy = list(requests(flags, keys, seconds))
            last = writer.stdout.readline().strip()
            flags.refresh()
            assert flags.status.revision == last, (flags.status, last)
            reloads = flags.status.reloads
            flags.close()
        for name, times, count in ((f"{layout}, quiet", quiet, 0), (layout, busy, reloads)):
            cells = [duration(percentile(times, share)) for share in (0.5, 0.99, 1)]
            table.rows.append([name, *cells, str(count)])
        if layout == "one line a flag":
            growth = (percentile(busy, 0.99) - percentile(quiet, 0.99)) / 1e6
            add_ratio(ratios, layout, "growth of p99, ms", growth, 20)
    return table


def reload_cost(settings: Settings) -> Table:
    """CPU time from bytes to a plan in force, one flag having changed."""
    table = Table(f"one changed flag of {FLAGS:,}, from bytes to a plan", ["", "median", "flags read again"])
    for layout in ("one line a flag", "one document"):
        tree = document("plain", FLAGS)
        source = MemorySource(rendered(tree, layout))
        flags = Flags(source, refresh=float("inf"))
        times, kept = [], 0
        for number in range(max(3, settings.rounds)):
            changed(tree, number)
            source.put(rendered(tree, layout))
            before = flags.ruleset.flags
            begun = time.thread_time_ns()
            flags.refresh()
            times.append(float(time.thread_time_ns() - begun))
            kept = sum(flags.ruleset.flags[key] is flag for key, flag in before.items())
        table.rows.append([layout, duration(percentile(times, 0.5)), f"{FLAGS - kept:,}"])
    return table


def resident() -> int:
    """This process's resident size, in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def memory(url: str, ratios: Table) -> Table:
    """What ten thousand flags take in a process that reads them from Redis."""
    from flagmiddleware.sources.base import Change
    from flagmiddleware.sources.redis import RedisSource

    table = Table(f"resident memory of {FLAGS:,} flags", ["", "loaded", "all compiled"])
    where = f"{url}?name={uuid4().hex}"
    RedisSource(where).write(Change(data=rendered(document("plain", FLAGS), "one line a flag")), None)
    done = subprocess.run([sys.executable, "-c", MEMORY, where], check=True, capture_output=True, text=True)
    count, loaded, warm = map(int, done.stdout.split())
    assert count == FLAGS
    table.rows.append(["read from Redis, one line a flag", size(loaded), size(warm)])
    add_ratio(ratios, f"{FLAGS:,} flags", "resident memory with all compiled, MB", warm / 1e6, 40)
    return table


def soak(settings: Settings, ratios: Table) -> Table:
    """A day of changes, one after the other, through the same reader and plans."""
    changes = settings.size(86_400 // 10)  # of a thousand flags: a tenth of the flags, so a tenth of the time
    count = FLAGS // 10
    tree = document("plain", count)
    source = MemorySource(rendered(tree, "one line a flag"))
    flags = Flags(source, refresh=float("inf"))
    flags.warm()
    marks: list[int] = []
    for number in range(changes):
        changed(tree, number)
        source.put(rendered(tree, "one line a flag"))
        flags.refresh()
        flags.is_enabled(f"flag-{number % count:05d}", Context("user-1"))
        if number % max(1, changes // 10) == 0:
            marks.append(resident())
    marks.append(resident())
    assert flags.status.reloads == changes or flags.status.reloads > changes * 0.9
    growth = (marks[-1] - marks[3]) / 1e6
    table = Table(f"{changes:,} changes, one after the other, of {count:,} flags", ["", "resident"])
    table.rows += [[f"after {tenth * 10} %", size(mark)] for tenth, mark in enumerate(marks) if tenth in (0, 3, 6, 10)]
    add_ratio(ratios, f"{changes:,} changes", "growth after warm-up, MB", growth, 2)
    return table


def shares() -> None:
    """Both layouts mean the same; a wrong fast answer stops the run."""
    tree = document("plain", 50)
    whole = Plan(LineReader().read(rendered(tree, "one line a flag")), time.time())  # type: ignore[arg-type]
    assert read(rendered(tree, "one document"), syntax="json").tree["flags"].keys() == whole.ruleset.flags.keys()


def measure(settings: Settings) -> list[Table]:
    """All tables, printed as they come."""
    from tests.services import redis_server

    shares()
    ratios = ratio_table()
    tables = []
    with redis_server() as url:
        for make in (
            lambda: reload_cost(settings),
            lambda: latency(settings, url, ratios),
            lambda: memory(url, ratios),
            lambda: soak(settings, ratios),
        ):
            tables.append(make())
            print(tables[-1].plain(), flush=True)
    print(ratios.plain(), flush=True)
    return [*tables, ratios]


if __name__ == "__main__":
    raise SystemExit(main("reload", "A change of one flag among ten thousand", measure, note=NOTE))
