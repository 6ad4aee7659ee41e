"""Where code reads flags: Python by its syntax tree, templates by their tags, a browser's code by quoted keys."""

from __future__ import annotations

import ast
import os
import re
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from ..errors import ConfigurationError
from .templates import template_mentions

__all__ = ["TEMPLATES", "Mention", "Usage", "find_usage", "source_files", "text_mentions"]

_SURE: Final = frozenset({"is_enabled", "ais_enabled"})
_OPENFEATURE: Final = re.compile(r"get_(boolean|string|integer|float|object)_(value|details)(_async)?")
_OURS: Final = frozenset(
    {"value", "avalue", "evaluate", "aevaluate", "variant", "ready", "preload", "override_flags", "flag", "flag_value"}
)
_GATES: Final = frozenset({"flag_required", "flag_permission", "flag_enabled"})
_PATHS: Final = frozenset({"flag_path", "flag_re_path"})
_IMPORTED: Final = frozenset({*_SURE, *_OURS, *_GATES, *_PATHS, "current_flags"})
_HOLDERS: Final = frozenset({"request", "g", "state", "websocket"})
TEMPLATES: Final = frozenset({".html", ".htm", ".txt", ".jinja", ".jinja2", ".j2", ".xml"})
"""The endings of templates."""
_BROWSER: Final = frozenset({".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".vue", ".svelte"})
_READ: Final = frozenset({".py", *TEMPLATES, *_BROWSER})
_SKIPPED: Final = frozenset({"node_modules", "__pycache__", "site-packages", "build", "dist"})
_LARGEST: Final = 2_000_000
_QUOTED: Final = re.compile(rb"""["'`]!?([\w.:/-]+)["'`]""")
_SCRIPT: Final = re.compile(rb"<script\b[^>]*>.*?</script", re.DOTALL | re.IGNORECASE)
_HINT: Final = re.compile(rb"flag|is_enabled|get_(?:boolean|string|integer|float|object)_", re.IGNORECASE)


class Mention(NamedTuple):
    """A flag's key in the code; ``sure`` where it can be nothing else."""

    key: str
    file: str
    line: int
    sure: bool


class Usage(NamedTuple):
    """All mentions, by key; ``constants`` are the names that hold a key and nothing else anywhere.

    ``unread`` are the Python files that have no syntax tree, each with its line and why.
    """

    mentions: Mapping[str, Sequence[Mention]]
    files: int
    constants: Mapping[str, frozenset[str]] = {}
    unread: Sequence[tuple[str, int, str]] = ()

    def of(self, key: str) -> Sequence[Mention]:
        """Where a flag is mentioned; a template's ``new_checkout`` is ``new-checkout``."""
        dashed = key.replace("-", "_")
        return [*self.mentions.get(key, ()), *(self.mentions.get(dashed, ()) if dashed != key else ())]


Watch = Callable[[Iterable[Path], str], Iterable[Path]]


def find_usage(folders: Iterable[str | Path], keys: Iterable[str], *, watch: Watch = lambda items, _: items) -> Usage:
    """Every mention of a flag below ``folders``; files that cannot mention one are not parsed.

    What runs in a browser is searched for quoted keys: flags that are public are read there. Raises ConfigurationError
    for a folder that does not exist: everything would look unused.
    """
    known = frozenset(keys)
    files = source_files(folders)
    python = [file for file in files if file.suffix == ".py"]
    scanner = _Scanner(known)
    for file in watch(python, "reading code"):
        scanner.read(file)
    mentions = [*scanner.mentions()]
    for file in files:
        if file.suffix != ".py":
            mentions += _outside_python(file, known)
    found: dict[str, list[Mention]] = defaultdict(list)
    for mention in mentions:
        found[mention.key].append(mention)
    return Usage(found, len(files), scanner.names(), scanner.unread)


def _outside_python(file: Path, known: frozenset[str]) -> Iterator[Mention]:
    data = file.read_bytes()
    if file.suffix not in TEMPLATES:
        yield from (Mention(key, str(file), line, False) for key, line in text_mentions(data, known))
        return
    if b"flag" in data:
        text = data.decode("utf-8", "replace")
        yield from (Mention(key, str(file), line, True) for key, line in template_mentions(text))
    for script in _SCRIPT.finditer(data):
        before = data.count(b"\n", 0, script.start())
        yield from (Mention(key, str(file), before + line, False) for key, line in text_mentions(script[0], known))


def text_mentions(data: bytes, keys: Container[str]) -> Iterator[tuple[str, int]]:
    """Each of ``keys`` that stands in quotes somewhere in a text, with its line.

    >>> list(text_mentions(b'let on = flags["beta"]', {"beta"}))
    [('beta', 1)]
    """
    for found in _QUOTED.finditer(data):
        key = found[1].decode("utf-8", "replace")
        if key in keys:
            yield key, data.count(b"\n", 0, found.start()) + 1


def source_files(folders: Iterable[str | Path]) -> list[Path]:
    """The files below some folders that may read flags; what was installed or built there is left out.

    Raises ConfigurationError for a folder that does not exist.
    """
    return [file for folder in folders for file in _files(Path(folder))]


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_file():
        yield folder
        return
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} does not exist, so there is no code to look at: --code FOLDER names it")
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if name not in _SKIPPED and not name.startswith(".") and not os.path.exists(f"{root}/{name}/pyvenv.cfg")
        )
        for name in sorted(names):
            path = Path(root, name)
            if path.suffix in _READ and path.is_file() and path.stat().st_size <= _LARGEST:
                yield path


