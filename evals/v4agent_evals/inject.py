"""Seeded one-operator faults in real source code: what a slip of one edit looks like.

Written apart from the repair operators, after the kinds of SWE-smith's procedural mutators
(operator change and flip, constant, condition inverted, statement removed, operands swapped).
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from typing import NamedTuple


class Fault(NamedTuple):
    """One way to break a file: the kind, the line, and the whole new text."""

    kind: str
    line: int
    text: str


_FLIPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
_WORDS = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in", ast.Add: "+",
    ast.Sub: "-", ast.Mult: "*", ast.And: "and", ast.Or: "or",
}  # fmt: skip


def faults(text: str, seed: str) -> Iterator[Fault]:
    """All faults of a file, in a seeded order in which the kinds take turns."""
    tree = ast.parse(text)
    by_kind: dict[str, list[Fault]] = {}
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                for fault in _of(text, node):
                    by_kind.setdefault(fault.kind, []).append(fault)
    chooser = random.Random(seed)
    for found in by_kind.values():
        chooser.shuffle(found)
    while any(by_kind.values()):
        kinds = [k for k in sorted(by_kind) if by_kind[k]]
        chooser.shuffle(kinds)
        for kind in kinds:
            yield by_kind[kind].pop()


def _of(text: str, node: ast.AST) -> Iterator[Fault]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _FLIPPED:
        yield _between(text, "comparison", node, node.left, node.comparators[0], node.ops[0])
    elif isinstance(node, ast.BinOp) and type(node.op) in _FLIPPED:
        yield _between(text, "arithmetic", node, node.left, node.right, node.op)
    elif isinstance(node, ast.BoolOp) and len(node.values) == 2:
        yield _between(text, "boolean", node, node.values[0], node.values[1], node.op)
        yield _replaced(text, "operand lost", node, _source(text, node.values[0]))
    elif isinstance(node, ast.If | ast.While):
        yield _replaced(text, "condition inverted", node.test, f"not ({_source(text, node.test)})")
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield _replaced(text, "constant", node, str(node.value + 1))
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield _replaced(text, "constant", node, str(not node.value))
    elif isinstance(node, ast.Expr | ast.AugAssign) and not _is_docstring(node):
        yield _replaced(text, "statement lost", node, "pass")
    elif isinstance(node, ast.Call) and len(node.args) == 2 and not node.keywords:
        one, other = (_source(text, a) for a in node.args)
        if one != other:
            changed = f"{_source(text, node.func)}({other}, {one})"
            yield _replaced(text, "arguments swapped", node, changed)


def _between(
    text: str, kind: str, node: ast.AST, left: ast.AST, right: ast.AST, op: ast.AST
) -> Fault:
    word = _WORDS[_FLIPPED[type(op)]]
    return _replaced(text, kind, node, f"{_source(text, left)} {word} {_source(text, right)}")


def _source(text: str, node: ast.AST) -> str:
    found = ast.get_source_segment(text, node) or ""
    return f"({found})" if isinstance(node, ast.BinOp | ast.BoolOp | ast.Compare) else found


def _replaced(text: str, kind: str, node: ast.AST, new: str) -> Fault:
    segment = ast.get_source_segment(text, node) or ""
    lines = text.splitlines(keepends=True)
    line: int = node.lineno  # type: ignore[attr-defined]
    column = len(lines[line - 1].encode()[: node.col_offset].decode())  # type: ignore[attr-defined]
    start = sum(map(len, lines[: line - 1])) + column
    return Fault(kind, line, text[:start] + new + text[start + len(segment) :])


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.Yield)
