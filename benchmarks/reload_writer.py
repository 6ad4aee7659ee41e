"""Changes one flag of ten thousand every second, in a file, behind a web address or in Redis.

A process of its own, so that what writing costs is not taken for what reading costs: ``python -m
benchmarks.reload_writer KIND LAYOUT WHERE SECONDS``. It prints where the definitions
are, waits for a line on its input, changes flags for so many seconds and prints how many changes it made.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

from flagmiddleware.formats.native.lines import lay_out
from flagmiddleware.sources.base import Change
from flagmiddleware.sources.redis import RedisSource

from .bench_load import document

__all__ = ["FLAGS", "LAYOUTS", "changed", "share_of"]

FLAGS = 10_000

Put = Callable[[bytes], object]


def changed(tree: dict[str, Any], number: int) -> str:
    """Change one flag in place; its key."""
    key = f"flag-{number % len(tree['flags']):05d}"
    tree["flags"][key]["rules"][-1] = {"rollout": share_of(number)}
    return key


def share_of(number: int) -> str:
    """What the flag of the change of this number is rolled out to."""
    return f"{(37 * number + 11) % 101}%"


def in_lines(tree: dict[str, Any]) -> bytes:
    """One line a flag, as the stores hold it."""
    return lay_out({name: value for name, value in tree.items() if name != "flags"}, tree["flags"])


def in_json(tree: dict[str, Any]) -> bytes:
    """One document, as anything that writes JSON writes it."""
    return json.dumps(tree, separators=(",", ":")).encode()


class InYaml:
    """One document in YAML's usual layout; a flag is written once, since writing them all takes seconds."""

    def __init__(self) -> None:
        self._parts: dict[str, str] = {}

    def __call__(self, tree: dict[str, Any]) -> bytes:
        top = {name: value for name, value in tree.items() if name != "flags"}
        flags = "".join(f"  {key}:\n{self._part(json.dumps(body))}" for key, body in tree["flags"].items())
        return f"{self._dump(json.dumps(top))}flags:\n{flags}".encode()

    def _part(self, text: str) -> str:
        if text not in self._parts:
            self._parts[text] = "".join(f"    {line}\n" for line in self._dump(text).splitlines())
        return self._parts[text]

    @staticmethod
    def _dump(text: str) -> str:
        # By way of JSON: what is in the document twice would be written as an alias.
        return yaml.dump(json.loads(text), Dumper=yaml.CSafeDumper, sort_keys=False)


LAYOUTS: dict[str, Callable[[], Callable[[dict[str, Any]], bytes]]] = {
    "one line a flag": lambda: in_lines,
    "one JSON document": lambda: in_json,
    "one YAML document": InYaml,
}


def in_file(where: str) -> tuple[str, Put]:
    """Replaces a file as an editor or a deployment does: by renaming."""

    def put(data: bytes) -> None:
        with open(f"{where}.new", "wb") as file:
            file.write(data + (b"" if data.endswith(b"\n") else b"\n"))
        os.replace(f"{where}.new", where)

    return where, put


def in_redis(where: str) -> tuple[str, Put]:
    """Writes the next revision, which Redis announces."""
    source = RedisSource(where)
    revision: list[str | None] = [None]

    def put(data: bytes) -> None:
        revision[0] = source.write(Change(data=data), revision[0])

    return where, put


def on_the_web(where: str) -> tuple[str, Put]:
    """Serves the newest bytes with an ETag."""
    newest: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tag, data = next(iter(newest.items()))
            same = self.headers["If-None-Match"] == tag
            self.send_response(304 if same else 200)
            self.send_header("ETag", tag)
            self.send_header("Content-Length", "0" if same else str(len(data)))
            self.end_headers()
            self.wfile.write(b"" if same else data)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    def put(data: bytes) -> None:
        nonlocal newest
        newest = {f'"{time.monotonic_ns()}"': data}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/{where}", put


KINDS: dict[str, Callable[[str], tuple[str, Put]]] = {"file": in_file, "redis": in_redis, "http": on_the_web}


def main(kind: str, layout: str, where: str, seconds: float) -> None:
    tree, render = document("plain", FLAGS), LAYOUTS[layout]()
    address, put = KINDS[kind](where)
    put(render(tree))
    print(address, flush=True)
    sys.stdin.readline()
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        begun = time.monotonic()
        number += 1
        changed(tree, number)
        put(render(tree))
        time.sleep(max(0.0, 1 - (time.monotonic() - begun)))
    print(number, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))
