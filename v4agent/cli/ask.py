"""`v4agent ask`: a question about a repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from v4agent.cli import options, output
from v4agent.errors import UsageError
from v4agent.terminal import sanitize


def command(
    question: Annotated[str, typer.Argument(help="Text, a file, or - for stdin.")],
    folder: options.Folder = Path(),
    model: options.Model = None,
    api_base: options.ApiBase = None,
    effort: options.Effort = None,
    budget: options.Budget = None,
    max_cost: options.MaxCost = None,
    allow_unpriced: Annotated[
        bool | None, typer.Option("--allow-unpriced", help="Call a model whose price is unknown.")
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Ask one question about a repository.

    **Examples**

    `v4agent ask "where is the retry policy decided?"`

    `v4agent ask "what calls parse()?" -m claude --budget 100000`
    """
    from v4agent import prompts
    from v4agent.backends.base import backend
    from v4agent.ledger import Ledger
    from v4agent.packing import pack_repository
    from v4agent.settings import user_models_path

    settings = options.settings(
        folder,
        model=model,
        api_base=api_base,
        effort=effort,
        budget=budget,
        max_cost=max_cost,
        allow_unpriced=allow_unpriced,
    )
    if settings.model == "repair":
        raise UsageError("repair answers no questions", hint="name a model with -m")
    text, _ = options.text_from(question)
    client = backend(
        settings.model,
        api_base=settings.api_base,
        effort=settings.effort,
        environ=os.environ,
        user_models=user_models_path(),
        allow_unpriced=settings.allow_unpriced,
    )
    client.check_key()
    stages = output.Stages(quiet)
    with stages.live():
        packed = pack_repository(folder, text, settings, stages)
        stages("ask", f"{client.row.name}, {packed.tokens:,} tokens of context")
        answer = client.complete(prompts.question(text, packed), max_cost=settings.max_cost)
    Ledger(settings.state_dir / "ledger.jsonl").add(
        run_id="ask",
        model=answer.model,
        usage=answer.usage,
        cost_usd=answer.cost_usd,
        seconds=answer.seconds,
    )
    if as_json:
        output.document(answer)
        return
    output.data(sanitize(answer.text))
    if not quiet:
        cost = "unknown" if answer.cost_usd is None else f"${answer.cost_usd:.4f}"
        output.say(f"cost: {cost}", "dim")
