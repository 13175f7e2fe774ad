"""Reads a pytest command line: which interpreter, which arguments, which variables."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_SHELL = set("|&;<>()`")


class Invocation(NamedTuple):
    """`python -m pytest ...` taken apart."""

    env: dict[str, str]
    python: str
    arguments: tuple[str, ...]


def pytest_invocation(command: str) -> Invocation | None:
    """Take a command apart; None when it is not one plain call of pytest."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    env = {}
    while words and (_ASSIGNMENT.match(words[0]) or words[0] == "env"):
        name, found, value = words.pop(0).partition("=")
        if found:
            env[name] = value
    if not words or any(set(word) & _SHELL and word in ("|", "&&", ";", "||") for word in words):
        return None
    program, *rest = words
    name = Path(program).name
    if re.fullmatch(r"python[\d.]*", name):
        module = rest.index("-m") if "-m" in rest else -1
        if module >= 0 and rest[module + 1 : module + 2] in (["pytest"], ["py.test"]):
            return Invocation(env, program, tuple(rest[module + 2 :]))
        return None
    if name in ("pytest", "py.test"):
        python = _python_of(program)
        return Invocation(env, python, tuple(rest)) if python else None
    return None


def _python_of(program: str) -> str | None:
    """The interpreter that a `pytest` script names in its first line."""
    found = shutil.which(program)
    if found is None:
        return None
    try:
        first = Path(found).read_bytes()[:200].splitlines()[0].decode(errors="replace")
    except (OSError, IndexError):
        return None
    if first.startswith("#!") and "python" in first:
        return first.removeprefix("#!").split()[-1]
    beside = Path(found).with_name("python")
    return str(beside) if beside.exists() else None
