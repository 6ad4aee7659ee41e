"""Run the Python of one Markdown file, top to bottom in one namespace: ``python -m tests.docs.snippets FILE``.

Executed are blocks fenced as ``python`` and hidden ones, ``<!-- python`` … ``-->`` (set-up and assertions that a reader
need not see). A ``yaml``, ``json``, ``toml`` or ``html`` block whose first line holds ``file: NAME`` is written to NAME
first. What cannot run on its own (a fragment of a reader's file) is fenced as ``py``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

BLOCK = re.compile(
    r"^(?P<indent> *)(?:```(?P<language>[\w+-]+)[^\n]*\n(?P<fenced>.*?)^ *```|<!-- python\n(?P<hidden>.*?)^ *-->)",
    re.DOTALL | re.MULTILINE,
)
FILE = re.compile(r"\A[^\n\w]*file: *(?P<name>[\w./-]+)")
WRITTEN = {"yaml", "json", "toml", "html", "html+django", "html+jinja", "csv", "text"}


class Block(NamedTuple):
    language: str
    text: str
    line: int


def blocks(markdown: str) -> Iterator[Block]:
    """The fenced and hidden blocks, with the line that each one's text starts on."""
    for match in BLOCK.finditer(markdown):
        text = match["hidden"] if match["fenced"] is None else match["fenced"]
        line = markdown.count("\n", 0, match.start()) + 2
        indent = len(match["indent"])
        lines = [one[indent:] if one[:indent].isspace() else one for one in text.splitlines(keepends=True)]
        yield Block(match["language"] or "python", "".join(lines), line)


def run(path: Path, folder: Path) -> int:
    """Execute a file's blocks; how many there were. Errors point at the line of the Markdown file."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    count = 0
    for block in blocks(path.read_text()):
        name = FILE.search(block.text)
        if block.language in WRITTEN and name:
            target = folder / name["name"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text)
        elif block.language == "python":
            count += 1
            # Blank lines in front, so that a traceback names the line of the Markdown file.
            exec(compile("\n" * (block.line - 1) + block.text, str(path), "exec"), namespace)
    return count


if __name__ == "__main__":
    print(run(Path(sys.argv[1]), Path.cwd()))
