"""Removing settled flags: Python by its syntax tree, templates by their tags, the flag file by its lines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner

from flagmiddleware.cli import flags
from flagmiddleware.formats import parse
from flagmiddleware.release.removal import remove_from_python
from flagmiddleware.release.stale import settled_variant
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
    """A gate that is off, a negated one, a gate on a variant: their lines are reported."""
    source = '@flag_required("!a")\ndef view(): ...\n'
    assert remove_from_python(source, "a", True) == (source, [1])
    source = '@flag_required("a", variant="x")\ndef view(): ...\n'
    assert remove_from_python(source, "a", True) == (source, [1])
    source = '\n@flag_required("a")\ndef view(): ...\n'
    assert remove_from_python(source, "a", False) == (source, [2])


def test_gates_of_several_flags_are_settled() -> None:
    """A flag that is on opens a gate that wants any of some, and is no longer wanted by one that wants them all."""
    several = '@flag_required({}=["a", "b"])\ndef view(): ...\n'
    assert remove_from_python(several.format("any"), "a", True) == ("def view(): ...\n", [])
    rest = '@flag_required(all=["{}"])\ndef view(): ...\n'
    assert remove_from_python(several.format("all"), "a", True) == (rest.format("b"), [])
    assert remove_from_python(several.format("all"), "b", True) == (rest.format("a"), [])
    assert remove_from_python(rest.format("a"), "a", True) == ("def view(): ...\n", [])
    for kind in ("any", "all"):
        assert remove_from_python(several.format(kind), "a", False) == (several.format(kind), [1])


VARIANTS = [
    ("c = flags.value('a')\n", 'c = "#0f0"\n'),
    ("c = flags['a']\n", 'c = "#0f0"\n'),
    ("v = here.flags.variant('a')\n", 'v = "green"\n'),
    ("async def f():\n    return await flags.avalue('a')\n", 'async def f():\n    return "#0f0"\n'),
    ("if flags.value('a') == '#0f0':\n    x()\nelse:\n    y()\n", "x()\n"),
    ("if flags.variant('a') != 'green':\n    x()\nelse:\n    y()\n", "y()\n"),
    ("if flags.value('a') == colour:\n    x()\n", 'if "#0f0" == colour:\n    x()\n'),
    ("if flags.is_enabled('a'):\n    x()\n", "x()\n"),
]


@pytest.mark.parametrize(("source", "expected"), VARIANTS)
def test_what_a_flag_of_several_variants_settled_on_stays(source: str, expected: str) -> None:
    """The value, or the variant's name, stands where it was asked for; a comparison with a literal is decided."""
    assert remove_from_python(source, "a", True, variant="green", value="#0f0") == (expected, [])


def test_a_value_that_has_no_literal_is_left_to_a_person() -> None:
    """Objects are not written into code."""
    source = "c = flags.value('a')\n"
    assert remove_from_python(source, "a", True, variant="big", value={"x": 1}) == (source, [1])


def test_a_constant_that_holds_the_key_counts() -> None:
    """Decisions by way of a constant are settled; the constant itself is reported."""
    source = "BETA = 'a'\nif flags.is_enabled(BETA):\n    x()\n"
    assert remove_from_python(source, "a", True, names=frozenset({"BETA"})) == ("BETA = 'a'\nx()\n", [1])


SETTLED = [
    ("rules: [{rollout: 100%}]", "on"),
    ("enabled: false, rules: [{rollout: 30%}]", "off"),
    ("rules: [{if: {country: RU}, serve: false}, {rollout: 100%}]", None),
    ("rules: [{if: {country: AU}, rollout: 25%}, {serve: true}]", None),
    ("rules: [{if: {country: AU}, serve: true}, {serve: true}]", "on"),
    ("rules: [{schedule: {from: 2030-01-01T00:00:00Z}, serve: true}]", None),
    ("rules: [{schedule: {until: 2020-01-01T00:00:00Z}, serve: true}]", "off"),
    ("rules: [{ramp: [{at: 2020-01-01T00:00:00Z, to: 1%}, {at: 2030-01-01T00:00:00Z, to: 100%}]}]", None),
    ("requires: {b: true}, rules: [{serve: true}]", None),
    ("variants: {x: 1, y: 2}, off: x, rules: [{serve: y}]", "y"),
    ("variants: {x: 1, y: 2}, off: x, rules: [{split: {x: 0, y: 5}}]", "y"),
    ("variants: {x: 1, y: 2}, off: x, rules: [{split: {x: 1, y: 5}}]", None),
]


@pytest.mark.parametrize(("text", "variant"), SETTLED)
def test_settled_means_the_same_for_everybody_and_for_good(text: str, variant: str | None) -> None:
    """One way through the flag, or one date to come, that gives something else, and the flag still decides."""
    ruleset = parse(f"version: 1\nflags: {{a: {{{text}}}, b: {{}}}}".encode(), format="native")
    assert settled_variant(ruleset.flags["a"], ruleset, instant("2026-07-01T00:00")) == variant


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


def test_a_flag_that_is_not_settled_everywhere_stays(repository: ScriptedRepository) -> None:
    """The code runs in every environment: one that still tells people apart keeps the flag, and its code."""
    text = FLAGS.replace("  # stays", "    environments: {live: {rules: [{rollout: 5%}]}}\n  # stays").replace(
        "   # everyone", ""
    )
    text = text.replace("        environments", "    environments")
    Path("flags.yaml").write_text(text, "utf-8")
    result = CliRunner().invoke(flags, ["stale", "new-page", "--patch"])
    assert result.stdout == ""
    assert "app.py:7: new-page is used in a way that needs a person" in result.stderr
