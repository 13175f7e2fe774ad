"""Which variables and which folders of the host a confined command may see."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

PASSED = frozenset(
    {"PATH", "LANG", "LANGUAGE", "TZ", "TERM", "VIRTUAL_ENV", "CI", "NO_COLOR", "PYTHONHASHSEED",
     "JAVA_HOME", "GOROOT", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "PYENV_ROOT", "PYENV_VERSION"}
)  # fmt: skip
_SECRET = re.compile(r"(?i)(key|token|secret|passw|credential|auth|cookie)")

TOOL_HOMES = (
    ".pyenv", ".rustup", ".cargo/bin", ".cargo/registry", ".nvm/versions", ".asdf/installs",
    ".local/bin", ".local/lib", ".local/share/uv", ".local/share/mise", ".sdkman/candidates",
    "go/pkg", "miniconda3", "miniforge3", "anaconda3",
)  # fmt: skip
"""Folders of a home that hold programs and no credentials."""


def scrubbed(extra: Mapping[str, str], home: Path) -> dict[str, str]:
    """The variables of a command: a short list of the host's, ours, and `extra`.

    A variable of the host whose name looks like a secret's is never passed.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if (name in PASSED or name.startswith("LC_")) and not _SECRET.search(name)
    }
    kept.setdefault("PATH", os.defpath)
    return kept | {
        "HOME": str(home),
        "TMPDIR": "/tmp",
        "PYTHONDONTWRITEBYTECODE": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        **extra,
    }


def tool_folders(words: Iterable[str] = ()) -> tuple[Path, ...]:
    """Host folders that interpreters and programs live in.

    Args:
        words: words of the command; an absolute path to an interpreter adds its environment.
    """
    found: list[Path] = [Path(sys.prefix), Path(sys.base_prefix)]
    active = os.environ.get("VIRTUAL_ENV")
    if active:
        found += _interpreter_homes(Path(active) / "bin/python")
    for word in words:
        if word.startswith("/") and os.access(word, os.X_OK) and Path(word).is_file():
            found += _interpreter_homes(Path(word))
    home = Path.home()
    found += [home / name for name in TOOL_HOMES]
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        if entry.startswith("/"):
            found.append(Path(entry))
    existing = {p for p in found if p.is_dir() and p != home and not home.is_relative_to(p)}
    return tuple(sorted(existing))


def words_of(command: str) -> list[str]:
    """Words of a command line; none when it is not well-formed (the shell will say so)."""
    try:
        return shlex.split(command)
    except ValueError:
        return []


def _interpreter_homes(program: Path) -> list[Path]:
    """The environment that holds a program, and the installation of its interpreter."""
    homes = []
    environment = program.parent.parent
    if (environment / "pyvenv.cfg").is_file() or program.parent.name == "bin":
        homes.append(environment)
    try:
        real = program.resolve(strict=True)
    except OSError:
        return homes
    if real.parent.name == "bin":
        homes.append(real.parent.parent)
    return homes
