"""What is shipped: the wheel holds the whole package and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path
from zipfile import ZipFile

import pytest

import flagmiddleware

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names inside a wheel built from this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = folder.glob("*.whl")
    with ZipFile(path) as archive:
        return archive.namelist()


def test_the_wheel_holds_every_file_of_the_package(wheel: list[str]) -> None:
    """Templates, migrations, the JSON Schema, py.typed and the test kit travel with the code."""
    package = SOURCE / "flagmiddleware"
    expected = {
        str(path.relative_to(SOURCE))
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected - set(wheel) == set()
    assert "flagmiddleware/py.typed" in wheel


def test_the_wheel_holds_nothing_else(wheel: list[str]) -> None:
    """Tests, docs and examples of ours do not end up in a site's packages."""
    assert {name.split("/")[0].split("-")[0] for name in wheel} == {"flagmiddleware"}


def test_the_installed_package_declares_its_commands() -> None:
    """`flags` and the pytest plugin are entry points, and the version is the package's own."""
    assert version("flagmiddleware") == flagmiddleware.__version__
    assert {point.value for point in entry_points(group="console_scripts", name="flags")} == {
        "flagmiddleware.__main__:main"
    }
    plugins = entry_points(group="pytest11", name="flagmiddleware")
    assert {point.value for point in plugins} == {"flagmiddleware.testing.plugin"}


@pytest.mark.skipif("FLAGMIDDLEWARE_INSTALLED" not in os.environ, reason="a checkout is installed editable")
def test_the_wheel_is_what_is_tested() -> None:
    """In tox's `wheel` environment the tests see an installed copy, not the checkout."""
    assert not Path(flagmiddleware.__file__).is_relative_to(SOURCE)
