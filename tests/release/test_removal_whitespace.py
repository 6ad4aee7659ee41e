"""What a Jinja template prints stays the same to the last blank when a settled flag goes out of it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment

from flagmiddleware.release.template_removal import remove_from_template

BLANKS = st.sampled_from(["", " ", "  ", "\t"])
OPENERS, CLOSERS = st.sampled_from(["{%", "{%", "{%-", "{%+"]), st.sampled_from(["%}", "%}", "-%}", "+%}"])
CONDITIONS = st.sampled_from(
    ['flag("a")', 'not flag("a")', '"a" is enabled_flag', '"a" is not enabled_flag', 'flag("b")', "user", "flags.a"]
)


@st.composite
def templates(draw: st.DrawFn, depth: int = 2) -> str:
    """Text and `if` blocks, one in the other, with and without dashes."""

    def tag(inside: str) -> str:
        return f"{draw(OPENERS)} {inside} {draw(CLOSERS)}"

    def text() -> str:
        inner = draw(templates(depth=depth - 1)) if depth and draw(st.booleans()) else draw(st.sampled_from("xyz"))
        return f"{draw(BLANKS)}{inner}{draw(BLANKS)}"

    parts = [text(), tag(f"if {draw(CONDITIONS)}"), text()]
    for _ in range(draw(st.integers(0, 2))):
        parts += [tag(f"elif {draw(CONDITIONS)}"), text()]
    if draw(st.booleans()):
        parts += [tag("else"), text()]
    return "".join([*parts, tag("endif"), text()])


def printed(template: str, on: dict[str, bool], user: bool) -> str:
    """What the template prints."""
    environment = Environment()
    environment.tests["enabled_flag"] = on.__getitem__
    return environment.from_string(template).render(flag=on.__getitem__, flags=on, user=user)


@settings(max_examples=300, deadline=None)
@given(templates(), st.booleans(), st.booleans(), st.booleans())
def test_what_is_printed_stays(template: str, a: bool, b: bool, user: bool) -> None:
    """Law: settled to what it serves, a flag leaves a template that prints the same, and names it no more."""
    settled, left = remove_from_template(template, "a", a)
    assert left == []
    assert printed(settled, {"b": b}, user) == printed(template, {"a": a, "b": b}, user)
