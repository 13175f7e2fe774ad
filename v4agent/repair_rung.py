"""The rung without a model: hands the sandbox, the tree and the verifier to the repair engine."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from v4agent.errors import LimitReached, UsageError
from v4agent.files import Change
from v4agent.receipt import Outcome
from v4agent.repair.search import INSIDE, repair
from v4agent.repo import diff_texts
from v4agent.sandbox.base import Limits, Mount
from v4agent.sandbox.environment import words_of
from v4agent.sandbox.tests import command_for
from v4agent.types import Task, TestRun
from v4agent.workspace import Workspace

ALONE_SECONDS = 60.0
SEEN = Path("/tmp/v4agent/repair")
SEEN_INSIDE = Path("/tmp/v4agent/inside")
PROCESSES = 256


def solve(work: Workspace, task: Task, before: TestRun, outcome: Outcome) -> None:
    """Search for a one-edit fix; fills `outcome`.

    Raises:
        UsageError: there is no failing test, or no report of single tests.
    """
    if not task.failing_tests:
        raise UsageError(
            "repair needs a failing test, and all tests pass",
            hint="add a test that shows the defect, or use a model: -m deepseek",
        )
    if not before.structured:
        raise UsageError(
            "repair needs the outcome of each test, which only pytest reports",
            hint="--test 'python -m pytest ...', or use a model: -m deepseek",
        )

    def verify(path: str, text: bytes) -> bool:
        change = Change(path, work.read(path), text)
        try:
            _, verdict = work.verifier.check((change,), before, task.failing_tests)
        except LimitReached:
            return False  # what was verified until then still counts
        if verdict.status == "resolved" and outcome.verdict is None:
            outcome.verdict = verdict
        return verdict.status == "resolved"

    with tempfile.TemporaryDirectory(prefix="v4agent-repair-") as folder:
        root, reports = Path(folder) / "tree", Path(folder) / "reports"
        reports.mkdir()
        work.scratch.clone(root)
        report, fix = repair(
            root=root,
            seen_root=work.repository.root if work.sandbox.name != "none" else root,
            command=work.command,
            failing=task.failing_tests,
            passing=before.passing,
            run=_Confined(work, root),
            verify=verify,
            diff=lambda path, old, new: diff_texts(path, old, new),
            reports=reports,
            max_time=_seconds(work),
            progress=work.progress,
        )
    outcome.repair = report
    if fix is not None:
        outcome.changes = (Change(fix.path, work.read(fix.path), fix.text),)


def _seconds(work: Workspace) -> float:
    """Time for the search: what is left of the run's, if it has a limit."""
    if work.deadline is None:
        return ALONE_SECONDS
    return max(work.deadline - time.monotonic(), 1.0)


class _Confined:
    """Runs the session in the workspace's sandbox, on a tree of its own."""

    def __init__(self, work: Workspace, root: Path) -> None:
        self._work = work
        self._root = root

    def seen(self, host: Path) -> Path:
        if self._work.sandbox.name == "none":
            return host
        return SEEN_INSIDE if host == INSIDE else SEEN

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        reports: Path,
        seconds: float,
        on_output: Callable[[str], None],
        cancelled: threading.Event,
    ) -> str:
        command = command_for(
            argv,
            scratch=self._root,
            repository=self._work.repository.root,
            environments=self._work.repository.environments(),
            mounts=(
                Mount(source=reports, target=SEEN, writable=True),
                Mount(source=INSIDE, target=SEEN_INSIDE),
            ),
            env=dict(env),
            limits=Limits(seconds=seconds, processes=PROCESSES),
            words=words_of(self._work.command),
        )
        result = self._work.sandbox.run(command, on_output=on_output, cancelled=cancelled)
        return result.output
