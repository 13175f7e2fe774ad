"""Runs the tests before and after a change and says what they prove.

A change is judged from a clean copy every time: what an earlier test run wrote is gone, so the
verdict depends on the change alone. Semantics follow SWE-bench's grading: every target test must
pass, every test that passed must still pass (or be skipped), a missing test counts as failing.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence

from v4agent.errors import LimitReached, TestCommandError, UsageError
from v4agent.files import Change, apply_changes
from v4agent.journal import Journal
from v4agent.redaction import Redactor
from v4agent.repo import Repository, Scratch, diff_texts
from v4agent.sandbox.base import Limits, Sandbox
from v4agent.sandbox.tests import run_tests
from v4agent.types import TestRun, Verdict


def judge(before: TestRun, after: TestRun, targets: Sequence[str]) -> Verdict:
    """Compare two runs of the same command.

    Args:
        before: the run without the change.
        after: the run with it.
        targets: ids that failed before and must pass now; empty when nothing failed before.
    """
    passing, failing = set(after.passing), set(after.failing)
    fixed = tuple(t for t in targets if t in passing)
    still = tuple(t for t in targets if t not in passing)
    kept = [t for t in before.passing if after.outcomes.get(t) in ("passed", "xfailed", "skipped")]
    broken = tuple(t for t in before.passing if t not in set(kept))
    known = set(before.outcomes)
    broken += tuple(sorted(t for t in failing if t not in known))
    if after.timed_out:
        status, reason = "unresolved", "the tests did not finish in time"
    elif broken:
        status, reason = "unresolved", f"{len(broken)} passing tests fail after the change"
    elif still:
        status, reason = "unresolved", f"{len(still)} of {len(targets)} failing tests still fail"
    elif not targets:
        status, reason = "unverified", "no test failed before the change, so none can prove it"
    else:
        status = "resolved"
        reason = f"{len(fixed)} failing tests pass, {len(kept)} passing tests still pass"
    return Verdict(
        status=status,
        fail_to_pass=fixed,
        still_failing=still,
        newly_failing=broken,
        pass_to_pass=len(kept),
        reason=reason,
    )


def diff_of(changes: Sequence[Change]) -> str:
    """The changes as one unified diff, in path order."""
    ordered = sorted(changes, key=lambda c: c.path)
    return "".join(diff_texts(c.path, c.before, c.after) for c in ordered)


class Verifier:
    """Runs one command on one scratch copy, with and without changes; journals each run."""

    def __init__(
        self,
        sandbox: Sandbox,
        repository: Repository,
        scratch: Scratch,
        command: str,
        journal: Journal,
        redactor: Redactor,
        *,
        timeout: float,
        deadline: float | None = None,
        resumed: Journal | None = None,
        on_output: Callable[[str], None] | None = None,
    ) -> None:
        self.sandbox = sandbox
        self.repository = repository
        self.scratch = scratch
        self.command = command
        self.timeout = timeout
        self.deadline = deadline
        self._journal = journal
        self._redactor = redactor
        self._on_output = on_output
        self._known = _tested(resumed) if resumed else {}

    def baseline(self) -> TestRun:
        """The tests without any change.

        Raises:
            TestCommandError: the command is not found, or ran no test.
            LimitReached: it did not finish in time.
        """
        run = self.run(())
        if run.timed_out:
            raise LimitReached(
                f"the tests did not finish in {self.timeout:.0f} s: {self.command}",
                hint="raise --test-timeout, or give a faster command with --test",
            )
        if not run.outcomes:
            raise TestCommandError(f"the test command ran no test: {self.command}")
        return run

    def check(
        self, changes: Sequence[Change], before: TestRun, targets: Sequence[str]
    ) -> tuple[TestRun, Verdict]:
        """The tests with the changes, and what that proves."""
        after = self.run(changes)
        return after, judge(before, after, targets)

    def run(self, changes: Sequence[Change]) -> TestRun:
        """One run from a clean copy with the changes applied. A journalled run is not repeated."""
        key = hashlib.sha256((self.command + "\0" + diff_of(changes)).encode()).hexdigest()
        if key in self._known:
            result = self._known[key]
        else:
            self.scratch.reset()
            apply_changes(self.scratch.root, changes)
            result = self._redacted(self._run())
        self._journal.append("tested", key=key, run=result.model_dump(mode="json"))
        return result

    def limits(self) -> Limits:
        """Limits of the next run: never beyond the whole run's deadline."""
        seconds = self.timeout
        if self.deadline is not None:
            seconds = min(seconds, self.deadline - time.monotonic())
            if seconds <= 0:
                raise LimitReached("the time for this run is used up", hint="raise --max-time")
        return Limits(seconds=seconds)

    def _run(self) -> TestRun:
        return run_tests(
            self.sandbox,
            self.command,
            scratch=self.scratch.root,
            repository=self.repository.root,
            environments=self.repository.environments(),
            limits=self.limits(),
            on_output=self._on_output,
        )

    def _redacted(self, run: TestRun) -> TestRun:
        return run.model_copy(update={"output": self._redactor.scrub(run.output)})


def pick_targets(before: TestRun, asked: Sequence[str]) -> tuple[str, ...]:
    """The failing tests that must pass: those asked for, else all that fail.

    Raises:
        UsageError: a test that was asked for did not run, or passes already.
    """
    if not asked:
        return before.failing
    failing = set(before.failing)
    for test in asked:
        if test not in failing:
            state = before.outcomes.get(test, "not among the tests that ran")
            some = ", ".join(before.failing[:5]) or "none"
            raise UsageError(
                f"{test} does not fail before the change ({state})", hint=f"failing now: {some}"
            )
    return tuple(asked)


def _tested(journal: Journal) -> dict[str, TestRun]:
    return {
        str(record["key"]): TestRun.model_validate(record["run"])
        for record in journal.records()
        if record["kind"] == "tested"
    }
