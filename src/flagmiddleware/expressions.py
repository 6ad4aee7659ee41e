"""Conditions as Python expressions: the inner half of a flag's shape.

A test is inlined for exactly the class of its operand and left to the operator's total test for everything else. An
attribute is read where file order first asks for it; its local is used again only where every path to that point has
read it, which is why each written condition comes with the locals known when it is true and when it is false.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeAlias

from .conditions import OPERATORS
from .emit import Shape
from .model import AllOf, AnyOf, Condition, InSegment, Not, Operator, Predicate, Ruleset, Test

__all__ = ["EQUALITIES", "ConditionWriter", "Names", "Segments", "operands"]

_INLINE_TESTS: Final = 8  # a segment of more tests than this is called: inlining it everywhere destroys shape sharing
_INLINE_DEPTH: Final = 8

EQUALITIES: Final = frozenset({OPERATORS["eq"], OPERATORS["in"]})

Names: TypeAlias = "frozenset[str]"


class Segments(Protocol):
    """What a writer asks of the compiler: the ruleset, and functions for segments that are too big to inline."""

    ruleset: Ruleset

    def segment(self, name: str) -> Callable[..., Any]:
        """The function that tells whether a context is in a segment."""
        ...

    def prepared(self, test: Test) -> Any:
        """A test's operand as its operator wants it."""
        ...


def operands(operand: Any) -> list[Any]:
    """An operand as a list: its items where it is one."""
    return list(operand) if isinstance(operand, list | tuple) else [operand]


def _size(condition: Condition, ruleset: Ruleset, depth: int = 0) -> int:
    """How many tests a condition holds, segments included; large where it is nested too deep to inline."""
    if depth > _INLINE_DEPTH:
        return _INLINE_TESTS + 1
    if isinstance(condition, AllOf | AnyOf):
        return sum(_size(part, ruleset, depth + 1) for part in condition.conditions)
    if isinstance(condition, Not):
        return _size(condition.condition, ruleset, depth + 1)
    if isinstance(condition, InSegment):
        return _size(ruleset.segments[condition.segment], ruleset, depth + 1)
    return 1


Written: TypeAlias = "tuple[str, Names, Names]"


class ConditionWriter:
    """Writes a condition as an expression, and which locals are set when it is true and when it is false."""

    __slots__ = ("compiler", "locals", "shape")

    def __init__(self, compiler: Segments, shape: Shape) -> None:
        self.compiler = compiler
        self.shape = shape
        self.locals: dict[str, str] = {}

    def write(self, condition: Condition, known: Names, depth: int) -> Written:
        """The expression for a condition, given the locals that are known to be set before it."""
        if isinstance(condition, Test):
            return self._test(condition, known)
        if isinstance(condition, Predicate):
            return self.shape.call(condition.function, "ctx", "here"), known, known
        if isinstance(condition, InSegment):
            return self._segment(condition, known, depth)
        if isinstance(condition, Not):
            text, true, false = self.write(condition.condition, known, depth + 1)
            return f"(not {text})", false, true
        return self._several(condition, known, depth)

    def _segment(self, condition: InSegment, known: Names, depth: int) -> Written:
        inner = self.compiler.ruleset.segments[condition.segment]
        if _size(inner, self.compiler.ruleset, depth) <= _INLINE_TESTS:
            return self.write(inner, known, depth + 1)
        return self.shape.call(self.compiler.segment(condition.segment), "ctx", "here"), known, known

    def _several(self, condition: AllOf | AnyOf, known: Names, depth: int) -> Written:
        every = isinstance(condition, AllOf)
        if not condition.conditions:
            return ("True" if every else "False"), known, known
        texts: list[str] = []
        through = early = known
        for part in condition.conditions:
            text, true, false = self.write(part, through, depth + 1)
            texts.append(text)
            through, out = (true, false) if every else (false, true)
            # One set as it goes: keeping each part's would take memory by the square of the parts.
            early = out if len(texts) == 1 else early & out
        text = texts[0] if len(texts) == 1 else f"({(' and ' if every else ' or ').join(texts)})"
        return (text, through, early) if every else (text, early, through)

    def read(self, attribute: str, known: Names) -> tuple[str, str, Names]:
        """The expression to use first, the local to use afterwards, and what is known once it was evaluated."""
        local = self.locals.setdefault(attribute, f"v{len(self.locals)}")
        if local in known:
            return local, local, known
        name = self.shape.value(attribute)
        read = self.compiler.ruleset.dialect.read
        text = f"ctx[{name}]" if read is None else self.shape.call(read, "ctx", name)
        return f"({local} := {text})", local, known | {local}

    def _test(self, test: Test, known: Names) -> Written:
        first, local, known = self.read(test.attribute, known)
        inline = _INLINE.get(test.operator)
        text = inline(self, test, first, local) if inline is not None else None
        if text is None:
            text = self.shape.call(test.operator.test, first, self.prepared(test))
        return text, known, known

    def prepared(self, test: Test) -> str:
        """The name of a test's operand, made ready."""
        return self.shape.value(self.compiler.prepared(test))

    def guarded(self, test: Test, first: str, local: str, kind: str, fast: str) -> str:
        """``fast`` for values of exactly class ``kind``; None never matches; the total test for the rest."""
        total = self.shape.call(test.operator.test, local, self.prepared(test))
        return f"({fast} if {first}.__class__ is {kind} else {local} is not None and {total})"


