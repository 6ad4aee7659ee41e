"""The pytest plugin, run for real in a pytest of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import services  # noqa: F401 - the tests of this folder need the repository's root on the path

pytest_plugins = ["pytester"]

HEAD = """
import pytest
from flagmiddleware import Context, Flags
from flagmiddleware.overrides import ACTIVE

FLAGS = Flags({"version": 1, "flags": {
    "new-checkout": {}, "beta": {}, "button": {"variants": {"blue": 1, "green": 2, "red": 3}, "off": "blue"}}})

def on(key, user=None):
    return FLAGS.is_enabled(key, Context(user))
"""


def run(pytester: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(HEAD + source)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments, timeout=60)


def test_fixture(pytester: pytest.Pytester) -> None:
    """The ``flags`` fixture enables, disables, sets, resets, for one user too, and restores everything."""
    result = run(
        pytester,
        """
def test_it(flags):
    flags.enable("new-checkout", "beta")
    assert on("new-checkout") and on("beta")
    flags.disable("beta")
    assert not on("beta")
    flags.set({"button": "green"})
    assert FLAGS.value("button") == 2
    flags.set(button="red", user="ann")
    assert (FLAGS.value("button", Context("ann")), FLAGS.value("button", Context("bob"))) == (3, 2)
    with flags.override(beta=True):
        assert on("beta")
    flags.reset("new-checkout")
    assert not on("new-checkout")
    flags.reset()
    assert FLAGS.value("button") == 1

def test_restored():
    assert not on("new-checkout") and not ACTIVE

def test_tasks(flags):
    import asyncio
    async def look():
        flags.enable("beta")
        return on("beta")
    async def main():
        return await asyncio.create_task(look()), on("beta")
    assert asyncio.run(main()) == (True, True)

@pytest.mark.flags(beta=True)
def test_reset_to_the_mark(flags):
    flags.disable("beta")
    flags.reset()
    assert on("beta")
""",
    )
    result.assert_outcomes(passed=4)


def test_mark(pytester: pytest.Pytester) -> None:
    """The mark overrides for fixtures, test and teardown, on functions, classes and unittest's classes."""
    result = run(
        pytester,
        """
import unittest

@pytest.fixture
def before():
    yield on("new-checkout")
    assert on("new-checkout")

@pytest.mark.flags(new_checkout=True)
def test_mark(before):
    assert before and on("new-checkout")

@pytest.mark.flags({"new-checkout": True, "button": "green"})
class TestMarked:
    def test_class(self):
        assert on("new-checkout") and FLAGS.value("button") == 2
    @pytest.mark.flags(new_checkout=False)
    def test_closest_wins(self):
        assert not on("new-checkout") and FLAGS.value("button") == 2

@pytest.mark.flags(new_checkout=True)
class Unit(unittest.TestCase):
    def test_unit(self):
        assert on("new-checkout")

@pytest.mark.flags(new_checkout=True, user="ann")
def test_user():
    assert on("new-checkout", "ann") and not on("new-checkout", "bob")

def test_restored():
    assert not on("new-checkout") and not ACTIVE
""",
    )
    result.assert_outcomes(passed=6)


def test_coroutines(pytester: pytest.Pytester) -> None:
    """Marks and the fixture hold in a coroutine whose runner was made earlier, with a context of its own."""
    result = run(
        pytester,
        """
import unittest

class Unit(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.before = on("new-checkout")

    @pytest.mark.flags(new_checkout=True)
    async def test_mark(self):
        assert self.before and on("new-checkout")

    async def test_restored(self):
        assert not self.before and not on("new-checkout")

@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"

@pytest.fixture(scope="module")
async def server(anyio_backend):
    yield

@pytest.mark.anyio
@pytest.mark.flags(new_checkout=True)
async def test_first(server, flags):
    flags.enable("beta")
    assert on("new-checkout") and on("beta")

@pytest.mark.anyio
@pytest.mark.vary_flags("beta")
async def test_second(server, flagmiddleware_variation):
    assert not on("new-checkout") and on("beta") is flagmiddleware_variation["beta"]

@pytest.mark.anyio
async def test_third(server):
    assert not on("new-checkout") and not on("beta") and not ACTIVE
""",
    )
    result.assert_outcomes(passed=6)


def test_vary(pytester: pytest.Pytester) -> None:
    """``vary_flags`` runs a test under every combination and says which in its id."""
    result = run(
        pytester,
        """
SEEN = []

@pytest.mark.vary_flags("new-checkout", "beta")
def test_two():
    SEEN.append((on("new-checkout"), on("beta")))

@pytest.mark.vary_flags(button=["green", "red"])
@pytest.mark.parametrize("number", [1, 2])
def test_with_parametrize(number):
    assert FLAGS.value("button") in (2, 3)

def test_all():
    assert SEEN == [(False, False), (False, True), (True, False), (True, True)]
""",
        "-v",
    )
    result.assert_outcomes(passed=9)
    result.stdout.fnmatch_lines(["*test_two?new-checkout=off,beta=on? PASSED*"])


def test_vary_on_unittest(pytester: pytest.Pytester) -> None:
    """The mark is refused where it would silently do nothing."""
    result = run(
        pytester,
        """
import unittest

@pytest.mark.vary_flags("beta")
class Unit(unittest.TestCase):
    def test_unit(self):
        pass
""",
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*vary_flags multiplies plain test functions*"])


def test_xdist(pytester: pytest.Pytester) -> None:
    """Workers of pytest-xdist see the same overrides."""
    result = run(
        pytester,
        """
@pytest.mark.vary_flags("new-checkout", "beta")
@pytest.mark.flags(button="red")
def test_two(request):
    assert f"new-checkout={'on' if on('new-checkout') else 'off'}" in request.node.name
    assert FLAGS.value("button") == 3
""",
        "-n2",
    )
    result.assert_outcomes(passed=4)


def test_importing_the_plugin_is_cheap(tmp_path: Path) -> None:
    """The plugin loads neither the flags' machinery nor a framework until a test asks for flags."""
    import subprocess

    code = (
        "import sys, pytest, flagmiddleware.testing.plugin\n"
        "heavy = {'flagmiddleware.compiler', 'flagmiddleware.flags', 'yaml', 'django'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
