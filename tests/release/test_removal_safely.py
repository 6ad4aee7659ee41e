"""Taking a flag out of code must not change what the code does: what cannot be proven is left to a person."""

from __future__ import annotations

from typing import Any

import pytest

from flagmiddleware.release.removal import remove_from_python
from flagmiddleware.release.template_removal import remove_from_template

KEPT = [
    # a value is not the truth of it
    ("x = user.groups and flags.is_enabled('a')\n", True, "x = user.groups and True\n"),
    ("x = user.name or flags.is_enabled('a')\n", False, "x = user.name or False\n"),
    ("x = user.ok and flags.is_enabled('a')\n", False, "x = user.ok and False\n"),
    ("x = a == b and flags.is_enabled('a')\n", True, "x = a == b\n"),
    ("x = not a and flags.is_enabled('a')\n", True, "x = not a\n"),
    ("if not (p and flags.is_enabled('a')):\n    x()\n", True, "if not p:\n    x()\n"),
    ("v = [i for i in j if i and flags.is_enabled('a')]\n", True, "v = [i for i in j if i]\n"),
    ("while p or flags.is_enabled('a'):\n    x()\n", False, "while p:\n    x()\n"),
    ("assert p or flags.is_enabled('a')\n", False, "assert p\n"),
    ("v = 1 if p or flags.is_enabled('a') else 2\n", False, "v = 1 if p else 2\n"),
    # parentheses that hold something together
    ("x = 2 * (a + b if flags.is_enabled('a') else c)\n", True, "x = 2 * (a + b)\n"),
    ("x = not (a or b if flags.is_enabled('a') else c)\n", True, "x = not (a or b)\n"),
    ("x = (\n    a +\n    b\n    if flags.is_enabled('a')\n    else c\n)\n", True, "x = (\n    a +\n    b\n)\n"),
    ("x = (a if flags.is_enabled('a') else b).c\n", True, "x = a.c\n"),
    ("x = (1 if flags.is_enabled('a') else 2).real\n", True, "x = (1).real\n"),
    # comments
    ("if flags.is_enabled('a'): x()  # why\nelse: y()\n", True, "x()  # why\n"),
    ("if flags.is_enabled('a'):\n    x()\n    # keep\ny()\n", True, "x()\n# keep\ny()\n"),
    (
        "def f():\n    if flags.is_enabled('a'):\n        x()\n        # keep\n",
        True,
        "def f():\n    x()\n    # keep\n",
    ),
]


@pytest.mark.parametrize(("source", "is_on", "expected"), KEPT)
def test_what_the_code_does_and_says_stays(source: str, is_on: bool, expected: str) -> None:
    """Values, precedence, comments: what everybody gets is the same before and after."""
    assert remove_from_python(source, "a", is_on) == (expected, [])


LEFT = [
    ("if form.is_valid() and flags.is_enabled('a'):\n    x()\nelse:\n    y(form)\n", False, "called all the same"),
    ("if save() or flags.is_enabled('a'):\n    x()\n", True, "called all the same"),
    ("def f():\n    if flags.is_enabled('a'):\n        yield 1\n", False, "cannot be taken out by itself"),
    ("def f(x):\n    return(flags.is_enabled('a'))\n", True, "cannot be taken out by itself"),
    ("if plugins.is_enabled('a'):\n    x()\n", True, "whether plugins asks flags cannot be told"),
    ("x = cpu_flags['a']\n", True, "the key is used as text"),
    ("with override_flags({'a': True}):\n    x()\n", True, "override_flags(…) is more than a yes or no"),
    ("@override_flags({'a': True})\ndef test(): ...\n", True, "override_flags(…) is more than a yes or no"),
]


@pytest.mark.parametrize(("source", "is_on", "why"), LEFT)
def test_what_might_do_something_else_is_left(source: str, is_on: bool, why: str) -> None:
    """Calls that would not be made, generators, things that are no flags: the code stays, and the reason is told."""
    after, left = remove_from_python(source, "a", is_on)
    assert after == source
    assert [why in reason for _, reason in left] == [True]


