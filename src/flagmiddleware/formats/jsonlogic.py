"""JsonLogic rules, compiled once into Python closures.

A rule is a JSON tree; :class:`Compiler` turns it into one function of the data, so that deciding walks no tree.
Where an operator's arguments are known at load, so is its result. What the data is, and how ``var`` reads it, is the
:class:`Scope`'s business: the rule inside ``map`` or ``filter`` sees the element, the rule outside sees the context.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from .jsonlogic_expressions import Expression, LogicError, Run, Scope, array, constant, failing
from .jsonlogic_forms import FORMS, Form
from .jsonlogic_operators import OPERATORS
from .jsonlogic_shapes import shortcut

__all__ = ["MAX_DEPTH", "MAX_SIZE", "Compiler"]

MAX_DEPTH: Final = 200
"""How deep a rule may nest: each level is a Python frame when it is decided."""
MAX_SIZE: Final = 100_000
"""How many operators a rule may hold once its references are put in: a few shared rules could multiply for ever."""


class Compiler:
    """Compiles the rules of one flag: ``Compiler(scope, references, forms, operators).compile(tree)``.

    ``references`` are the shared rules that ``{"$ref": name}`` stands for; ``forms`` and ``operators`` are those that
    a dialect adds to JsonLogic's own.

    >>> from flagmiddleware.formats.jsonlogic_expressions import ELEMENT
    >>> Compiler(ELEMENT).compile({"if": [{">": [{"var": "age"}, 17]}, "adult", "child"]}).run({"age": 20})
    'adult'
    """

    def __init__(
        self,
        scope: Scope,
        references: Mapping[str, Any] = MappingProxyType({}),
        forms: Mapping[str, Form] = MappingProxyType({}),
        operators: Mapping[str, Callable[..., Any]] = MappingProxyType({}),
    ) -> None:
        self._root = scope
        self._references = references
        self._forms = {**FORMS, **forms}
        self._operators = {**OPERATORS, **operators}
        self._depth = 0
        self._size = 0
        self._open: list[str] = []
        self._shared: dict[tuple[str, int], tuple[Expression, int]] = {}

    def compile(self, node: Any, scope: Scope | None = None) -> Expression:
        """The function that decides ``node``; LogicError where it can never be decided."""
        scope = self._root if scope is None else scope
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise LogicError(f"the rule nests more than {MAX_DEPTH} levels deep")
        try:
            if isinstance(node, list):
                return array([self.compile(item, scope) for item in node])
            if not isinstance(node, dict) or len(node) != 1:
                return constant(node)
            return self._operation(*next(iter(node.items())), scope)
        finally:
            self._depth -= 1

    def used(self) -> dict[str, Any]:
        """The shared rules that were asked for, by name."""
        return {name: self._references[name] for name, _ in sorted(self._shared)}

    def _operation(self, name: str, arguments: Any, scope: Scope) -> Expression:
        self._grow(1)
        if not isinstance(arguments, list):
            arguments = [arguments]
        form = self._forms.get(name)
        if form is not None:
            return form(self, arguments, scope)
        operator = self._operators.get(name)
        if operator is None:
            return failing(f"unknown operator {name!r}")
        return _application(name, operator, [self.compile(argument, scope) for argument in arguments])

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_SIZE:
            raise LogicError(f"the rule holds more than {MAX_SIZE} operators once its references are put in")

    def reference(self, name: Any, scope: Scope) -> Expression:
        """The shared rule of that name, compiled once for each scope."""
        if not isinstance(name, str) or name not in self._references:
            return failing(f"$ref {name!r} names no rule in $evaluators")
        if name in self._open:
            raise LogicError("the rules in $evaluators go round in a circle: " + " > ".join([*self._open, name]))
        known = self._shared.get((name, id(scope)))
        if known is None:
            before = self._size
            self._open.append(name)
            expression = self.compile(self._references[name], scope)
            self._open.pop()
            known = self._shared[name, id(scope)] = expression, self._size - before
        else:
            self._grow(known[1])
        return known[0]


def _application(name: str, operator: Callable[..., Any], arguments: list[Expression]) -> Expression:
    if all(argument.is_constant for argument in arguments):
        try:
            return constant(operator(*(argument.value for argument in arguments)))
        except Exception as error:
            return failing(f"{name}: {error}")
    return Expression(shortcut(name, arguments) or _call(operator, arguments))


def _call(operator: Callable[..., Any], arguments: list[Expression]) -> Run:
    runs = [argument.run for argument in arguments]
    if len(runs) == 1:
        (one,) = runs
        return lambda data: operator(one(data))
    if len(runs) == 2:
        one, two = runs
        if arguments[1].is_constant:
            fixed = arguments[1].value
            return lambda data: operator(one(data), fixed)
        return lambda data: operator(one(data), two(data))
    return lambda data: operator(*[run(data) for run in runs])
