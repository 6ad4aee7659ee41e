"""The diff that takes settled flags out of everything: the flag file, Python code, templates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import unified_diff
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..errors import ConfigurationError
from ..model import Ruleset
from .documents import Documents
from .splice import EditError, splicer_for
from .stale import StaleFlag, settled_variant
from .template_removal import remove_from_template
from .usage import source_files

__all__ = ["Left", "Patch", "make_patch"]


class Left(NamedTuple):
    """A line that a person has to look at, and why; it counts as in the patched file."""

    file: str
    line: int
    key: str
    why: str


class Patch(msgspec.Struct, frozen=True):
    """New texts by file, and what is left to a person."""

    texts: dict[str, tuple[str, str]]
    left: tuple[Left, ...]

    def diff(self) -> str:
        """What ``git apply`` takes."""
        out: list[str] = []
        for file, (before, after) in sorted(self.texts.items()):
            lines = before.splitlines(keepends=True), after.splitlines(keepends=True)
            for line in unified_diff(lines[0], lines[1], f"a/{file}", f"b/{file}"):
                out.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
        return "".join(out)


def make_patch(
    documents: Documents,
    ruleset: Ruleset,
    stale: Iterable[StaleFlag],
    root: Path,
    *,
    now: float,
    folders: Iterable[str | Path] = (),
) -> Patch:
    """Take each stale flag that is settled out of the definitions and the code; ``root`` is what paths start from.

    The code runs in every environment, so a flag that is not settled alike in all of them stays. ``folders`` are where
    the code is: a constant goes when none of it uses it any more.
    """
    elsewhere = [documents.parse(name) for name in documents.environments()]
    texts = _Texts(source_files(folders))
    left: list[Left] = []
    for flag in stale:
        why = _why_not(flag, elsewhere, now)
        if why:
            left += [Left(one.file, one.line, flag.key, why) for one in flag.mentions]
            continue
        remaining = list(_take_out(flag, texts))
        left += remaining
        if not remaining:  # the definition stays as long as some code asks for it
            _undeclare(documents, ruleset, flag, texts)
    changed = {_relative(file, root): pair for file, pair in texts.pairs.items() if pair[0] != pair[1]}
    return Patch(changed, tuple(one._replace(file=_relative(one.file, root)) for one in left))


def _why_not(flag: StaleFlag, elsewhere: Iterable[Ruleset], now: float) -> str:
    if flag.settled is None and flag.mentions:
        return "the flag still decides"
    return "" if _is_agreed(flag, elsewhere, now) else "another environment gets something else"


def _take_out(flag: StaleFlag, texts: _Texts) -> Iterator[Left]:
    """Settle every file, then take out the constants that nothing uses now; yields what is left."""
    files = sorted({one.file for one in flag.mentions})
    for file in files:
        texts.put(file, _removed(file, texts.now(file), flag)[0])
    for name in sorted(flag.constants):
        _take_out_constant(name, flag.key, texts)
    for file in files:
        yield from (Left(file, line, flag.key, why) for line, why in _removed(file, texts.now(file), flag)[1])


def _take_out_constant(name: str, key: str, texts: _Texts) -> None:
    from .unused import constant_uses, without_constant

    files = [file for file in texts.python if re.search(rf"\b{re.escape(name)}\b", texts.now(file))]
    if not any(constant_uses(texts.now(file), name, key) for file in files):
        for file in files:
            texts.put(file, without_constant(texts.now(file), name, key))


def _is_agreed(flag: StaleFlag, elsewhere: Iterable[Ruleset], now: float) -> bool:
    if not flag.mentions:
        return True
    return all(settled_variant(one.flags[flag.key], one, now) == flag.variant for one in elsewhere)


class _Texts:
    """Files as they were and as they will be; ``python`` are all that there are."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.python = [str(file) for file in files if file.suffix == ".py"]
        self.pairs: dict[str, tuple[str, str]] = {}

    def now(self, file: str) -> str:
        if file not in self.pairs:
            text = Path(file).read_bytes().decode("utf-8", "surrogateescape")
            self.pairs[file] = (text, text)
        return self.pairs[file][1]

    def put(self, file: str, after: str) -> None:
        self.pairs[file] = (self.pairs[file][0], after)


def _removed(file: str, text: str, flag: StaleFlag) -> tuple[str, list[tuple[int, str]]]:
    is_on = bool(flag.settled)
    if not file.endswith(".py"):
        after, lines = remove_from_template(text, flag.key, is_on, shown=flag.value)
        return after, [(line, "a tag that asks for more than the flag") for line in lines]
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
        splicer = splicer_for(texts.now(name).encode("utf-8", "surrogateescape"), name)
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