@pytest.mark.parametrize(
    "source",
    [
        "here = flags.bind(ctx)\nif here.is_enabled('a'):\n    x()\n",
        "def f(b: BoundFlags):\n    if b.is_enabled('a'):\n        x()\n",
        "from shop import flags as f\nif f.is_enabled('a'):\n    x()\n",
        "if (f := current_flags()) and f.is_enabled('a'):\n    x()\n",
        "async def g():\n    f = await request.flags.fresh()\n    if f.is_enabled('a'):\n        x()\n",
        "b: BoundFlags = make()\nif b.is_enabled('a'):\n    x()\n",
    ],
)
def test_what_holds_flags_is_known_under_any_name(source: str) -> None:
    """Names that are bound to flags, annotated as such or imported for them ask flags, whatever they are called."""
    after, left = remove_from_python(source, "a", True)
    assert "is_enabled" not in after
    assert left == []


def test_a_key_that_nothing_else_has_is_a_flag_of_anything() -> None:
    """`new-checkout` is no plugin's name: whoever is asked for it is asked for the flag."""
    assert remove_from_python("if view.is_enabled('new-checkout'):\n    x()\n", "new-checkout", True) == ("x()\n", [])


VALUES: list[tuple[str, Any, str]] = [
    ("x = f\"c {flags.value('a')}\"\n", "blue", "x = f\"c {'blue'}\"\n"),
    ("x = f'c {flags.value(\"a\")}'\n", "blue", "x = f'c {\"blue\"}'\n"),
    ("x = f'''c {f\"{flags.value(KEY)}\"}'''\n", "blue", "x = f'''c {f\"{flags.value(KEY)}\"}'''\n"),
    ("x = f\"c {flags.value('a')}\"\n", "#00f", "x = f\"c {flags.value('a')}\"\n"),
    ("x = flags.value('a').bit_length()\n", 5, "x = (5).bit_length()\n"),
    ("x = flags.value('a') ** 2\n", -1, "x = (-1) ** 2\n"),
    ("x = flags.value('a')\n", float("inf"), "x = flags.value('a')\n"),
    ("x = flags.value('a', 3)\n", "blue", "x = flags.value('a', 3)\n"),
    ("x = flags.value('a', default='red')\n", "blue", 'x = "blue"\n'),
    ("x = flags.value('a', ctx, default=-1.5)\n", 2, "x = flags.value('a', ctx, default=-1.5)\n"),
    ("x = flags.value('a', True)\n", 1, "x = flags.value('a', True)\n"),
]


@pytest.mark.parametrize(("source", "value", "expected"), VALUES)
def test_a_value_is_written_where_it_may_stand(source: str, value: Any, expected: str) -> None:
    """In f-strings, before a dot, with a sign: it is Python that means the same; a default of another type is given."""
    names = frozenset({"KEY"})
    after, left = remove_from_python(source, "a", True, names=names, variant="v", value=value)
    assert after == expected
    assert bool(left) == (after == source)
    compile(after, "code", "exec")


def test_a_gate_under_another_name_is_a_gate() -> None:
    """`from … import flag_required as gate`: it goes, with its import; one that nobody passes is left as such."""
    source = "from fm import flag_required as gate\n\n@gate('a')\ndef view(): ...\n"
    assert remove_from_python(source, "a", True) == ("\ndef view(): ...\n", [])
    after, left = remove_from_python(source, "a", False)
    assert after == source
    assert left == [(3, "a gate that nobody passes: the view behind it, its URL and its tests can go")]


@pytest.mark.parametrize(
    ("template", "on", "off"),
    [
        (
            '{% flag "a" %}{% switch "x" %}1{% else %}2{% endswitch %}{% endflag %}',
            '{% switch "x" %}1{% else %}2{% endswitch %}',
            "",
        ),
        (
            '{% switch x %}{% flag "a" %}1{% endflag %}{% else %}2{% endswitch %}',
            "{% switch x %}1{% else %}2{% endswitch %}",
            "{% switch x %}{% else %}2{% endswitch %}",
        ),
        ('{% flag "a" %}{% set b = 1 %}1{% else %}2{% endflag %}', "{% set b = 1 %}1", "2"),
        (
            "{% with b=1 %}{% if flags.a %}1{% endif %}{% endwith %}",
            "{% with b=1 %}1{% endwith %}",
            "{% with b=1 %}{% endwith %}",
        ),
    ],
)
def test_an_else_belongs_to_the_innermost_block_of_any_kind(template: str, on: str, off: str) -> None:
    """Blocks of other libraries have an `else`, too: it is not taken for the flag's."""
    assert remove_from_template(template, "a", True) == (on, [])
    assert remove_from_template(template, "a", False) == (off, [])
