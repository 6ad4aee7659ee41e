"""The diff that takes settled flags out of everything: the flag file, Python code, templates."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import unified_diff
from pathlib import Path

import msgspec

from ..errors import ConfigurationError
from ..model import Ruleset
from .documents import Documents
from .splice import EditError, Splicer
from .stale import StaleFlag
from .template_removal import remove_from_template

__all__ = ["Patch", "make_patch"]


class Patch(msgspec.Struct, frozen=True):
    """New texts by file, and what a person has to look at: (file, line, flag)."""

    texts: dict[str, tuple[str, str]]
    left: tuple[tuple[str, int, str], ...]

    def diff(self) -> str:
        """What ``git apply`` takes."""
        out: list[str] = []
        for file, (before, after) in sorted(self.texts.items()):
            lines = before.splitlines(keepends=True), after.splitlines(keepends=True)
            for line in unified_diff(lines[0], lines[1], f"a/{file}", f"b/{file}"):
                out.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
        return "".join(out)


def make_patch(documents: Documents, ruleset: Ruleset, stale: Iterable[StaleFlag], root: Path) -> Patch:
    """Take each stale flag that is settled out of the definitions and the code; ``root`` is what paths start from."""
    texts = _Texts()
    left: list[tuple[str, int, str]] = []
    for flag in stale:
        value = flag.settled if flag.settled is not None or flag.mentions else False
        if value is None:
            left += [(one.file, one.line, flag.key) for one in flag.mentions]
            continue
        remaining = []
        for file in sorted({one.file for one in flag.mentions}):
            after, lines = _removed(file, texts.now(file), flag.key, value)
            remaining += [(file, line, flag.key) for line in lines]
            texts.put(file, after)
        left += remaining
        if not remaining:  # the definition stays as long as some code asks for it
            _undeclare(documents, ruleset, flag.key, value, texts)
    changed = {_relative(file, root): pair for file, pair in texts.pairs.items() if pair[0] != pair[1]}
    return Patch(changed, tuple((_relative(file, root), line, key) for file, line, key in left))


class _Texts:
    """Files as they were and as they will be."""

    def __init__(self) -> None:
        self.pairs: dict[str, tuple[str, str]] = {}

    def now(self, file: str) -> str:
        if file not in self.pairs:
            text = Path(file).read_bytes().decode("utf-8", "surrogateescape")
            self.pairs[file] = (text, text)
        return self.pairs[file][1]

    def put(self, file: str, after: str) -> None:
        self.pairs[file] = (self.pairs[file][0], after)


def _removed(file: str, text: str, key: str, value: bool) -> tuple[str, list[int]]:
    if not file.endswith(".py"):
        return remove_from_template(text, key, value)
    try:
        from .removal import remove_from_python
    except ImportError as error:
        raise ConfigurationError("patching Python code needs LibCST: pip install 'flagmiddleware[release]'") from error
    return remove_from_python(text, key, value)


def _undeclare(documents: Documents, ruleset: Ruleset, key: str, value: bool, texts: _Texts) -> None:
    """Take the flag, and requirements that it meets, out of the definitions."""
    needing = [flag for flag in ruleset.flags.values() if any(one.key == key for one in flag.requires)]
    if needing and not value:
        raise EditError(f"{key!r} is off, and {needing[0].key!r} requires it: remove that one first")
    for name in documents.files:
        splicer = Splicer(texts.now(name).encode("utf-8", "surrogateescape"), name)
        for flag in needing:
            if splicer.has("flags", flag.key, "requires", key):
                alone = len(splicer.names("flags", flag.key, "requires")) == 1
                splicer.remove(("flags", flag.key, "requires") if alone else ("flags", flag.key, "requires", key))
        if splicer.has("flags", key):
            splicer.remove(("flags", key))
        texts.put(name, splicer.data.decode())


def _relative(file: str, root: Path) -> str:
    path = Path(file).resolve()
    return path.relative_to(root.resolve()).as_posix() if path.is_relative_to(root.resolve()) else path.as_posix()