class _Scanner:
    """Reads Python files one by one; names that stand for keys are looked up once all are read."""

    def __init__(self, known: frozenset[str]) -> None:
        self.known = known
        self.found: list[Mention] = []
        self.open: list[Mention] = []  # what a constant's name stands in the place of the key
        self.constants: dict[str, set[str]] = defaultdict(set)
        self.unread: list[tuple[str, int, str]] = []
        self._aliases: dict[str, str] = {}
        self._says_flag = self._is_ours = False

    def read(self, file: Path) -> None:
        data = file.read_bytes()
        literals = {found.decode("utf-8", "replace") for found in _QUOTED.findall(data)} & self.known
        if not literals and not _HINT.search(data):
            return
        try:
            tree = ast.parse(data)
        except (SyntaxError, ValueError, RecursionError) as error:
            why = getattr(error, "msg", None) or str(error)
            self.unread.append((str(file), getattr(error, "lineno", None) or 0, why))
            self.found += [Mention(key, str(file), line, False) for key, line in text_mentions(data, self.known)]
            return
        self._constants(tree, str(file))
        # Other things than flags are enabled, and other flags than these are looked up.
        self._is_ours = b"flagmiddleware" in data
        self._says_flag = self._is_ours or b"flag" in data.lower() or b"openfeature" in data
        self._aliases = _aliases(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                self._call(node, str(file))
            elif isinstance(node, ast.Subscript) and "flags" in _dotted(node.value).lower():
                self._key(node.slice, str(file), sure=self._is_flags(_dotted(node.value)))
            elif isinstance(node, ast.Constant) and node.value in self.known:
                self.found.append(Mention(node.value, str(file), node.lineno, False))

    def _is_flags(self, dotted: str) -> bool:
        *around, last = dotted.split(".")
        return last in ("flags", "current_flags") and (self._is_ours or (around[-1:] or [""])[0] in _HOLDERS)

    def _constants(self, tree: ast.Module, file: str) -> None:
        for node in ast.walk(tree):
            body = node.body if isinstance(node, ast.Module | ast.ClassDef) else ()
            for statement in body:
                targets = statement.targets if isinstance(statement, ast.Assign) else ()
                value = getattr(statement, "value", None)
                if isinstance(statement, ast.AnnAssign):
                    targets = [statement.target]
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    for target in targets:
                        if isinstance(target, ast.Name):
                            self.constants[target.id].add(value.value)
                            if target.id in _GATES and isinstance(node, ast.ClassDef):  # of a mixin's view
                                self._key(value, file, sure=True)

    def _call(self, call: ast.Call, file: str) -> None:
        dotted = _dotted(call.func)
        dotted = self._aliases.get(dotted, dotted)
        name = dotted.rsplit(".", 1)[-1]
        is_read = name in _SURE or bool(_OPENFEATURE.fullmatch(name))
        if not (is_read or name in _GATES | _PATHS or (name in _OURS and "flag" in dotted.lower())):
            return
        sure = self._says_flag or not is_read
        arguments = call.args if name in ("ready", "preload") else call.args[:1]
        for argument in () if name in _PATHS else arguments:
            self._key(argument, file, sure=sure)
        for keyword in call.keywords:
            if keyword.arg in ("any", "all", "key", "flag_key") or (keyword.arg == "flag" and name in _PATHS):
                self._key(keyword.value, file, sure=sure)

    def _key(self, node: ast.expr, file: str, *, sure: bool) -> None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            self.found.append(Mention(node.value.lstrip("!"), file, node.lineno, sure))
        elif isinstance(node, ast.List | ast.Tuple | ast.Set):
            for item in node.elts:
                self._key(item, file, sure=sure)
        elif isinstance(node, ast.Dict):
            for key in node.keys:
                if key is not None:
                    self._key(key, file, sure=sure)
        elif isinstance(node, ast.IfExp):
            self._key(node.body, file, sure=sure)
            self._key(node.orelse, file, sure=sure)
        else:
            name = _dotted(node).removesuffix(".value").rsplit(".", 1)[-1]
            if name:
                self.open.append(Mention(name, file, node.lineno, sure))

    def mentions(self) -> Iterator[Mention]:
        yield from self.found
        for mention in self.open:
            values = self.constants.get(mention.key, set())
            if len(values) == 1:
                yield mention._replace(key=next(iter(values)))

    def names(self) -> dict[str, frozenset[str]]:
        """The constants that hold each key, where the name holds nothing else in another file."""
        found: dict[str, set[str]] = defaultdict(set)
        for name, values in self.constants.items():
            if len(values) == 1 and values <= self.known:
                found[next(iter(values))].add(name)
        return {key: frozenset(names) for key, names in found.items()}


def _aliases(tree: ast.Module) -> dict[str, str]:
    """What the names of ours were imported as, where that is another name."""
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    names = (one for node in imports for one in node.names)
    return {one.asname: one.name for one in names if one.asname is not None and one.name in _IMPORTED}


def _dotted(node: ast.expr) -> str:
    """``request.flags.value`` of an expression; calls in between count by their name, anything else is empty."""
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Name):
            return ".".join([node.id, *reversed(parts)])
        else:
            return ".".join(reversed(parts))
