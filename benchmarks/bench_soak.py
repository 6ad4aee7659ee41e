"""A day of changes, one a second, as fast as one process takes them from a real Redis: does anything grow?

The process that is measured reads the store with its refresher thread, as a site does, and decides flags after every
change; another one writes the next change once it is told that the last one is in force, so that none is skipped.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from typing import NamedTuple
from uuid import uuid4

from flagmiddleware import Context, Flags

from .harness import Settings
from .report import Table, add_ratio, main, ratio_table, size

NOTE = (
    "86,400 changes, one for each second of a day, each to one of 200 flags, through the refresher thread and a "
    "Redis on this machine; the next one is written when the last one is in force. *traced* is what the interpreter "
    "has allocated by tracemalloc's count, *objects* what its collector knows after a collection. Growth is from "
    "the mark at a tenth (warm-up) to the highest one after it."
)

FLAGS = 200
DAY = 86_400
MARKS = 20
WARM = 2  # the mark that growth is counted from: a tenth of the day

WRITER = """
import sys
from benchmarks.bench_load import document
from benchmarks.reload_writer import changed
from flagmiddleware.formats.native.lines import as_text, join
from flagmiddleware.sources.base import Change
from flagmiddleware.sources.redis import RedisSource
source, tree = RedisSource(sys.argv[1]), document("plain", int(sys.argv[2]))
flags = tree["flags"]
texts = {key: as_text(body) for key, body in flags.items()}
top = as_text({name: value for name, value in tree.items() if name != "flags"})
revision = source.write(Change(data=join(top, texts.items())), None)
print(revision, flush=True)
for number, _ in enumerate(sys.stdin, 1):
    key = changed(tree, number)
    flags[key]["description"] = f"change {number}"
    texts[key] = as_text(flags[key])
    revision = source.write(Change(data=join(top, texts.items())), revision)
    print(revision, flush=True)
"""


class Mark(NamedTuple):
    """What the process holds at one moment; sizes in bytes."""

    resident: int
    traced: int
    objects: int
    descriptors: int
    threads: int


def mark() -> Mark:
    """Look at this process."""
    gc.collect()
    with open("/proc/self/statm") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    traced = tracemalloc.get_traced_memory()[0]
    return Mark(resident, traced, len(gc.get_objects()), len(os.listdir("/proc/self/fd")), threading.active_count())


def soak(url: str, changes: int) -> tuple[list[Mark], float]:
    """Take ``changes`` changes one by one; the marks, and how many seconds it took."""
    where = f"{url}?name={uuid4().hex}"
    command = [sys.executable, "-c", WRITER, where, str(FLAGS)]
    arrived = threading.Event()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdout.readline()
        tracemalloc.start()
        flags = Flags(where)
        flags.warm()
        flags.subscribe(lambda change: arrived.set())
        marks, begun = [mark()], time.monotonic()
        for number in range(1, changes + 1):
            writer.stdin.write("next\n")
            revision = writer.stdout.readline().strip()
            _until(flags, revision, arrived)
            decide(flags, number)
            if number % max(1, changes // MARKS) == 0:
                marks.append(mark())
        lasted = time.monotonic() - begun
        tracemalloc.stop()
        writer.stdin.close()
        assert flags.status.reloads == changes, flags.status
        flags.close()
    return marks, lasted


def _until(flags: Flags, revision: str, arrived: threading.Event) -> None:
    deadline = time.monotonic() + 60
    while flags.status.revision != revision:
        arrived.wait(1)
        arrived.clear()
        assert time.monotonic() < deadline, f"revision {revision} did not arrive: {flags.status}"


def decide(flags: Flags, number: int) -> None:
    """What a request does: some flags, the changed one among them, for somebody new."""
    here = flags.bind(Context(f"user-{number}", country="AU", plan="pro"))
    for place in range(number % FLAGS, number % FLAGS + 5):
        here.is_enabled(f"flag-{place % FLAGS:05d}")


def table(marks: list[Mark], changes: int, lasted: float) -> Table:
    """The marks at each fifth."""
    made = Table(
        f"{changes:,} changes of {FLAGS:,} flags in {lasted / 60:.1f} minutes",
        ["after", "resident", "traced", "objects", "file descriptors", "threads"],
    )
    for place, seen in enumerate(marks):
        if place in (0, WARM) or place % 4 == 0:
            counts = (f"{seen.objects:,}", str(seen.descriptors), str(seen.threads))
            made.rows.append([f"{100 * place // MARKS} %", size(seen.resident), size(seen.traced), *counts])
    return made


def measure(settings: Settings) -> list[Table]:
    """The marks, and their growth against the limits."""
    from tests.services import redis_server

    changes = settings.size(DAY)
    with redis_server() as url:
        marks, lasted = soak(url, changes)
    ratios = ratio_table()
    start, rest = marks[WARM], marks[WARM:]
    for what, limit in (("resident, MB", 2.0), ("traced, MB", 0.5), ("file descriptors", 0), ("threads", 0)):
        field, unit = what.split(",")[0].replace("file ", ""), 1e6 if "MB" in what else 1
        grown = max(getattr(seen, field) for seen in rest) - getattr(start, field)
        add_ratio(ratios, f"{changes:,} changes", f"growth of {what}", grown / unit, limit)
    tables = [table(marks, changes, lasted), ratios]
    for made in tables:
        print(made.plain(), flush=True)
    return tables


if __name__ == "__main__":
    raise SystemExit(main("soak", "A day of changes", measure, note=NOTE))
