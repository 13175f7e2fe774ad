"""Finds the command that runs a repository's tests, from the files that stand in it."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from v4agent.errors import TestCommandError

PYTHON_MARKERS = ("pyproject.toml", "setup.py", "setup.cfg", "pytest.ini", "tox.ini", "conftest.py")


def detect(root: Path) -> str:
    """The command for a repository.

    Raises:
        TestCommandError: nothing in the repository says how its tests are run.
    """
    for rule in (_pytest, _npm, _cargo, _go, _make):
        command = rule(root)
        if command:
            return command
    raise TestCommandError(f"no test command is known for {root}")


def python_for(root: Path) -> str:
    """The interpreter of a repository: its own environment, the active one, else ours."""
    candidates = [root / ".venv/bin/python", root / "venv/bin/python"]
    active = os.environ.get("VIRTUAL_ENV")
    if active:
        candidates.append(Path(active) / "bin/python")
    for candidate in candidates:
        if candidate.exists():
            return str(candidate)
    return sys.executable


def _pytest(root: Path) -> str | None:
    has_tests = any(root.glob("test*.py")) or any(
        (root / folder).is_dir() for folder in ("tests", "test", "testing")
    )
    has_python = any((root / name).is_file() for name in PYTHON_MARKERS) or any(root.glob("*.py"))
    if has_python and (
        has_tests or (root / "pytest.ini").is_file() or any(root.rglob("test_*.py"))
    ):
        return f"{shlex.quote(python_for(root))} -m pytest -q"
    return None


def _npm(root: Path) -> str | None:
    try:
        scripts = json.loads((root / "package.json").read_text(encoding="utf-8"))["scripts"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return "npm test --silent" if isinstance(scripts, dict) and scripts.get("test") else None


def _marker(name: str, command: str) -> Callable[[Path], str | None]:
    return lambda root: command if (root / name).is_file() else None


_cargo = _marker("Cargo.toml", "cargo test --offline")
_go = _marker("go.mod", "go test ./...")


def _make(root: Path) -> str | None:
    try:
        text = (root / "Makefile").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return "make test" if any(line.startswith("test:") for line in text.splitlines()) else None
