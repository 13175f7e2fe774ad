"""The search: localise, try one-edit changes in the session, verify survivors on real files.

The session (`inside/session.py`) runs in the sandbox; it and this module talk while it runs: it
says `localized`, gets candidates, says `plausible N`. Each survivor is then verified by the caller
in a clean run of the whole suite, while the search goes on.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from v4agent.repair.invocation import pytest_invocation
from v4agent.repair.localize import Trace, covering, ochiai, read_traces
from v4agent.repair.mutate import Mutant, mutants
from v4agent.types import Candidate, RepairReport, SuspiciousLine

INSIDE = Path(__file__).resolve().parent / "inside"
SHOWN_LINES = 20
MAX_SUSPICIOUS_FILES = 12
MAX_TRACED = 400
MAX_CHECKS = 60
"""Passing tests that a candidate must pass in the session; the clean run has them all."""
TEST_SECONDS = 1.0
LOCALIZE_SHARE = 0.35
ALTERNATIVE_SECONDS = 3.0
"""Time after the first verified fix in which others are looked for."""
MEMORY_BYTES = 1024**3

Stopped = Literal["found", "exhausted", "time", "not applicable"]


class Runner(Protocol):
    """Runs a program in the sandbox, on a copy of the tree of its own."""

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
        """Run it; returns its output. `reports` is a host folder seen as `seen_reports`."""
        ...

    def seen(self, host: Path) -> Path:
        """Where the program sees `reports` and the folder of the session script."""
        ...


class Fix(NamedTuple):
    """A verified change."""

    path: str
    text: bytes


def repair(
    *,
    root: Path,
    seen_root: Path,
    command: str,
    failing: Sequence[str],
    passing: Sequence[str],
    run: Runner,
    verify: Callable[[str, bytes], bool],
    diff: Callable[[str, bytes, bytes], str],
    reports: Path,
    max_time: float,
    progress: Callable[[str, str], None],
) -> tuple[RepairReport, Fix | None]:
    """Look for a one-edit change that makes the failing tests pass and no passing one fail.

    Args:
        root: host folder with the tree; it is only read here.
        seen_root: where the session sees the tree.
        failing, passing: node ids of the baseline.
        verify: whether a new content of a path passes a clean run of the whole suite.
        max_time: seconds for everything.
    """
    invocation = pytest_invocation(command)
    if invocation is None:
        note = "repair needs one plain pytest command (--test 'python -m pytest ...')"
        return _not_applicable(note), None
    search = _Search(root, seen_root, failing, passing, verify, diff, reports, max_time, progress)
    config = search.config(run.seen(reports), invocation.arguments)
    (reports / "config.json").write_text(json.dumps(config), encoding="utf-8")
    output = run(
        [
            invocation.python,
            str(run.seen(INSIDE) / "session.py"),
            str(run.seen(reports) / "config.json"),
        ],
        env=invocation.env,
        reports=reports,
        seconds=max_time + 5,
        on_output=search.hear,
        cancelled=search.cancelled,
    )
    return search.report(output)


class _Search:
    """The host's side of one search."""

    def __init__(
        self,
        root: Path,
        seen_root: Path,
        failing: Sequence[str],
        passing: Sequence[str],
        verify: Callable[[str, bytes], bool],
        diff: Callable[[str, bytes, bytes], str],
        reports: Path,
        max_time: float,
        progress: Callable[[str, str], None],
    ) -> None:
        self.cancelled = threading.Event()
        self._root, self._seen_root = root, seen_root
        self._failing, self._passing = list(failing), _nearest_first(passing, failing)
        self._verify, self._diff, self._reports = verify, diff, reports
        self._progress = progress
        self._max_time = max_time
        self._started = time.monotonic()
        self._token = secrets.token_hex(8)
        self._buffer = ""
        self._mutants: list[Mutant] = []
        self._suspicious: list[SuspiciousLine] = []
        self._covering: Mapping[tuple[str, int], list[Trace]] = {}
        self._files: dict[str, bytes] = {}
        self._found: list[int] = []
        self._first_found: float | None = None
        self._tried = 0
        self._ended = False
        self._failure = ""

    def config(self, reports: Path, arguments: Sequence[str]) -> dict[str, object]:
        """What the session is told."""
        localize = self._max_time * LOCALIZE_SHARE
        return {
            "token": self._token,
            "root": str(self._seen_root),
            "reports": str(reports),
            "arguments": list(arguments),
            "failing": self._failing,
            "passing": self._passing[:MAX_TRACED],
            "test_seconds": TEST_SECONDS,
            "localize_seconds": localize,
            "search_seconds": self._max_time,
            "memory_bytes": MEMORY_BYTES,
        }

    def hear(self, text: str) -> None:
        """Take output of the session; acts on whole lines that carry the token."""
        self._buffer += text
        *lines, self._buffer = self._buffer.split("\n")
        for line in lines:
            at = line.find(self._token)
            if at >= 0:
                _, kind, value = [*line[at:].split(" ", 2), "", ""][:3]
                self._act(kind, value)
        if self._over():
            self.cancelled.set()

    def _over(self) -> bool:
        now = time.monotonic()
        if self._first_found is not None and now - self._first_found > ALTERNATIVE_SECONDS:
            return True
        return now - self._started > self._max_time

    def _act(self, kind: str, value: str) -> None:
        if kind == "localized":
            self._localized()
        elif kind == "plausible":
            self._plausible(int(value))
        elif kind == "tried":
            self._tried = int(value)
            self._progress("tick", f"{self._tried} of {len(self._mutants)} candidates tried")
        elif kind == "ended":
            self._ended = True
        elif kind == "failed":
            self._failure = value

    def _localized(self) -> None:
        traces = read_traces(self._reports / "coverage.jsonl", str(self._seen_root))
        tests = frozenset(t.partition("::")[0] for t in (*self._failing, *self._passing))
        scores = ochiai(traces, tests)
        scores = {x: s for x, s in scores.items() if not _is_test(x[0])}
        self._covering = covering(traces)
        ranked = sorted(scores, key=lambda x: (-scores[x], x))
        paths = list(dict.fromkeys(path for path, _ in ranked))[:MAX_SUSPICIOUS_FILES]
        self._files = {
            p: (self._root / p).read_bytes() for p in paths if (self._root / p).is_file()
        }
        self._suspicious = self._shown(ranked, scores)
        self._progress("localize", f"{len(traces)} tests traced, {len(scores)} suspicious lines")
        self._mutants = mutants(self._files, scores)
        self._progress("search", f"{len(self._mutants)} one-edit candidates")
        self._send(traces)

    def _send(self, traces: Sequence[Trace]) -> None:
        failing = [t.test for t in traces if not t.passed]
        groups: dict[tuple[str, int], int] = {}
        rows = []
        for number, mutant in enumerate(self._mutants):
            line = (mutant.path, mutant.line)
            group = groups.setdefault(line, len(groups))
            rows.append([number, mutant.path, *mutant.splice, group])
        body = {
            "failing": failing,
            "groups": [self._checks(line) for line in groups],
            "candidates": rows,
        }
        part = self._reports / "candidates.part"
        part.write_text(json.dumps(body), encoding="utf-8")
        part.rename(self._reports / "candidates.json")

    def _checks(self, line: tuple[str, int]) -> list[str]:
        traces = (t for t in self._covering.get(line, ()) if t.passed)
        return [t.test for t in sorted(traces, key=lambda t: t.seconds)[:MAX_CHECKS]]

    def _plausible(self, number: int) -> None:
        mutant = self._mutants[number]
        self._progress("verify", f"{mutant.path}:{mutant.line} ({mutant.operator})")
        if self._verify(mutant.path, self._applied(mutant)):
            self._found.append(number)
            if self._first_found is None:
                self._first_found = time.monotonic()

    def _applied(self, mutant: Mutant) -> bytes:
        data, splice = self._files[mutant.path], mutant.splice
        return data[: splice.start] + splice.text.encode() + data[splice.end :]

    def _shown(
        self, ranked: Sequence[tuple[str, int]], scores: Mapping[tuple[str, int], float]
    ) -> list[SuspiciousLine]:
        shown = []
        for path, line in ranked[:SHOWN_LINES]:
            lines = self._files.get(path, b"").decode("utf-8", errors="replace").splitlines()
            text = lines[line - 1] if line <= len(lines) else ""
            shown.append(SuspiciousLine(path=path, line=line, score=scores[path, line], text=text))
        return shown

    def report(self, output: str) -> tuple[RepairReport, Fix | None]:
        """What was found; the fix is the verified candidate that stood first in the order."""
        found = sorted(self._found)
        stopped: Stopped = "found" if found else "exhausted" if self._ended else "time"
        note = self._failure
        if not self._suspicious and not self._mutants:
            stopped, note = "not applicable", note or _last_lines(output)
        report = RepairReport(
            suspicious=tuple(self._suspicious),
            plausible=tuple(self._candidate(n) for n in found),
            tried=self._tried,
            generated=len(self._mutants),
            seconds=round(time.monotonic() - self._started, 3),
            stopped=stopped,
            note=note,
        )
        if not found:
            return report, None
        best = self._mutants[found[0]]
        return report, Fix(best.path, self._applied(best))

    def _candidate(self, number: int) -> Candidate:
        mutant = self._mutants[number]
        return Candidate(
            path=mutant.path,
            line=mutant.line,
            operator=mutant.operator,
            diff=self._diff(mutant.path, self._files[mutant.path], self._applied(mutant)),
            covering_tests=len(self._covering.get((mutant.path, mutant.line), ())),
        )


def _nearest_first(passing: Sequence[str], failing: Sequence[str]) -> list[str]:
    """Passing tests of the failing tests' files first: they run the most of the same code."""
    files = {t.partition("::")[0] for t in failing}
    return sorted(passing, key=lambda t: t.partition("::")[0] not in files)


def _is_test(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name == "conftest.py" or name.startswith("test_") or name.endswith("_test.py")


def _not_applicable(note: str) -> RepairReport:
    return RepairReport(
        suspicious=(), plausible=(), tried=0, generated=0, seconds=0.0, stopped="not applicable",
        note=note,
    )  # fmt: skip


def _last_lines(output: str) -> str:
    return "\n".join(output.strip().splitlines()[-3:])
