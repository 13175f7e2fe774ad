"""Everything that one run works with, opened in the order in which it can fail for free."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from v4agent.errors import TestCommandError, UsageError
from v4agent.journal import Journal, new_run_id
from v4agent.redaction import Redactor
from v4agent.repo import Repository, Scratch
from v4agent.sandbox.base import Sandbox, choose
from v4agent.settings import Settings
from v4agent.test_command import detect
from v4agent.verification import Verifier

Progress = Callable[[str, str], None]
"""Called with a stage (`baseline`, `pack`, `ask` ...) and a line of text."""


@dataclass(frozen=True)
class Workspace:
    """The parts of one run. `open_workspace` makes it and cleans up."""

    settings: Settings
    repository: Repository
    scratch: Scratch
    sandbox: Sandbox
    redactor: Redactor
    journal: Journal
    resumed: Journal | None
    verifier: Verifier
    run_id: str
    command: str
    started: float
    deadline: float | None
    progress: Progress

    def read(self, path: str) -> bytes | None:
        """A file of the base (the scratch copy before any change); None where there is none."""
        return self.scratch.read(path)


@contextmanager
def open_workspace(
    root: Path, settings: Settings, progress: Progress, *, resume: str | None = None
) -> Iterator[Workspace]:
    """Open the repository, sandbox, journal and scratch copy of one run.

    Raises:
        RepositoryError, SandboxUnavailable, TestCommandError, UsageError: nothing was changed.
    """
    started = time.monotonic()
    repository = Repository.open(root)
    if settings.state_dir.resolve().is_relative_to(repository.root.resolve()):
        raise UsageError(
            f"the state folder {settings.state_dir} lies inside the repository",
            hint="set V4AGENT_STATE_DIR to a folder outside of it",
        )
    sandbox = choose(settings.sandbox)
    command = settings.test or detect(repository.root)
    resumed = _resumed(settings.state_dir, resume)
    redactor = Redactor.from_environment(os.environ)
    deadline = started + settings.max_time if settings.max_time else None
    run_id = new_run_id()
    journal = Journal.create(settings.state_dir, run_id, redactor=redactor)
    with journal, repository.scratch(settings.state_dir / "scratch") as scratch:
        verifier = Verifier(
            sandbox,
            repository,
            scratch,
            command,
            journal,
            redactor,
            timeout=settings.test_timeout,
            deadline=deadline,
            resumed=resumed,
            on_output=None,
        )
        yield Workspace(
            settings=settings,
            repository=repository,
            scratch=scratch,
            sandbox=sandbox,
            redactor=redactor,
            journal=journal,
            resumed=resumed,
            verifier=verifier,
            run_id=run_id,
            command=command,
            started=started,
            deadline=deadline,
            progress=progress,
        )


def _resumed(state_dir: Path, run_id: str | None) -> Journal | None:
    if run_id is None:
        return None
    path = state_dir / "runs" / run_id / "journal.jsonl"
    if "/" in run_id or not path.is_file():
        raise UsageError(f"no run {run_id!r} to resume", hint=f"runs are in {state_dir / 'runs'}")
    return Journal.open(path)


__all__ = ["Progress", "TestCommandError", "Workspace", "open_workspace"]
