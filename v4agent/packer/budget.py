"""Chooses the form of each file so that the whole fits the budget, counted on the final text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from v4agent.errors import UsageError
from v4agent.packer.rank import Ranked
from v4agent.packer.render import elided, entry_text, render
from v4agent.packer.symbols import Symbol
from v4agent.packer.tokens import count
from v4agent.types import PackedFile, Tier

FULL_FROM = 50_000
"""Budget from which a relevant file goes in whole rather than in part."""
SMALL_FILE = 600
"""Tokens below which a file always goes in whole."""
BODIES_SHARE = 0.8
"""Share of the budget for files and definitions that matter; outlines and paths have the rest."""
FOCUS_SHARE = 0.35
"""Share of the budget that the definitions of one file may take."""
LISTED_SHARE = 0.05
MAX_TRIED = 400
"""Files in rank order for which room is looked for; beyond them only paths are listed."""
ENTRY_TOKENS = 40
"""Delimiters and path of one entry, for the first estimate."""


class Chosen(NamedTuple):
    """Entries in their final order, paths that are only listed, and the rendered text."""

    entries: tuple[PackedFile, ...]
    listed: tuple[str, ...]
    text: str
    tokens: int


def choose(
    ranked: Sequence[Ranked],
    budget: int,
    tokenizer: str,
    nonce: str,
    redact: Callable[[str, str], str],
) -> Chosen:
    """Fill the budget.

    Args:
        redact: (text, path) -> text without secrets.

    Raises:
        UsageError: not even the header fits; names the least budget.
    """
    least = count(render((), (), nonce), tokenizer)
    if least > budget:
        raise UsageError(f"a budget of {budget} tokens is too small", hint=f"at least {least}")
    entries = _fill(ranked, budget - least, tokenizer, nonce, redact)
    return _fitted(ranked, entries, budget, tokenizer, nonce)


def _fill(
    ranked: Sequence[Ranked],
    room: int,
    tokenizer: str,
    nonce: str,
    redact: Callable[[str, str], str],
) -> list[PackedFile]:
    """Entries in rank order: first what matters, then outlines, then whole files while room."""
    total = room
    chosen: dict[str, PackedFile] = {}

    def take(item: Ranked, tier: Tier, text: str, limit: float) -> bool:
        nonlocal room
        entry = PackedFile(
            path=item.file.path, tier=tier, tokens=0, score=round(item.score, 3),
            reason=item.reason, text=redact(text, item.file.path),
        )  # fmt: skip
        tokens = count(entry_text(entry, nonce), tokenizer)
        old = chosen.get(item.file.path)
        gain = tokens - (old.tokens if old else 0)
        if gain > room or total - room + gain > limit:
            return False
        chosen[item.file.path] = entry.model_copy(update={"tokens": tokens})
        room -= gain
        return True

    tried = ranked[:MAX_TRIED]
    for item in tried:
        if item.score <= 0:
            break
        _take_best(item, total, tokenizer, take)
    for item in tried:
        if item.file.path not in chosen and item.file.symbols:
            take(item, "outline", elided(item.file), total)
    for item in tried:
        if room < ENTRY_TOKENS:
            break
        known = chosen.get(item.file.path)
        # bytes per token never go below one: a cheap bound that saves the count
        fits = len(item.file.text) < room * 8
        if fits and (known is None or known.tier != "full"):
            take(item, "full", item.file.text, total)
    return list(chosen.values())


def _take_best(
    item: Ranked,
    total: int,
    tokenizer: str,
    take: Callable[[Ranked, Tier, str, float], bool],
) -> None:
    """A relevant file: whole when it is small or the budget large, else its best definitions."""
    limit = total * BODIES_SHARE
    size = len(item.file.text) // 3
    if (total >= FULL_FROM or size <= SMALL_FILE or not item.file.symbols) and take(
        item, "full", item.file.text, limit
    ):
        return
    shown: list[Symbol] = []
    best = sorted(item.symbols, key=lambda s: (-item.symbols[s], s.start))
    room = min(total * FOCUS_SHARE, limit)
    used = 0
    lines = item.file.lines
    for symbol in best:
        tokens = count("\n".join(lines[symbol.start - 1 : symbol.end]), tokenizer)
        if used + tokens > room:
            continue
        used += tokens
        shown.append(symbol)
        if len(shown) >= 12 and item.symbols[symbol] < item.symbols[best[0]] / 4:
            break
    while shown:
        if take(item, "focus", elided(item.file, shown), limit):
            return
        shown = shown[: len(shown) // 2]


def _fitted(
    ranked: Sequence[Ranked],
    entries: list[PackedFile],
    budget: int,
    tokenizer: str,
    nonce: str,
) -> Chosen:
    """Render, count, and drop from the tail until it fits."""
    listed_room = int(budget * LISTED_SHARE)
    while True:
        known = {e.path for e in entries}
        others = sorted(r.file.path for r in ranked if r.file.path not in known)
        listed = _listed(others, listed_room)
        ordered = _ordered(entries)
        text = render(ordered, listed, nonce)
        tokens = count(text, tokenizer)
        if tokens <= budget:
            return Chosen(tuple(ordered), tuple(listed), text, tokens)
        if listed_room > 0:
            listed_room = listed_room // 2 if listed_room > 50 else 0
        else:
            entries = entries[:-1]


def _ordered(entries: Sequence[PackedFile]) -> list[PackedFile]:
    """What every task gets first (outlines, in path order), then by tier, in path order: the
    longer the part that stays the same from task to task, the more of it a cache has.
    """
    place = {"outline": 0, "full": 1, "focus": 2}
    return sorted(entries, key=lambda e: (place[e.tier], e.path))


def _listed(paths: Sequence[str], room: int) -> list[str]:
    """Paths while there is room, at a low estimate of three characters a token."""
    kept: list[str] = []
    used = 0
    for path in paths:
        used += len(path) // 3 + 1
        if used > room:
            break
        kept.append(path)
    return kept
