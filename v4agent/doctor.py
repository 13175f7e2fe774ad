"""Checks this machine: each row says what was found and, where it fails, what to do.

Never calls a model and never shows a key's value.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Literal

from v4agent.backends.catalog import rows
from v4agent.errors import SandboxUnavailable, V4AgentError
from v4agent.sandbox.base import choose
from v4agent.settings import Resolved, user_config_path, user_models_path
from v4agent.types import Value

BAD_LITELLM = ("1.82.7", "1.82.8", "1.106.", "1.107.", "1.108.0")
"""Releases that carried malware or break `tools=` (facts/backends.md, section 2.1)."""
PRICE_AGE_DAYS = 60
FREE_BYTES = 500_000_000
GRAMMARS = ("python", "javascript", "typescript", "go", "rust", "java", "c", "cpp", "ruby")


class Check(Value):
    """One row."""

    name: str
    status: Literal["ok", "warn", "fail"]
    summary: str
    remedy: str = ""


def checks(resolved: Resolved) -> tuple[Check, ...]:
    """All rows, in the order in which a run needs them."""
    steps: tuple[Callable[[Resolved], Iterator[Check]], ...] = (
        _python,
        _git,
        _sandbox,
        _litellm,
        _grammars,
        _tokenizers,
        _keys,
        _prices,
        _configuration,
        _state,
    )
    return tuple(check for step in steps for check in step(resolved))


def _python(_: Resolved) -> Iterator[Check]:
    version = sys.version.split()[0]
    yield Check(name="python", status="ok", summary=f"{version} at {sys.executable}")


def _git(_: Resolved) -> Iterator[Check]:
    found = shutil.which("git")
    yield (
        Check(name="git", status="ok", summary=found)
        if found
        else Check(name="git", status="fail", summary="not found", remedy="install git")
    )


def _sandbox(resolved: Resolved) -> Iterator[Check]:
    try:
        chosen = choose(resolved.settings.sandbox)
    except SandboxUnavailable as error:
        yield Check(name="sandbox", status="fail", summary=error.message, remedy=error.hint)
        return
    gaps = "; ".join(chosen.gaps)
    asked = resolved.sources["sandbox"]
    why = "the best one that works here" if asked == "default" else f"asked for by {asked}"
    unconfined = chosen.name == "none"
    yield Check(
        name="sandbox",
        status="warn" if unconfined else "ok",
        summary=f"{chosen.name}, {why}" + (f"; gaps: {gaps}" if gaps else ""),
        remedy="use --sandbox auto" if unconfined else "",
    )


def _litellm(_: Resolved) -> Iterator[Check]:
    version = importlib.metadata.version("litellm")
    bad = any(version == b or (b.endswith(".") and version.startswith(b)) for b in BAD_LITELLM)
    yield Check(
        name="litellm",
        status="fail" if bad else "ok",
        summary=version,
        remedy="reinstall v4agent with its lock file: this release is known bad" if bad else "",
    )


def _grammars(_: Resolved) -> Iterator[Check]:
    missing = [g for g in GRAMMARS if importlib.util.find_spec(f"tree_sitter_{g}") is None]
    yield Check(
        name="grammars",
        status="fail" if missing else "ok",
        summary=f"missing: {', '.join(missing)}" if missing else f"{len(GRAMMARS)} languages",
        remedy="reinstall v4agent" if missing else "",
    )


def _tokenizers(_: Resolved) -> Iterator[Check]:
    from v4agent.packer.tokens import count

    for name in ("deepseek-v4", "o200k"):
        try:
            tokens = count("def f(x): return x", name)
        except (V4AgentError, OSError, ValueError, ImportError) as error:
            yield Check(
                name=f"tokenizer {name}",
                status="fail",
                summary=str(error),
                remedy="reinstall v4agent",
            )
        else:
            yield Check(
                name=f"tokenizer {name}",
                status="ok",
                summary=f"exact, offline ({tokens} in a test)",
            )


def _keys(_: Resolved) -> Iterator[Check]:
    names = sorted({row.key_env for row in rows(user_models_path()) if row.key_env})
    present = [name for name in names if os.environ.get(name)]
    yield Check(
        name="keys",
        status="ok" if present else "warn",
        summary=f"set: {', '.join(present) or 'none'}",
        remedy="" if present else f"for a model, set one of {', '.join(names)}; repair needs none",
    )


def _prices(_: Resolved) -> Iterator[Check]:
    oldest = min(row.dated for row in rows())
    age = (datetime.now(UTC).date() - oldest).days
    yield Check(
        name="prices",
        status="warn" if age > PRICE_AGE_DAYS else "ok",
        summary=f"oldest row is {age} days old",
        remedy="update v4agent, or put your own rows into models.toml"
        if age > PRICE_AGE_DAYS
        else "",
    )


def _configuration(resolved: Resolved) -> Iterator[Check]:
    sources = sorted(set(resolved.sources.values()))
    yield Check(
        name="configuration",
        status="warn" if resolved.warnings else "ok",
        summary=f"from: {', '.join(sources)} (user file: {user_config_path()})",
        remedy="; ".join(resolved.warnings),
    )


def _state(resolved: Resolved) -> Iterator[Check]:
    folder = resolved.settings.state_dir
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Check(
            name="state folder",
            status="fail",
            summary=f"{folder}: {error.strerror}",
            remedy="set V4AGENT_STATE_DIR to a folder that can be written",
        )
        return
    short = free < FREE_BYTES
    yield Check(
        name="state folder",
        status="warn" if short else "ok",
        summary=f"{folder}, {free / 1e9:.1f} GB free",
        remedy="free some disk space" if short else "",
    )
