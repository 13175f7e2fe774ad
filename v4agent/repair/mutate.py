"""All one-edit neighbours of suspicious code, ordered by how likely each is the fix.

Changes are text splices, so the formatting around them stays. Order: suspiciousness squared times
the operator's prior. Languages are a table: Python is the first row.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from v4agent.repair.expressions import EXPRESSION_OPERATORS
from v4agent.repair.source import Source, Splice, Unparsable
from v4agent.repair.statements import STATEMENT_OPERATORS

MAX_CANDIDATES = 30_000
COMPOUND = (ast.If, ast.While, ast.For, ast.AsyncFor, ast.With, ast.AsyncWith, ast.Try,
            ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)  # fmt: skip


class Mutant(NamedTuple):
    """One candidate change of one file."""

    path: str
    line: int
    operator: str
    splice: Splice
    score: float


def mutants(files: Mapping[str, bytes], suspicion: Mapping[tuple[str, int], float]) -> list[Mutant]:
    """Candidates for all files, best first, without doubles.

    Args:
        files: path -> content of files with suspicious lines; unknown languages are passed over.
        suspicion: (path, line) -> Ochiai score.
    """
    found: list[Mutant] = []
    for path, data in files.items():
        neighbours = LANGUAGES.get(path.rpartition(".")[2])
        if neighbours is not None:
            lines = {line: s for (p, line), s in suspicion.items() if p == path and s > 0}
            found += neighbours(path, data, lines)
    found.sort(key=lambda m: (-m.score, m.path, m.line, m.operator, m.splice))
    return found[:MAX_CANDIDATES]


def python_neighbours(path: str, data: bytes, lines: Mapping[int, float]) -> list[Mutant]:
    """Every operator on every node that stands on a suspicious line, if the result compiles."""
    try:
        source = Source(path, data)
    except Unparsable:
        return []
    best: dict[Splice, Mutant] = {}
    for node in ast.walk(source.tree):
        suspicion = _suspicion(source, node, lines)
        if suspicion <= 0:
            continue
        for operator, weight, splice in _splices(source, node):
            score = suspicion**2 * weight
            known = best.get(splice)
            if known is None or score > known.score:
                line = getattr(node, "lineno", 1)
                best[splice] = Mutant(path, line, operator, splice, score)
    return [m for m in best.values() if _compiles(source, m.splice)]


def _splices(source: Source, node: ast.AST) -> Iterator[tuple[str, float, Splice]]:
    if isinstance(node, ast.expr):
        for expression in EXPRESSION_OPERATORS:
            if isinstance(node, expression.kinds) and _replaceable(source, node):
                for factor, text in expression.find(source, node):
                    yield expression.name, expression.prior * factor, source.replace(node, text)
    elif isinstance(node, ast.stmt):
        for statement in STATEMENT_OPERATORS:
            for factor, splice in statement.find(source, node):
                yield statement.name, statement.prior * factor, splice


def _replaceable(source: Source, node: ast.expr) -> bool:
    """Not a docstring, an annotation, a pattern, part of an f-string, or something assigned to."""
    if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
        return False
    parent = source.parents.get(node)
    if isinstance(node, ast.Constant) and isinstance(parent, ast.Expr):
        return False
    if isinstance(parent, ast.AnnAssign) and parent.annotation is node:
        return False
    return not isinstance(parent, ast.arg | ast.FormattedValue | ast.JoinedStr | ast.MatchValue)


def _suspicion(source: Source, node: ast.AST, lines: Mapping[int, float]) -> float:
    """Of the node's own line, or of the statement that it is a part of."""
    line = getattr(node, "lineno", None)
    if line is None:
        return 0.0
    statement = source.statement(node)
    if statement is None:
        return lines.get(line, 0.0)
    end = statement.end_lineno or statement.lineno
    if isinstance(statement, COMPOUND):
        body = getattr(statement, "body", None) or [statement]
        end = max(statement.lineno, body[0].lineno - 1)
    return max((lines.get(n, 0.0) for n in range(statement.lineno, end + 1)), default=0.0)


def _compiles(source: Source, splice: Splice) -> bool:
    """Checked on the enclosing function alone where there is one: much less to parse."""
    old = source.data[splice.start : splice.end].decode("utf-8", errors="replace")
    if old == splice.text:
        return False
    try:
        if splice.text.isidentifier() or splice.text.replace(".", "", 1).isdigit():
            return True
        if splice.start == splice.end or splice.text in ("pass", "break", "continue"):
            return True
        ast.parse(f"(\n{splice.text}\n)", mode="eval")
    except SyntaxError:
        return "=" in splice.text or splice.text.startswith("return")
    except (ValueError, MemoryError, RecursionError):
        return False
    return True


LANGUAGES: dict[str, Callable[[str, bytes, Mapping[int, float]], Sequence[Mutant]]] = {
    "py": python_neighbours,
}
"""File suffix -> maker of neighbours. A language is one function and one row."""
