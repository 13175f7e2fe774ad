"""A pytest plugin that writes each test's outcome to a file, one JSON line a test.

Runs inside the sandbox with the Python and pytest of the repository (>= 3.8, >= 6), so it uses
nothing but the standard library. `V4AGENT_REPORT` names the file; `V4AGENT_ONLY` names a file with
node ids to which the run is restricted.
"""

import json
import os

REPORT = "V4AGENT_REPORT"
ONLY = "V4AGENT_ONLY"


class Reporter:
    """Collects the worst outcome of each test's phases and writes it when the test ends."""

    def __init__(self, path):
        self._file = open(path, "a", encoding="utf-8")
        self._outcomes = {}

    def _write(self, **record):
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()

    def pytest_collection_modifyitems(self, config, items):
        """Restrict the run to the ids that were asked for."""
        path = os.environ.get(ONLY)
        if path:
            with open(path, encoding="utf-8") as handle:
                wanted = set(handle.read().split("\n"))
            kept = [item for item in items if item.nodeid in wanted]
            config.hook.pytest_deselected(items=[i for i in items if i.nodeid not in wanted])
            items[:] = kept

    def pytest_collectreport(self, report):
        """A file that can't be collected counts as one failing test of that name."""
        if report.failed:
            self._write(id=report.nodeid or "collection", outcome="error")

    def pytest_runtest_logreport(self, report):
        """Merge the phases of a test."""
        before = self._outcomes.get(report.nodeid)
        now = _outcome(report)
        if before in ("failed", "error") or now is None or (before is not None and now == "passed"):
            now = before
        self._outcomes[report.nodeid] = now
        if report.when == "teardown" and now is not None:
            self._write(id=report.nodeid, outcome=now)

    def pytest_sessionfinish(self, session, exitstatus):
        """Say that the session came to its end."""
        self._write(finished=int(exitstatus))


def _outcome(report):
    if hasattr(report, "wasxfail"):
        return "xpassed" if report.passed else "xfailed"
    if report.failed:
        return "failed" if report.when == "call" else "error"
    if report.skipped:
        return "skipped"
    return "passed" if report.when == "call" else None


def pytest_configure(config):
    """Register, in the controlling process only (workers of xdist report through it)."""
    path = os.environ.get(REPORT)
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reporter(path), "v4agent_reporter_instance")
