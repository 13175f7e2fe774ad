"""What a request costs, from its own usage and its own time. Unknown is None, never 0."""

from __future__ import annotations

from datetime import UTC, datetime

from v4agent.backends.catalog import Price, Row
from v4agent.types import Usage

MILLION = 1_000_000
PEAK_HOURS = ((1, 4), (6, 10))
"""DeepSeek's peak, UTC, Monday to Friday. Chinese holidays count as peak here: the safe side."""
WEEKEND = 5


def is_peak(when: datetime) -> bool:
    """Whether DeepSeek's peak prices hold at a time."""
    utc = when.astimezone(UTC)
    return utc.weekday() < WEEKEND and any(a <= utc.hour < b for a, b in PEAK_HOURS)


def price_at(row: Row, when: datetime, prompt_tokens: int = 0) -> Price | None:
    """The price that holds for a request; None when it is unknown."""
    now = "peak" if is_peak(when) else "off-peak"
    day = when.astimezone(UTC).date()
    holding = [
        p
        for p in row.prices
        if p.when in ("always", now) and p.valid_from <= day and prompt_tokens >= _first_above(p)
    ]
    return max(holding, key=lambda p: (p.above, p.valid_from), default=None)


def _first_above(price: Price) -> int:
    return price.above + 1 if price.above else 0


def cost(row: Row, usage: Usage, when: datetime) -> float | None:
    """US dollars of one request; None when the price is unknown.

    Args:
        when: time of the request; its hour decides between peak and off-peak.
    """
    price = price_at(row, when, usage.prompt_tokens)
    if price is None:
        return None
    fresh = usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens
    return (
        fresh * price.input
        + usage.cached_tokens * price.cached
        + usage.cache_write_tokens * price.cache_write
        + usage.completion_tokens * price.output
    ) / MILLION


def estimate(
    row: Row, prompt_tokens: int, output_tokens: int, when: datetime, *, rounds: int = 1
) -> float | None:
    """Cost of a conversation that appends only: the first prompt is written to the cache, each
    later round reads what was there before and adds its own answer.
    """
    total, prompt, cached = 0.0, prompt_tokens, 0
    for _ in range(rounds):
        written = prompt - cached
        usage = Usage(
            prompt_tokens=prompt,
            cached_tokens=cached,
            cache_write_tokens=written,
            completion_tokens=output_tokens,
        )
        one = cost(row, usage, when)
        if one is None:
            return None
        total, cached, prompt = total + one, prompt, prompt + output_tokens
    return total
