"""What requests feel while one of ten thousand flags changes every second, in memory and in time.

The definitions are in a file, behind a web address or in a real Redis, and written by another process
(:mod:`.reload_writer`); the requests run here, back to back, so that whatever reading takes from them shows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

from flagmiddleware import Context, Flags
from flagmiddleware.formats import parse
from flagmiddleware.sources import MemorySource

from .bench_load import document
from .harness import Settings
from .reload_writer import FLAGS, LAYOUTS, changed, in_lines, share_of
from .report import Table, add_ratio, duration, main, ratio_table, size

NOTE = (
    "Requests of about 0.3 ms of Python run back to back on one thread, reading five flags, while another process "
    "changes a flag every second: in a file that is renamed into place, behind a web address that is polled every "
    "second, or in Redis, which announces it. *one line a flag* is what the stores hold; *one document* is the same "
    "definitions as any other JSON or YAML, which is read in full. Memory is the process's resident size over that of "
    "an interpreter that has imported the library, the Redis client and the parser."
)

CASES = (
    ("file", "one JSON document"),
    ("file", "one YAML document"),
    ("file", "one line a flag"),
    ("http", "one line a flag"),
    ("redis", "one line a flag"),
    ("redis", "one JSON document"),
)

MEMORY = """
import gc, os, shutil, sys
from flagmiddleware import Flags, Context
from flagmiddleware.sources import open_source
from flagmiddleware.sources.redis import RedisSource
from flagmiddleware.formats import parse
from flagmiddleware.formats.native.lines import LineReader, lay_out
def resident():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * 4096
parse(lay_out({"version": 1}, {"a": {"rules": [{"rollout": "1%"}]}, "b": {}}))
Flags({"version": 1, "flags": {"a": {"rules": [{"rollout": "1%"}]}}}).is_enabled("a", Context("u"))
parse(b"version: 1\\nflags:\\n  a: {description: A flag}\\n", name="flags.yaml")
where, versions = sys.argv[1], sys.argv[2:]
before = resident()
flags = Flags(open_source(where, start_timeout=60) if "://" in where else where)
loaded = resident() - before
flags.warm()
warm = resident() - before
for number in range(100 if versions else 0):
    shutil.copyfile(versions[number % 2], where + ".new")
    os.replace(where + ".new", where)
    os.utime(where, (number, number))
    flags.refresh()
    flags.warm()
