"""Fills a window with what matters of a repository for a task, under an exact token budget."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from v4agent.packer.budget import choose
from v4agent.packer.index import read
from v4agent.packer.rank import rank
from v4agent.packer.render import nonce_for, parse
from v4agent.packer.tokens import is_exact
from v4agent.redaction import Redactor
from v4agent.types import LeftOut, Pack, Redaction

__all__ = ["pack", "parse"]


def pack(
    root: Path,
    files: Sequence[str],
    task: str,
    *,
    budget: int,
    tokenizer: str = "deepseek-v4",
    redactor: Redactor | None = None,
    mentions: Sequence[str] = (),
    repo_id: str = "",
    include: Sequence[str] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> Pack:
    """Pack a tree for a task.

    Args:
        root: folder of the tree.
        files: paths below it that may be packed.
        task: what the pack is for; may be empty.
        budget: tokens of the whole text, never exceeded.
        redactor: takes secrets out of the texts.
        mentions: test ids or paths that matter in any case.
        include: globs of files that are taken even where they would be left out.

    Raises:
        UsageError: the budget is too small, or the tokenizer unknown.
    """
    indexed, unwanted = read(root, sorted(files), include=include, progress=progress)
    if progress is not None:
        progress("rank", len(indexed), len(indexed))
    redactions: list[Redaction] = []

    def redact(text: str, path: str) -> str:
        if redactor is None:
            return text
        clean, found = redactor.redact(text, path=path)
        redactions.extend(found)
        return clean

    nonce = nonce_for(indexed, repo_id)
    chosen = choose(rank(indexed, task, mentions), budget, tokenizer, nonce, redact)
    shown = {entry.path for entry in chosen.entries}
    left_out = [LeftOut(path=p, reason=r) for p, r in unwanted.items()]
    left_out += [LeftOut(path=f.path, reason="no room") for f in indexed if f.path not in shown]
    kept = [r for r in dict.fromkeys(redactions) if r.placeholder in chosen.text]
    return Pack(
        budget=budget,
        tokens=chosen.tokens,
        tokenizer=tokenizer,
        exact=is_exact(tokenizer),
        files=chosen.entries,
        left_out=tuple(sorted(left_out, key=lambda x: x.path)),
        redactions=tuple(kept),
        content_hash=hashlib.sha256(chosen.text.encode("utf-8", "surrogatepass")).hexdigest(),
        text=chosen.text,
    )
