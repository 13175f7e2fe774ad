"""Definitions of a file, by tree-sitter queries: functions and what holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from v4agent.packer.languages import language_of, parser

if TYPE_CHECKING:
    import tree_sitter

MAX_PARSED_BYTES = 1_000_000
"""Larger files take a parser too much memory; they are treated as plain text."""


class Symbol(NamedTuple):
    """One definition. Lines are 1-based, ends included."""

    name: str
    kind: Literal["function", "class"]
    start: int
    end: int
    body: int
    """First line of the body; beyond `end` when there is none, or it begins on the last line."""


def symbols(path: str, data: bytes) -> tuple[Symbol, ...]:
    """Definitions in the order of the file; none for languages that are not parsed."""
    language = language_of(path)
    if language is None or len(data) > MAX_PARSED_BYTES:
        return ()
    import tree_sitter

    parse, query = parser(language)
    tree = parse.parse(data)
    found = []
    for _, captures in tree_sitter.QueryCursor(query).matches(tree.root_node):
        names = captures.get("name", [])
        kind: Literal["function", "class"] = "function" if "function" in captures else "class"
        for node in captures.get(kind, []):
            name = (names[0].text or b"").decode("utf-8", errors="replace") if names else "?"
            found.append(_symbol(node, name, kind, language.name))
    return tuple(sorted(set(found), key=lambda s: (s.start, -s.end, s.name)))


def _symbol(
    node: tree_sitter.Node, name: str, kind: Literal["function", "class"], language: str
) -> Symbol:
    start, end = node.start_point[0] + 1, node.end_point[0] + 1
    holder = node.child_by_field_name("value") or node
    body = holder.child_by_field_name("body")
    if body is None:
        return Symbol(name, kind, start, end, end + 1)
    first = body.start_point[0] + 1
    if language == "python":
        return Symbol(name, kind, start, end, max(first, start + 1))
    # the line with the opening brace belongs to the signature
    return Symbol(name, kind, start, end, first + 1)
