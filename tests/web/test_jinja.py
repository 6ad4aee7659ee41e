"""Flags in Jinja: tags, functions and test, in every place that a template can put them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import DictLoader, Environment, TemplateSyntaxError
from markupsafe import Markup

from flagmiddleware import Context, Flags
from flagmiddleware.web.jinja import install_jinja

DOCUMENT = {
    "version": 1,
    "flags": {
        "new-checkout": {"rules": [{"if": {"plan": "pro"}, "serve": True}]},
        "beta": {"rules": [{"if": {"plan": "beta"}, "serve": True}]},
        "button": {
            "public": True,
            "variants": {"blue": "#00f", "green": "<b>"},
            "off": "blue",
            "rules": [{"if": {"plan": "pro"}, "serve": "green"}],
        },
    },
}
FLAGS = Flags(DOCUMENT)


@pytest.fixture
def render() -> Any:
    """Renders a template for subjects on different plans, compiled once."""

    def render(source: str, *plans: str, **others: str) -> list[str]:
        env = Environment(autoescape=True, loader=DictLoader({"page": source, **others}))
        install_jinja(env)
        template = env.get_template("page")
        return [template.render(flags=FLAGS.bind(Context("ann", plan=plan))) for plan in plans]

    return render


BRANCHES = '{% flag "new-checkout" %}new{% elflag "beta" %}beta{% else %}old{% endflag %}'


def test_branches(render: Any) -> None:
    """flag, elflag and else serve each subject its own branch."""
    assert render(BRANCHES, "pro", "beta", "free") == ["new", "beta", "old"]


def test_many_elflags_and_nesting(render: Any) -> None:
    """Branches chain and nest as Jinja's own do."""
    source = (
        '{% flag "no" %}a{% elflag "nor" %}b{% elflag "beta" %}{% flag "new-checkout" %}c{% else %}d{% endflag %}'
        '{% elflag "new-checkout" %}e{% endflag %}'
    )
    assert render(source, "pro", "beta", "free") == ["e", "d", ""]


def test_variant_blocks(render: Any) -> None:
    """Variant blocks compare the served variant's name."""
    source = '{% variant "button" "green" %}g{% elvariant "red" "blue" %}b{% else %}?{% endvariant %}'
    assert render(source, "pro", "free") == ["g", "b"]


def test_values(render: Any) -> None:
    """Values are printed escaped, or kept under a name; an unknown flag has the default."""
    assert render('{% flag_value "button" %}', "pro", "free") == ["&lt;b&gt;", "#00f"]
    assert render('{% flag_value "button" as colour %}<{{ colour }}>', "free") == ["<#00f>"]
    assert render('{% flag_value "nothing" default="x" %}{{ flag_value("nothing", "y") }}', "free") == ["xy"]


def test_functions_and_test(render: Any) -> None:
    """Functions and test answer for the subject at hand, although their arguments are constants."""
    source = '{{ flag("new_checkout") }} {{ "new-checkout" is enabled_flag }} {{ flag_variant("button") }}'
    assert render(source, "pro", "free") == ["True True green", "False False blue"]


def test_constant_test_is_not_folded(render: Any) -> None:
    """A condition on constants is not decided when the template is compiled: one user's answer for all."""
    source = '{% if "new-checkout" is enabled_flag %}new{% else %}old{% endif %}'
    assert render(source, "free", "pro", "free") == ["old", "new", "old"]


def test_names_in_variables(render: Any) -> None:
    """A flag's name may come from the template's variables, and a variable called ``flag`` hides no tag."""
    assert render('{% set flag = 1 %}{% set name = "beta" %}{% flag name %}y{% endflag %}', "beta") == ["y"]


def test_include_extends_macro_loop(render: Any) -> None:
    """Tags work in included and extended templates, in blocks, loops and macros."""
    base = '{% block body %}{% endblock %}|{% flag "beta" %}b{% endflag %}'
    source = (
        '{% extends "base" %}{% block body %}{% include "part" %}'
        '{% for n in [1, 2] %}{% flag "new-checkout" %}{{ n }}{% endflag %}{% endfor %}'
        '{% macro m() %}{% flag "new-checkout" %}m{% endflag %}{% endmacro %}{{ m() }}{% endblock %}'
    )
    assert render(source, "pro", "beta", base=base, part=BRANCHES) == ["new12m|", "beta|b"]


def test_flags_from_request() -> None:
    """Without ``flags`` among its variables, a template finds those of its request, wherever they hang on it."""
    env = Environment()
    install_jinja(env)
    template = env.from_string(BRANCHES)
    here = FLAGS.bind(Context("ann", plan="pro"))
    assert template.render(request=SimpleNamespace(state=SimpleNamespace(flags=here))) == "new"
    assert template.render(request=SimpleNamespace(flags=here)) == "new"


def test_imported_macro_without_context() -> None:
    """A macro that was imported without context has no request, and takes the flags that are current."""
    from flagmiddleware.web.current import activate, deactivate

    env = Environment(loader=DictLoader({"lib": "{% macro m() %}" + BRANCHES + "{% endmacro %}"}))
    install_jinja(env)
    template = env.from_string('{% import "lib" as lib %}{{ lib.m() }}')
    token = activate(FLAGS.bind(Context("ann", plan="pro")))
    try:
        assert template.render() == "new"
    finally:
        deactivate(token)


def test_front_end_helpers_are_safe(render: Any) -> None:
    """The script tag is markup, and the values in it cannot end it."""
    (text,) = render('{{ flags_script_tag("n0nce") }}{{ flags_json() }}{{ flags_banner() }}', "pro")
    assert text.startswith('<script nonce="n0nce">window.flags={')
    assert text.count("<") == 2


def test_own_finder() -> None:
    """An adapter may say whose flags a template sees."""
    env = Environment()
    install_jinja(env, lambda context: FLAGS.bind(Context("ann", plan=context["plan"])))
    assert env.from_string(BRANCHES).render(plan="beta") == "beta"


@pytest.mark.parametrize(
    "source", ['{% flag "a" %}', "{% flag %}{% endflag %}", '{% elflag "a" %}', "{% flag_value %}"]
)
def test_syntax_errors(source: str) -> None:
    """A tag that is not closed or names nothing is a syntax error of the template."""
    env = Environment()
    install_jinja(env)
    with pytest.raises(TemplateSyntaxError):
        env.from_string(source)


def test_markup_is_markup(render: Any) -> None:
    """A value is text, not markup, whatever it looks like."""
    assert render('{{ flag_value("button") }}', "pro") == [str(Markup.escape("<b>"))]
