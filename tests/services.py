"""Real servers for the tests: each on a free port of the loopback, in a folder of its own, stopped at the end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

__all__ = [
    "ending_with_us",
    "free_port",
    "missing",
    "nginx_server",
    "postgres_server",
    "program",
    "redis_server",
    "running",
    "wait_for",
    "wait_for_port",
]

HOST = "127.0.0.1"
START_TIMEOUT = 30.0


def missing(what: str) -> NoReturn:
    """Skip where a person has not installed ``what``; fail in CI, which must have everything."""
    reason = f"{what} is not installed; scripts/system-packages names and installs what the tests need"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def program(name: str, *folders: str) -> str:
    """The path of a program, looked for in ``folders`` (globs below /) beside the PATH."""
    for folder in folders:
        for candidate in sorted(Path("/").glob(f"{folder.strip('/')}/{name}"), reverse=True):
            return str(candidate)
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which(name, path=path) or missing(name)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_for(ready: Callable[[], Any], what: str, timeout: float = START_TIMEOUT) -> Any:
    """Ask until ``ready()`` is true, and return that; TimeoutError names ``what`` did not come."""
    deadline = time.monotonic() + timeout
    while not (answer := ready()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} within {timeout:g} s")
        time.sleep(0.05)
    return answer


def wait_for_port(port: int, process: subprocess.Popen[Any] | None = None, timeout: float = START_TIMEOUT) -> None:
    """Wait until somebody listens on ``port``; RuntimeError at once if ``process`` ended before that."""

    def listening() -> bool:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode} before it listened")
        with socket.socket() as probe:
            return probe.connect_ex((HOST, port)) == 0

    wait_for(listening, f"nothing listened on port {port}", timeout)


def ending_with_us(command: Sequence[str]) -> list[str]:
    """``command``, told by the kernel to end when this process does.

    A test that runs into its time limit ends pytest at once, and so does whoever kills it: no ``finally`` runs then.
    """
    setpriv = shutil.which("setpriv")  # of util-linux; elsewhere the server stays
    return [setpriv, "--pdeathsig", "TERM", *command] if setpriv else list(command)


@contextmanager
def running(
    command: Sequence[str], *, port: int, log: Path | None = None, **options: Any
) -> Iterator[subprocess.Popen[Any]]:
    """``command`` as a process group of its own, once it listens on ``port``; ended, whatever happens, afterwards."""
    with open(log or os.devnull, "ab") as output:
        process = subprocess.Popen(
            ending_with_us(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **options,
        )
    try:
        try:
            wait_for_port(port, process)
        except (RuntimeError, TimeoutError) as error:
            raise RuntimeError(f"{error}\n{log.read_text(errors='replace')[-4000:] if log else ''}") from None
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[Any], timeout: float = 10) -> None:
    """End a process and everything that it started."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sent)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


@contextmanager
def redis_server(*options: str) -> Iterator[str]:
    """A Redis that keeps nothing on disk; its URL."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        command = [
            *(program("redis-server"), "--port", str(port), "--bind", HOST, "--dir", folder),
            *("--save", "", "--appendonly", "no", *options),
        ]
        with running(command, port=port, log=Path(folder, "log")):
            yield f"redis://{HOST}:{port}/0"


@contextmanager
def postgres_server(*options: str) -> Iterator[str]:
    """A PostgreSQL without durability and with one database, ``flags``; its URL."""
    bin_folders = "usr/lib/postgresql/*/bin"
    server, initdb, createdb = (program(name, bin_folders) for name in ("postgres", "initdb", "createdb"))
    port = free_port()
    # PostgreSQL refuses to run as root: Debian's package has made a user for it.
    user: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        if user:
            shutil.chown(folder, "postgres", "postgres")
        data, log = Path(folder, "data"), Path(folder, "log")
        init = [initdb, "-D", str(data), "-U", "flags", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(init, check=True, capture_output=True, timeout=120, cwd=folder, **user)
        settings = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "listen_addresses": HOST}
        command = [server, "-D", str(data), "-p", str(port), "-k", folder, *options]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with running(command, port=port, log=log, cwd=folder, **user):
            create = [createdb, "-h", HOST, "-p", str(port), "-U", "flags", "flags"]
            # It listens a moment before it answers.
            wait_for(
                lambda: subprocess.run(create, capture_output=True, timeout=30).returncode == 0, "no database made"
            )
            yield f"postgresql://flags@{HOST}:{port}/flags"


@contextmanager
def nginx_server(server: str, *, http: str = "") -> Iterator[str]:
    """An nginx with one ``server`` block holding the given directives; its base URL.

    ``{folder}`` in either text is the folder it may write to; ``http`` goes beside the block (``proxy_cache_path``).
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="nginx-") as folder:
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        Path(folder, "nginx.conf").write_text(
            f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log warn;\n"
            # A worker that dropped root's rights could not read a folder that only root may enter.
            f"{'user root;' if os.geteuid() == 0 else ''}\n"
            f"events {{ worker_connections 256; }}\n"
            f"http {{ access_log off; {temporary}\n{http.replace('{folder}', folder)}\n"
            f"server {{ listen {HOST}:{port}; server_name _;\n{server.replace('{folder}', folder)}\n}} }}\n"
        )
        command = [program("nginx"), "-p", folder, "-c", f"{folder}/nginx.conf", "-e", f"{folder}/log"]
        with running(command, port=port, log=Path(folder, "log")):
            yield f"http://{HOST}:{port}"
