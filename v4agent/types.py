"""Frozen value objects that cross a boundary between the parts of v4agent.

They are what the parts say to each other, in the order in which data flows:
`Task` -> `Pack` -> `Prompt` -> `Completion` -> `Edit` -> `TestRun` -> `Verdict` -> `Attempt`
-> `Run`.
Counts are tokens, times are seconds, money is US dollars unless a name says otherwise.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION = 1

Tier = Literal["full", "focus", "outline", "path"]
Outcome = Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed"]
Status = Literal["resolved", "unresolved", "unverified", "limit", "interrupted", "error"]


class Value(BaseModel):
    """Base of every value object: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Task(Value):
    """What is to be done."""

    text: str = ""
    """The issue; empty when a failing test is the issue."""
    source: str = "text"
    """Where the text came from: `text`, `stdin`, a file's path, a URL or `failing test`."""
    failing_tests: tuple[str, ...] = ()
    """Node ids of tests that fail before any change (filled after the baseline)."""


class PackedFile(Value):
    """One entry of a pack."""

    path: str
    """POSIX path relative to the repository's root."""
    tier: Tier
    tokens: int
    score: float
    reason: str
    text: str
    """What the model sees of the file, after redaction."""


class LeftOut(Value):
    """A file that is not in the pack, and why."""

    path: str
    reason: str


class Redaction(Value):
    """A secret that was replaced by a placeholder. The secret itself is not kept here."""

    path: str
    rule: str
    placeholder: str
    line: int


class Pack(Value):
    """What of a repository goes into the window, in order."""

    budget: int
    tokens: int
    """Tokens of `text`, counted by `tokenizer`; never above `budget`."""
    tokenizer: str
    exact: bool
    """False when `tokenizer` is a stated estimate."""
    files: tuple[PackedFile, ...]
    left_out: tuple[LeftOut, ...]
    redactions: tuple[Redaction, ...] = ()
    content_hash: str
    """sha256 of `text`."""
    text: str
    """The rendered pack."""


class Message(Value):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str
    reasoning: str | None = None
    """The provider's reasoning of an assistant turn, replayed as the provider demands."""


class Prompt(Value):
    """What is sent to a backend: an append-only conversation."""

    messages: tuple[Message, ...]

    def then(self, *more: Message) -> Prompt:
        """The same conversation with messages appended."""
        return Prompt(messages=(*self.messages, *more))


class Usage(Value):
    """Tokens of one request or the sum of several."""

    prompt_tokens: int = 0
    """All input tokens, cached ones included."""
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    completion_tokens: int = 0
    """All output tokens, reasoning included."""
    reasoning_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        names = type(self).model_fields
        return Usage(**{n: getattr(self, n) + getattr(other, n) for n in names})


class Completion(Value):
    """A whole answer of a backend. A partial one is an error, never a `Completion`."""

    text: str
    reasoning: str | None = None
    model: str
    finish_reason: str
    usage: Usage
    cost_usd: float | None
    """None when the price is unknown; never 0 for 'unknown'."""
    seconds: float
    request_id: str | None = None
    requests: int = 1
    """Requests sent for this answer, retries included."""
    replayed: bool = False
    """True when the answer came from a journal: nothing was paid."""


class Edit(Value):
    """One change of one file.

    `search is None`: `replace` is the whole new file. `replace is None`: delete the file.
    """

    path: str
    search: str | None
    replace: str | None
    line: int | None = None
    """1-based line where the answer says that `search` begins; a hint, not a promise."""


class TestRun(Value):
    """One run of the test command."""

    __test__ = False  # pytest collects classes by this name

    command: str
    exit_code: int
    outcomes: dict[str, Outcome]
    """Test id -> outcome. With an unstructured runner, one entry: the command itself."""
    structured: bool
    """True when the outcomes come from a report of the runner, not from the exit code alone."""
    output: str
    """Head and tail of what was printed, capped and sanitized."""
    seconds: float
    timed_out: bool = False
    truncated: bool = False

    @property
    def failing(self) -> tuple[str, ...]:
        """Ids that failed or errored, sorted."""
        return tuple(sorted(k for k, v in self.outcomes.items() if v in ("failed", "error")))

    @property
    def passing(self) -> tuple[str, ...]:
        """Ids that passed (an expected failure counts), sorted."""
        return tuple(sorted(k for k, v in self.outcomes.items() if v in ("passed", "xfailed")))


class Verdict(Value):
    """What the tests say of a change."""

    status: Literal["resolved", "unresolved", "unverified"]
    fail_to_pass: tuple[str, ...] = ()
    """Failed before, pass now."""
    still_failing: tuple[str, ...] = ()
    newly_failing: tuple[str, ...] = ()
    """Passed before, do not now."""
    pass_to_pass: int = 0
    reason: str


class SuspiciousLine(Value):
    """A line that failing tests run and passing tests run less."""

    path: str
    line: int
    score: float
    """Ochiai, 0 to 1."""
    text: str


class Candidate(Value):
    """A one-edit change that passes the tests that the search ran: plausible, not proved right."""

    path: str
    line: int
    operator: str
    diff: str
    covering_tests: int
    """How many tests run the changed line; 1 is weak evidence."""


class RepairReport(Value):
    """What the repair rung did."""

    suspicious: tuple[SuspiciousLine, ...]
    plausible: tuple[Candidate, ...]
    tried: int
    generated: int
    seconds: float
    stopped: Literal["found", "exhausted", "time", "not applicable"]
    note: str = ""


class Attempt(Value):
    """One round: an answer, its edits and what the tests said."""

    number: int
    model: str
    diff: str = ""
    error: str | None = None
    """Why the answer could not be used (edits that did not apply, for example)."""
    verdict: Verdict | None = None
    test_output: str = ""
    usage: Usage = Usage()
    cost_usd: float | None = 0.0
    seconds: float = 0.0


class Run(Value):
    """The receipt of one `fix`: what `--json` prints."""

    schema_version: int = SCHEMA_VERSION
    id: str
    status: Status
    exit_code: int
    reason: str
    hint: str = ""
    model: str
    task: Task
    repository: str
    base_commit: str | None
    diff: str
    verdict: Verdict | None = None
    attempts: tuple[Attempt, ...] = ()
    repair: RepairReport | None = None
    usage: Usage = Usage()
    cost_usd: float | None = 0.0
    seconds: float = 0.0
    sandbox: str = ""
    applied: bool = False
    commit: str | None = None
    journal: str = ""

    @property
    def error_shown(self) -> bool:
        """True when the run ended by an error rather than by a verdict."""
        return self.status in ("error", "limit", "interrupted")
