"""Which files and definitions matter for a task: BM25 over split identifiers, plus mentions.

BM25: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009;
fields are weighted counts (BM25F). Deterministic: ties go by path.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from v4agent.packer.index import File, words
from v4agent.packer.symbols import Symbol

K1, B = 1.2, 0.5
SYMBOL_WEIGHT, PATH_WEIGHT = 4.0, 6.0
PATH_MENTION, NAME_MENTION, FRAME_MENTION = 12.0, 6.0, 8.0
DEFINITION_MENTION, IMPORTED_BY_TEST = 3.0, 5.0
MAX_DEFINITIONS = 4
TEST_FACTOR = 0.5
_FRAME = re.compile(r'File "([^"]+)", line (\d+)|([\w./-]+\.\w{1,4}):(\d+)')
_NAMES = re.compile(r"`([^`\n]+)`|\b([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)\b|\b([A-Za-z_]\w{2,})\(")
_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import\s+(.+)|import\s+([\w.]+))", re.MULTILINE)
_TEST = re.compile(
    r"(^|/)(tests?|testing|__tests__|spec)/"
    r"|(^|/)(test_[^/]*|[^/]*_test\.\w+|[^/]*\.(test|spec)\.\w+|conftest\.py)$"
)


Add = Callable[[str, str, float], None]
"""Notes (path, reason, bonus)."""


class Ranked(NamedTuple):
    """A file's score, why, and the score of each of its definitions."""

    file: File
    score: float
    reason: str
    symbols: dict[Symbol, float]


def rank(files: Sequence[File], task: str, mentions: Sequence[str] = ()) -> list[Ranked]:
    """Files by relevance, best first.

    Args:
        task: issue, failing output and the like; may be empty.
        mentions: test ids or paths that matter in any case.
    """
    text = "\n".join([task, *mentions])
    query = Counter(words(text))
    weights = _weights(files, query)
    mean = sum(f.length for f in files) / max(len(files), 1) or 1.0
    hints = _hints(files, text)
    ranked = [_ranked(f, query, weights, mean, hints.get(f.path, ())) for f in files]
    return sorted(ranked, key=lambda r: (-r.score, r.file.path))


def is_test(path: str) -> bool:
    """Whether a file is a test by its path."""
    return _TEST.search(path) is not None


def _weights(files: Sequence[File], query: Mapping[str, int]) -> dict[str, float]:
    """Inverse document frequency of each word of the query."""
    total = len(files)
    found = {}
    for word in query:
        having = sum(1 for f in files if word in f.words)
        found[word] = math.log(1 + (total - having + 0.5) / (having + 0.5))
    return found


def _ranked(
    file: File,
    query: Mapping[str, int],
    weights: Mapping[str, float],
    mean: float,
    hints: Sequence[tuple[str, float, int | None]],
) -> Ranked:
    fields: dict[str, float] = {}
    for word in (w for symbol in file.symbols for w in words(symbol.name)):
        fields[word] = fields.get(word, 0.0) + SYMBOL_WEIGHT
    for word in words(file.path):
        fields[word] = fields.get(word, 0.0) + PATH_WEIGHT
    length = 1 - B + B * file.length / mean
    score = 0.0
    for word, times in query.items():
        count = file.words.get(word, 0) + fields.get(word, 0.0)
        if count:
            score += min(times, 3) * weights[word] * count * (K1 + 1) / (count + K1 * length)
    reasons = [f"bm25 {score:.1f}"] if score else []
    if is_test(file.path):
        score *= TEST_FACTOR
    bonus = sum(value for _, value, _ in hints)
    reasons += dict.fromkeys(reason for reason, _, _ in hints)
    lines = [line for _, _, line in hints if line is not None]
    symbols = _symbol_scores(file, query, weights, lines)
    return Ranked(file, score + bonus, "; ".join(reasons) or "no match", symbols)


def _symbol_scores(
    file: File, query: Mapping[str, int], weights: Mapping[str, float], lines: Sequence[int]
) -> dict[Symbol, float]:
    if not query:
        return {}
    source = file.lines
    found = {}
    for symbol in file.symbols:
        if symbol.kind != "function":
            continue
        body = Counter(words("\n".join(source[symbol.start - 1 : symbol.end])))
        name = set(words(symbol.name))
        score = sum(
            weights[w] * (body[w] / (body[w] + K1) + (1.5 if w in name else 0))
            for w in query
            if w in body
        )
        score += sum(FRAME_MENTION for line in lines if symbol.start <= line <= symbol.end)
        if score:
            found[symbol] = score / math.sqrt(symbol.end - symbol.start + 5)
    return found


def _hints(files: Sequence[File], text: str) -> dict[str, list[tuple[str, float, int | None]]]:
    """Path -> (reason, bonus, line) for what the text mentions."""
    found: dict[str, list[tuple[str, float, int | None]]] = {}
    by_name: dict[str, list[str]] = {}
    for file in files:
        by_name.setdefault(file.path.rpartition("/")[2], []).append(file.path)

    def add(path: str, reason: str, bonus: float, line: int | None = None) -> None:
        found.setdefault(path, []).append((reason, bonus, line))

    for name, paths in by_name.items():
        if name not in text:
            continue
        for path in paths:
            if path in text:
                add(path, "path in task", PATH_MENTION)
            elif "." in name and len(paths) <= 3:
                add(path, "file name in task", NAME_MENTION)
    for frame in _FRAME.finditer(text):
        named, line = (frame[1], frame[2]) if frame[1] else (frame[3], frame[4])
        for path in by_name.get(named.rpartition("/")[2], ()):
            if named.endswith(path) or path.endswith(named):
                add(path, "in traceback", FRAME_MENTION, int(line))
    _definition_hints(files, text, add)
    _import_hints(files, found, add)
    return found


def _definition_hints(files: Sequence[File], text: str, add: Add) -> None:
    names = {
        part
        for match in _NAMES.finditer(text)
        for part in re.findall(r"[A-Za-z_]\w{2,}", next(g for g in match.groups() if g))
    }
    for file in files:
        defined = [s.name for s in file.symbols if s.name in names]
        for name in list(dict.fromkeys(defined))[:MAX_DEFINITIONS]:
            add(file.path, f"defines {name}", DEFINITION_MENTION)


def _import_hints(
    files: Sequence[File],
    found: Mapping[str, list[tuple[str, float, int | None]]],
    add: Add,
) -> None:
    """Sources that a mentioned test imports."""
    modules: dict[str, str] = {}
    for file in files:
        if file.path.endswith(".py"):
            dotted = file.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            modules[dotted] = file.path
            modules.setdefault(dotted.removeprefix("src."), file.path)
    mentioned = [f for f in files if is_test(f.path) and f.path in found]
    for test in mentioned:
        for match in _IMPORT.finditer(test.text):
            base = match[1] or match[3]
            imported = [base] + [f"{base}.{n.strip()}" for n in (match[2] or "").split(",")]
            for path in dict.fromkeys(modules[m] for m in imported if m in modules):
                add(path, "imported by the failing test", IMPORTED_BY_TEST)
