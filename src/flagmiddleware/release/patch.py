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
from .stale import StaleFlag, settled_variant
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


def make_patch(documents: Documents, ruleset: Ruleset, stale: Iterable[StaleFlag], root: Path, *, now: float) -> Patch:
    """Take each stale flag that is settled out of the definitions and the code; ``root`` is what paths start from.

    The code runs in every environment, so a flag that is not settled alike in all of them stays.
    """
    elsewhere = [documents.parse(name) for name in documents.environments()]
    texts = _Texts()
    left: list[tuple[str, int, str]] = []
    for flag in stale:
        if (flag.settled is None and flag.mentions) or not _is_agreed(flag, elsewhere, now):
            left += [(one.file, one.line, flag.key) for one in flag.mentions]
            continue
        remaining = []
        for file in sorted({one.file for one in flag.mentions}):
            after, lines = _removed(file, texts.now(file), flag)
            remaining += [(file, line, flag.key) for line in lines]
            texts.put(file, after)
        left += remaining
        if not remaining:  # the definition stays as long as some code asks for it
            _undeclare(documents, ruleset, flag, texts)
    changed = {_relative(file, root): pair for file, pair in texts.pairs.items() if pair[0] != pair[1]}
    return Patch(changed, tuple((_relative(file, root), line, key) for file, line, key in left))


def _is_agreed(flag: StaleFlag, elsewhere: Iterable[Ruleset], now: float) -> bool:
    if not flag.mentions:
        return True
    return all(settled_variant(one.flags[flag.key], one, now) == flag.variant for one in elsewhere)


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


def _removed(file: str, text: str, flag: StaleFlag) -> tuple[str, list[int]]:
    is_on = bool(flag.settled)
    if not file.endswith(".py"):
        return remove_from_template(text, flag.key, is_on)
    try:
        from .removal import remove_from_python
    except ImportError as error:
        raise ConfigurationError("patching Python code needs LibCST: pip install 'flagmiddleware[release]'") from error
    what = {"variant": flag.variant or "", "value": flag.value}
    return remove_from_python(text, flag.key, is_on, names=flag.constants, **what)


def _undeclare(documents: Documents, ruleset: Ruleset, stale: StaleFlag, texts: _Texts) -> None:
    """Take the flag, and requirements that it meets, out of the definitions."""
    key = stale.key
    needing = [flag for flag in ruleset.flags.values() if any(one.key == key for one in flag.requires)]
    met = [any(one.key == key and stale.variant in one.variants for one in flag.requires) for flag in needing]
    if not all(met):
        flag = needing[met.index(False)]
        raise EditError(f"{flag.key!r} requires another variant of {key!r} than everybody gets: remove that one first")
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
