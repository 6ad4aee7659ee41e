"""Recognises in a syntax tree what asks for one flag: its key, constants that hold it, and whatever holds flags."""

from __future__ import annotations

from typing import Final

import libcst as cst

__all__ = ["GATE", "SURE", "Keyed", "constant_name", "dotted_name"]

GATE: Final = "flag_required"
SURE: Final = frozenset({"is_enabled", "ais_enabled"})
"""Methods that answer yes or no."""


def dotted_name(node: cst.BaseExpression) -> str:
    """``request.flags.value`` of an expression; calls in between count by their name, anything else is empty.

    >>> dotted_name(cst.parse_expression("current_flags().value"))
    'current_flags.value'
    """
    parts: list[str] = []
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


def constant_name(node: cst.BaseExpression) -> str:
    """The last name of ``KEY``, ``Keys.KEY`` or ``Keys.KEY.value``."""
    return dotted_name(node).removesuffix(".value").rsplit(".", 1)[-1]


class Keyed:
    """One flag's key in one module: ``names`` are constants that hold it."""

    def __init__(self, key: str, names: frozenset[str], module: cst.Module) -> None:
        self.key, self.names = key, names
        found = _Names()
        module.visit(found)
        self._aliases, self._holders = found.aliases, found.holders

    def asks(self, call: cst.Call) -> bool:
        """Whether the call's first argument, or ``flag_key``, is the key."""
        if call.args and call.args[0].keyword is None:
            return self.is_key(call.args[0].value)
        named = (one.value for one in call.args if one.keyword is not None and one.keyword.value == "flag_key")
        return any(map(self.is_key, named))

    def is_key(self, node: cst.BaseExpression) -> bool:
        """Whether an expression is the key, or a constant that holds it."""
        if isinstance(node, cst.SimpleString):
            return node.evaluated_value == self.key
        return isinstance(node, cst.Name | cst.Attribute) and constant_name(node) in self.names

    def is_gate(self, node: cst.BaseExpression) -> bool:
        """Whether this is ``flag_required(…)``, under whatever name it was imported."""
        if not isinstance(node, cst.Call):
            return False
        name = dotted_name(node.func)
        return self._aliases.get(name, name).rsplit(".", 1)[-1] == GATE

    def is_ours(self, dotted: str) -> bool:
        """Whether this asks flags: ``plugins.is_enabled`` need not: a plugin may have the name of a flag."""
        around, _, method = dotted.rpartition(".")
        root = around.partition(".")[0]
        named = "flag" in around.lower() or root in self._holders
        return named or method not in SURE or method.startswith("a") or "-" in self.key


class _Names(cst.CSTVisitor):
    """What a module calls gates and flags: names that it imports, and those that it gives to something of flags."""

    def __init__(self) -> None:
        super().__init__()
        self.aliases: dict[str, str] = {}
        self.holders: set[str] = {"here"}

    def visit_ImportFrom(self, node: cst.ImportFrom) -> None:  # noqa: N802
        for alias in () if isinstance(node.names, cst.ImportStar) else node.names:
            if alias.evaluated_alias is not None:
                self.aliases[alias.evaluated_alias] = alias.evaluated_name
                self._hold(cst.Name(alias.evaluated_alias), cst.Name(alias.evaluated_name.rsplit(".", 1)[-1]))

    def visit_Assign(self, node: cst.Assign) -> None:  # noqa: N802
        for target in node.targets:
            self._hold(target.target, node.value)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:  # noqa: N802
        self._hold(node.target, node.annotation.annotation)

    def visit_NamedExpr(self, node: cst.NamedExpr) -> None:  # noqa: N802
        self._hold(node.target, node.value)

    def visit_Param(self, node: cst.Param) -> None:  # noqa: N802
        if node.annotation is not None:
            self._hold(node.name, node.annotation.annotation)

    def _hold(self, target: cst.BaseExpression, value: cst.BaseExpression) -> None:
        inner = value.expression if isinstance(value, cst.Await) else value
        if isinstance(target, cst.Name) and "flag" in cst.Module([]).code_for_node(inner).lower():
            self.holders.add(target.value)
