"""A backend that answers from a recorded journal: any run again, offline, for nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from v4agent.backends.catalog import Row, find
from v4agent.errors import UsageError
from v4agent.types import Completion, Prompt


class ReplayBackend:
    """Answers with the replies of a journal, in their order."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._replies, model = _read(journal)
        self._next = 0
        self.row: Row = find(model)

    def check_key(self) -> None:
        """No key is needed."""

    def complete(
        self,
        prompt: Prompt,
        *,
        max_cost: float | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Completion:
        """The next recorded answer, at no cost.

        Raises:
            UsageError: the run asks more often than the recorded one did.
        """
        if self._next >= len(self._replies):
            raise UsageError(
                f"{self._journal} has {len(self._replies)} answers and the run asks for one more",
                hint="replay with the repository, the issue and the settings of the recorded run",
            )
        answer = self._replies[self._next]
        self._next += 1
        if on_text is not None:
            on_text(answer.text)
        return answer.model_copy(update={"replayed": True, "cost_usd": 0.0, "seconds": 0.0})


def _read(journal: Path) -> tuple[list[Completion], str]:
    try:
        lines = journal.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the journal {journal} can't be read: {error}") from error
    replies: list[Completion] = []
    model = ""
    for line in lines:
        try:
            record = json.loads(line)
            if record.get("kind") == "request":
                model = model or str(record["model"])
            elif record.get("kind") == "reply":
                replies.append(Completion.model_validate(record["completion"]))
        except (ValueError, KeyError, AttributeError, ValidationError) as error:
            if line is lines[-1]:
                break  # a run that was killed while it wrote
            raise UsageError(f"{journal} is not a journal of v4agent: {error}") from error
    if not replies:
        raise UsageError(f"{journal} holds no answer to replay")
    return replies, model or replies[0].model
