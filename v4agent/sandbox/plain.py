"""No sandbox (`--sandbox none`): limits and a scrubbed environment, but no confinement at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from v4agent.sandbox.base import Command, Mount, Result, seen_through
from v4agent.sandbox.environment import scrubbed
from v4agent.sandbox.process import Watch, run_process

MARK = "V4AGENT_COMMAND"


class Plain:
    """Runs a command unconfined. Only ever used when the user asks for it by name."""

    name = "none"
    gaps: tuple[str, ...] = (
        "the tests can read and write your files",
        "the tests can use the network",
        "the tests can see other processes",
    )

    def probe(self) -> str | None:
        """It always works."""
        return None

    def seen(self, host: Path, command: Command) -> Path:
        """Nothing is mounted: every path stays what it is on the host."""
        return host

    def run(
        self,
        command: Command,
        *,
        on_output: Callable[[str], None] | None = None,
        cancelled: threading.Event | None = None,
    ) -> Result:
        """Run in the scratch copy, with it first on Python's path; daemons are found by a mark."""
        mark = secrets.token_hex(16)
        root = command.worktree.source
        cwd = seen_through(command.cwd, (_back(command),))
        path = [str(root), str(root / "src"), *filter(None, [command.env.get("PYTHONPATH")])]
        env = {**command.env, "PYTHONPATH": os.pathsep.join(path), MARK: mark}
        return run_process(
            command.argv,
            cwd=cwd,
            env=scrubbed(env, Path.home()) | {"TMPDIR": os.environ.get("TMPDIR", "/tmp")},
            limits=command.limits,
            watch=Watch(
                members=lambda first: _marked(mark), kill=lambda first: _kill_all(first, mark)
            ),
            on_output=on_output,
            cancelled=cancelled,
        )


def _back(command: Command) -> Mount:
    """The worktree's mount the other way round: from what the command is told to the host."""
    return Mount(source=command.worktree.target, target=command.worktree.source)


def _marked(mark: str) -> list[int]:
    """Processes that carry the mark in their environment, also those that left the session."""
    needle = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir() if Path("/proc").is_dir() else ():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if needle in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
    return found


def _kill_all(first: int, mark: str) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(first, signal.SIGKILL)
    for _ in range(20):  # a process may fork while the others are being killed
        alive = _marked(mark)
        if not alive:
            return
        for pid in alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
