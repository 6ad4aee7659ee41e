"""From a shape's text to code with places for values; imported when the first flag is compiled, since ``ast`` is slow.

A placeholder is a constant that no definition can contain the place of: the text is ours, and values are put in its
place afterwards.
"""

from __future__ import annotations

import ast
from types import CodeType
from typing import Final

__all__ = ["make_template"]

_PLACEHOLDER: Final = "\0K"


class _Placeholders(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.expr:
        if not node.id.startswith("K"):
            return node
        return ast.copy_location(ast.Constant(_PLACEHOLDER + node.id[1:]), node)


def make_template(source: str) -> tuple[CodeType, tuple[int, ...]]:
    """The code of a shape, and for each of its constants the number of the value that goes there, or -1."""
    module = compile(_Placeholders().visit(ast.parse(source)), "<flag>", "exec", dont_inherit=True)
    code = next(constant for constant in module.co_consts if isinstance(constant, CodeType))
    numbers = (
        int(constant[2:]) if isinstance(constant, str) and constant.startswith(_PLACEHOLDER) else -1
        for constant in code.co_consts
    )
    return code, tuple(numbers)
