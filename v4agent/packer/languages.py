"""The languages that are parsed. A language is one row here and one file in `queries/`."""

from __future__ import annotations

import importlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import tree_sitter


class Language(NamedTuple):
    """One language: its grammar's wheel, the function in it, its query and its file suffixes."""

    name: str
    module: str
    function: str
    query: str
    suffixes: tuple[str, ...]


LANGUAGES: tuple[Language, ...] = (
    Language("python", "tree_sitter_python", "language", "python", ("py", "pyi")),
    Language("javascript", "tree_sitter_javascript", "language", "javascript",
             ("js", "jsx", "mjs", "cjs")),
    Language("typescript", "tree_sitter_typescript", "language_typescript", "typescript",
             ("ts", "mts", "cts")),
    Language("tsx", "tree_sitter_typescript", "language_tsx", "typescript", ("tsx",)),
    Language("go", "tree_sitter_go", "language", "go", ("go",)),
    Language("rust", "tree_sitter_rust", "language", "rust", ("rs",)),
    Language("java", "tree_sitter_java", "language", "java", ("java",)),
    Language("c", "tree_sitter_c", "language", "c", ("c", "h")),
    Language("cpp", "tree_sitter_cpp", "language", "cpp", ("cc", "cpp", "cxx", "hpp", "hh", "hxx")),
    Language("ruby", "tree_sitter_ruby", "language", "ruby", ("rb", "rake")),
)  # fmt: skip

_BY_SUFFIX = {suffix: language for language in LANGUAGES for suffix in language.suffixes}


def language_of(path: str) -> Language | None:
    """The language of a file by its suffix; None when it is not one that is parsed."""
    return _BY_SUFFIX.get(path.rpartition(".")[2].lower())


@cache
def parser(language: Language) -> tuple[tree_sitter.Parser, tree_sitter.Query]:
    """Parser and definitions query of a language, loaded once."""
    import tree_sitter

    grammar = getattr(importlib.import_module(language.module), language.function)()
    loaded = tree_sitter.Language(grammar)
    text = resources.files("v4agent.packer").joinpath(f"queries/{language.query}.scm").read_text()
    return tree_sitter.Parser(loaded), tree_sitter.Query(loaded, text)
