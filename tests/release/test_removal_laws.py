"""The law of taking a flag out: a program does the same before and after, whatever it is made of."""

from __future__ import annotations

from textwrap import indent
from typing import Any

from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

from flagmiddleware.release.removal import remove_from_python

FLAG = "flags.is_enabled('a')"
ATOMS = st.sampled_from([FLAG, FLAG, FLAG, "p", "q", "f(1)", "f(2)", "flags['a']", "flags.value('a')", "0", "'x'"])


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        inner.map(lambda one: f"not {one}"),
        st.tuples(inner, st.sampled_from(["and", "or", "and", "or", "=="]), inner).map(" ".join).map("({})".format),
        st.tuples(inner, inner, inner).map(lambda three: "({} if {} else {})".format(*three)),
        st.tuples(inner, inner).map(lambda two: "(\n{}\nand\n{})".format(*two)),
        inner.map("f({})".format),
        inner.map("f'{{ {} }}'".format).filter(lambda text: text.count("'") == 2 and "\n" not in text),
        inner.map("[i for i in (1, 2) if {}]".format),
        inner.map("(0 or {})".format),
    )


EXPRESSIONS = st.recursive(ATOMS, _compound, max_leaves=6)


def _block(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = inner.map(lambda text: indent(text, "    "))
    return st.one_of(
        st.tuples(EXPRESSIONS, body).map(lambda two: "if {}:\n{}".format(*two)),
        st.tuples(EXPRESSIONS, body, body).map(lambda three: "if {}:\n{}\nelse:\n{}".format(*three)),
        st.tuples(EXPRESSIONS, body, EXPRESSIONS, body, body).map(
            "if {0[0]}:\n{0[1]}\nelif {0[2]}:\n{0[3]}\nelse:\n{0[4]}".format
        ),
        st.tuples(inner, inner).map("\n".join),
        st.tuples(EXPRESSIONS, body).map(lambda two: "while {}:\n{}\n    break".format(*two)),
    )


STATEMENTS = st.recursive(
    st.one_of(
        EXPRESSIONS.map("note({})  # c".format),
        EXPRESSIONS.map("return {}".format),
        EXPRESSIONS.map("yield {}".format),
        EXPRESSIONS.map("x = {}\nnote(x)".format),
        EXPRESSIONS.map("assert {} or True".format),
        st.just("pass"),
    ),
    _block,
    max_leaves=4,
)


class _Flags:
    def __init__(self, is_on: bool) -> None:
        self.is_on = is_on

    def is_enabled(self, key: str) -> bool:
        return self.is_on

    value = __getitem__ = is_enabled


def _is_python(source: str) -> bool:
    try:
        compile(source, "drawn", "exec")
    except SyntaxError:
        return False
    return True


def _run(source: str, is_on: bool, p: Any, q: Any) -> list[Any]:
    """Everything that a function does: what it notes, calls, gives and yields."""
    told: list[Any] = []

    def f(value: Any) -> Any:
        told.append(("called", value))
        return value

    space: dict[str, Any] = {"f": f, "p": p, "q": q, "flags": _Flags(is_on), "note": told.append}
    exec(source, space)
    found = space["program"]()
    told.append(type(found))
    if hasattr(found, "send"):
        told += list(found)
    else:
        told.append(found)
    return [repr(one) for one in told]


@settings(max_examples=300, deadline=None)
@given(STATEMENTS, st.booleans(), st.sampled_from([0, 1, "", "y", [3]]), st.sampled_from([0, 2, None]))
def test_a_program_does_the_same_without_its_flag(body: str, is_on: bool, p: Any, q: Any) -> None:
    """Law: calls, values, generators: all as before; and what still names the flag is told, line by line."""
    source = "def program():\n" + indent(body, "    ") + "\n"
    note(source)
    assume(_is_python(source))
    after, left = remove_from_python(source, "a", is_on)
    note(after)
    assert _run(after, is_on, p, q) == _run(source, is_on, p, q)
    named = {number for number, line in enumerate(after.splitlines(), 1) if "'a'" in line}
    assert {line for line, _ in left} == named
