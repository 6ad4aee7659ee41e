"""Takes a settled flag out of Python code, by its syntax tree: formatting and comments of the rest stay."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

__all__ = ["remove_from_python"]

_READS: Final = frozenset({"value", "avalue", "variant"})
_SURE: Final = frozenset({"is_enabled", "ais_enabled"})
# Told apart from a True that the author wrote by being these very nodes: only what hangs on the flag is simplified.
_TRUE, _FALSE = cst.Name("True"), cst.Name("False")


def remove_from_python(
    source: str, key: str, is_on: bool, *, names: frozenset[str] = frozenset(), variant: str = "", value: Any = None
) -> tuple[str, list[int]]:
    """The source with every decision on ``key`` settled, and the lines that a person must look at.

    ``names`` are constants that hold the key, ``variant`` is what everybody gets (``on`` or ``off`` where it is not
    given) and ``value`` what that holds (where it is not given, whether the flag is on).

    >>> remove_from_python("if flags.is_enabled('beta'):\\n    new()\\nelse:\\n    old()\\n", "beta", True)
    ('new()\\n', [])
    """
    module = MetadataWrapper(cst.parse_module(source))
    remover = _Remover(key, is_on, names, variant or ("on" if is_on else "off"), is_on if value is None else value)
    changed = module.visit(remover)
    if remover.imports:
        changed = changed.visit(_Unimport(remover.imports, changed))
    left = _Leftovers(key, names)
    MetadataWrapper(changed).visit(left)
    return changed.code, sorted(left.lines)


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


def _is_true(node: cst.CSTNode) -> bool:
    return node is _TRUE


def _is_false(node: cst.CSTNode) -> bool:
    return node is _FALSE


class _Keyed:
    def __init__(self, key: str, names: frozenset[str]) -> None:
        self.key, self.names = key, names

    def is_key(self, node: cst.BaseExpression) -> bool:
        if isinstance(node, cst.SimpleString):
            return node.evaluated_value == self.key
        return isinstance(node, cst.Name | cst.Attribute) and _name(node).removesuffix(".value") in self.names


class _Remover(_Keyed, cst.CSTTransformer):
    def __init__(self, key: str, is_on: bool, names: frozenset[str], variant: str, value: Any) -> None:
        cst.CSTTransformer.__init__(self)
        _Keyed.__init__(self, key, names)
        self.is_on = is_on
        self.settled = _TRUE if is_on else _FALSE
        self.value = _literal(value)
        self.variant = _literal(variant)
        self.literals = {id(self.value): value, id(self.variant): variant}
        self.imports: set[str] = set()
        self.elifs: set[cst.If] = set()

    # -- the flag becomes a constant ------------------------------------------------------------------------------

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:  # noqa: N802
        name = _name(updated_node.func)
        method = name.rsplit(".", 1)[-1]
        ours = method in _SURE or (method in _READS and "flags" in name)
        if not (ours and updated_node.args and self.is_key(updated_node.args[0].value)):
            return updated_node
        if method in _SURE:
            return self.settled
        return (self.variant if method == "variant" else self.value) or updated_node

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
        return _TRUE if same is isinstance(target.operator, cst.Equal) else _FALSE

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

    # -- and what hangs on a constant is decided ------------------------------------------------------------------

    def leave_UnaryOperation(  # noqa: N802
        self, original_node: cst.UnaryOperation, updated_node: cst.UnaryOperation
    ) -> cst.BaseExpression:
        if not isinstance(updated_node.operator, cst.Not):
            return updated_node
        if _is_true(updated_node.expression):
            return _FALSE
        return _TRUE if _is_false(updated_node.expression) else updated_node

    def leave_BooleanOperation(  # noqa: N802
        self, original_node: cst.BooleanOperation, updated_node: cst.BooleanOperation
    ) -> cst.BaseExpression:
        left, right, is_and = updated_node.left, updated_node.right, isinstance(updated_node.operator, cst.And)
        if _is_true(left) or _is_false(left):
            return right if _is_true(left) is is_and else left
        # `x and True` has the truth of x, `x and False` is false: a decision was for nothing but its truth.
        if _is_true(right) or _is_false(right):
            return left if _is_true(right) is is_and else right
        return updated_node

    def leave_IfExp(self, original_node: cst.IfExp, updated_node: cst.IfExp) -> cst.BaseExpression:  # noqa: N802
        if _is_true(updated_node.test):
            return updated_node.body
        return updated_node.orelse if _is_false(updated_node.test) else updated_node

    def visit_If(self, node: cst.If) -> None:  # noqa: N802
        if isinstance(node.orelse, cst.If):
            self.elifs.add(node.orelse)

    def leave_If(self, original_node: cst.If, updated_node: cst.If) -> Any:  # noqa: N802
        if isinstance(updated_node.orelse, cst.If):
            updated_node = updated_node.with_changes(orelse=_settled_elif(updated_node.orelse))
        # What remains of an elif is for its parent to say: it may be an else, or nothing.
        is_constant = _is_true(updated_node.test) or _is_false(updated_node.test)
        return self._chosen(updated_node) if is_constant and original_node not in self.elifs else updated_node

    def _chosen(self, node: cst.If) -> Any:
        """What remains of an ``if`` whose test is a constant."""
        if _is_true(node.test):
            return self._flat(node.body, node.leading_lines)
        if node.orelse is None:
            return cst.RemoveFromParent()
        if isinstance(node.orelse, cst.If):
            return node.orelse.with_changes(leading_lines=node.leading_lines)
        return self._flat(node.orelse.body, node.leading_lines)

    def _flat(self, body: cst.BaseSuite, lines: Sequence[cst.EmptyLine]) -> Any:
        if isinstance(body, cst.SimpleStatementSuite):
            return cst.SimpleStatementLine(body.body, leading_lines=lines)
        statements = list(body.body)
        first: Any = statements[0]
        if hasattr(first, "leading_lines"):
            statements[0] = first.with_changes(leading_lines=[*lines, *first.leading_lines])
        return cst.FlattenSentinel(statements)

    def leave_IndentedBlock(  # noqa: N802
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.BaseSuite:
        if updated_node.body or not original_node.body:
            return updated_node
        return updated_node.with_changes(body=[cst.SimpleStatementLine([cst.Pass()])])


def _items(listed: cst.BaseExpression | None) -> list[cst.BaseExpression]:
    return [element.value for element in listed.elements] if isinstance(listed, cst.List) else []


def _literal(value: Any) -> cst.BaseExpression | None:
    """The value as a literal; None where it has none that is short enough to stand in code."""
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    if isinstance(value, str):
        return cst.parse_expression(json.dumps(value, ensure_ascii=False)) if value.isprintable() else None
    return cst.parse_expression(repr(value)) if isinstance(value, int | float) else None


def _settled_elif(node: cst.If) -> cst.If | cst.Else | None:
    if _is_true(node.test):
        return cst.Else(node.body, leading_lines=node.leading_lines)
    return node.orelse if _is_false(node.test) else node


def _names_in(call: cst.Call) -> set[str]:
    names: set[str] = {_name(call.func).split(".", 1)[0]}
    for argument in call.args:
        names.add(_name(argument.value).split(".", 1)[0])
    return names - {""}


class _Leftovers(_Keyed, cst.CSTVisitor):
    """Lines that still name the key."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, key: str, names: frozenset[str]) -> None:
        cst.CSTVisitor.__init__(self)
        _Keyed.__init__(self, key, names)
        self.lines: set[int] = set()

    def visit_SimpleString(self, node: cst.SimpleString) -> None:  # noqa: N802
        if self.is_key(node) or node.evaluated_value == f"!{self.key}":
            self.lines.add(self.get_metadata(PositionProvider, node).start.line)


class _Unimport(cst.CSTTransformer):
    """Takes names out of imports that nothing uses any more."""

    def __init__(self, names: set[str], module: cst.Module) -> None:
        super().__init__()
        counter = _Counter()
        module.visit(counter)
        self.names = {name for name in names if name not in counter.used}

    def leave_ImportFrom(  # noqa: N802
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom | cst.RemovalSentinel:
        if isinstance(updated_node.names, cst.ImportStar):
            return updated_node
        kept = [
            alias for alias in updated_node.names if alias.asname is not None or alias.evaluated_name not in self.names
        ]
        if len(kept) == len(updated_node.names):
            return updated_node
        if not kept:
            return cst.RemoveFromParent()
        kept[-1] = kept[-1].with_changes(comma=updated_node.names[-1].comma)
        return updated_node.with_changes(names=kept)


class _Counter(cst.CSTVisitor):
    """The names that a module uses, imports aside."""

    def __init__(self) -> None:
        super().__init__()
        self.used: set[str] = set()

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:  # noqa: N802
        return False

    def visit_Import(self, node: cst.Import) -> bool:  # noqa: N802
        return False

    def visit_Name(self, node: cst.Name) -> None:  # noqa: N802
        self.used.add(node.value)
