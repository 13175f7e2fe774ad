"""What a sandbox is, and which one is used."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from pydantic import Field

from v4agent.errors import SandboxUnavailable, UsageError
from v4agent.plugins import load, registered
from v4agent.types import Value

AUTO = "auto"
UNCONFINED = "none"


class Limits(Value):
    """Limits of one command; beyond one of them it is killed, with all that it started."""

    seconds: float = 600.0
    memory_bytes: int = 4 * 1024**3
    """Resident memory of all processes together, and private memory of each."""
    processes: int = 512
    output_bytes: int = 1024**3
    """Output after which the command is killed; what is kept of it is far less."""
    kept_bytes: int = 512 * 1024
    """Output that is kept: half of it from the head, half from the tail."""
    file_bytes: int = 1024**3
    """Size of one file that it writes."""


class Mount(Value):
    """A host path and where the command sees it."""

    source: Path
    target: Path
    writable: bool = False


class Command(Value):
    """What is run, and what it can see."""

    argv: tuple[str, ...]
    cwd: Path
    """Working folder, as the command sees it."""
    worktree: Mount
    """The scratch copy, writable, seen at the path of the user's repository: what was installed
    in editable mode from there then resolves to the scratch copy."""
    mounts: tuple[Mount, ...] = ()
    tools: tuple[Path, ...] = ()
    """Host folders that programs need (interpreters, environments), read-only, same path."""
    env: dict[str, str] = Field(default_factory=dict)
    limits: Limits = Limits()


class Result(Value):
    """How a command ended."""

    exit_code: int
    output: str
    """Standard output and error, interleaved; sanitized; cut in the middle when long."""
    seconds: float
    timed_out: bool = False
    truncated: bool = False
    reason: str = ""
    """Why it was killed: `time`, `memory`, `processes`, `output`, `cancelled`; empty otherwise."""


class Sandbox(Protocol):
    """One way to confine a command. A new one is one file and one registration."""

    name: str
    gaps: tuple[str, ...]
    """What it does not protect from; shown by `v4agent doctor`."""

    def probe(self) -> str | None:
        """Why it does not work on this machine; None when it does. Really runs something."""
        ...

    def seen(self, host: Path, command: Command) -> Path:
        """The path under which the command sees a host path of one of its mounts."""
        ...

    def run(
        self,
        command: Command,
        *,
        on_output: Callable[[str], None] | None = None,
        cancelled: threading.Event | None = None,
    ) -> Result:
        """Run to the end or to a limit. Nothing that it started survives."""
        ...


def choose(name: str = AUTO) -> Sandbox:
    """The sandbox of that name; for `auto` the first registered one that works, never `none`.

    Raises:
        SandboxUnavailable: it does not work here; says why.
        UsageError: no sandbox has that name.
    """
    if name != AUTO:
        known = registered("sandboxes")
        if name not in known:
            raise UsageError(
                f"unknown sandbox {name!r}", hint=f"known: {AUTO}, {', '.join(sorted(known))}"
            )
        return _working([name])
    return _working([n for n in registered("sandboxes") if n != UNCONFINED])


def _working(names: list[str]) -> Sandbox:
    reasons = []
    for name in names:
        sandbox: Sandbox = load("sandboxes", name)()
        reason = sandbox.probe()
        if reason is None:
            return sandbox
        reasons.append(f"{name}: {reason}")
    raise SandboxUnavailable("no sandbox works on this machine: " + "; ".join(reasons))


def shell(command: str) -> tuple[str, ...]:
    """The argument vector that runs a user's command line."""
    return ("/bin/sh", "-c", command)


def seen_through(host: Path, mounts: tuple[Mount, ...]) -> Path:
    """Translate a host path by the mounts that hold it; the deepest one wins."""
    for mount in sorted(mounts, key=lambda m: len(m.source.parts), reverse=True):
        if host == mount.source or host.is_relative_to(mount.source):
            return mount.target / host.relative_to(mount.source)
    return host
