"""``flags watch``: each change as it arrives, until somebody has seen enough."""

from __future__ import annotations

import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Any

import click

from ..errors import FlagMiddlewareError
from ..flags import Change, Flags
from ..model import Ruleset
from ..release.words import describe, describe_instant
from .bench import Bench, format_option, pass_bench
from .output import echo, print_line, warn

__all__ = ["watch"]

_LOOK = 0.1  # seconds between two looks at whether the source wants attention


@click.command()
@click.argument("url", required=False)
@click.option("--changes", type=int, metavar="N", help="End after N changes.")
@click.option("--seconds", type=float, metavar="S", help="End after S seconds.")
@format_option("table", "json")
@pass_bench
def watch(bench: Bench, url: str | None, changes: int | None, seconds: float | None, style: str) -> None:
    """Print every change of the flags at URL while it happens: flag, from, to, and by whom where the store knows."""
    own = bench.is_own(url)
    if not own:
        bench.source = url or bench.source
    flags = bench.flags
    queue: SimpleQueue[tuple[float, Change]] = SimpleQueue()
    unsubscribe = flags.subscribe(lambda change: queue.put((time.time(), change)))
    status = flags.status
    revision = f", revision {status.revision}" if status.revision else ""
    warn(f"watching {status.source}: {status.state}{revision}, {status.flags} flags")
    try:
        for at, change in _until(flags, queue, changes, seconds):
            _print(flags, at, change, style)
    except KeyboardInterrupt:
        pass
    finally:
        unsubscribe()
        if not own:
            flags.close()


def _until(
    flags: Flags, queue: SimpleQueue[tuple[float, Change]], most: int | None, seconds: float | None
) -> Iterator[tuple[float, Change]]:
    end = None if seconds is None else time.monotonic() + seconds
    seen = 0
    while (most is None or seen < most) and (end is None or time.monotonic() < end):
        _ = flags.plan  # what a request does in a server: it keeps the refresher alive
        try:
            at, change = queue.get(timeout=_LOOK)
        except Empty:
            continue
        seen += bool(change.changed)
        yield at, change


def _print(flags: Flags, at: float, change: Change, style: str) -> None:
    revision = flags.status.revision
    if change.old is None:
        warn(f"{describe_instant(at)}: {change.state} {flags.status.last_error.partition(chr(10))[0]}".rstrip())
        return
    who = _who(flags.source, revision)
    for key in change.changed:
        was, will = _words(change.old, key), _words(change.new, key)
        if style == "json":
            record = {"time": at, "revision": revision, "flag": key, "from": was, "to": will}
            print_line({**record, "actor": who.get("actor", ""), "reason": who.get("reason", "")})
        else:
            by = f"  [{who.get('actor') or '?'}: {who.get('reason')}]" if who else ""
            at_revision = f" r{revision}" if revision else ""  # a file has none
            echo(f"{describe_instant(at)}{at_revision} {key}: {was} → {will}{by}")


def _words(ruleset: Ruleset, key: str) -> str:
    flag = ruleset.flags.get(key)
    return describe(flag, ruleset) if flag is not None else "absent"


def _who(source: Any, revision: str) -> dict[str, Any]:
    """The entry of the store's change log; nothing where there is no log, or it cannot be had now."""
    history = getattr(source, "history", None)
    try:
        entries = history(20) if history is not None else []
    except FlagMiddlewareError:
        return {}
    return next((entry for entry in entries if str(entry.get("revision")) == revision), {})
