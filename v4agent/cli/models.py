"""`v4agent models`: the catalogue."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from v4agent.cli import options, output


def command(as_json: options.Json = False) -> None:
    """List the backends: window, prices now, tokenizer, and whether their key is set.

    **Examples**

    `v4agent models`

    `v4agent models --json | jq '.models[].name'`
    """
    from v4agent.backends.catalog import rows
    from v4agent.backends.pricing import price_at
    from v4agent.settings import user_models_path

    now = datetime.now(UTC)
    listed = rows(user_models_path())
    if as_json:
        models = [
            row.model_dump(mode="json") | {"key_present": _has_key(row.key_env)} for row in listed
        ]
        output.document({"models": models})
        return
    table = []
    for row in listed:
        price = price_at(row, now)
        table.append(
            (
                row.name,
                row.litellm_id,
                f"{row.window:,}",
                *_prices(price),
                row.tokenizer,
                row.edit_format,
                str(row.dated),
                "set" if _has_key(row.key_env) else f"{row.key_env} not set",
            )
        )
    output.table(
        (
            "name",
            "litellm id",
            "window",
            "in",
            "cached",
            "out",
            "tokens by",
            "edits",
            "dated",
            "key",
        ),
        table,
    )
    output.say("prices: US dollars per million tokens at this hour; repair needs no key", "dim")


def _has_key(name: str | None) -> bool:
    return bool(name and os.environ.get(name))


def _prices(price: object) -> tuple[str, str, str]:
    if price is None:
        return ("unknown", "unknown", "unknown")
    values = (getattr(price, n) for n in ("input", "cached", "output"))
    first, second, third = (f"{v:g}" if v is not None else "unknown" for v in values)
    return (first, second, third)
