"""The walk for one task and one backend: baseline, pack, ask, apply, test, verdict.

    fix()
      open the repository, choose the sandbox, check the key   nothing is paid before these hold
      scratch copy, baseline run of the tests                  what fails is the evidence
      without a model: search (repair/)   | with one: pack, prompt, then rounds of
                                          |   complete -> apply -> test -> feed the failure back
      verdict, receipt; the user's tree changes only where `apply` or `commit` was asked for

Each answer is journalled before it is used, so a killed run resumes without paying again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from v4agent import model_rung, receipt, repair_rung
from v4agent.backends.base import Backend, backend
from v4agent.errors import UsageError, V4AgentError
from v4agent.receipt import Outcome
from v4agent.repo import Repository
from v4agent.settings import Settings, user_models_path
from v4agent.types import Run, Task, TestRun
from v4agent.verification import pick_targets
from v4agent.workspace import Progress, Workspace, open_workspace

REPAIR = "repair"
Finish = Literal["diff", "apply", "commit"]


def fix(
    task: Task,
    root: Path,
    settings: Settings,
    *,
    finish: Finish = "diff",
    targets: Sequence[str] = (),
    resume: str | None = None,
    progress: Progress = lambda stage, text: None,
) -> Run:
    """Take an issue and a repository to a verified change.

    Args:
        task: the issue; with an empty text, the failing tests are the issue.
        root: any folder inside the repository.
        finish: what happens with a resolved change; `diff` leaves the user's tree as it is.
        targets: ids of failing tests that must pass; all failing ones when empty.
        resume: id of an earlier run whose paid answers and test runs are used again.
        progress: called with a stage and a line of text.

    Returns:
        The receipt. Its status is `resolved` only when failing tests pass and passing ones stay.

    Raises:
        V4AgentError: before anything was paid (usage, repository, sandbox, key, test command).
    """
    client = None if settings.model == REPAIR else _client(root, settings)
    with open_workspace(root, settings, progress, resume=resume) as work:
        work.journal.append("start", **_start(task, work, finish))
        progress("baseline", f"running the tests: {work.command}")
        before = work.verifier.baseline()
        task = _with_targets(task, before, targets)
        progress("baseline", f"{len(before.failing)} fail, {len(before.passing)} pass")
        outcome = Outcome()
        try:
            if client is None:
                repair_rung.solve(work, task, before, outcome)
            else:
                model_rung.solve(work, task, before, client, outcome)
        except V4AgentError as error:
            outcome.error = error  # the receipt keeps what was found and paid until here
        run = receipt.write(work, task, outcome)
        if run.status == "resolved" and finish != "diff":
            run = _finish(work, run, outcome, finish)
        work.journal.append("done", run=run.model_dump(mode="json"))
        return run


def _client(root: Path, settings: Settings) -> Backend:
    """The backend, with its key checked: before the repository is copied or a test is run."""
    client = backend(
        settings.model,
        api_base=settings.api_base,
        effort=settings.effort,
        environ=os.environ,
        user_models=user_models_path(),
        repo_id=Repository.open(root).identity,
    )
    client.check_key()
    return client


def _with_targets(task: Task, before: TestRun, asked: Sequence[str]) -> Task:
    targets = pick_targets(before, asked)
    if not targets and not task.text.strip():
        raise UsageError(
            f"nothing to fix: all {len(before.passing)} tests pass and no issue was given",
            hint='describe the issue: v4agent fix "what is wrong", or name a --test that fails',
        )
    source = task.source if task.text.strip() else "failing test"
    return task.model_copy(update={"failing_tests": targets, "source": source})


def _start(task: Task, work: Workspace, finish: Finish) -> dict[str, object]:
    return {
        "run": work.run_id,
        "task": task.model_dump(mode="json"),
        "model": work.settings.model,
        "repository": str(work.repository.root),
        "head": work.repository.head,
        "command": work.command,
        "sandbox": work.sandbox.name,
        "finish": finish,
    }


def _finish(work: Workspace, run: Run, outcome: Outcome, finish: Finish) -> Run:
    """Change the user's tree, as asked, in one step."""
    if finish == "commit":
        sha = work.repository.commit(outcome.changes, receipt.commit_message(run))
        return run.model_copy(update={"applied": True, "commit": sha})
    work.repository.apply(outcome.changes)
    return run.model_copy(update={"applied": True})
