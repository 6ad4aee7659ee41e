"""Removing settled flags: Python by its syntax tree, templates by their tags, the flag file by its lines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from click.testing import CliRunner

from flagmiddleware.cli import flags
from flagmiddleware.formats import parse
from flagmiddleware.release.removal import remove_from_python
from flagmiddleware.release.stale import settled_variant
from flagmiddleware.release.template_removal import remove_from_template
from tests.release.scripted import ScriptedRepository, instant


def settled(source: str, key: str, is_on: bool, **more: Any) -> tuple[str, list[int]]:
    """The source without the flag, and the lines that are left to a person."""
    after, left = remove_from_python(source, key, is_on, **more)
    return after, [line for line, _ in left]


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
    assert settled(source, "a", True) == (on, [])
    assert settled(source, "a", False) == (off, [])


def test_a_gate_goes_with_its_import() -> None:
    """The decorator of a flag that is on goes, and so does an import that nothing else uses."""
    source = (
        'from fm import current_flags, flag_required\n\n@login\n@flag_required("a", otherwise=old)\ndef view(): ...\n'
    )
    assert settled(source, "a", True) == ("from fm import current_flags\n\n@login\ndef view(): ...\n", [])


def test_what_needs_a_person_is_left_and_told() -> None:
    """A gate that is off, a negated one, a gate on a variant: their lines are reported."""
    source = '@flag_required("!a")\ndef view(): ...\n'
    assert settled(source, "a", True) == (source, [1])
    source = '@flag_required("a", variant="x")\ndef view(): ...\n'
    assert settled(source, "a", True) == (source, [1])
    source = '\n@flag_required("a")\ndef view(): ...\n'
    assert settled(source, "a", False) == (source, [2])


def test_gates_of_several_flags_are_settled() -> None:
    """A flag that is on opens a gate that wants any of some, and is no longer wanted by one that wants them all."""
    several = '@flag_required({}=["a", "b"])\ndef view(): ...\n'
    assert settled(several.format("any"), "a", True) == ("def view(): ...\n", [])
    rest = '@flag_required(all=["{}"])\ndef view(): ...\n'
    assert settled(several.format("all"), "a", True) == (rest.format("b"), [])
    assert settled(several.format("all"), "b", True) == (rest.format("a"), [])
    assert settled(rest.format("a"), "a", True) == ("def view(): ...\n", [])
    for kind in ("any", "all"):
        assert settled(several.format(kind), "a", False) == (several.format(kind), [1])


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
    assert settled(source, "a", True, variant="green", value="#0f0") == (expected, [])


def test_a_value_that_has_no_literal_is_left_to_a_person() -> None:
    """Objects are not written into code."""
    source = "c = flags.value('a')\n"
    assert settled(source, "a", True, variant="big", value={"x": 1}) == (source, [1])


def test_a_constant_that_holds_the_key_counts() -> None:
    """Decisions by way of a constant are settled, also through its class; other uses are reported."""
    names = frozenset({"BETA"})
    source = "BETA = 'a'\nif flags.is_enabled(BETA):\n    x()\nif flags.is_enabled(Keys.BETA.value):\n    y()\n"
    assert settled(source, "a", True, names=names) == ("BETA = 'a'\nx()\ny()\n", [1])
    assert settled("note(Keys.BETA)\n", "a", True, names=names) == ("note(Keys.BETA)\n", [1])


OPENFEATURE = [
    ("c = client.get_string_value('a', 'x')\n", "#0f0", 'c = "#0f0"\n'),
    ("c = client.get_string_value(flag_key='a', default_value='x')\n", "#0f0", 'c = "#0f0"\n'),
    ("c = client.get_integer_value('a', 1)\n", 7, "c = 7\n"),
    ("if client.get_boolean_value('a', False, context):\n    x()\n", True, "x()\n"),
    (
        "async def f():\n    return await client.get_float_value_async('a', 1.0)\n",
        2.5,
        "async def f():\n    return 2.5\n",
    ),
]


@pytest.mark.parametrize(("source", "value", "expected"), OPENFEATURE)
def test_an_openfeature_client_is_settled(source: str, value: Any, expected: str) -> None:
    """A typed read through OpenFeature is the value, where the value is of that type."""
    assert settled(source, "a", True, variant="v", value=value) == (expected, [])


def test_an_openfeature_read_of_another_type_is_left() -> None:
    """It gives the caller's default, and details are more than a value: both are left to a person."""
    for source in ("c = client.get_string_value('a', 'x')\n", "c = client.get_float_value('a', 1.0)\n",
                   "c = client.get_integer_details('a', 1)\n"):  # fmt: skip
        assert settled(source, "a", True, variant="v", value=7) == (source, [1])


