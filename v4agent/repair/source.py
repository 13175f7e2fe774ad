"""A Python file as repair sees it: its tree, byte offsets, and which names are in reach where."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from v4agent.errors import V4AgentError

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Splice(NamedTuple):
    """Bytes `start` up to `end` of a file, and the text that takes their place."""

    start: int
    end: int
    text: str


class Unparsable(V4AgentError):
    """The file is not Python that this interpreter can parse."""


class Source:
    """One parsed file. Offsets are bytes; lines are 1-based."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self.data = data
        try:
            self.tree = ast.parse(data)
        except (SyntaxError, ValueError, RecursionError) as error:
            raise Unparsable(f"{path}: {error}") from error
        self._starts = [0]
        for line in data.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self.parents: dict[ast.AST, ast.AST] = {}
        for node in ast.walk(self.tree):
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Byte range of a node that has a position."""
        start = self._starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        end = self._starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
        return start, end

    def text(self, node: ast.AST) -> str:
        """Source text of a node."""
        start, end = self.span(node)
        return self.data[start:end].decode("utf-8")

    def replace(self, node: ast.AST, text: str) -> Splice:
        """A splice that puts text in a node's place."""
        return Splice(*self.span(node), text)

    def line_start(self, line: int) -> int:
        """Byte offset at which a line begins."""
        return self._starts[line - 1]

    def indent(self, node: ast.stmt) -> str:
        """White space before a statement; empty when others stand before it on the line."""
        start = self._starts[node.lineno - 1]
        return self.data[start : start + node.col_offset].decode("utf-8")

    def statement(self, node: ast.AST) -> ast.stmt | None:
        """The statement that a node belongs to."""
        current: ast.AST | None = node
        while current is not None and not isinstance(current, ast.stmt):
            current = self.parents.get(current)
        return current

    def function(self, node: ast.AST) -> Function | None:
        """The innermost named function around a node."""
        current = self.parents.get(node)
        while current is not None and not isinstance(
            current, ast.FunctionDef | ast.AsyncFunctionDef
        ):
            current = self.parents.get(current)
        return current

    def apply(self, splice: Splice) -> bytes:
        """The file with one splice."""
        return self.data[: splice.start] + splice.text.encode() + self.data[splice.end :]

    def scope(self, node: ast.AST) -> Scope:
        """What is in reach at a node, computed once per function."""
        function = self.function(node) or self.tree
        if function not in self._scopes:
            self._scopes[function] = Scope(function)
        return self._scopes[function]

    @cached_property
    def _scopes(self) -> dict[ast.AST, Scope]:
        return {}

    @cached_property
    def module_functions(self) -> tuple[str, ...]:
        """Names of the functions and classes of the module."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        return tuple(n.name for n in self.tree.body if isinstance(n, kinds))

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """All attribute names of the file, most frequent first."""
        counts: dict[str, int] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute):
                counts[node.attr] = counts.get(node.attr, 0) + 1
        return tuple(sorted(counts, key=lambda a: (-counts[a], a)))


class Scope:
    """Names and sub-expressions of one function."""

    def __init__(self, function: ast.AST) -> None:
        self.function = function
        self.nodes = list(ast.walk(function))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Parameters and assigned names, in order of appearance."""
        return tuple(dict.fromkeys(self._named()))

    def _named(self) -> Iterator[str]:
        for node in self.nodes:
            if isinstance(node, ast.arg):
                yield node.arg
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, ast.FunctionDef) and node is not self.function:
                yield node.name

    @cached_property
    def chains(self) -> tuple[str, ...]:
        """Attribute chains that are read, such as `self.items` or `node.next`."""
        found = dict.fromkeys(
            ast.unparse(n)
            for n in self.nodes
            if isinstance(n, ast.Attribute)
            and isinstance(n.ctx, ast.Load)
            and isinstance(n.value, ast.Name)
        )
        return tuple(found)[:12]

    @cached_property
    def containers(self) -> dict[str, str]:
        """Container variable -> the method that adds to it."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                target, value = node.targets[0], node.value
                if isinstance(target, ast.Name):
                    if isinstance(value, ast.List) or _calls(value, "list", "deque", "Queue"):
                        found[target.id] = "append"
                    elif isinstance(value, ast.Set) or _calls(value, "set"):
                        found[target.id] = "add"
        return found

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """Tests of the function: donors for other tests."""
        tests = (n.test for n in self.nodes if isinstance(n, ast.If | ast.While | ast.IfExp))
        return tuple(dict.fromkeys(ast.unparse(t) for t in tests))[:8]


def _calls(node: ast.expr, *names: str) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name | ast.Attribute)
        and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr) in names
    )
