"""The shape of a decision: Python source that is made of structure alone, with every value bound afterwards.

Nothing of a definition ever becomes source text. A shape names its values ``K0, K1, …``; :meth:`Shape.bind` compiles
the text once for each shape (the cache is the caller's) and puts a flag's own values into ``co_consts``, so that a
value costs what a literal costs and loading ten thousand flags compiles a handful of shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from types import CodeType, FunctionType
from typing import Any, NamedTuple

__all__ = ["Shape", "Template"]


class Template(NamedTuple):
    """A compiled shape: the code, and for each of its constants the number of the value that goes there, or -1."""

    code: CodeType
    places: tuple[int, ...]


class Shape:
    """Collects the lines of one function and the values that they name."""

    __slots__ = ("_known", "lines", "values")

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.values: list[Any] = []
        self._known: dict[int, str] = {}

    def value(self, value: Any) -> str:
        """The name by which the text refers to ``value``; the same object has one name."""
        name = self._known.get(id(value))
        if name is None:
            name = self._known[id(value)] = f"K{len(self.values)}"
            self.values.append(value)
        return name

    def call(self, function: Callable[..., Any], *arguments: str) -> str:
        """The text that calls a bound function (through a name: calling a literal is a SyntaxWarning)."""
        return f"(f := {self.value(function)})({', '.join(arguments)})"

    def line(self, depth: int, text: str) -> None:
        """Add a line, ``depth`` blocks deep inside the function."""
        self.lines.append("    " * (depth + 1) + text)

    def bind(self, cache: MutableMapping[str, Template], names: Mapping[str, Any]) -> FunctionType:
        """The function of this shape, with this shape's values; ``names`` are its globals."""
        source = "\n".join(("def decide(ctx, here=None):", *self.lines))
        template = cache.get(source)
        if template is None:
            from .placeholders import make_template

            template = cache[source] = Template(*make_template(source))
        constants = zip(template.code.co_consts, template.places, strict=True)
        bound = tuple(old if place < 0 else self.values[place] for old, place in constants)
        return FunctionType(template.code.replace(co_consts=bound), names, None, (None,))  # type: ignore[arg-type]
