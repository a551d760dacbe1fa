"""Conditions of parameters as plain logic over canonical values, for formats that know no activity."""

from __future__ import annotations

import ast

import numpy as np

from dse.expressions import dotted_name
from dse.space import Space


def activity(space: Space, name: str) -> ast.expr | None:
    """Return when a parameter is active, true of canonical designs and no others; None for always.

    Parameters
    ----------
    space
        The space.
    name
        Of the parameter.
    """
    condition = space[name].condition
    return None if condition is None else guarded(space, condition.tree)


def guarded(space: Space, tree: ast.expr) -> ast.expr:
    """Return a condition in which a comparison that reads a parameter holds only where that is active.

    So it is in `Parameter.active_if`; here it is said in the expression itself.
    """
    if isinstance(tree, ast.BoolOp):
        return ast.BoolOp(tree.op, [guarded(space, value) for value in tree.values])
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
        return ast.UnaryOp(tree.op, guarded(space, tree.operand))
    needed = [found for name in names_of(tree) if (found := activity(space, name)) is not None]
    return ast.BoolOp(ast.And(), [*needed, tree]) if needed else tree


def names_of(tree: ast.expr) -> tuple[str, ...]:
    """Return the columns that an expression reads, in order of first appearance."""
    name = dotted_name(tree)
    if name is not None:
        return (name,)
    if isinstance(tree, ast.Call):  # the function's name is no column
        children: list[ast.AST] = list(tree.args)
    else:
        children = list(ast.iter_child_nodes(tree))
    found = dict.fromkeys(
        name for child in children if isinstance(child, ast.expr) for name in names_of(child)
    )
    return tuple(found)


def always_canonical(space: Space) -> list[str]:
    """Return constraints, as texts, by which a parameter that is not active has its canonical value."""
    found = []
    for parameter in space.parameters:
        active = activity(space, parameter.name)
        if active is not None:
            canonical = parameter.decode(np.array([parameter.inactive_code])).tolist()[0]
            found.append(f"({ast.unparse(active)}) or {parameter.name} == {canonical!r}")
    return found
