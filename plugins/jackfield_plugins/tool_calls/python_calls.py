"""Reads calls that a model writes in Python, without running any."""

from __future__ import annotations

import ast
import warnings

from jackfield import ToolCallPart
from jackfield_plugins.tool_calls.reading import part

LONGEST = 100_000
"""Characters that are looked at."""


def python_calls(code: str) -> list[ToolCallPart]:
    """The calls in Python code: alone, in a list, or printed; none if it is anything else.

    Arguments are named and plain values.
    """
    try:
        with warnings.catch_warnings():  # a strange escape in the model's text is no matter of ours
            warnings.simplefilter("ignore")
            tree = ast.parse(code[:LONGEST].strip())
        return [_call(node) for statement in tree.body for node in _nodes(statement)]
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return []


def _nodes(statement: ast.stmt) -> list[ast.expr]:
    """The expressions that should be calls."""
    if not isinstance(statement, ast.Expr):
        raise ValueError("it does more than call")
    value = statement.value
    return value.elts if isinstance(value, ast.List | ast.Tuple) else [value]


def _call(node: ast.expr) -> ToolCallPart:
    if not isinstance(node, ast.Call):
        raise ValueError("it is no call")
    name = ast.unparse(node.func)
    if name == "print" and len(node.args) == 1:
        return _call(node.args[0])
    if node.args or any(keyword.arg is None for keyword in node.keywords):
        raise ValueError("an argument has no name")
    values = {str(one.arg): ast.literal_eval(one.value) for one in node.keywords}
    return part(name.removesuffix(".call"), values)
