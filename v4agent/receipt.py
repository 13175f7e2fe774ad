"""The receipt of a run: what happened, what it cost, which exit code it means."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from v4agent.errors import Interrupted, LimitReached, Unverified, V4AgentError
from v4agent.files import Change
from v4agent.types import Attempt, RepairReport, Run, Status, Task, Usage, Verdict
from v4agent.verification import diff_of
from v4agent.workspace import Workspace

SUBJECT_LENGTH = 60


@dataclass
class Outcome:
    """What a rung has found so far; kept up to date so that an error loses nothing of it."""

    changes: tuple[Change, ...] = ()
    verdict: Verdict | None = None
    attempts: list[Attempt] = field(default_factory=list)
    repair: RepairReport | None = None
    error: V4AgentError | None = None

    @property
    def usage(self) -> Usage:
        """Tokens of all attempts."""
        return sum((a.usage for a in self.attempts), Usage())

    @property
    def cost_usd(self) -> float | None:
        """Sum over the attempts; None as soon as one of them has no known price."""
        costs = [a.cost_usd for a in self.attempts]
        return None if None in costs else sum(c for c in costs if c is not None)


def write(work: Workspace, task: Task, outcome: Outcome) -> Run:
    """The receipt of what a rung has found."""
    status, reason, hint, exit_code = _judged(outcome)
    return Run(
        id=work.run_id,
        status=status,
        exit_code=exit_code,
        reason=reason,
        hint=hint,
        model=work.settings.model,
        task=task,
        repository=str(work.repository.root),
        base_commit=work.repository.head,
        diff=diff_of(outcome.changes),
        verdict=outcome.verdict,
        attempts=tuple(outcome.attempts),
        repair=outcome.repair,
        usage=outcome.usage,
        cost_usd=outcome.cost_usd,
        seconds=round(time.monotonic() - work.started, 3),
        sandbox=work.sandbox.name,
        journal=str(work.journal.path),
    )


def _judged(outcome: Outcome) -> tuple[Status, str, str, int]:
    error, verdict = outcome.error, outcome.verdict
    if error is not None:
        return _error_status(error), error.message, error.hint, error.exit_code
    if verdict is not None and verdict.status == "resolved":
        return "resolved", verdict.reason, "", 0
    if verdict is not None and verdict.status == "unverified" and outcome.changes:
        unverified = Unverified(verdict.reason)
        return "unverified", unverified.message, unverified.hint, unverified.exit_code
    if outcome.repair is not None:
        return "unresolved", _repair_reason(outcome.repair), WAYS_ON, 1
    last = outcome.attempts[-1] if outcome.attempts else None
    reason = "no answer was tried"
    if last is not None:
        reason = last.error or (last.verdict.reason if last.verdict else reason)
    return "unresolved", reason, "try more rounds (--max-rounds) or another model (-m)", 1


WAYS_ON = (
    "repair only finds slips of one edit. With a model: set DEEPSEEK_API_KEY and use -m deepseek,"
    " or -m openai/NAME --api-base URL for a server or local model of yours"
)


def _repair_reason(report: RepairReport) -> str:
    ended = {
        "time": "the time was up",
        "exhausted": "every candidate was tried",
        "not applicable": report.note or "it does not apply here",
        "found": "what was found did not hold in a clean run",
    }[report.stopped]
    return f"no one-edit change passes the tests ({report.tried} tried, {ended})"


def _error_status(error: V4AgentError) -> Status:
    if isinstance(error, LimitReached):
        return "limit"
    return "interrupted" if isinstance(error, Interrupted) else "error"


def commit_message(run: Run) -> str:
    """Subject from the issue (or the failing tests), body with the verdict and the model."""
    first = next((line.strip() for line in run.task.text.splitlines() if line.strip()), "")
    subject = first or f"Fix {', '.join(run.task.failing_tests[:2]) or 'failing tests'}"
    if len(subject) > SUBJECT_LENGTH:
        subject = subject[: SUBJECT_LENGTH - 1].rstrip() + "…"
    return f"{subject}\n\n{run.reason}\n\nFixed-by: v4agent ({run.model}), run {run.id}\n"
