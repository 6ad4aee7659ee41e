"""Load on one process's flags while something goes wrong: threads that read as requests do, and what they saw."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flagmiddleware import Context, Flags
from flagmiddleware.sources import Change
from flagmiddleware.sources.redis import RedisSource
from tests.services import wait_for

__all__ = ["Load", "document", "load", "publish"]


def document(number: int, *, padding: int = 0) -> bytes:
    """Definitions that say the same number twice, far apart: a torn plan would say two numbers."""
    flag = f'{{"variants": {{"v": {number}}}, "off": "v"}}'
    return f'{{"version": 1, "x-note": "{"." * padding}", "flags": {{"left": {flag}, "right": {flag}}}}}\n'.encode()


def publish(source: RedisSource, number: int) -> str:
    """Write a document over whatever is there."""
    raw = source._redis().hget(source.key, "revision")
    return source.write(Change(data=document(number)), raw.decode() if raw else None)


class Load:
    """Reads both flags of :func:`document` without pause, each pair through one bound context."""

    def __init__(self, flags: Flags) -> None:
        self.flags = flags
        self.requests = 0
        self.failed: list[BaseException] = []
        self.torn: list[tuple[int, int]] = []
        self.slowest = 0.0
        self.seen: list[int] = []
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._read, daemon=True) for _ in range(3)]

    def _read(self) -> None:
        while not self._stopped.is_set():
            started = time.monotonic()
            try:
                here = self.flags.bind(Context("user-1"))
                left, right = here.value("left", -1), here.value("right", -1)
            except BaseException as error:
                self.failed.append(error)
                continue
            self.slowest = max(self.slowest, time.monotonic() - started)
            self.requests += 1
            if left != right:
                self.torn.append((left, right))
            if not self.seen or self.seen[-1] != left:
                self.seen.append(left)
            time.sleep(0.001)

    def until(self, number: int, timeout: float = 60) -> None:
        """Wait until the flags say ``number``."""
        wait_for(lambda: self.seen and self.seen[-1] == number, f"never said {number}, but {self.seen[-3:]}", timeout)

    def until_state(self, state: str, timeout: float = 60) -> None:
        """Wait until the flags are in this state."""
        wait_for(lambda: self.flags.status.state == state, f"never {state}", timeout)


@contextmanager
def load(flags: Flags) -> Iterator[Load]:
    """Load for the block; afterwards: no request failed, and no plan was torn."""
    made = Load(flags)
    for thread in made._threads:
        thread.start()
    try:
        yield made
    finally:
        made._stopped.set()
        for thread in made._threads:
            thread.join(30)
        flags.close()
    assert made.requests > 50
    assert made.failed == []
    assert made.torn == []
