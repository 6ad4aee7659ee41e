"""Takes a settled flag out of Python code, by its syntax tree: formatting and comments of the rest stay."""

from __future__ import annotations

import ast
import json
import math
import re
from typing import Any, Final

import libcst as cst

from .keyed import SURE, Keyed, dotted_name
from .leftovers import lines_left
from .settling import FALSE, TRUE, Settling
from .unused import without_imports

__all__ = ["remove_from_python"]

_READS: Final = frozenset({"value", "avalue", "variant"})
_OPENFEATURE: Final = re.compile(r"get_(boolean|string|integer|float)_value(_async)?")
_KINDS: Final = {"boolean": bool, "string": str, "integer": int, "float": float}


def remove_from_python(
    source: str, key: str, is_on: bool, *, names: frozenset[str] = frozenset(), variant: str = "", value: Any = None
) -> tuple[str, list[tuple[int, str]]]:
    """The source with every decision on ``key`` settled, and the lines that a person must look at, with the reason.

    ``names`` are constants that hold the key, ``variant`` is what everybody gets (``on`` or ``off`` where it is not
    given) and ``value`` what that holds (where it is not given, whether the flag is on).

    >>> remove_from_python("if flags.is_enabled('beta'):\\n    new()\\nelse:\\n    old()\\n", "beta", True)
    ('new()\\n', [])
    """
    module = cst.parse_module(source)
    told = variant or ("on" if is_on else "off"), is_on if value is None else value
    changed = _changed(module, _Remover(module, key, is_on, names, *told))
    return changed.code, lines_left(changed, key, names, is_on)


def _changed(module: cst.Module, remover: _Remover) -> cst.Module:
    """The module without the flag; as it is where that would not be Python: ``return(…)`` needs its parentheses."""
    try:
        changed = without_imports(module.visit(remover), remover.imports)
        ast.parse(changed.code)
    except (cst.CSTValidationError, SyntaxError):
        return module
    return changed


