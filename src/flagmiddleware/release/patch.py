"""The diff that takes settled flags out of everything: the flag file, Python code, templates."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import unified_diff
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..errors import ConfigurationError
from ..model import Ruleset
from .documents import Documents
from .sourcecode import Sources, is_python
from .splice import splicer_for
from .stale import StaleFlag, settled_variant
from .template_removal import remove_from_template
from .usage import TEMPLATES, Mention, source_files

__all__ = ["Left", "Patch", "make_patch"]


class Left(NamedTuple):
    """A line that a person has to look at, and why; it counts as in the patched file."""

    file: str
    line: int
    key: str
    why: str


class Patch(msgspec.Struct, frozen=True):
    """What each file held and will hold, and what is left to a person."""

    texts: dict[str, tuple[bytes, bytes]]
    left: tuple[Left, ...]

    def diff(self) -> bytes:
        """What ``git apply`` takes."""
        out: list[str] = []
        for file, pair in sorted(self.texts.items()):
            # A name with a space ends with a tab, as git writes it.
            before, after = (f"{side}/{file}" + ("\t" if " " in file else "") for side in "ab")
            for line in unified_diff(_lines(pair[0]), _lines(pair[1]), before, after):
                out.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
        return "".join(out).encode("utf-8", "surrogateescape")


def _lines(data: bytes) -> list[str]:
    """Lines as git counts them: a form feed, or whatever else Python takes for the end of one, is not."""
    return io.StringIO(data.decode("utf-8", "surrogateescape"), newline="\n").readlines()


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
    elsewhere = [documents.parse(name) for name in (None, *documents.environments())]
    texts = Sources(source_files(folders))
    left: list[Left] = []
    for flag in stale:
        why = _why_not(flag, ruleset, elsewhere, now) or _named_in_environments(flag.key, documents)
        if why:
            places = [(one.file, one.line) for one in flag.mentions] or [documents.lines().place("flags", flag.key)]
            left += [Left(file, line, flag.key, why) for file, line in places]
            continue
        remaining = list(_take_out(flag, texts))
        left += remaining
        if not remaining:  # the definition stays as long as some code asks for it
            _undeclare(documents, ruleset, flag, texts)
    changed = {_relative(file, root): pair for file, pair in texts.changed()}
    return Patch(changed, tuple(one._replace(file=_relative(one.file, root)) for one in left))


def _why_not(flag: StaleFlag, ruleset: Ruleset, elsewhere: Iterable[Ruleset], now: float) -> str:
    """Why a flag has to stay; what nobody asks for need not be settled."""
    needing = [one for one in ruleset.flags.values() if any(need.key == flag.key for need in one.requires)]
    if not (flag.mentions or needing):
        return ""
    if flag.settled is None:
        return "the flag still decides"
    if not all(settled_variant(one.flags[flag.key], one, now) == flag.variant for one in elsewhere):
        return "another environment gets something else"
    for one in needing:
        if not any(need.key == flag.key and flag.variant in need.variants for need in one.requires):
            return f"{one.key} requires another variant than everybody gets: take {one.key} out first"
    return ""


def _named_in_environments(key: str, documents: Documents) -> str:
    """What an environment says of requirements is another list than all environments': it is for a person to write."""
    for _, tree in documents.trees():
        for other, flag in _fields(_fields(tree).get("flags")).items():
            for name, fields in _fields(_fields(flag).get("environments")).items():
                if key in _fields(_fields(fields).get("requires")):
                    return f"{other} requires it in {name}: take that out first"
    return ""


def _fields(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _take_out(flag: StaleFlag, texts: Sources) -> Iterator[Left]:
    """Settle every file, then take out the constants that nothing uses now; yields what is left."""
    files = sorted({one.file for one in flag.mentions})
    for file in files:
        texts.put(file, _removed(file, texts.now(file), flag)[0])
    for name in sorted(flag.constants):
        _take_out_constant(name, flag.key, texts)
    for file in files:
        yield from (Left(file, line, flag.key, why) for line, why in _removed(file, texts.now(file), flag)[1])


def _take_out_constant(name: str, key: str, texts: Sources) -> None:
    from .unused import constant_uses, without_constant

    files = [file for file in texts.python if re.search(rf"\b{re.escape(name)}\b", texts.now(file))]
    if not all(map(texts.is_python, files)):  # what cannot be read may use it
        return
    if not any(constant_uses(texts.now(file), name, key) for file in files):
        for file in files:
            texts.put(file, without_constant(texts.now(file), name, key))


def _removed(file: str, text: str, flag: StaleFlag) -> tuple[str, list[tuple[int, str]]]:
    is_on = bool(flag.settled)
    ending = Path(file).suffix
    if ending in TEMPLATES:
        after, lines = remove_from_template(text, flag.key, is_on, shown=flag.value)
        asked = [(line, "a tag that asks for more than the flag") for line in lines]
        return after, asked or [(one.line, "a script names the key") for one in flag.mentions if _is_text(one, file)]
    if ending != ".py":
        return text, [(one.line, "the key is used as text") for one in flag.mentions if one.file == file]
    try:
        from .removal import remove_from_python
    except ImportError as error:
        raise ConfigurationError("patching Python code needs LibCST: pip install 'flagmiddleware[release]'") from error
    if not is_python(text):
        return text, [(one.line, "the file is no Python that can be read") for one in flag.mentions if one.file == file]
    what = {"variant": flag.variant or "", "value": flag.value}
    return remove_from_python(text, flag.key, is_on, names=flag.constants, **what)


def _is_text(mention: Mention, file: str) -> bool:
    return mention.file == file and not mention.sure


def _undeclare(documents: Documents, ruleset: Ruleset, stale: StaleFlag, texts: Sources) -> None:
    """Take the flag, and requirements that it meets, out of the definitions."""
    key = stale.key
    needing = [flag.key for flag in ruleset.flags.values() if any(one.key == key for one in flag.requires)]
    for name in documents.files:
        splicer = splicer_for(texts.now(name).encode("utf-8", "surrogateescape"), name)
        for other in needing:
            if splicer.has("flags", other, "requires", key):
                alone = len(splicer.names("flags", other, "requires")) == 1
                splicer.remove(("flags", other, "requires") if alone else ("flags", other, "requires", key))
        if splicer.has("flags", key):
            splicer.remove(("flags", key))
        texts.put(name, splicer.data.decode())


def _relative(file: str, root: Path) -> str:
    path = Path(file).resolve()
    return path.relative_to(root.resolve()).as_posix() if path.is_relative_to(root.resolve()) else path.as_posix()
