"""Decides what hangs on a constant in a syntax tree: if, elif, else, ternaries, not, and, or."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import libcst as cst

__all__ = ["FALSE", "TRUE", "Settling"]

# Told apart from a True that the author wrote by being these very nodes: only what hangs on the flag is simplified.
TRUE, FALSE = cst.Name("True"), cst.Name("False")


def _is_true(node: cst.CSTNode) -> bool:
    return node is TRUE


def _is_false(node: cst.CSTNode) -> bool:
    return node is FALSE


class Settling(cst.CSTTransformer):
    """Simplifies what :data:`TRUE` and :data:`FALSE` were put in; a subclass puts them there."""

    def __init__(self) -> None:
        super().__init__()
        self._elifs: set[cst.If] = set()

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
            return right if _is_true(left) is is_and else left
        # `x and True` has the truth of x, `x and False` is false: a decision was for nothing but its truth.
        if _is_true(right) or _is_false(right):
            return left if _is_true(right) is is_and else right
        return updated_node

    def leave_IfExp(self, original_node: cst.IfExp, updated_node: cst.IfExp) -> cst.BaseExpression:  # noqa: N802
        """A ternary whose test is a constant."""
        if _is_true(updated_node.test):
            return updated_node.body
        return updated_node.orelse if _is_false(updated_node.test) else updated_node

    def visit_If(self, node: cst.If) -> None:  # noqa: N802
        """Remember which ifs are an elif."""
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
            return cst.SimpleStatementLine(body.body, leading_lines=lines)
        statements = list(body.body)
        first: Any = statements[0]
        if hasattr(first, "leading_lines"):
            statements[0] = first.with_changes(leading_lines=[*lines, *first.leading_lines])
        return cst.FlattenSentinel(statements)

    def leave_IndentedBlock(  # noqa: N802
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.BaseSuite:
        """A block that lost all it had."""
        if updated_node.body or not original_node.body:
            return updated_node
        return updated_node.with_changes(body=[cst.SimpleStatementLine([cst.Pass()])])


def _settled_elif(node: cst.If) -> cst.If | cst.Else | None:
    if _is_true(node.test):
        return cst.Else(node.body, leading_lines=node.leading_lines)
    return node.orelse if _is_false(node.test) else node
