"""What is left to a person once a flag was taken out of Python code: which lines still name it, and why."""

from __future__ import annotations

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from .keyed import SURE, Keyed, dotted_name
from .settling import is_plain

__all__ = ["lines_left"]


def lines_left(module: cst.Module, key: str, names: frozenset[str], is_on: bool) -> list[tuple[int, str]]:
    """The lines that still name a key, or a constant that holds it, each with the reason.

    >>> lines_left(cst.parse_module("x = flags.evaluate('a')\\n"), "a", frozenset(), True)
    [(1, 'evaluate(…) is more than a yes or no')]
    """
    found = _Leftovers(module, key, names, is_on)
    MetadataWrapper(module).visit(found)
    return sorted(found.lines.items())


class _Leftovers(Keyed, cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, module: cst.Module, key: str, names: frozenset[str], is_on: bool) -> None:
        cst.CSTVisitor.__init__(self)
        Keyed.__init__(self, key, names, module)
        self.is_on = is_on
        self.lines: dict[int, str] = {}
        self._why: list[str] = ["the key is used as text"]
        self._strong: list[str] = []  # reasons that go before what is said of the call itself

    def visit_Decorator(self, node: cst.Decorator) -> None:  # noqa: N802
        gates = [call for call in _calls(node.decorator) if self.is_gate(call)]
        open_gate = "a gate that is not simply open: say what the view is to do"
        shut_gate = "a gate that nobody passes: the view behind it, its URL and its tests can go"
        self._strong.append((open_gate if self.is_on else shut_gate) if gates else "")

    def leave_Decorator(self, original_node: cst.Decorator) -> None:  # noqa: N802
        self._strong.pop()

    def visit_BooleanOperation(self, node: cst.BooleanOperation) -> None:  # noqa: N802
        self._strong.append(
            "" if is_plain(node.left) else "what is called before it is called all the same: untie them"
        )

    def leave_BooleanOperation(self, original_node: cst.BooleanOperation) -> None:  # noqa: N802
        self._strong.pop()

    def visit_Call(self, node: cst.Call) -> None:  # noqa: N802
        dotted = dotted_name(node.func)
        around, _, method = dotted.rpartition(".")
        if method not in SURE:
            self._why.append(f"{method}(…) is more than a yes or no")
        elif not self.is_ours(dotted):
            self._why.append(f"whether {around or method} asks flags cannot be told")
        else:
            self._why.append("what hangs on it cannot be taken out by itself")

    def leave_Call(self, original_node: cst.Call) -> None:  # noqa: N802
        self._why.pop()

    def visit_SimpleString(self, node: cst.SimpleString) -> None:  # noqa: N802
        if self.is_key(node) or node.evaluated_value == f"!{self.key}":
            self._note(node)

    def visit_Arg(self, node: cst.Arg) -> None:  # noqa: N802
        if isinstance(node.value, cst.Name | cst.Attribute) and self.is_key(node.value):
            self._note(node)

    def _note(self, node: cst.CSTNode) -> None:
        why = next(filter(None, reversed(self._strong)), self._why[-1])
        self.lines.setdefault(self.get_metadata(PositionProvider, node).start.line, why)


def _calls(node: cst.CSTNode) -> list[cst.Call]:
    found = [node] if isinstance(node, cst.Call) else []
    return found + [call for child in node.children for call in _calls(child)]