assert flags.status.reloads == (100 if versions else 0), flags.status
print(len(flags.ruleset.flags), loaded, warm, resident() - before)
"""


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
    seconds = max(4.0, 20 * settings.scale)
    table = Table(f"requests while 1 of {FLAGS:,} flags changes each second", ["", "p50", "p99", "longest", "reloads"])
    with tempfile.TemporaryDirectory() as folder:
        for kind, layout in CASES:
            path = Path(folder, "flags.yaml" if "YAML" in layout else "flags.json")
            name = f"{kind}, {layout}"
            where = {"file": str(path), "http": path.name, "redis": f"{url}?name={uuid4().hex}"}[kind]
            quiet, busy, reloads = under_change(kind, layout, where, seconds)
            for label, times, count in ((f"{name}, quiet", quiet, 0), (name, busy, reloads)):
                cells = [duration(percentile(times, share)) for share in (0.5, 0.99, 1)]
                table.rows.append([label, *cells, str(count)])
            growth = (percentile(busy, 0.99) - percentile(quiet, 0.99)) / 1e6
            add_ratio(ratios, name, "growth of p99, ms", growth, 20)
    return table


def under_change(kind: str, layout: str, where: str, seconds: float) -> tuple[list[float], list[float], int]:
    """The times of requests before and while flags change, and how many reloads the latter saw."""
    keys = [f"flag-{number:05d}" for number in range(0, FLAGS, FLAGS // 5)]
    command = [sys.executable, "-m", "benchmarks.reload_writer", kind, layout, where, str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        flags = Flags(writer.stdout.readline().strip())
        for _ in range(20):  # a busy machine may need more than a start's patience
            if len(flags.ruleset.flags) == FLAGS:
                break
            flags.refresh()
        assert len(flags.ruleset.flags) == FLAGS, flags.status
        quiet = list(requests(flags, keys, seconds))
        print("go", file=writer.stdin, flush=True)
        busy = list(requests(flags, keys, seconds))
        reloads, last = flags.status.reloads, int(writer.stdout.readline())
        flags.refresh()
        # A fast reader that reads something else is of no interest.
        rule = flags.ruleset.flags[changed(document("plain", FLAGS), last)].rules[-1]
        assert rule.gate is not None
        assert f"text='{share_of(last)}'" in repr(rule.gate), (rule, last, flags.status)
        flags.close()
        print("done", file=writer.stdin, flush=True)
    return quiet, busy, reloads


def reload_cost(settings: Settings) -> Table:
    """CPU time from bytes to a plan in force, one flag having changed."""
    table = Table(f"one changed flag of {FLAGS:,}, from bytes to a plan", ["", "median", "flags made anew"])
    for layout, make in LAYOUTS.items():
        tree, render = document("plain", FLAGS), make()
        source = MemorySource(render(tree))
        flags = Flags(source, refresh=float("inf"))
        times, kept = [], 0
        for number in range(max(3, settings.rounds // 2)):
            changed(tree, number)
            source.put(render(tree))
            before = flags.ruleset.flags
            begun = time.thread_time_ns()
            flags.refresh()
            times.append(float(time.thread_time_ns() - begun))
            kept = sum(flags.ruleset.flags[key] is flag for key, flag in before.items())
        table.rows.append([layout, duration(percentile(times, 0.5)), f"{FLAGS - kept:,}"])
    return table


def memory(url: str, ratios: Table) -> Table:
    """What ten thousand flags take in a process that reads them from Redis, or from a file that changes."""
    from flagmiddleware.sources.base import Change
    from flagmiddleware.sources.redis import RedisSource

    table = Table(f"resident memory of {FLAGS:,} flags", ["", "loaded", "all compiled", "after 100 reloads"])
    where = f"{url}?name={uuid4().hex}"
    RedisSource(where).write(Change(data=in_lines(document("plain", FLAGS))), None)
    _memory_row(table, ratios, "plain, from Redis, one line a flag", [where])
    for kind in ("plain", "documented"):
        for layout, make in LAYOUTS.items():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "flags.yaml" if "YAML" in layout else "flags.json")
                tree, render = document(kind, FLAGS), make()
                path.write_bytes(render(tree))
                versions = [path.with_suffix(f".{number}") for number in (0, 1)]
                for number, version in enumerate(versions):
                    changed(tree, 1000 * number)
                    version.write_bytes(render(tree))
                os.utime(path, (1, 1))  # settled: not read again at each look
                _memory_row(table, ratios, f"{kind}, {layout}", [str(path), *map(str, versions)])
    return table


def _memory_row(table: Table, ratios: Table, name: str, arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY, *arguments], check=True, capture_output=True, text=True)
    count, *sizes = map(int, done.stdout.split())
    assert count == FLAGS
    is_file = len(arguments) > 1
    table.rows.append([name, *map(size, sizes[:2]), size(sizes[2]) if is_file else ""])
    add_ratio(ratios, f"{FLAGS:,} flags, {name}", "resident memory in the end, MB", sizes[2] / 1e6, 40)


def agree() -> None:
    """All layouts mean the same; a wrong fast answer stops the run."""
    tree = document("plain", 50)
    flags = [parse(make()(tree)).flags for make in LAYOUTS.values()]
    assert all(repr(one) == repr(flags[0]) for one in flags)


def measure(settings: Settings) -> list[Table]:
    """All tables, printed as they come."""
    from tests.services import redis_server

    agree()
    ratios = ratio_table()
    tables: list[Table] = []
    with redis_server() as url:
        makers: list[Callable[[], Table]] = [
            lambda: reload_cost(settings),
            lambda: latency(settings, url, ratios),
            lambda: memory(url, ratios),
        ]
        for make in makers:
            tables.append(make())
            print(tables[-1].plain(), flush=True)
    print(ratios.plain(), flush=True)
    return [*tables, ratios]


if __name__ == "__main__":
    raise SystemExit(main("reload", "A change of one flag among ten thousand", measure, note=NOTE))