EVALUATIONS = [
    ("if flags.evaluate('a').is_enabled:\n    x()\n", "x()\n"),
    ("c = request.flags.evaluate('a').value\n", 'c = "#0f0"\n'),
    ("async def f():\n    return (await here.flags.aevaluate('a')).variant\n", 'async def f():\n    return "green"\n'),
]


@pytest.mark.parametrize(("source", "expected"), EVALUATIONS)
def test_what_is_taken_from_an_evaluation_is_settled(source: str, expected: str) -> None:
    """Its value, variant and whether it is on are known; an evaluation that is passed on is left to a person."""
    assert settled(source, "a", True, variant="green", value="#0f0") == (expected, [])
    passed = "note(flags.evaluate('a'))\nr = flags.evaluate('a').reason\n"
    assert settled(passed, "a", True, variant="green", value="#0f0") == (passed, [1, 2])


def test_what_is_left_says_why() -> None:
    """A gate that nobody passes is never taken out silently: a view would go, or open, with it."""
    source = '@flag_required("a")\ndef view(): ...\nnote("a")\nkeys = ["a"]\n'
    after, left = remove_from_python(source, "a", False)
    assert after == source
    assert [line for line, _ in left] == [1, 3, 4]
    assert [why for _, why in left] == [
        "a gate that nobody passes: the view behind it, its URL and its tests can go",
        "note(…) is more than a yes or no",
        "the key is used as text",
    ]


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
    ('{% if flags.is_enabled("a") %}x{% else %}y{% endif %}', "x", "y"),
    ("{% if not request.flags.is_enabled('a') %}x{% else %}y{% endif %}", "y", "x"),
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


def test_a_value_in_a_template_is_printed() -> None:
    """A value tag of a settled flag becomes its text; one that is kept in a variable, or needs escaping, is left."""
    text = '<b style="color: {% flag_value "a" %}">{{ flag_value("a") }}{% flag_value "b" %}</b>'
    printed = '<b style="color: #0f0">#0f0{% flag_value "b" %}</b>'
    assert remove_from_template(text, "a", True, shown="#0f0") == (printed, [])
    for kept, value in (('{% flag_value "a" as c %}', "#0f0"), ('{% flag_value "a" %}', "a<b"), (text, None)):
        assert remove_from_template(kept, "a", True, shown=value) == (kept, [1] * (2 if kept is text else 1))


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
    assert "left to you: app.py:7: new-page: another environment gets something else" in result.stderr


KEYS = dedent(
    """\
    from typing import Final


    class Keys:
        NEW_PAGE: Final = "new-page"


    NEW = "new-page"
    OTHER = "other"
    """
)
USER = dedent(
    """\
    from keys import NEW, OTHER, Keys


    def page(flags):
        if flags.is_enabled(NEW) and flags.is_enabled(Keys.NEW_PAGE):
            return "new"
        return flags.is_enabled(OTHER)
    """
)


@pytest.mark.parametrize("exported", [False, True])
def test_a_constant_goes_when_nothing_uses_it(repository: ScriptedRepository, exported: bool) -> None:
    """The definition of a typed constant, and imports of it, go with its last use in any file; else it is reported."""
    Path("keys.py").write_text(KEYS, "utf-8")
    Path("app.py").write_text(USER, "utf-8")
    if exported:
        Path("api.py").write_text('from keys import NEW\n\n__all__ = ["NEW"]\n', "utf-8")
    result = CliRunner().invoke(flags, ["stale", "new-page", "--apply"])
    assert result.exit_code == 0, result.output
    text = Path("keys.py").read_text("utf-8")
    assert "NEW_PAGE" not in text
    assert "    pass\n" in text
    if exported:
        assert 'NEW = "new-page"' in text
        assert "left to you: keys.py:8: new-page: the key is used as text" in result.stderr
        assert "new-page" in Path("flags.yaml").read_text("utf-8")
    else:
        assert "NEW" not in text
        assert "import OTHER, Keys" in Path("app.py").read_text("utf-8")
        assert result.stderr == ""
        assert "new-page" not in Path("flags.yaml").read_text("utf-8")