class _Remover(Keyed, Settling):
    def __init__(
        self, module: cst.Module, key: str, is_on: bool, names: frozenset[str], variant: str, value: Any
    ) -> None:
        Settling.__init__(self)
        Keyed.__init__(self, key, names, module)
        self.kind = type(value)
        self.is_on = is_on
        self.settled = TRUE if is_on else FALSE
        self.value = _literal(value)
        self.variant = _literal(variant)
        self.literals: dict[cst.CSTNode | None, Any] = {self.value: value, self.variant: variant}
        self.imports: set[str] = set()
        self._around: list[str] = []  # how the f-strings around this place begin

    # -- the flag becomes a constant ------------------------------------------------------------------------------

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:  # noqa: N802
        name = dotted_name(updated_node.func)
        method = name.rsplit(".", 1)[-1]
        if not self.asks(updated_node):
            return updated_node
        if method in SURE:
            return self.settled if self.is_ours(name) else updated_node
        if method in _READS and "flags" in name:
            if method == "variant":
                return self._written(self.variant) or updated_node
            return (self._written(self.value) if self._fits_default(updated_node) else None) or updated_node
        openfeature = _OPENFEATURE.fullmatch(method)
        # A value of another type would have been the caller's default.
        fits = openfeature is not None and self.kind is _KINDS[openfeature[1]]
        return (self._written(self.value) if fits else None) or updated_node

    def _fits_default(self, call: cst.Call) -> bool:
        """Whether the value is of its default's type: the default would be given instead."""
        literals = (one.value for one in call.args[1:] if one.keyword is None or one.keyword.value == "default")
        kinds = (_kind(one) for one in literals)
        return all(kind is None or kind is self.kind for kind in kinds)

    def visit_FormattedString(self, node: cst.FormattedString) -> None:  # noqa: N802
        self._around.append(node.start)

    def leave_FormattedString(  # noqa: N802
        self, original_node: cst.FormattedString, updated_node: cst.FormattedString
    ) -> cst.BaseExpression:
        self._around.pop()
        return updated_node

    def _written(self, node: cst.BaseExpression | None) -> cst.BaseExpression | None:
        """The literal as it may stand here: an f-string's own quotes may not stand in it before Python 3.12."""
        if not (self._around and isinstance(node, cst.SimpleString)):
            return node
        text = str(node.evaluated_value)
        quote = next(
            (mark for mark in "\"'" if mark not in text and all(mark not in one for one in self._around)), None
        )
        if quote is None or any(char in text for char in "\\#{}"):
            return None
        made = cst.SimpleString(f"{quote}{text}{quote}")
        self.literals[made] = text
        return made

    def leave_Attribute(  # noqa: N802
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        """``flags.evaluate(key).value`` and its like; an evaluation that is passed on is left to a person."""
        if isinstance(updated_node.value, cst.Integer | cst.Float) and updated_node.value in self.literals:
            return updated_node.with_changes(value=_in_parentheses(updated_node.value))
        inner = updated_node.value.expression if isinstance(updated_node.value, cst.Await) else updated_node.value
        if not (isinstance(inner, cst.Call) and self.asks(inner)):
            return updated_node
        name = dotted_name(inner.func)
        if name.rsplit(".", 1)[-1] not in ("evaluate", "aevaluate") or "flags" not in name:
            return updated_node
        found = {"is_enabled": self.settled, "value": self.value, "variant": self.variant}
        return self._written(found.get(updated_node.attr.value)) or updated_node

    def leave_Await(self, original_node: cst.Await, updated_node: cst.Await) -> cst.BaseExpression:  # noqa: N802
        inner = updated_node.expression
        return inner if inner is self.settled or inner in self.literals else updated_node

    def leave_Subscript(  # noqa: N802
        self, original_node: cst.Subscript, updated_node: cst.Subscript
    ) -> cst.BaseExpression:
        index = updated_node.slice[0].slice if len(updated_node.slice) == 1 else None
        if isinstance(index, cst.Index) and self._is_flags(updated_node.value) and self.is_key(index.value):
            return self._written(self.value) or updated_node
        return updated_node

    @staticmethod
    def _is_flags(node: cst.BaseExpression) -> bool:
        return dotted_name(node).rsplit(".", 1)[-1] in ("flags", "current_flags")

    def leave_Comparison(  # noqa: N802
        self, original_node: cst.Comparison, updated_node: cst.Comparison
    ) -> cst.BaseExpression:
        """What everybody gets, held against a literal, is decided; a comparison with anything else stays."""
        target = updated_node.comparisons[0]
        if updated_node.left not in self.literals or len(updated_node.comparisons) > 1:
            return updated_node
        if not isinstance(target.operator, cst.Equal | cst.NotEqual):
            return updated_node
        if not isinstance(target.comparator, cst.SimpleString | cst.Integer | cst.Float):
            return updated_node
        same = self.literals[updated_node.left] == target.comparator.evaluated_value
        return TRUE if same is isinstance(target.operator, cst.Equal) else FALSE

    def leave_Decorator(  # noqa: N802
        self, original_node: cst.Decorator, updated_node: cst.Decorator
    ) -> cst.Decorator | cst.RemovalSentinel:
        call = updated_node.decorator
        if not (self.is_on and isinstance(call, cst.Call) and self.is_gate(call)):
            return updated_node
        gates = {argument.keyword.value: argument.value for argument in call.args if argument.keyword is not None}
        positional = [argument.value for argument in call.args if argument.keyword is None]
        if "variant" in gates or len(positional) + len(gates.keys() & {"any", "all"}) != 1:
            return updated_node
        keys = positional or _items(gates.get("any") or gates.get("all"))
        is_open = any(map(self.is_key, keys)) if "any" in gates else keys and all(map(self.is_key, keys))
        if is_open:
            self.imports.update(_names_in(call))
            return cst.RemoveFromParent()
        if "all" not in gates or not any(map(self.is_key, keys)):
            return updated_node
        return updated_node.with_changes(decorator=call.with_changes(args=[*map(self._without, call.args)]))

    def _without(self, argument: cst.Arg) -> cst.Arg:
        """A gate that wants all of some flags, without the one that is on."""
        if argument.keyword is None or argument.keyword.value != "all":
            return argument
        listed: Any = argument.value
        kept = [element for element in listed.elements if not self.is_key(element.value)]
        kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return argument.with_changes(value=listed.with_changes(elements=kept))


def _items(listed: cst.BaseExpression | None) -> list[cst.BaseExpression]:
    return [element.value for element in listed.elements] if isinstance(listed, cst.List) else []


def _literal(value: Any) -> cst.BaseExpression | None:
    """The value as a literal; None where it has none that is short enough to stand in code."""
    if isinstance(value, bool):
        return TRUE if value else FALSE
    if isinstance(value, str):
        return cst.parse_expression(json.dumps(value, ensure_ascii=False)) if value.isprintable() else None
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return cst.parse_expression(repr(value) if value >= 0 else f"({value!r})")


def _kind(node: cst.BaseExpression) -> type | None:
    """The type of a literal; None for anything else."""
    if isinstance(node, cst.UnaryOperation):
        return _kind(node.expression)
    if isinstance(node, cst.Name):
        return bool if node.value in ("True", "False") else None
    kinds = {cst.Integer: int, cst.Float: float, cst.SimpleString: str, cst.ConcatenatedString: str}
    return kinds.get(type(node))


def _in_parentheses(node: cst.BaseExpression) -> cst.BaseExpression:
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def _names_in(call: cst.Call) -> set[str]:
    names: set[str] = {dotted_name(call.func).split(".", 1)[0]}
    for argument in call.args:
        names.add(dotted_name(argument.value).split(".", 1)[0])
    return names - {""}
