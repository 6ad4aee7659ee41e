"""Decides what hangs on a constant in a syntax tree: if, elif, else, ternaries, not, and, or."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import libcst as cst

__all__ = ["FALSE", "TRUE", "Settling", "is_plain"]

# Told apart from a True that the author wrote by being these very nodes: only what hangs on the flag is simplified.
TRUE, FALSE = cst.Name("True"), cst.Name("False")


_ATOMS: Final = (cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.SimpleString, cst.FormattedString)
"""What needs no parentheses around it, wherever it stands."""
_ACTS: Final = (cst.Call, cst.Await, cst.Yield, cst.NamedExpr, cst.FormattedString)


def is_plain(node: cst.CSTNode) -> bool:
    """Whether leaving an expression out leaves nothing undone: nothing in it is called, awaited or assigned.

    >>> is_plain(cst.parse_expression("user.is_staff")), is_plain(cst.parse_expression("not form.is_valid()"))
    (True, False)
    """
    return not isinstance(node, _ACTS) and all(map(is_plain, node.children))


def _is_true(node: cst.CSTNode) -> bool:
    return node is TRUE


def _is_false(node: cst.CSTNode) -> bool:
    return node is FALSE


class Settling(cst.CSTTransformer):
    """Simplifies what :data:`TRUE` and :data:`FALSE` were put in; a subclass puts them there."""

    def __init__(self) -> None:
        super().__init__()
        self._elifs: set[cst.If] = set()
        self._truths: set[cst.CSTNode] = set()  # asked for no more than whether they are true
        self._footers: dict[cst.CSTNode, Sequence[cst.EmptyLine]] = {}  # comments that stood below a statement

    def visit_UnaryOperation(self, node: cst.UnaryOperation) -> None:  # noqa: N802
        """``not`` asks for the truth of something."""
        if isinstance(node.operator, cst.Not):
            self._truths.add(node.expression)

    def visit_BooleanOperation(self, node: cst.BooleanOperation) -> None:  # noqa: N802
        """Both sides are asked for what the whole is asked for."""
        if node in self._truths:
            self._truths |= {node.left, node.right}

    def visit_IfExp(self, node: cst.IfExp) -> None:  # noqa: N802
        """The test of a ternary is asked for its truth, its branches for what the whole is asked for."""
        self._truths |= {node.test, node.body, node.orelse} if node in self._truths else {node.test}

    def visit_While(self, node: cst.While) -> None:  # noqa: N802
        """A loop's test is asked for its truth."""
        self._truths.add(node.test)

    def visit_Assert(self, node: cst.Assert) -> None:  # noqa: N802
        """What is asserted is asked for its truth."""
        self._truths.add(node.test)

    def visit_CompIf(self, node: cst.CompIf) -> None:  # noqa: N802
        """The condition of a comprehension is asked for its truth."""
        self._truths.add(node.test)

    def leave_UnaryOperation(  # noqa: N802
        self, original_node: cst.UnaryOperation, updated_node: cst.UnaryOperation
    ) -> cst.BaseExpression:
        """``not`` of a constant."""
        if not isinstance(updated_node.operator, cst.Not):
            return updated_node
        if _is_true(updated_node.expression):
            return FALSE
        return TRUE if _is_false(updated_node.expression) else updated_node

    def leave_BooleanOperation(  # noqa: N802
        self, original_node: cst.BooleanOperation, updated_node: cst.BooleanOperation
    ) -> cst.BaseExpression:
        """``and`` and ``or`` with a constant on either side."""
        left, right, is_and = updated_node.left, updated_node.right, isinstance(updated_node.operator, cst.And)
        if _is_true(left) or _is_false(left):
            return _in_place_of(updated_node, right) if _is_true(left) is is_and else left
        if not (_is_true(right) or _is_false(right)):
            return updated_node
        is_truth = original_node in self._truths
        if _is_true(right) is is_and:  # `x and True` has the truth of x, and not its value
            return _in_place_of(updated_node, left) if is_truth or _is_bool(left) else updated_node
        if not is_plain(left):  # what is called there is called all the same: for a person to untie
            return original_node
        return right if is_truth else updated_node

    def leave_IfExp(self, original_node: cst.IfExp, updated_node: cst.IfExp) -> cst.BaseExpression:  # noqa: N802
        """A ternary whose test is a constant."""
        if _is_true(updated_node.test):
            return _in_place_of(updated_node, updated_node.body)
        return _in_place_of(updated_node, updated_node.orelse) if _is_false(updated_node.test) else updated_node

    def visit_If(self, node: cst.If) -> None:  # noqa: N802
        """Remember which ifs are an elif; a test is asked for its truth."""
        self._truths.add(node.test)
        if isinstance(node.orelse, cst.If):
            self._elifs.add(node.orelse)

    def leave_If(self, original_node: cst.If, updated_node: cst.If) -> Any:  # noqa: N802
        """An if, with its elifs, whose test is a constant."""
        if isinstance(updated_node.orelse, cst.If):
            updated_node = updated_node.with_changes(orelse=_settled_elif(updated_node.orelse))
        # What remains of an elif is for its parent to say: it may be an else, or nothing.
        is_constant = _is_true(updated_node.test) or _is_false(updated_node.test)
        return self._chosen(updated_node) if is_constant and original_node not in self._elifs else updated_node

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
            return cst.SimpleStatementLine(body.body, leading_lines=lines, trailing_whitespace=body.trailing_whitespace)
        statements = list(body.body)
        first: Any = statements[0]
        if hasattr(first, "leading_lines"):
            statements[0] = first.with_changes(leading_lines=[*lines, *first.leading_lines])
        if isinstance(body, cst.IndentedBlock) and any(line.comment is not None for line in body.footer):
            self._footers[statements[-1]] = body.footer
        return cst.FlattenSentinel(statements)

    def leave_IndentedBlock(  # noqa: N802
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.BaseSuite:
        """A block that lost all it had, or got what stood in another one."""
        if not updated_node.body and original_node.body:
            return updated_node.with_changes(body=[cst.SimpleStatementLine([cst.Pass()])])
        return updated_node if self._footers.keys().isdisjoint(updated_node.body) else self._commented(updated_node)

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:  # noqa: N802
        """A module that got what stood in a block."""
        return updated_node if self._footers.keys().isdisjoint(updated_node.body) else self._commented(updated_node)

    def _commented(self, block: Any) -> Any:
        """The block with comments that ended an inner one before what follows."""
        body: list[Any] = []
        waiting: Sequence[cst.EmptyLine] = ()
        for statement in block.body:
            lines = [*waiting, *statement.leading_lines]
            body.append(statement.with_changes(leading_lines=lines) if waiting else statement)
            waiting = self._footers.get(statement, ())
        return block.with_changes(body=body, footer=[*waiting, *block.footer])

    def leave_FunctionDef(  # noqa: N802
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        """A generator that lost its last ``yield`` would be a function: it is left to a person."""
        return original_node if _yields(original_node.body) and not _yields(updated_node.body) else updated_node


def _yields(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.Yield):
        return True
    return not isinstance(node, cst.FunctionDef | cst.Lambda) and any(map(_yields, node.children))


def _is_bool(node: cst.BaseExpression) -> bool:
    """Whether an expression is true or false, and nothing like it."""
    return isinstance(node, cst.Comparison) or (
        isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Not)
    )


def _in_place_of(outer: cst.BaseExpression, inner: cst.BaseExpression) -> cst.BaseExpression:
    """A part of an expression for the whole, in its parentheses where they hold something together."""
    if not outer.lpar or inner.lpar or _is_true(inner) or _is_false(inner):
        return inner
    if isinstance(inner, _ATOMS) and "\n" not in cst.Module([]).code_for_node(inner):
        return inner
    return inner.with_changes(lpar=outer.lpar, rpar=outer.rpar)


def _settled_elif(node: cst.If) -> cst.If | cst.Else | None:
    if _is_true(node.test):
        return cst.Else(node.body, leading_lines=node.leading_lines)
    return node.orelse if _is_false(node.test) else node
