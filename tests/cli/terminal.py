"""A command run at a terminal, as a person sees it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

__all__ = ["on_a_terminal"]


def on_a_terminal(folder: Path, *args: str, answer: str = "", **variables: str) -> str:
    """What a command prints when its output is a terminal; ``answer`` is typed there."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", **variables}
    environment = {name: value for name, value in environment.items() if value}
    command = [sys.executable, "-m", "flagmiddleware", *args]
    process = subprocess.Popen(command, cwd=folder, stdout=theirs, stderr=theirs, stdin=theirs, env=environment)
    os.close(theirs)
    os.write(ours, answer.encode())
    chunks = []
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # what Linux says at the end of a terminal
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(ours)
    assert process.wait(30) == 0
    return b"".join(chunks).decode()
