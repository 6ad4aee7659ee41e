"""JsonLogic's rows: JavaScript's answer to each, which is what every candidate on PyPI was asked for too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from flagmiddleware import Context
from flagmiddleware.formats.flagd_context import FlagdScope
from flagmiddleware.formats.jsonlogic import Compiler

DOCUMENT = Path(__file__).parents[2] / "docs" / "dependencies.md"

# The first 25 of these are the rows that every candidate was asked for.
JUDGED = 25
ROWS: list[tuple[str, Any, dict[str, Any], Any]] = [
    ("null == 0", {"==": [None, 0]}, {}, False),
    ('"" == 0', {"==": ["", 0]}, {}, True),
    ("1 === true", {"===": [1, True]}, {}, False),
    ("true in [1]", {"in": [True, [1]]}, {}, False),
    ('"" in ""', {"in": ["", {"var": "x"}]}, {"x": ""}, False),
    ("cat of null", {"cat": ["on", None]}, {}, "on"),
    ("cat of true and 1.0", {"cat": [True, 1.0]}, {}, "true1"),
    ('+ of "2abc"', {"+": ["2abc"]}, {}, 2),
    ("-4 % 3", {"%": [-4, 3]}, {}, -1),
    ("> of three", {">": [3, 2, 5]}, {}, True),
    ("third operand null", {"<": [0, 1, {"var": "x"}]}, {}, False),
    ("min of NaN", {"==": [{"min": [2, {"var": "x"}]}, 2]}, {"x": "abc"}, False),
    ("max of booleans", {"max": [True, False]}, {}, 1),
    ("1 / 0", {">": [{"/": [1, 0]}, 5]}, {}, True),
    ("substr of null characters", {"substr": ["abc", 0, None]}, {}, ""),
    ("missing < 18", {"<": [{"var": "age"}, 18]}, {}, True),
    ("missing >= 0", {">=": [{"var": "age"}, 0]}, {}, True),
    ("UTF-16 order", {"<": ["𝒜", "ﬀ"]}, {}, True),
    ("all of nothing", {"all": [[], True]}, {}, False),
    ("an empty array is false", {"!!": [[]]}, {}, False),
    ("if of one", {"if": [{"var": "x"}]}, {"x": 3}, 3),
    ("null is no reason for a default", {"var": ["x", "d"]}, {"x": None}, None),
    ("array == text", {"==": [[1, 2], "1,2"]}, {}, True),
    ("between", {"<": [1, 2, 3]}, {}, True),
    ("missing_some", {"missing_some": [1, ["a", "b"]]}, {"a": 1}, []),
    ("substr of half a character less", {"substr": [None, 0, -0.5]}, {}, "nul"),
    ("no item before the first", {"var": ["list.-1", "none"]}, {"list": [1, 2]}, "none"),
]


@pytest.mark.parametrize(("rule", "attributes", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_each_row_is_javascripts(rule: Any, attributes: dict[str, Any], expected: Any) -> None:
    """The rows by which packages were judged (docs/dependencies.md): ours answers all of them."""
    found = Compiler(FlagdScope("flag")).compile(rule).run(Context(None, attributes))
    assert found == expected
    assert isinstance(found, bool) is isinstance(expected, bool)


def test_the_table_of_packages_adds_up() -> None:
    """What docs/dependencies.md says a package failed are rows of these, and its count is that of the others."""
    _, _, table = DOCUMENT.read_text(encoding="utf-8").partition("**JsonLogic**")
    lines = [line.strip("| ").split(" | ", 2) for line in table.partition("**Semantic")[0].splitlines() if "|" in line]
    names = {row[0] for row in ROWS[:JUDGED]}
    assert len(names) == JUDGED
    told = {
        package: (int(passes), re.findall("`(.+?)`", fails)) for package, passes, fails in lines[2:] if "`" in fails
    }
    told.pop("python-jsonlogic 0.2.0")  # told the other way round: which it passes
    assert len(told) >= 6
    for package, (passes, failed) in told.items():
        assert set(failed) <= names, package
        assert passes == JUDGED - len(set(failed)) == JUDGED - len(failed), package


@pytest.mark.parametrize("kind", ["==", "!=", "===", "!==", "<", "<=", ">", ">=", "in"])
@pytest.mark.parametrize("fixed", ["a", "", 1, True, 0.5, ["a", "b"], None])
@pytest.mark.parametrize("value", ["a", "", 1, True, 0.5, "1", None, ["a"], {"a": 1}, float("nan")])
@pytest.mark.parametrize("on_the_right", [True, False])
def test_a_short_way_changes_no_answer(kind: str, fixed: Any, value: Any, on_the_right: bool) -> None:
    """What is compiled for an attribute beside a constant answers as the operator itself does."""
    compiler = Compiler(FlagdScope("flag"))
    parts = [{"var": "x"}, fixed] if on_the_right else [fixed, {"var": "x"}]
    general = [{"var": "x"}, {"var": "y"}] if on_the_right else [{"var": "y"}, {"var": "x"}]
    context = Context(None, {"x": value, "y": fixed})
    assert compiler.compile({kind: parts}).run(context) is compiler.compile({kind: general}).run(context)


@pytest.mark.parametrize("filling", ["1", " ", "1e", "."])
@pytest.mark.parametrize("kind", ["==", "<", "+", "-"])
def test_a_text_of_a_megabyte_that_is_nearly_a_number_is_read_once(kind: str, filling: str) -> None:
    """Whoever fills an attribute cannot stall a site: reading a number out of it takes linear time."""
    written = filling * (1_000_000 // len(filling)) + "x"
    rule = {"in": [{kind: [{"var": "a"}, {"var": "n"}]}, ["never"]]}
    assert Compiler(FlagdScope("flag")).compile(rule).run(Context(None, {"a": written, "n": 1})) is False
