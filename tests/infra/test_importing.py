"""What importing the package does, and does not, do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

import flagmiddleware

FRAMEWORKS = {"django", "flask", "starlette", "fastapi", "werkzeug", "jinja2", "click", "rich"}
HEAVY = FRAMEWORKS | {"asyncio", "yaml", "tomllib", "tomli", "http.client", "ssl", "redis", "psycopg"}

DECIDE = """
flags = flagmiddleware.Flags({"version": 1, "flags": {"beta": {"rules": [{"rollout": 25}]}}})
assert flags.is_enabled("beta", flagmiddleware.Context("user-1")) is True
"""


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh interpreter has after ``code``, beyond those it starts with."""
    script = f"import sys, threading; before = set(sys.modules)\n{code}\n" + (
        "import json; assert threading.active_count() == 1, threading.enumerate()\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "COV_"))}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_importing_every_public_name_loads_the_core_only() -> None:
    """No framework, no asyncio, no YAML, no thread: `import flagmiddleware` costs what the core costs."""
    names = ", ".join(f"flagmiddleware.{name}" for name in flagmiddleware.__all__)
    assert sorted(loaded_by(f"import flagmiddleware\n{names}") & HEAVY) == []


def test_deciding_needs_no_more_than_the_core() -> None:
    """A ruleset given as data is decided without YAML, asyncio or a thread."""
    assert sorted(loaded_by(f"import flagmiddleware\n{DECIDE}") & HEAVY) == []


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_the_command_says_which_extra_it_needs(missing: str) -> None:
    """Without the [cli] extra `flags` and `python -m flagmiddleware` tell how to get it; no traceback."""
    code = f"import sys; sys.modules[{missing!r}] = None; from flagmiddleware.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    wanted = {f"flags needs {name}: pip install 'flagmiddleware[cli]'\n" for name in ("click", missing)}
    assert done.stderr in wanted  # in tox's bare environment both are missing


def test_the_pytest_plugin_loads_no_framework() -> None:
    """Every pytest run of a site that has the package loads the plugin: it may not load Django for a Flask site."""
    assert sorted(loaded_by("import flagmiddleware.testing.plugin") & FRAMEWORKS) == []


def test_every_public_name_is_there_and_listed() -> None:
    """`__all__`, `dir()` and what can be had agree; a mistyped name is an AttributeError."""
    for name in flagmiddleware.__all__:
        assert getattr(flagmiddleware, name) is not None
    assert set(flagmiddleware.__all__) <= set(dir(flagmiddleware))
    with pytest.raises(AttributeError, match="Flagz"):
        flagmiddleware.Flagz  # noqa: B018


@pytest.mark.skipif("FLAGMIDDLEWARE_BARE" not in os.environ, reason="only tox's bare environment promises it")
def test_the_bare_environment_is_bare() -> None:
    """The core's tests mean something only where no framework could have helped."""
    assert [name for name in sorted(FRAMEWORKS) if find_spec(name)] == []
