"""Runs a repository's test command and says how each test ended.

pytest is asked for a report by a plugin of ours (`reporter/`), through `PYTEST_ADDOPTS`, so it
works however the command reaches pytest (make, tox without isolation, a script). Other runners
give one outcome: that of the command. The report is written by the process under test: it is
evidence against slips, not against code that forges it.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from v4agent.errors import TestCommandError
from v4agent.sandbox.base import Command, Limits, Mount, Result, Sandbox, shell
from v4agent.sandbox.environment import tool_folders, words_of
from v4agent.types import Outcome, TestRun

REPORTER = Path(__file__).resolve().parent / "reporter"
REPORTER_SEEN = Path("/tmp/v4agent/reporter")
REPORTS_SEEN = Path("/tmp/v4agent/reports")
NOT_FOUND = (126, 127)
NOT_IMPORTED = 'Error importing plugin "v4agent_reporter"'
NO_TESTS = 5
"""pytest's exit code when it collected nothing."""


def command_for(
    argv: Sequence[str],
    *,
    scratch: Path,
    repository: Path,
    environments: Sequence[Path] = (),
    mounts: Sequence[Mount] = (),
    env: dict[str, str] | None = None,
    limits: Limits,
    words: Sequence[str] = (),
) -> Command:
    """A command on a scratch copy that is seen at the repository's own path."""
    inside = [Mount(source=e, target=e) for e in environments]
    return Command(
        argv=tuple(argv),
        cwd=repository,
        worktree=Mount(source=scratch, target=repository, writable=True),
        mounts=(*inside, *mounts),
        tools=tool_folders(words),
        env=env or {},
        limits=limits,
    )


def run_tests(
    sandbox: Sandbox,
    command: str,
    *,
    scratch: Path,
    repository: Path,
    environments: Sequence[Path] = (),
    limits: Limits,
    only: Sequence[str] = (),
    on_output: Callable[[str], None] | None = None,
    cancelled: threading.Event | None = None,
) -> TestRun:
    """Run the test command.

    Args:
        command: what the user would type, run by `sh -c`.
        scratch: host folder of the scratch copy.
        repository: the user's repository, at whose path the command sees the scratch copy.
        environments: folders of the repository that are mounted read-only over the copy.
        only: node ids to which a pytest run is restricted; others do not know it.

    Raises:
        TestCommandError: the command can't be run.
    """
    with tempfile.TemporaryDirectory(prefix="v4agent-report-") as folder:
        reports = Path(folder)
        built = _with_reporter(
            command_for(
                shell(command),
                scratch=scratch,
                repository=repository,
                environments=environments,
                limits=limits,
                words=words_of(command),
            ),
            sandbox,
            reports,
            only,
        )
        result = sandbox.run(built, on_output=on_output, cancelled=cancelled)
        if NOT_IMPORTED in result.output:  # the command sets PYTHONPATH anew: do without a report
            plain = built.model_copy(update={"env": {}})
            result = sandbox.run(plain, on_output=on_output, cancelled=cancelled)
        outcomes, structured = _outcomes(reports / "report.jsonl", command, result)
    return TestRun(
        command=command,
        exit_code=result.exit_code,
        outcomes=outcomes,
        structured=structured,
        output=result.output + _ended(result),
        seconds=result.seconds,
        timed_out=result.timed_out,
        truncated=result.truncated,
    )


def _with_reporter(
    command: Command, sandbox: Sandbox, reports: Path, only: Sequence[str]
) -> Command:
    mounts = (
        *command.mounts,
        Mount(source=REPORTER, target=REPORTER_SEEN),
        Mount(source=reports, target=REPORTS_SEEN, writable=True),
    )
    command = command.model_copy(update={"mounts": mounts})
    seen = sandbox.seen(reports, command)
    env = {
        "PYTEST_ADDOPTS": "-p v4agent_reporter -p no:cacheprovider",
        "PYTHONPATH": str(sandbox.seen(REPORTER, command)),
        "V4AGENT_REPORT": str(seen / "report.jsonl"),
    }
    if only:
        (reports / "only.txt").write_text("\n".join(only), encoding="utf-8")
        env["V4AGENT_ONLY"] = str(seen / "only.txt")
    return command.model_copy(update={"env": {**command.env, **env}})


def _outcomes(report: Path, command: str, result: Result) -> tuple[dict[str, Outcome], bool]:
    found, finished = _read(report)
    if found:
        return found, True
    if finished is not None and finished in (0, NO_TESTS):
        return {}, True
    if result.exit_code in NOT_FOUND and not result.reason:
        raise TestCommandError(
            f"the test command can't be run (exit {result.exit_code}): {command}\n"
            + result.output.strip()[-500:]
        )
    passed = result.exit_code == 0 and not result.reason
    return {command: "passed" if passed else "failed"}, False


def _read(report: Path) -> tuple[dict[str, Outcome], int | None]:
    found: dict[str, Outcome] = {}
    finished: int | None = None
    try:
        lines = report.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return found, finished
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue  # the process was killed while it wrote
        if "finished" in record:
            finished = record["finished"]
        elif "id" in record:
            found[str(record["id"])] = record["outcome"]
    return found, finished


def _ended(result: Result) -> str:
    return f"\n[killed: beyond the limit of {result.reason}]\n" if result.reason else ""
