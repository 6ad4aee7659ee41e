"""Where code reads flags: Python by its syntax tree, templates by their tags."""

from __future__ import annotations

import ast
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from .templates import template_mentions

__all__ = ["Mention", "Usage", "find_usage", "source_files"]

_SURE: Final = frozenset({"is_enabled", "ais_enabled", "flag_required"})
_OPENFEATURE: Final = re.compile(r"get_(boolean|string|integer|float|object)_(value|details)(_async)?")
_OURS: Final = frozenset(
    {"value", "avalue", "evaluate", "aevaluate", "variant", "ready", "preload", "override_flags", "flag", "flag_value"}
)
_TEMPLATES: Final = frozenset({".html", ".htm", ".txt", ".jinja", ".jinja2", ".j2", ".xml"})
_SKIPPED: Final = frozenset({"node_modules", "__pycache__", "site-packages", "build", "dist"})
_LARGEST: Final = 2_000_000
_QUOTED: Final = re.compile(rb"""["']!?([a-z0-9]+(?:-[a-z0-9]+)*)["']""")
_HINT: Final = re.compile(rb"flag|is_enabled|get_(?:boolean|string|integer|float|object)_", re.IGNORECASE)


class Mention(NamedTuple):
    """A flag's key in the code; ``sure`` where it can be nothing else."""

    key: str
    file: str
    line: int
    sure: bool


class Usage(NamedTuple):
    """All mentions, by key; ``constants`` are the names that hold a key and nothing else anywhere."""

    mentions: Mapping[str, Sequence[Mention]]
    files: int
    constants: Mapping[str, frozenset[str]] = {}

    def of(self, key: str) -> Sequence[Mention]:
        """Where a flag is mentioned; a template's ``new_checkout`` is ``new-checkout``."""
        dashed = key.replace("-", "_")
        return [*self.mentions.get(key, ()), *(self.mentions.get(dashed, ()) if dashed != key else ())]


Watch = Callable[[Iterable[Path], str], Iterable[Path]]


def find_usage(folders: Iterable[str | Path], keys: Iterable[str], *, watch: Watch = lambda items, _: items) -> Usage:
    """Every mention of a flag below ``folders``; files that cannot mention one are not parsed."""
    known = frozenset(keys)
    files = source_files(folders)
    python = [file for file in files if file.suffix == ".py"]
    scanner = _Scanner(known)
    for file in watch(python, "reading code"):
        scanner.read(file)
    mentions = [*scanner.mentions()]
    for file in files:
        if file.suffix in _TEMPLATES:
            text = file.read_text("utf-8", "replace")
            if "flag" in text:
                mentions += [Mention(key, str(file), line, True) for key, line in template_mentions(text)]
    found: dict[str, list[Mention]] = defaultdict(list)
    for mention in mentions:
        found[mention.key].append(mention)
    return Usage(found, len(files), scanner.names())


def source_files(folders: Iterable[str | Path]) -> list[Path]:
    """The Python files and templates below some folders; what was installed or built there is left out."""
    return [file for folder in folders for file in _files(Path(folder))]


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_file():
        yield folder
        return
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if name not in _SKIPPED and not name.startswith(".") and not os.path.exists(f"{root}/{name}/pyvenv.cfg")
        )
        for name in sorted(names):
            path = Path(root, name)
            if (path.suffix == ".py" or path.suffix in _TEMPLATES) and path.stat().st_size <= _LARGEST:
                yield path


class _Scanner:
    """Reads Python files one by one; names that stand for keys are looked up once all are read."""

    def __init__(self, known: frozenset[str]) -> None:
        self.known = known
        self.found: list[Mention] = []
        self.open: list[tuple[str, str, int]] = []  # a constant's name, its file and line
        self.constants: dict[str, set[str]] = defaultdict(set)

    def read(self, file: Path) -> None:
        data = file.read_bytes()
        literals = {found.decode() for found in _QUOTED.findall(data)} & self.known
        if not literals and not _HINT.search(data):
            return
        try:
            tree = ast.parse(data)
        except (SyntaxError, ValueError, RecursionError):
            return
        self._constants(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                self._call(node, str(file))
            elif isinstance(node, ast.Subscript) and "flags" in _dotted(node.value).lower():
                self._key(node.slice, str(file), sure=_dotted(node.value).endswith("flags"))
            elif isinstance(node, ast.Constant) and node.value in self.known:
                self.found.append(Mention(node.value, str(file), node.lineno, False))

    def _constants(self, tree: ast.Module) -> None:
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

    def _call(self, call: ast.Call, file: str) -> None:
        dotted = _dotted(call.func)
        name = dotted.rsplit(".", 1)[-1]
        sure = name in _SURE or bool(_OPENFEATURE.fullmatch(name)) or (name in _OURS and "flag" in dotted.lower())
        if not sure:
            return
        many = name in ("ready", "preload")
        for argument in call.args if many else call.args[:1]:
            self._key(argument, file, sure=True)
        for keyword in call.keywords:
            if keyword.arg in ("any", "all", "key", "flag_key"):
                self._key(keyword.value, file, sure=True)

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
                self.open.append((name, file, node.lineno))

    def mentions(self) -> Iterator[Mention]:
        yield from self.found
        for name, file, line in self.open:
            values = self.constants.get(name, set())
            if len(values) == 1:
                yield Mention(next(iter(values)), file, line, True)

    def names(self) -> dict[str, frozenset[str]]:
        """The constants that hold each key, where the name holds nothing else in another file."""
        found: dict[str, set[str]] = defaultdict(set)
        for name, values in self.constants.items():
            if len(values) == 1 and values <= self.known:
                found[next(iter(values))].add(name)
        return {key: frozenset(names) for key, names in found.items()}


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
