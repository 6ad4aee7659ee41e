"""Removing settled flags: Python by its syntax tree, templates by their tags, the flag file by its lines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner

from flagmiddleware.cli import flags
from flagmiddleware.release.removal import remove_from_python
from flagmiddleware.release.template_removal import remove_from_template
from tests.release.scripted import ScriptedRepository, instant

PYTHON = [
    ("if flags.is_enabled('a'):\n    x()\nelse:\n    y()\n", "x()\n", "y()\n"),
    (
        "# why\nif request.flags.is_enabled('a'):  # now\n    x()  # keep\n    z()\n",
        "# why\nx()  # keep\nz()\n",
        "# why\n",
    ),
    (
        "if p:\n    x()\nelif flags['a']:\n    y()\nelse:\n    z()\n",
        "if p:\n    x()\nelse:\n    y()\n",
        "if p:\n    x()\nelse:\n    z()\n",
    ),
    ("if flags['a']:\n    x()\nelif q:\n    y()\n", "x()\n", "if q:\n    y()\n"),
    (
        "if p:\n    x()\nelif flags['a']:\n    y()\nelif q:\n    z()\n",
        "if p:\n    x()\nelse:\n    y()\n",
        "if p:\n    x()\nelif q:\n    z()\n",
    ),
    ("v = 1 if flags.is_enabled('a') else 2\n", "v = 1\n", "v = 2\n"),
    ("y()\nif not flags.is_enabled('a'):\n    x()\n", "y()\n", "y()\nx()\n"),
    ("y()\nif p and flags.is_enabled('a'):\n    x()\n", "y()\nif p:\n    x()\n", "y()\n"),
    ("if flags.is_enabled('a') or p:\n    x()\n", "x()\n", "if p:\n    x()\n"),
    ("def f():\n    if flags.is_enabled('a'):\n        x()\n", "def f():\n    x()\n", "def f():\n    pass\n"),
    (
        "async def f():\n    if await here.ais_enabled('a'):\n        x()\n",
        "async def f():\n    x()\n",
        "async def f():\n    pass\n",
    ),
    (
        "ok = True and p\nif True:\n    x()\n",
        "ok = True and p\nif True:\n    x()\n",
        "ok = True and p\nif True:\n    x()\n",
    ),
]


@pytest.mark.parametrize(("source", "on", "off"), PYTHON)
def test_python_is_settled(source: str, on: str, off: str) -> None:
    """If, elif, else, ternaries, not, and, or: what everybody gets stays, comments with it; other code is untouched."""
    assert remove_from_python(source, "a", True) == (on, [])
    assert remove_from_python(source, "a", False) == (off, [])


def test_a_gate_goes_with_its_import() -> None:
    """The decorator of a flag that is on goes, and so does an import that nothing else uses."""
    source = (
        'from fm import current_flags, flag_required\n\n@login\n@flag_required("a", otherwise=old)\ndef view(): ...\n'
    )
    assert remove_from_python(source, "a", True) == ("from fm import current_flags\n\n@login\ndef view(): ...\n", [])


def test_what_needs_a_person_is_left_and_told() -> None:
    """A gate of several flags, or one that is off, is not guessed at: its line is reported."""
    source = '@flag_required(any=["a", "b"])\ndef view(): ...\n'
    assert remove_from_python(source, "a", True) == (source, [1])
    source = '\n@flag_required("a")\ndef view(): ...\n'
    assert remove_from_python(source, "a", False) == (source, [2])


TEMPLATES = [
    (
        '{% flag "a" %}{% for x in y %}{{ x }}{% else %}none{% endfor %}{% else %}old{% endflag %}',
        "{% for x in y %}{{ x }}{% else %}none{% endfor %}",
        "old",
    ),
    ('{% flag "a" %}x{% else %}y{% endflag %}', "x", "y"),
    (
        '{% flag "b" %}x{% elflag "a" %}y{% else %}z{% endflag %}',
        '{% flag "b" %}x{% else %}y{% endflag %}',
        '{% flag "b" %}x{% else %}z{% endflag %}',
    ),
    ('{% flag "a" %}x{% elflag "b" %}y{% endflag %}', "x", '{% flag "b" %}y{% endflag %}'),
    (
        '{% flag "b" %}{% flag "a" %}x{% endflag %}{% endflag %}',
        '{% flag "b" %}x{% endflag %}',
        '{% flag "b" %}{% endflag %}',
    ),
    ("{% if flags.a %}x{% elif p %}y{% endif %}", "x", "{% if p %}y{% endif %}"),
    ('{% if "a" is not enabled_flag %}x{% else %}y{% endif %}', "y", "x"),
    ('<p>\n  {% flag "a" %}\n  <b>x</b>\n  {% endflag %}\n</p>\n', "<p>\n  <b>x</b>\n</p>\n", "<p>\n</p>\n"),
    (
        '{# {% flag "a" %} #}{% if p %}{% flag "a" %}x{% endflag %}{% endif %}',
        '{# {% flag "a" %} #}{% if p %}x{% endif %}',
        '{# {% flag "a" %} #}{% if p %}{% endif %}',
    ),
]


@pytest.mark.parametrize(("text", "on", "off"), TEMPLATES)
def test_templates_are_settled(text: str, on: str, off: str) -> None:
    """Blocks, nested and chained, of both template languages; lines that held only a tag go."""
    assert remove_from_template(text, "a", True) == (on, [])
    assert remove_from_template(text, "a", False) == (off, [])


def test_a_compound_condition_is_left_to_a_person() -> None:
    """A condition that asks for more than the flag is reported with its line."""
    text = "\n{% if flags.a and p %}x{% endif %}"
    assert remove_from_template(text, "a", True) == (text, [2])


FLAGS = dedent(
    """\
    version: 1
    flags:
      # goes
      new-page:
        rules:
          - rollout: 100%   # everyone
      # stays
      other:
        requires: {new-page: true}
        rules: [{rollout: 50%}]
    """
)
APP = dedent(
    """\
    from flagmiddleware import Flags

    flags = Flags("flags.yaml")


    def page():
        if flags.is_enabled("new-page"):
            return "new"
        return "old"


    def other():
        return flags.is_enabled("other")
    """
)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedRepository:
    """A small app with a flag that has been at 100 % for half a year."""
    made = ScriptedRepository(tmp_path / "repo")
    made.commit(FLAGS, at=instant("2026-01-01T00:00"))
    made.commit(APP, file="app.py", at=instant("2026-01-02T00:00"))
    made.commit('{% flag "new-page" %}new{% endflag %}\n', file="templates/p.html", at=instant("2026-01-03T00:00"))
    monkeypatch.chdir(made.root)
    monkeypatch.delenv("FLAGMIDDLEWARE_SOURCE", raising=False)
    monkeypatch.setattr("flagmiddleware.cli.bench.Bench.now", staticmethod(lambda: instant("2026-07-01T00:00")))
    return made


def test_stale_tells_why_and_where(repository: ScriptedRepository) -> None:
    """`flags stale` lists the settled flag with its reason and every place in the code."""
    out = CliRunner().invoke(flags, ["stale"]).stdout
    assert "at 100 % for 181 d; everybody has it" in out
    assert "app.py:7" in out
    assert "templates/p.html:1" in out
    assert "other" not in out.replace("templates", "")


def test_the_patch_applies_and_the_app_still_works(repository: ScriptedRepository, tmp_path: Path) -> None:
    """`flags stale --patch | git apply` removes the flag everywhere, and the app behaves as before."""
    result = CliRunner().invoke(flags, ["stale", "--patch"])
    assert result.exit_code == 0, result.output
    patch = tmp_path / "patch"
    patch.write_bytes(result.stdout_bytes)
    repository.git("apply", str(patch))
    assert "new-page" not in Path("flags.yaml").read_text("utf-8")
    assert "requires" not in Path("flags.yaml").read_text("utf-8")
    assert Path("templates/p.html").read_text("utf-8") == "new\n"
    check = "import app; assert app.page() == 'new'; app.other()"
    subprocess.run([sys.executable, "-c", check], check=True, timeout=60)
    assert CliRunner().invoke(flags, ["lint"]).exit_code == 0


def test_apply_writes_the_same(repository: ScriptedRepository) -> None:
    """`--apply` changes the files itself."""
    assert CliRunner().invoke(flags, ["stale", "new-page", "--apply"]).exit_code == 0
    assert "new-page" not in Path("flags.yaml").read_text("utf-8")
    assert 'return "new"' in Path("app.py").read_text("utf-8")
