"""House rules that no linter knows."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_says_what_it_pins(path: Path) -> None:
    """A test function without a docstring does not say which behaviour its failure means."""
    tests = (node for node in functions(ast.parse(path.read_text())) if node.name.startswith("test_"))
    assert [node.name for node in tests if not ast.get_docstring(node)] == []


def test_test_files_have_names_of_their_own() -> None:
    """A failure names the file by its base name: two of one name are confused."""
    assert [name for name, count in Counter(path.name for path in TESTS).items() if count > 1] == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "src").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT / "src"))
)
def test_no_function_is_too_long_to_read(path: Path) -> None:
    """Nothing in the package is over 40 lines (docstring aside), unless a comment `# long:` beside its def says why."""
    text = path.read_text()
    lines = text.splitlines()
    long = []
    for node in functions(ast.parse(text)):
        documented = ast.get_docstring(node) is not None
        first = node.body[0].end_lineno if documented else node.lineno
        length = (node.end_lineno or 0) - (first or 0)
        if length > 40 and "# long:" not in lines[node.lineno - 1] + lines[node.lineno - 2]:
            long.append(f"{node.name}, line {node.lineno}: {length} lines")
    assert long == []
