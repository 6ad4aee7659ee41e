"""The sources that propagation is measured with: each really running, and a function that writes a revision to it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from flagmiddleware.sources import Change
from flagmiddleware.sources.postgres import PostgresSource, create_tables
from flagmiddleware.sources.redis import RedisSource
from tests.services import nginx_server, postgres_server, redis_server

__all__ = ["LIMITS", "Opened", "opened"]

LIMITS: Final[Mapping[str, float]] = MappingProxyType({"file": 2.0, "http": 2.0, "redis": 0.25, "postgres": 0.25})
"""Seconds within which 99 of 100 workers must serve the new answer: looked at once a second, or told of changes."""

Write = Callable[[int], None]


class Opened:
    """Sources that are running: ``urls`` and ``writers`` by name, and a Redis to send tasks through."""

    def __init__(self, urls: Mapping[str, str], writers: Mapping[str, Write], broker: str) -> None:
        self.urls, self.writers, self.broker = urls, writers, broker


def _document(revision: int) -> bytes:
    return f'{{"version": 1, "flags": {{"revision": {{"variants": {{"v": {revision}}}, "off": "v"}}}}}}\n'.encode()


def _file_writer(path: Path) -> Write:
    def write(revision: int) -> None:
        beside = path.with_suffix(".tmp")
        beside.write_bytes(_document(revision))
        beside.replace(path)

    return write


def _store_writer(source: Any) -> Write:
    def write(revision: int) -> None:
        source.write(Change(data=_document(revision)), str(revision) if revision else None)

    return write


@contextmanager
def opened(names: Sequence[str]) -> Iterator[Opened]:
    """Start what the named sources need; each holds revision 0 afterwards."""
    urls: dict[str, str] = {}
    writers: dict[str, Write] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)  # nginx's worker may be another user
        broker = stack.enter_context(redis_server())
        for name in names:
            if name == "redis":
                urls[name], writers[name] = broker, _store_writer(RedisSource(broker))
            elif name == "postgres":
                urls[name] = stack.enter_context(postgres_server())
                create_tables(urls[name])
                writers[name] = _store_writer(PostgresSource(urls[name]))
            else:
                path = folder / f"{name}.json"
                writers[name] = _file_writer(path)
                urls[name] = str(path)
        for write in writers.values():
            write(0)
        if "http" in names:
            urls["http"] = stack.enter_context(nginx_server(f"root {folder};")) + "/http.json"
        yield Opened(urls, writers, f"{broker[:-1]}1")
