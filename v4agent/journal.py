"""What happened in a run: one JSON line per event, on disk before it is acted upon.

`runs/<id>/journal.jsonl` in the state folder. Kinds: `start`, `packed`, `request`, `reply`,
`applied`, `tested`, `done`. A record is one `write` and one `fsync`; a torn last line (kill,
full disk) is cut off when the journal is opened again, so what was acknowledged is never lost.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from v4agent.errors import UsageError, V4AgentError
from v4agent.redaction import Redactor
from v4agent.types import Completion, Prompt

FORMAT = 1


def new_run_id() -> str:
    """A sortable, random id: UTC time and 32 random bits."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


def request_hash(prompt: Prompt, model: str) -> str:
    """A stable id of a request: the same conversation to the same model."""
    body = json.dumps([model, prompt.model_dump(mode="json")], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(body.encode()).hexdigest()


class Journal:
    """One run's journal. Appending is safe against kill and full disk; one process writes it."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        self.path = path
        self._redactor = redactor
        _cut_torn_tail(path)
        self._sequence = sum(1 for _ in self.records())

    @classmethod
    def create(cls, state_dir: Path, run_id: str, *, redactor: Redactor) -> Journal:
        """Start the journal of a new run."""
        folder = state_dir / "runs" / run_id
        try:
            folder.mkdir(parents=True, mode=0o700)
            path = folder / "journal.jsonl"
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise V4AgentError(
                f"the journal can't be made in {folder}: {error.strerror}",
                hint="free some disk space, or set V4AGENT_STATE_DIR to another folder",
            ) from error
        return cls(path, redactor)

    @classmethod
    def open(cls, path: Path, *, redactor: Redactor | None = None) -> Journal:
        """Open an existing journal.

        Raises:
            UsageError: there is none.
        """
        if not path.is_file():
            raise UsageError(f"no journal at {path}")
        return cls(path, redactor or Redactor())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.append("done", error=kind.__name__)

    def append(self, kind: str, **fields: Any) -> None:  # noqa: ANN401 - JSON values
        """Write one record durably.

        Raises:
            V4AgentError: the disk is full, or the like; the records before still stand.
        """
        record = {"v": FORMAT, "n": self._sequence, "time": _now(), "kind": kind, **fields}
        text = json.dumps(_scrubbed(record, self._redactor), ensure_ascii=True)
        line = (text + "\n").encode()
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                size = os.fstat(fd).st_size
                if os.write(fd, line) != len(line):
                    os.ftruncate(fd, size)
                    raise OSError(28, "No space left on device")
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise V4AgentError(
                f"the journal can't be written: {error.strerror} ({self.path})",
                hint="free some disk space, then go on with --resume " + self.path.parent.name,
            ) from error
        self._sequence += 1

    def records(self) -> Iterator[dict[str, Any]]:
        """All whole records, in order."""
        with self.path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                record = _parsed(line)
                if record is not None:
                    yield record

    def reply(self, request: str) -> Completion | None:
        """The last whole answer to a request, if one is journalled."""
        found = None
        for record in self.records():
            if record["kind"] == "reply" and record.get("request") == request:
                found = record["completion"]
        return None if found is None else Completion.model_validate(found)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "kind" in record else None


def _scrubbed(value: Any, redactor: Redactor) -> Any:  # noqa: ANN401 - JSON values
    """Strings pass the redactor; `reply` texts are already answers to redacted prompts."""
    if isinstance(value, str):
        return redactor.scrub(value)
    if isinstance(value, dict):
        return {k: _scrubbed(v, redactor) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(v, redactor) for v in value]
    return value


def _cut_torn_tail(path: Path) -> None:
    with path.open("r+b") as handle:
        data = handle.read()
        if data and not data.endswith(b"\n"):
            handle.truncate(data.rfind(b"\n") + 1)