Inline: TypeAlias = "Callable[[ConditionWriter, Test, str, str], str | None]"


def _equality(negated: bool) -> Inline:
    one, many = ("!=", "not in") if negated else ("==", "in")

    def inline(writer: ConditionWriter, test: Test, first: str, local: str) -> str | None:
        items = operands(test.operand)
        kinds = {item.__class__ for item in items}
        if kinds == {bool} and len(items) == 1:
            return writer.guarded(test, first, local, "bool", f"{local} is {items[0] is not negated}")
        # Not inlined: a float that is not equal may be NaN, which matches nothing.
        if len(kinds) != 1 or not kinds <= ({str, int} if negated else {str, int, float}):
            return None
        if len(items) == 1:
            fast = f"{local} {one} {writer.shape.value(items[0])}"
        else:
            fast = f"{local} {many} {writer.prepared(test)}"
        return writer.guarded(test, first, local, kinds.pop().__name__, fast)

    return inline


def _affix(method: str) -> Inline:
    def inline(writer: ConditionWriter, test: Test, first: str, local: str) -> str:
        texts = writer.compiler.prepared(test)
        affix = writer.shape.value(texts[0] if len(texts) == 1 else texts)
        return writer.guarded(test, first, local, "str", f"{local}.{method}({affix})")

    return inline


def _contains(writer: ConditionWriter, test: Test, first: str, local: str) -> str | None:
    if test.operand.__class__ is not str:
        return None
    return writer.guarded(test, first, local, "str", f"{writer.shape.value(test.operand)} in {local}")


def _order(mark: str) -> Inline:
    def inline(writer: ConditionWriter, test: Test, first: str, local: str) -> str | None:
        bound = writer.compiler.prepared(test)
        if bound.__class__ not in (int, float):
            return None
        fast = f"{local} {mark} {writer.shape.value(bound)}"
        return writer.guarded(test, first, local, bound.__class__.__name__, fast)

    return inline


def _presence(writer: ConditionWriter, test: Test, first: str, local: str) -> str:
    return f"({first} is not None)" if test.operand else f"({first} is None)"


_INLINE: Final[Mapping[Operator, Inline]] = {
    OPERATORS["eq"]: _equality(negated=False),
    OPERATORS["in"]: _equality(negated=False),
    OPERATORS["ne"]: _equality(negated=True),
    OPERATORS["not_in"]: _equality(negated=True),
    OPERATORS["starts_with"]: _affix("startswith"),
    OPERATORS["ends_with"]: _affix("endswith"),
    OPERATORS["contains"]: _contains,
    OPERATORS["gt"]: _order(">"),
    OPERATORS["gte"]: _order(">="),
    OPERATORS["lt"]: _order("<"),
    OPERATORS["lte"]: _order("<="),
    OPERATORS["exists"]: _presence,
}
