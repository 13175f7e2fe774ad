"""Operators on statements: each looks at one statement and gives splices."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import NamedTuple

from v4agent.repair.source import Source, Splice
from v4agent.repair.tables import SYMBOLS

Splices = Iterator[tuple[float, Splice]]
SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return, ast.Raise, ast.Delete,
          ast.Assert, ast.Continue, ast.Break, ast.Pass)  # fmt: skip
MAX_DONOR_LINES = 3


class StatementOperator(NamedTuple):
    """`find` yields (factor of the prior, splice) for a statement."""

    name: str
    prior: float
    find: Callable[[Source, ast.stmt], Splices]


def delete(source: Source, node: ast.stmt) -> Splices:
    """The statement left out."""
    if isinstance(node, SIMPLE) and not isinstance(node, ast.Pass):
        yield 1, source.replace(node, "pass")
    elif isinstance(node, ast.If) and not node.orelse and not _is_elif(source, node):
        yield 0.5, source.replace(node, "pass")


def unguard(source: Source, node: ast.stmt) -> Splices:
    """The condition of a branch taken as always or never true."""
    if isinstance(node, ast.If | ast.While):
        for text in ("True", "False"):
            if isinstance(node, ast.If) or text == "False":
                yield 1, source.replace(node.test, text)


def augmented(source: Source, node: ast.stmt) -> Splices:
    """Another augmented assignment, or a plain one."""
    if isinstance(node, ast.AugAssign):
        target, value = source.text(node.target), source.text(node.value)
        own = SYMBOLS.get(type(node.op))
        for symbol in ("+", "-", "*", "//", "|", "&"):
            if symbol != own:
                yield (
                    (1 if symbol in "+-" else 0.3),
                    source.replace(node, f"{target} {symbol}= {value}"),
                )
        yield 0.7, source.replace(node, f"{target} = {value}")
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = source.text(node.targets[0]), source.text(node.value)
        for symbol in "+-":
            yield 0.5, source.replace(node, f"{target} {symbol}= {value}")


def target_name(source: Source, node: ast.stmt) -> Splices:
    """An assignment to another name, or its two sides exchanged."""
    if not (isinstance(node, ast.Assign) and len(node.targets) == 1):
        return
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Name):
        for name in source.scope(node).names:
            if name != target.id:
                yield 0.5, source.replace(target, name)
    if isinstance(target, ast.Name | ast.Attribute | ast.Subscript | ast.Tuple) and isinstance(
        value, ast.Name | ast.Attribute | ast.Subscript | ast.Tuple
    ):
        yield 1, source.replace(node, f"{source.text(value)} = {source.text(target)}")
    if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
        for name in source.scope(node).names:
            if name != target.value.id:
                yield 0.5, source.replace(target.value, name)


def returned(source: Source, node: ast.stmt) -> Splices:
    """Another value returned; a value returned where there was none."""
    if isinstance(node, ast.Return):
        for name in source.scope(node).names:
            if node.value is None:
                yield 1, source.replace(node, f"return {name}")
        if node.value is not None and not isinstance(node.value, ast.Constant):
            for text in ("None", "True", "False"):
                yield 0.3, source.replace(node.value, text)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield 0.5, source.replace(node, f"return {source.text(node.value)}")


def jump(source: Source, node: ast.stmt) -> Splices:
    """`break` for `continue`, and the other way round."""
    if isinstance(node, ast.Break):
        yield 1, source.replace(node, "continue")
    elif isinstance(node, ast.Continue):
        yield 1, source.replace(node, "break")


def insert(source: Source, node: ast.stmt) -> Splices:
    """A statement of the same function, or one built from its names, before or after."""
    indent = source.indent(node)
    if indent.strip() or source.function(node) is None:
        return
    for factor, text in _donors(source, node):
        start = source.span(node)[0]
        yield factor, Splice(start, start, f"{text}\n{indent}")
        if isinstance(node, SIMPLE) and not isinstance(node, ast.Return | ast.Raise | ast.Break):
            end = source.span(node)[1]
            yield factor, Splice(end, end, f"\n{indent}{text}")


def _donors(source: Source, node: ast.stmt) -> Iterator[tuple[float, str]]:
    scope = source.scope(node)
    own = source.text(node)
    for container, method in scope.containers.items():
        for name in scope.names:
            if name != container:
                yield 1.5, f"{container}.{method}({name})"
    parameters = scope.function.args.args if isinstance(scope.function, ast.FunctionDef) else []
    known = {parameter.arg for parameter in parameters}
    for name, method in _used_methods(scope.nodes):
        if name in known:
            yield from ((1.0, f"{name}.{method}({o})") for o in scope.names if o != name)
    for name in scope.names:
        for other in scope.names:
            if name != other:
                yield 0.5, f"{name} = {other}"
    for other_statement in scope.nodes:
        if isinstance(other_statement, ast.Assign | ast.AugAssign | ast.Expr | ast.Return):
            text = source.text(other_statement)
            if (
                text != own
                and text.count("\n") < MAX_DONOR_LINES
                and not text.startswith(('"', "'"))
            ):
                yield 0.8, text
    yield 0.3, "return"
    yield 0.3, "continue"


def _used_methods(nodes: list[ast.AST]) -> list[tuple[str, str]]:
    found = []
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.append((node.value.id, node.attr))
        elif isinstance(node, ast.Compare) and isinstance(node.ops[-1], ast.In | ast.NotIn):
            right = node.comparators[-1]
            if isinstance(right, ast.Name):
                found += [(right.id, "add"), (right.id, "append")]
    return list(dict.fromkeys(found))


def caught(source: Source, node: ast.stmt) -> Splices:
    """Another exception caught."""
    if isinstance(node, ast.Try):
        for handler in node.handlers:
            if handler.type is not None:
                text = source.text(handler.type).strip("()")
                yield 1, source.replace(handler.type, "Exception")
                for other in (
                    "ValueError",
                    "TypeError",
                    "KeyError",
                    "AttributeError",
                    "IndexError",
                ):
                    if other not in text:
                        yield 0.5, source.replace(handler.type, f"({text}, {other})")


def defaults(source: Source, node: ast.stmt) -> Splices:
    """Another default of a parameter."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for default in (*node.args.defaults, *(d for d in node.args.kw_defaults if d)):
            for text in ("None", "True", "False", "0", "1", "''"):
                if source.text(default) != text:
                    yield 1, source.replace(default, text)


def _is_elif(source: Source, node: ast.If) -> bool:
    return source.text(node).startswith("elif")


STATEMENT_OPERATORS: tuple[StatementOperator, ...] = (
    StatementOperator("delete statement", 0.4, delete),
    StatementOperator("change augmented assignment", 0.8, augmented),
    StatementOperator("exchange jump", 0.8, jump),
    StatementOperator("fix condition", 0.2, unguard),
    StatementOperator("change target", 0.25, target_name),
    StatementOperator("change returned value", 0.25, returned),
    StatementOperator("catch another exception", 0.15, caught),
    StatementOperator("insert statement", 0.15, insert),
    StatementOperator("change default", 0.15, defaults),
)
"""Every operator on statements. A new one is one function and one row."""
