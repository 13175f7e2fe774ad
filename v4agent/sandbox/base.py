"""What a sandbox is, what is run in it and what comes back; and which one is taken.

A sandbox runs one command on a scratch copy of the repository. The copy stands at the path of the
user's repository, so that editable installs and absolute paths resolve to it. Nothing that the
command starts is alive when `run` returns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import Field

from v4agent import plugins
from v4agent.errors import SandboxUnavailable
from v4agent.types import Value

GIB = 1 << 30
MIB = 1 << 20
UNCONFINED = "none"
"""Name of the sandbox that does not isolate; `auto` never takes it."""


class Limits(Value):
    """What one command may use."""

    seconds: float = Field(default=600, gt=0)
    """Wall time; then SIGTERM, and SIGKILL two seconds later."""
    memory_bytes: int = Field(default=4 * GIB, ge=MIB)
    """Memory of all its processes together, and data segment of each."""
    processes: int = Field(default=512, ge=1)
    """Processes alive at the same time."""
    output_bytes: int = Field(default=10 * MIB, ge=1)
    """How much of the output is kept; the rest is read and thrown away."""
    file_bytes: int = Field(default=GIB, ge=0)
    """Largest file that can be written."""


class Mount(Value):
    """A folder or file of this machine that the command sees."""

    source: Path
    """Where it is on this machine."""
    target: Path
    """Where the command sees it."""
    writable: bool = False


class Command(Value):
    """One command and the world that it runs in."""

    argv: tuple[str, ...] = Field(min_length=1)
    cwd: Path
    """As seen inside; it lies in `worktree.target`, usually it is the same."""
    worktree: Mount
    """The scratch copy, seen at the path of the user's repository."""
    mounts: tuple[Mount, ...] = ()
    """Extras: environments of the repository, our pytest plugin, a folder for its report."""
    env: dict[str, str] = Field(default_factory=dict)
    """Set on top of the few variables that pass; what looks like a secret never passes."""
    limits: Limits = Limits()


class Result(Value):
    """What a command did."""

    exit_code: int
    """Its own; 128 + n when signal n ended it."""
    output: str
    """stdout and stderr as they came: head and tail, sanitized, with a mark where it was cut."""
    timed_out: bool
    truncated: bool
    """True when not all of the output is in `output`."""
    seconds: float
    reason: str = ""
    """Which limit ended it: `time`, `memory`, `processes`, `output`, `cancelled`; else empty."""


class Sandbox(Protocol):
    """Runs commands apart from this machine, as well as it can."""

    @property
    def name(self) -> str:
        """The name under which it is registered."""
        ...

    @property
    def gaps(self) -> tuple[str, ...]:
        """What it does not protect against, one phrase each."""
        ...

    @property
    def description(self) -> str:
        """Name, version and program, for `doctor`."""
        ...

    def probe(self) -> str | None:
        """None when it works here (something was really run), else the reason."""
        ...

    def run(
        self,
        command: Command,
        *,
        on_output: Callable[[str], None] | None = None,
        cancelled: threading.Event | None = None,
    ) -> Result:
        """Run to the end or to a limit; everything that it started is gone afterwards.

        Args:
            on_output: gets sanitized pieces of the output, at most `limits.output_bytes`.
            cancelled: when set, all is killed at once.

        Raises:
            SandboxUnavailable: the sandbox itself could not be set up.
        """
        ...

    def path(self, host: Path, command: Command) -> Path:
        """Where a path of this machine stands inside; itself when no mount moves it."""
        ...


class Selection(NamedTuple):
    """Which sandbox was taken, and why not the ones before it."""

    sandbox: Sandbox
    reason: str
    """One phrase: `asked for`, or `first that works`."""
    rejected: tuple[tuple[str, str], ...] = ()
    """(name, reason) of those that were tried before and do not work."""


def choose(name: str = "auto") -> Sandbox:
    """The sandbox to use. See `select`."""
    return select(name).sandbox


def select(name: str = "auto") -> Selection:
    """Take a sandbox by name, or the first registered one that works.

    Args:
        name: `auto`, or a registered name. `auto` never takes `none`: that must be asked for.

    Raises:
        SandboxUnavailable: the named one does not work, or none does; with the reasons.
        UsageError: nothing is registered under that name.
    """
    if name != "auto":
        return _named(name)
    rejected: list[tuple[str, str]] = []
    for candidate in plugins.registered("sandboxes"):
        if candidate == UNCONFINED:
            continue
        sandbox: Sandbox = plugins.load("sandboxes", candidate)()
        reason = sandbox.probe()
        if reason is None:
            return Selection(sandbox, "first that works", tuple(rejected))
        rejected.append((candidate, reason))
    tried = "; ".join(f"{n}: {r}" for n, r in rejected) or "none is registered"
    raise SandboxUnavailable(f"no sandbox works on this machine ({tried})")


def _named(name: str) -> Selection:
    sandbox: Sandbox = plugins.load("sandboxes", name)()
    reason = sandbox.probe()
    if reason is not None:
        raise SandboxUnavailable(f"the sandbox {name!r} does not work here: {reason}")
    return Selection(sandbox, "asked for")


def shell(command: str) -> tuple[str, ...]:
    """The argv that runs a user's command line."""
    return ("/bin/sh", "-c", command)
