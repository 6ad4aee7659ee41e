"""Takes out of Python code what nothing uses once a flag is gone: imports, and constants that held its key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import libcst as cst

__all__ = ["constant_uses", "without_constant", "without_imports"]


_Assignment = TypeVar("_Assignment", cst.Assign, cst.AnnAssign)


def without_imports(module: cst.Module, names: Iterable[str]) -> cst.Module:
    """The module without imports of those of ``names`` that nothing in it uses."""
    counter = _Counter()
    module.visit(counter)
    unused = {name for name in names if name not in counter.used}
    return module.visit(_Unimport(unused, aliased=True)) if unused else module


def constant_uses(source: str, name: str, key: str) -> int:
    """How often a name is used in code, apart from where it is imported, or made to hold ``key``.

    >>> constant_uses("from keys import BETA\\nBETA = 'beta'\\n", "BETA", "beta")
    0
    >>> constant_uses("__all__ = ['BETA']\\n", "BETA", "beta")
    1
    """
    counter = _Counter()
    cst.parse_module(without_constant(source, name, key)).visit(counter)
    return counter.times.get(name, 0)


def without_constant(source: str, name: str, key: str) -> str:
    """The source without the imports of a name, and the assignments that make it hold ``key``.

    >>> without_constant("from keys import BETA, GAMMA\\nBETA: str = 'beta'\\nx = 1\\n", "BETA", "beta")
    'from keys import GAMMA\\nx = 1\\n'
    """
    return cst.parse_module(source).visit(_Unimport({name})).visit(_Unassign(name, key)).code


class _Unimport(cst.CSTTransformer):
    """Takes names out of imports; with ``aliased`` also those that were given there."""

    def __init__(self, names: set[str], *, aliased: bool = False) -> None:
        super().__init__()
        self.names, self.aliased = names, aliased

    def leave_ImportFrom(  # noqa: N802
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom | cst.RemovalSentinel:
        if isinstance(updated_node.names, cst.ImportStar):
            return updated_node
        kept = [alias for alias in updated_node.names if not self._is_named(alias)]
        if len(kept) == len(updated_node.names):
            return updated_node
        if not kept:
            return cst.RemoveFromParent()
        kept[-1] = kept[-1].with_changes(comma=updated_node.names[-1].comma)
        return updated_node.with_changes(names=kept)

    def _is_named(self, alias: cst.ImportAlias) -> bool:
        if alias.asname is None:
            return alias.evaluated_name in self.names
        return self.aliased and alias.evaluated_alias in self.names


class _Unassign(cst.CSTTransformer):
    """Takes out the assignments of a key to a name, in modules and classes."""

    def __init__(self, name: str, key: str) -> None:
        super().__init__()
        self.name, self.key = name, key
        self.depth = 0

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:  # noqa: N802
        self.depth += 1

    def leave_FunctionDef(  # noqa: N802
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        self.depth -= 1
        return updated_node

    def leave_Assign(  # noqa: N802
        self, original_node: cst.Assign, updated_node: cst.Assign
    ) -> cst.Assign | cst.RemovalSentinel:
        targets = [target.target for target in updated_node.targets]
        return self._kept(updated_node, targets)

    def leave_AnnAssign(  # noqa: N802
        self, original_node: cst.AnnAssign, updated_node: cst.AnnAssign
    ) -> cst.AnnAssign | cst.RemovalSentinel:
        return self._kept(updated_node, [updated_node.target])

    def _kept(self, node: _Assignment, targets: Sequence[cst.BaseExpression]) -> _Assignment | cst.RemovalSentinel:
        held = isinstance(node.value, cst.SimpleString) and node.value.evaluated_value == self.key
        named = [isinstance(target, cst.Name) and target.value == self.name for target in targets]
        return cst.RemoveFromParent() if held and named == [True] and not self.depth else node

    def leave_IndentedBlock(  # noqa: N802
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.BaseSuite:
        if updated_node.body or not original_node.body:
            return updated_node
        return updated_node.with_changes(body=[cst.SimpleStatementLine([cst.Pass()])])


class _Counter(cst.CSTVisitor):
    """The names that a module uses, imports aside; ``__all__`` uses those that it lists."""

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[str, int] = {}
        self._exported = False

    @property
    def used(self) -> set[str]:
        return set(self.times)

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:  # noqa: N802
        return False

    def visit_Import(self, node: cst.Import) -> bool:  # noqa: N802
        return False

    def visit_Name(self, node: cst.Name) -> None:  # noqa: N802
        self._count(node.value)

    def visit_Assign(self, node: cst.Assign) -> None:  # noqa: N802
        target = node.targets[0].target
        self._exported = isinstance(target, cst.Name) and target.value == "__all__"

    def leave_Assign(self, original_node: cst.Assign) -> None:  # noqa: N802
        self._exported = False

    def visit_SimpleString(self, node: cst.SimpleString) -> None:  # noqa: N802
        if self._exported:
            self._count(str(node.evaluated_value))

    def _count(self, name: str) -> None:
        self.times[name] = self.times.get(name, 0) + 1
