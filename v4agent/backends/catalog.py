"""The catalogue of backends: one dated table of windows, prices and rules (`catalog.toml`).

A user's `models.toml` (beside the settings file, same form) adds rows or replaces them by name.
"""

from __future__ import annotations

import tomllib
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from v4agent.errors import UsageError
from v4agent.types import Value

MARGIN = {"deepseek-v4": 0.02, "o200k": 0.03, "claude-estimate": 0.05, "estimate": 0.10}
"""Share of the window that is kept free, for what a count cannot know, by tokenizer."""
UNKNOWN_WINDOW = 32_768
UNKNOWN_RESERVE = 8_192


class Price(Value):
    """Prices of one period, US dollars per million tokens."""

    when: Literal["always", "peak", "off-peak"] = "always"
    input: float = Field(ge=0)
    cached: float = Field(ge=0)
    output: float = Field(ge=0)
    cache_write: float = Field(ge=0)
    valid_from: date
    above: int = 0
    """Holds for requests with more prompt tokens than this."""


class Row(Value):
    """One backend."""

    name: str
    litellm_id: str
    aliases: tuple[str, ...] = ()
    vendor: Literal["deepseek", "openai", "anthropic", "compatible"] = "compatible"
    api_base: str | None = None
    key_env: str | None = None
    window: int = Field(gt=0)
    window_shared: bool = True
    """Whether output counts towards the window."""
    max_output: int = Field(gt=0)
    reserve: dict[str, int]
    """Effort -> tokens kept for the answer, reasoning included."""
    effort: str
    """Effort when none is asked for."""
    tokenizer: str
    edit_format: str = "search_replace"
    dated: date
    source: str
    prices: tuple[Price, ...] = ()
    """Empty: the price is unknown."""

    def output_reserve(self, effort: str | None = None) -> int:
        """Tokens kept for the answer.

        Raises:
            UsageError: the backend has no such effort.
        """
        name = effort or self.effort
        if name not in self.reserve:
            raise UsageError(
                f"{self.name} has no effort {name!r}", hint=f"known: {', '.join(self.reserve)}"
            )
        return min(self.reserve[name], self.max_output)

    def input_budget(self, effort: str | None = None) -> int:
        """Tokens that a prompt may have: the window less output reserve and margin."""
        room = self.window - (self.output_reserve(effort) if self.window_shared else 0)
        return int(room * (1 - MARGIN.get(self.tokenizer, MARGIN["estimate"])))


def rows(user_models: Path | None = None) -> tuple[Row, ...]:
    """All rows: ours, with the user's added or in their place.

    Raises:
        UsageError: the user's file is malformed; names the row and the field.
    """
    found = {row.name: row for row in _shipped()}
    if user_models is not None and user_models.is_file():
        found |= {row.name: row for row in _parsed(_text(user_models), str(user_models))}
    return tuple(found.values())


def find(model: str, user_models: Path | None = None) -> Row:
    """The row of a name, an alias or a litellm id; for any other litellm id one without a price.

    Raises:
        UsageError: the name is neither in the catalogue nor `provider/model`.
    """
    for row in rows(user_models):
        if model in (row.name, row.litellm_id, *row.aliases):
            return row
    provider, slash, rest = model.partition("/")
    if not slash or not rest:
        known = ", ".join(row.name for row in rows(user_models))
        raise UsageError(
            f"unknown model {model!r}",
            hint=f"known: {known}; or a litellm id such as openai/NAME with --api-base URL",
        )
    return Row(
        name=model,
        litellm_id=model,
        key_env=f"{provider.upper()}_API_KEY",
        window=UNKNOWN_WINDOW,
        max_output=UNKNOWN_RESERVE,
        reserve=dict.fromkeys(("low", "medium", "high", "max"), UNKNOWN_RESERVE),
        effort="medium",
        tokenizer="estimate",
        dated=date.today(),
        source="not in the catalogue: window assumed, price unknown",
    )


@cache
def _shipped() -> tuple[Row, ...]:
    text = resources.files("v4agent.backends").joinpath("catalog.toml").read_text(encoding="utf-8")
    return _parsed(text, "catalog.toml")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error


def _parsed(text: str, name: str) -> tuple[Row, ...]:
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{name}: {error}", hint="mend or remove the file") from error
    found = []
    for number, row in enumerate(table.get("model", [])):
        try:
            found.append(Row.model_validate(row))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(x) for x in first["loc"])
            label = row.get("name", f"number {number + 1}") if isinstance(row, dict) else number
            raise UsageError(f"{name}: model {label}: {where}: {first['msg']}") from error
    return tuple(found)
