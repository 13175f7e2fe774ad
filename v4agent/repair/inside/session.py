"""Runs INSIDE the sandbox, with the Python (>= 3.8) and pytest (>= 6) of the repository.

It collects the tests once. Then, in forked children of that session: each test under a line
tracer (localisation), and each candidate change on the failing tests (search). A candidate is put
in place by swapping the code objects of live functions, or, where it changes module-level code,
by running the module's new code; nothing is written to the tree. Standard library only.

It talks to the host over the standard output that it was started with: lines that begin with the
token of the configuration. Large things go through files of the report folder.
"""

import gc
import json
import os
import resource
import signal
import sys
import time

from swap import live_functions, put_in_place
from tracing import traced

CONTINUE_POLL = 0.02
FAILING_SHARE = 0.2
"""Share of the time for localisation that failing tests may take."""
GRACE = 1.0
"""Seconds between the alarm in a child and its death."""


def main(config_path):
    """Run pytest with our loop in place of its own."""
    with open(config_path, encoding="utf-8") as handle:
        config = json.load(handle)
    sys.path.insert(0, os.getcwd())  # as `python -m pytest` does
    sys.dont_write_bytecode = True
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    import pytest

    plugin = Loop(config, channel)
    code = pytest.main([*config["arguments"], "-p", "no:cacheprovider"], plugins=[plugin])
    if not plugin.ran:
        plugin.say("failed", "pytest ended with %s before the tests ran" % int(code))


class Loop:
    """The pytest plugin: replaces the test loop by localisation and search."""

    def __init__(self, config, channel):
        self.config = config
        self.channel = channel
        self.ran = False
        self.child_ended = True

    def say(self, kind, text=""):
        self.channel.write("%s %s %s\n" % (self.config["token"], kind, text))
        self.channel.flush()

    def pytest_runtestloop(self, session):
        self.ran = True
        items = {item.nodeid: item for item in session.items}
        failing = [items[i] for i in self.config["failing"] if i in items]
        passing = [items[i] for i in self.config["passing"] if i in items]
        if not failing:
            self.say("failed", "no failing test was collected")
            return True
        times = self._localize(failing, passing)
        self.say("localized")
        sent = self._await_candidates()
        if sent["candidates"]:
            gc.collect()
            Search(self, items, times, sent).run()
        self.say("ended")
        return True

    def _localize(self, failing, passing):
        """Trace tests until the time share is used up; failing ones first."""
        deadline = time.monotonic() + self.config["localize_seconds"]
        path = os.path.join(self.config["reports"], "coverage.jsonl")
        times = {}
        queue = failing + passing
        while queue and time.monotonic() < deadline:
            done = self._traced(queue, path, deadline, min(len(failing), len(queue)))
            times.update(done)
            # a child that died did so in the test after its last record: leave that one out
            last = max((n for n, item in enumerate(queue) if item.nodeid in done), default=-1)
            if last + 1 >= len(queue) or self.child_ended:
                break
            queue, failing = queue[last + 2 :], failing[last + 2 :]
        return times

    def _traced(self, queue, path, deadline, failing):
        start = os.path.getsize(path) if os.path.exists(path) else 0
        pid = os.fork()
        if pid == 0:
            _become_child(self.config)
            spent = 0.0
            with open(path, "a", encoding="utf-8") as out:
                for number, item in enumerate(queue):
                    if number and time.monotonic() > deadline:
                        break
                    if spent > FAILING_SHARE * self.config["localize_seconds"] and number < failing:
                        continue  # tests that hang: a few of them say as much as all
                    limit = self.config["test_seconds"]
                    record = _trace_one(item, self.config["root"], limit)
                    spent += record["seconds"]
                    out.write(json.dumps(record) + "\n")
                    out.flush()
            os._exit(0)
        self.child_ended = _wait(
            pid, max(deadline - time.monotonic(), 0) + self.config["test_seconds"] * 6
        )
        done = {}
        with open(path, encoding="utf-8") if os.path.exists(path) else open(os.devnull) as lines:
            lines.seek(start)
            for line in lines:
                try:
                    record = json.loads(line)
                except ValueError:
                    continue
                done[record["id"]] = record["seconds"]
        return done

    def _await_candidates(self):
        """The host answers `localized` with a file of candidates, or with an empty one."""
        path = os.path.join(self.config["reports"], "candidates.json")
        while not os.path.exists(path):
            time.sleep(CONTINUE_POLL)
        with open(path, encoding="utf-8") as handle:
            return json.load(handle)


