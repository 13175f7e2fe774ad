"""`v4agent pack`: what of a repository goes into the window."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from v4agent.cli import options, output
from v4agent.types import Pack


def command(
    task: Annotated[
        str | None, typer.Argument(help="What the pack is for: text, a file, or - for stdin.")
    ] = None,
    folder: options.Folder = Path(),
    model: options.Model = None,
    budget: options.Budget = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show tier, tokens, score and reason per file.")
    ] = False,
    out: options.Output = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Pack a repository for a task under an exact token budget. Needs no key.

    **Examples**

    `v4agent pack "login fails for empty passwords" > context.xml`

    `v4agent pack issue.md --budget 8000 --explain`

    `v4agent pack -m claude --budget 200000 --json > manifest.json`
    """
    from v4agent.packing import pack_repository

    settings = options.settings(folder, model=model, budget=budget)
    text, _ = options.text_from(task)
    stages = output.Stages(quiet)
    with stages.live():
        packed = pack_repository(folder, text, settings, stages)
    if out is not None:
        out.write_text(packed.text, encoding="utf-8", newline="")
    if as_json:
        output.document(manifest(packed))
    elif explain:
        _explain(packed)
    elif out is None:
        output.data(packed.text)
    if not quiet:
        kind = "exact" if packed.exact else "estimated"
        output.say(
            f"{len(packed.files)} files, {packed.tokens:,} of {packed.budget:,} tokens"
            f" ({packed.tokenizer}, {kind}), {len(packed.left_out)} left out,"
            f" {len(packed.redactions)} secrets redacted"
        )


def manifest(packed: Pack) -> dict[str, object]:
    """The pack without its text: what is in it, what is not, and why."""
    body = packed.model_dump(mode="json", exclude={"text"})
    for entry in body["files"]:
        del entry["text"]
    return body


def _explain(packed: Pack) -> None:
    rows = [(f.tier, f"{f.tokens:,}", f"{f.score:.2f}", f.path, f.reason) for f in packed.files]
    output.table(("tier", "tokens", "score", "path", "reason"), rows)
    if packed.left_out:
        output.table(("left out", "reason"), [(x.path, x.reason) for x in packed.left_out])
