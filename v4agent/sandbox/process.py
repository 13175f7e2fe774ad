"""Runs one process under limits: time, memory, number of processes, output."""

from __future__ import annotations

import os
import resource
import selectors
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from v4agent.sandbox.base import Limits, Result
from v4agent.terminal import sanitize

POLL_SECONDS = 0.05
CHUNK = 65_536
PAGE = os.sysconf("SC_PAGE_SIZE")


class Kept:
    """Head and tail of a stream, in bounded memory."""

    def __init__(self, limit: int) -> None:
        self._half = limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def add(self, data: bytes) -> None:
        """Take more of the stream."""
        self.total += len(data)
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * self._half:
            del self._tail[: -self._half]

    @property
    def cut(self) -> int:
        """Bytes that are in neither."""
        return max(0, self.total - len(self._head) - min(len(self._tail), self._half))

    def text(self) -> str:
        """Head, a mark of what was cut, and tail; sanitized."""
        tail = bytes(self._tail[-self._half :]) if self._tail else b""
        mark = f"\n[... {self.cut:,} bytes cut ...]\n".encode() if self.cut else b""
        return sanitize((bytes(self._head) + mark + tail).decode("utf-8", errors="replace"))


@dataclass(frozen=True)
class Watch:
    """How the processes of a command are found and ended."""

    members: Callable[[int], list[int]]
    """Host pids of all processes of the command, given that of the first."""
    kill: Callable[[int], None]
    """Ends all of them, given the pid of the first."""


def run_process(
    argv: Sequence[str],
    *,
    cwd: Path | None,
    env: Mapping[str, str],
    limits: Limits,
    watch: Watch,
    on_output: Callable[[str], None] | None = None,
    cancelled: threading.Event | None = None,
) -> Result:
    """Run to the end or to a limit; whatever happens, nothing of it is left running."""
    started = time.monotonic()
    kept = Kept(limits.kept_bytes)
    process = subprocess.Popen(
        list(argv),
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=lambda: _set_rlimits(limits),
    )
    try:
        reason = _follow(process, kept, limits, watch, started, on_output, cancelled)
    finally:
        watch.kill(process.pid)
        process.kill()
        _drain(process, kept)
        process.wait()
    return Result(
        exit_code=process.returncode if process.returncode >= 0 else 128 - process.returncode,
        output=kept.text(),
        seconds=round(time.monotonic() - started, 3),
        timed_out=reason == "time",
        truncated=kept.cut > 0,
        reason=reason,
    )


def _follow(
    process: subprocess.Popen[bytes],
    kept: Kept,
    limits: Limits,
    watch: Watch,
    started: float,
    on_output: Callable[[str], None] | None,
    cancelled: threading.Event | None,
) -> str:
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        open_ = True
        checked = 0.0
        while True:
            if not open_:
                time.sleep(POLL_SECONDS)
            elif selector.select(POLL_SECONDS):
                open_ = _take(process.stdout.read(CHUNK), kept, on_output)
            if process.poll() is not None:
                return ""
            now = time.monotonic()
            if now - started > limits.seconds:
                return "time"
            if cancelled is not None and cancelled.is_set():
                return "cancelled"
            if kept.total > limits.output_bytes:
                return "output"
            if now - checked > POLL_SECONDS:
                checked = now
                reason = _beyond(watch.members(process.pid), limits)
                if reason:
                    return reason


def _take(data: bytes | None, kept: Kept, on_output: Callable[[str], None] | None) -> bool:
    """Keep a piece of output; False when the stream has ended."""
    if data:
        kept.add(data)
        if on_output is not None:
            on_output(sanitize(data.decode("utf-8", errors="replace")))
    return data != b""


def _beyond(members: list[int], limits: Limits) -> str:
    if len(members) > limits.processes:
        return "processes"
    return "memory" if sum(map(_resident, members)) > limits.memory_bytes else ""


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError, ValueError):
        return 0  # it has just ended


def _drain(process: subprocess.Popen[bytes], kept: Kept) -> None:
    """What is still in the pipe; never waits for a writer."""
    assert process.stdout is not None
    with process.stdout:
        os.set_blocking(process.stdout.fileno(), False)
        while data := process.stdout.read(CHUNK):
            kept.add(data)


def _set_rlimits(limits: Limits) -> None:
    for what, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        # not RLIMIT_AS: runtimes reserve far more address space than they use
        (resource.RLIMIT_DATA, limits.memory_bytes),
    ):
        _, hard = resource.getrlimit(what)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (bound, bound))
