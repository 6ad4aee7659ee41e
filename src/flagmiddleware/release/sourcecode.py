"""Source files as they were and as they will be, each in the encoding that it is written in."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["Sources", "is_python"]


class Sources:
    """Files by name, read when first asked for; ``python`` are all the Python files that there are."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.python = [str(file) for file in files if file.suffix == ".py"]
        self._before: dict[str, bytes] = {}
        self._encodings: dict[str, str] = {}
        self._texts: dict[str, str] = {}

    def now(self, file: str) -> str:
        """A file's text as it will be."""
        if file not in self._texts:
            data = self._before[file] = Path(file).read_bytes()
            self._encodings[file] = _encoding(data) if file.endswith(".py") else "utf-8"
            self._texts[file] = data.decode(self._encodings[file], "surrogateescape")
        return self._texts[file]

    def put(self, file: str, text: str) -> None:
        """Say what a file will hold."""
        self._texts[file] = text

    def is_python(self, file: str) -> bool:
        """Whether a file can be read as Python."""
        return is_python(self.now(file))

    def changed(self) -> Iterator[tuple[str, tuple[bytes, bytes]]]:
        """The files that will hold something else, with what they held and will hold."""
        for file, text in self._texts.items():
            after = text.encode(self._encodings[file], "surrogateescape")
            if after != self._before[file]:
                yield file, (self._before[file], after)


def _encoding(data: bytes) -> str:
    """What a Python file says that it is written in; a byte order mark belongs to that."""
    try:
        return tokenize.detect_encoding(io.BytesIO(data).readline)[0]
    except SyntaxError:
        return "utf-8"


def is_python(text: str) -> bool:
    """Whether a text can be read as Python, by what runs it and by what changes it.

    >>> is_python("x = 1"), is_python("x = ")
    (True, False)
    """
    import libcst  # a patch of flags that no Python reads does without

    try:
        ast.parse(text)
        libcst.parse_module(text)
    except (SyntaxError, ValueError, RecursionError, libcst.ParserSyntaxError):
        return False
    return True
