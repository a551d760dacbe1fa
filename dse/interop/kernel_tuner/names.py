"""Names as C's preprocessor takes them, which kernels are compiled with."""

from __future__ import annotations

import ast

from dse.expressions import Expression, dotted_name
from dse.interop.names import identifier
from dse.space import Space


def macros(space: Space) -> dict[str, str]:
    """Return for each parameter a name without dots, each another."""
    found: dict[str, str] = {}
    for name in space.names:
        found[name] = identifier(name.replace(".", "_"), set(found.values()))
    return found


def renamed(expression: Expression, names: dict[str, str]) -> ast.expr:
    """Return an expression over other names."""

    class Renaming(ast.NodeTransformer):
        def _rename(self, node: ast.expr) -> ast.expr:
            return ast.Name(names[dotted_name(node) or ""], ast.Load())

        def visit_Name(self, node: ast.Name) -> ast.expr:
            return self._rename(node)

        def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
            return self._rename(node)

        def visit_Call(self, node: ast.Call) -> ast.expr:
            node.args = [self.visit(argument) for argument in node.args]
            return node

    tree: ast.expr = Renaming().visit(ast.parse(expression.canonical, mode="eval").body)
    return tree
