"""What requests cost: one JSON line per paid request, in the state folder."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from v4agent.errors import V4AgentError
from v4agent.types import Usage, Value


class LedgerEntry(Value):
    """One paid request."""

    time: datetime
    run_id: str
    model: str
    usage: Usage
    cost_usd: float | None
    """None when the price was unknown."""
    seconds: float


class Totals(Value):
    """The sum of entries."""

    requests: int = 0
    usage: Usage = Usage()
    cost_usd: float = 0.0
    """Of the requests whose price was known."""
    unpriced: int = 0
    """Requests whose price was unknown."""


class Ledger:
    """Append-only; safe under concurrent runs and kills."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(
        self, *, run_id: str, model: str, usage: Usage, cost_usd: float | None, seconds: float
    ) -> None:
        """Enter one request.

        Raises:
            V4AgentError: the file can't be written.
        """
        entry = LedgerEntry(
            time=datetime.now(UTC),
            run_id=run_id,
            model=model,
            usage=usage,
            cost_usd=cost_usd,
            seconds=seconds,
        )
        line = (entry.model_dump_json() + "\n").encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(self.path.with_suffix(".lock")):
                flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                fd = os.open(self.path, flags, 0o600)
                try:
                    os.write(fd, _separator(fd) + line)
                    os.fsync(fd)
                finally:
                    os.close(fd)
        except OSError as error:
            raise V4AgentError(f"the ledger can't be written: {error.strerror}") from error

    def entries(self) -> list[LedgerEntry]:
        """All whole entries; a line that a kill tore is passed over."""
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            try:
                found.append(LedgerEntry.model_validate_json(line))
            except ValidationError:
                continue
        return found

    def total(self, since: datetime | None = None) -> Totals:
        """The sum of all entries, or of those since a time."""
        entries = [e for e in self.entries() if since is None or e.time >= since]
        return Totals(
            requests=len(entries),
            usage=sum((e.usage for e in entries), Usage()),
            cost_usd=sum(e.cost_usd for e in entries if e.cost_usd is not None),
            unpriced=sum(1 for e in entries if e.cost_usd is None),
        )


def _separator(fd: int) -> bytes:
    """A newline where a torn line ends the file."""
    size = os.fstat(fd).st_size
    return b"" if size == 0 or os.pread(fd, 1, size - 1) == b"\n" else b"\n"
