"""Takes a settled flag out of Python code, by its syntax tree: formatting and comments of the rest stay."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from .settling import FALSE, TRUE, Settling
from .unused import without_imports

__all__ = ["remove_from_python"]

_READS: Final = frozenset({"value", "avalue", "variant"})
_SURE: Final = frozenset({"is_enabled", "ais_enabled"})
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
    module = MetadataWrapper(cst.parse_module(source))
    remover = _Remover(key, is_on, names, variant or ("on" if is_on else "off"), is_on if value is None else value)
    changed = module.visit(remover)
    changed = without_imports(changed, remover.imports)
    left = _Leftovers(key, names, is_on)
    MetadataWrapper(changed).visit(left)
    return changed.code, sorted(left.lines.items())


def _name(node: cst.BaseExpression) -> str:
    parts = []
    while True:
        if isinstance(node, cst.Attribute):
            parts.append(node.attr.value)
            node = node.value
        elif isinstance(node, cst.Call):
            node = node.func
        elif isinstance(node, cst.Name):
            return ".".join([node.value, *reversed(parts)])
        else:
            return ".".join(reversed(parts))


def _constant(node: cst.BaseExpression) -> str:
    """The last name of ``KEY``, ``Keys.KEY`` or ``Keys.KEY.value``."""
    return _name(node).removesuffix(".value").rsplit(".", 1)[-1]


class _Keyed:
    def __init__(self, key: str, names: frozenset[str]) -> None:
        self.key, self.names = key, names

    def asks(self, call: cst.Call) -> bool:
        """Whether the call's first argument, or ``flag_key``, is the key."""
        if call.args and call.args[0].keyword is None:
            return self.is_key(call.args[0].value)
        named = (one.value for one in call.args if one.keyword is not None and one.keyword.value == "flag_key")
        return any(map(self.is_key, named))

    def is_key(self, node: cst.BaseExpression) -> bool:
        if isinstance(node, cst.SimpleString):
            return node.evaluated_value == self.key
        return isinstance(node, cst.Name | cst.Attribute) and _constant(node) in self.names


class _Remover(_Keyed, Settling):
    def __init__(self, key: str, is_on: bool, names: frozenset[str], variant: str, value: Any) -> None:
        Settling.__init__(self)
        _Keyed.__init__(self, key, names)
        self.kind = type(value)
        self.is_on = is_on
        self.settled = TRUE if is_on else FALSE
        self.value = _literal(value)
        self.variant = _literal(variant)
        self.literals = {id(self.value): value, id(self.variant): variant}
        self.imports: set[str] = set()

    # -- the flag becomes a constant ------------------------------------------------------------------------------

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:  # noqa: N802
        name = _name(updated_node.func)
        method = name.rsplit(".", 1)[-1]
        if not self.asks(updated_node):
            return updated_node
        if method in _SURE:
            return self.settled
        if method in _READS and "flags" in name:
            return (self.variant if method == "variant" else self.value) or updated_node
        openfeature = _OPENFEATURE.fullmatch(method)
        # A value of another type would have been the caller's default.
        fits = openfeature is not None and self.kind is _KINDS[openfeature[1]]
        return (self.value if fits else None) or updated_node

    def leave_Attribute(  # noqa: N802
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        """``flags.evaluate(key).value`` and its like; an evaluation that is passed on is left to a person."""
        inner = updated_node.value.expression if isinstance(updated_node.value, cst.Await) else updated_node.value
        if not (isinstance(inner, cst.Call) and self.asks(inner)):
            return updated_node
        name = _name(inner.func)
        if name.rsplit(".", 1)[-1] not in ("evaluate", "aevaluate") or "flags" not in name:
            return updated_node
        found = {"is_enabled": self.settled, "value": self.value, "variant": self.variant}
        return found.get(updated_node.attr.value) or updated_node

    def leave_Await(self, original_node: cst.Await, updated_node: cst.Await) -> cst.BaseExpression:  # noqa: N802
        settled = (self.settled, self.value, self.variant)
        return updated_node.expression if any(updated_node.expression is one for one in settled) else updated_node

    def leave_Subscript(  # noqa: N802
        self, original_node: cst.Subscript, updated_node: cst.Subscript
    ) -> cst.BaseExpression:
        index = updated_node.slice[0].slice if len(updated_node.slice) == 1 else None
        if isinstance(index, cst.Index) and _name(updated_node.value).endswith("flags") and self.is_key(index.value):
            return self.value or updated_node
        return updated_node

    def leave_Comparison(  # noqa: N802
        self, original_node: cst.Comparison, updated_node: cst.Comparison
    ) -> cst.BaseExpression:
        """What everybody gets, held against a literal, is decided; a comparison with anything else stays."""
        target = updated_node.comparisons[0]
        if id(updated_node.left) not in self.literals or len(updated_node.comparisons) > 1:
            return updated_node
        if not isinstance(target.operator, cst.Equal | cst.NotEqual):
            return updated_node
        if not isinstance(target.comparator, cst.SimpleString | cst.Integer | cst.Float):
            return updated_node
        same = self.literals[id(updated_node.left)] == target.comparator.evaluated_value
        return TRUE if same is isinstance(target.operator, cst.Equal) else FALSE

    def leave_Decorator(  # noqa: N802
        self, original_node: cst.Decorator, updated_node: cst.Decorator
    ) -> cst.Decorator | cst.RemovalSentinel:
        call = updated_node.decorator
        if not (self.is_on and isinstance(call, cst.Call) and _name(call.func).rsplit(".", 1)[-1] == "flag_required"):
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
    return cst.parse_expression(repr(value)) if isinstance(value, int | float) else None


def _names_in(call: cst.Call) -> set[str]:
    names: set[str] = {_name(call.func).split(".", 1)[0]}
    for argument in call.args:
        names.add(_name(argument.value).split(".", 1)[0])
    return names - {""}


class _Leftovers(_Keyed, cst.CSTVisitor):
    """Lines that still name the key, and why they were left."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, key: str, names: frozenset[str], is_on: bool) -> None:
        cst.CSTVisitor.__init__(self)
        _Keyed.__init__(self, key, names)
        self.is_on = is_on
        self.lines: dict[int, str] = {}
        self._why: list[str] = ["the key is used as text"]

    def visit_Decorator(self, node: cst.Decorator) -> None:  # noqa: N802
        if self.is_on:
            self._why.append("a gate that is not simply open: say what the view is to do")
        else:
            self._why.append("a gate that nobody passes: the view behind it, its URL and its tests can go")

    def leave_Decorator(self, original_node: cst.Decorator) -> None:  # noqa: N802
        self._why.pop()

    def visit_Call(self, node: cst.Call) -> None:  # noqa: N802
        method = _name(node.func).rsplit(".", 1)[-1]
        self._why.append(self._why[-1] if len(self._why) > 1 else f"{method}(…) is more than a yes or no")

    def leave_Call(self, original_node: cst.Call) -> None:  # noqa: N802
        self._why.pop()

    def visit_SimpleString(self, node: cst.SimpleString) -> None:  # noqa: N802
        if self.is_key(node) or node.evaluated_value == f"!{self.key}":
            self._note(node)

    def visit_Arg(self, node: cst.Arg) -> None:  # noqa: N802
        if isinstance(node.value, cst.Name | cst.Attribute) and self.is_key(node.value):
            self._note(node)

    def _note(self, node: cst.CSTNode) -> None:
        self.lines.setdefault(self.get_metadata(PositionProvider, node).start.line, self._why[-1])