class Search:
    """Tries candidates in forked children, several at a time, in the order in which they come."""

    def __init__(self, loop, items, times, sent):
        self.loop = loop
        self.config = loop.config
        self.items = items
        self.times = times
        self.failing = sorted(sent["failing"], key=lambda i: times.get(i, 0.0))
        self.groups = sent["groups"]
        self.candidates = sent["candidates"]
        self.functions = live_functions(self.config["root"])
        self.limit = self._test_limit()
        self.running = {}

    def _test_limit(self):
        passing = [self.times[i] for i in self.config["passing"] if i in self.times]
        slowest = max(passing) if passing else 0.0
        return min(max(self.config["test_seconds"] * 0.6, slowest * 5), 20.0)

    def run(self):
        deadline = time.monotonic() + self.config["search_seconds"]
        jobs = max(1, min(os.cpu_count() or 1, 8))
        todo = iter(self.candidates)
        tried = 0
        while True:
            while len(self.running) < jobs and time.monotonic() < deadline:
                candidate = next(todo, None)
                if candidate is None:
                    break
                tried += 1
                self._start(candidate)
            if not self.running:
                break
            self._reap()
            if tried % 50 == 0:
                self.loop.say("tried", str(tried))
        self.loop.say("tried", str(tried))

    def _start(self, candidate):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                _become_child(self.config)
                code = 0 if self._holds(candidate) else 1
            except BaseException:
                code = 2
            finally:
                os._exit(code)
        tests = len(self.failing) + len(self.groups[candidate[5]])
        budget = self.limit * min(tests, 3) + 10.0
        self.running[pid] = (candidate, time.monotonic() + budget)

    def _reap(self):
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid in self.running:
            candidate, _ = self.running.pop(pid)
            if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
                self.loop.say("plausible", str(candidate[0]))
            return
        now = time.monotonic()
        for pid, (_, end) in list(self.running.items()):
            if now > end:
                _kill_group(pid)
        time.sleep(0.001)

    def _holds(self, candidate):
        """Put the candidate in place; all its tests must pass, the quick failing ones first."""
        put_in_place(candidate, self.config["root"], self.functions)
        tests = self.failing + self.groups[candidate[5]]
        return all(_passes(self.items[i], self.limit) for i in tests)


def _become_child(config):
    """A process group of its own, silent, with limits, that nothing survives."""
    os.setpgid(0, 0)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    limit = config["memory_bytes"]
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(min(sys.getrecursionlimit(), 1000))


class TimeUp(BaseException):
    """Raised by the alarm; no `except Exception` of the code under test stops it."""


def _alarm(number, frame):
    raise TimeUp("the test took too long")


def _reports(item, limit):
    """Run one test with all its fixtures; its reports, or None when the time was up."""
    from _pytest.runner import runtestprotocol

    signal.signal(signal.SIGALRM, _alarm)
    # a second shot: the first may hit a handler that swallows everything
    signal.setitimer(signal.ITIMER_REAL, limit, GRACE)
    try:
        return runtestprotocol(item, nextitem=None, log=False)
    except TimeUp:
        return None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _passes(item, limit):
    reports = _reports(item, limit)
    return reports is not None and all(
        not r.failed and (r.when != "call" or r.passed or r.skipped) for r in reports
    )


def _trace_one(item, root, limit):
    lines = {}
    started = time.monotonic()
    stop = traced(root, lines)
    try:
        reports = _reports(item, limit)
    finally:
        stop()
    passed = reports is not None and not any(r.failed for r in reports)
    return {
        "id": item.nodeid,
        "passed": passed,
        "seconds": time.monotonic() - started,
        "lines": {name: sorted(found) for name, found in lines.items()},
    }


def _wait(pid, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status == 0
        time.sleep(0.005)
    _kill_group(pid)
    os.waitpid(pid, 0)
    return False


def _kill_group(pid):
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


if __name__ == "__main__":
    main(sys.argv[1])
