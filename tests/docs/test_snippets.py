"""The documentation is true: its Python runs, its links lead somewhere, its doctests hold."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from tests.docs import index
from tests.docs.snippets import blocks, run

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks/README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
MODULES = [path for path in sorted(SOURCE.rglob("*.py")) if ">>> " in path.read_text()]
# By type(), not isinstance(): Django's lazy settings claim the class of what they stand for, and raise to find it out.
DEFINITIONS = (type, FunctionType, type(lru_cache(len)))
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def has_python(path: Path) -> bool:
    return any(block.language == "python" for block in blocks(path.read_text()))


def doctests(module: ModuleType) -> Iterator[doctest.DocTest]:
    """Those of the module and of what it defines.

    ``doctest.testmod`` also touches what the module imported, and Django's settings raise when they are looked at.
    """
    names = vars(module)
    yield doctest.DocTestParser().get_doctest(module.__doc__ or "", names.copy(), module.__name__, None, 0)
    for value in tuple(names.values()):
        if issubclass(type(value), DEFINITIONS) and value.__module__ == module.__name__:
            yield from doctest.DocTestFinder().find(value, module=module)


@pytest.mark.parametrize("page", [page for page in PAGES if has_python(page)], ids=name)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    """Every ```python block runs, top to bottom, in a process of its own (so a page may configure Django)."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error::DeprecationWarning:__main__"}
    command = [sys.executable, "-m", "tests.docs.snippets", str(page)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files(page: Path) -> None:
    """A relative link names a file that is there."""
    assert [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_doctests_hold(path: Path) -> None:
    """The examples in docstrings give what they say."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    module = import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for examples in doctests(module):
        runner.run(examples)
    assert (runner.failures, runner.tries > 0) == (0, True)


def test_the_index_lists_every_page() -> None:
    """docs/index.md is what `make docs` writes: no page is out of reach."""
    assert index.PAGE.read_text() == index.render(), "run `make docs`"


def test_a_page_is_run_in_order_with_its_files(tmp_path: Path) -> None:
    """Files are written before what follows them runs, hidden blocks run too, and `py` fragments do not."""
    page = tmp_path / "page.md"
    page.write_text(
        "```yaml\n# file: one.yaml\na: 1\n```\n\n```python\nseen = open('one.yaml').read()\n```\n"
        "```py\nthis is a fragment\n```\n\n<!-- python\nassert 'a: 1' in seen\n-->\n"
    )
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        assert run(page, tmp_path) == 2
    finally:
        os.chdir(before)


def test_an_error_names_the_line_of_the_page(tmp_path: Path) -> None:
    """A failing snippet is found by its line in the Markdown file."""
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n```python\nfine = 1\nraise ValueError('here')\n```\n")
    with pytest.raises(ValueError, match="here") as caught:
        run(page, tmp_path)
    assert caught.traceback[-1].lineno + 1 == 5
