"""What a run would cost on every backend: `fix --dry-run`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from v4agent.cli import output
from v4agent.settings import Settings, user_models_path
from v4agent.types import Task

ANSWER_TOKENS = 8_000
"""Output tokens that the estimate assumes per round, reasoning included."""


def show_prices(task: Task, folder: Path, settings: Settings, as_json: bool) -> None:
    """Pack, count, and price one round and all rounds on every catalogue row. Sends nothing."""
    from v4agent.backends.catalog import rows
    from v4agent.backends.pricing import estimate
    from v4agent.packer.tokens import count, is_exact
    from v4agent.packing import pack_repository

    packed = pack_repository(folder, task.text, settings, output.Stages(quiet=True))
    now = datetime.now(UTC)
    priced: list[dict[str, object]] = []
    for row in rows(user_models_path()):
        tokens = count(packed.text + task.text, row.tokenizer)
        priced.append(
            {
                "model": row.name,
                "prompt_tokens": tokens,
                "exact": is_exact(row.tokenizer),
                "fits": tokens <= row.input_budget(settings.effort),
                "first_round_usd": estimate(row, tokens, ANSWER_TOKENS, now),
                "all_rounds_usd": estimate(
                    row, tokens, ANSWER_TOKENS, now, rounds=settings.max_rounds
                ),
            }
        )
    if as_json:
        output.document(
            {"answer_tokens": ANSWER_TOKENS, "rounds": settings.max_rounds, "prices": priced}
        )
        return
    table = [
        (
            str(p["model"]),
            f"{p['prompt_tokens']:,}" + ("" if p["exact"] else " (estimate)"),
            _usd(p["first_round_usd"]),
            _usd(p["all_rounds_usd"]),
            "yes" if p["fits"] else "no",
        )
        for p in priced
    ]
    output.table(
        ("model", "prompt tokens", "1 round", f"{settings.max_rounds} rounds", "fits"), table
    )
    output.say(
        f"assumes {ANSWER_TOKENS:,} output tokens a round and a warm cache after the first;"
        " prices at this hour; repair costs nothing",
        "dim",
    )


def _usd(value: object) -> str:
    return f"${value:.4f}" if isinstance(value, float) else "unknown"
