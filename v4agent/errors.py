"""Every error that v4agent raises on purpose, in one tree.

    V4AgentError                 1
    ├── UsageError               2  wrong flag, setting or input
    │   ├── RepositoryError      2  not a usable git repository
    │   ├── TestCommandError     2  the test command cannot be run
    │   └── SandboxUnavailable   2  no isolation on this machine
    ├── LimitReached             3  cost, tokens or time
    ├── CredentialError          4
    │   ├── KeyMissing           4  no key set
    │   └── KeyRefused           4  the provider said 401 or 403
    ├── ProviderError            5  after retries
    │   ├── RequestRefused       5  400, 402, 404, 413, 422: retrying does not help
    │   ├── ContextOverflow      5  the prompt does not fit
    │   ├── RateLimited          5
    │   ├── ServerFailed         5  500 to 599, reset, time-out
    │   └── IncompleteAnswer     5  truncated, empty or malformed: never used
    ├── EditError                1  edits that cannot be applied; its text goes back to the model
    │   ├── NoEdits              1
    │   ├── EditNotFound         1
    │   ├── EditAmbiguous        1
    │   └── PathRefused          1
    ├── Unverified               6  a change that no test could verify
    └── Interrupted            130  Ctrl-C or a termination signal

Each class has an exit code; each instance a message (what happened) and a hint (what to do).
"""

from __future__ import annotations


class V4AgentError(Exception):
    """Root of the tree: `error: message`, `hint: hint`."""

    exit_code: int = 1
    default_hint: str = "run `v4agent doctor` to check this machine"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint


class UsageError(V4AgentError):
    """A flag, a setting or an input is wrong."""

    exit_code = 2
    default_hint = "see `v4agent --help`"


class RepositoryError(UsageError):
    """The folder is not a git repository that can be worked on."""

    default_hint = "run inside a git repository with at least one commit, or give one with -C DIR"


class TestCommandError(UsageError):
    """The test command cannot be run."""

    __test__ = False
    default_hint = "give the command that runs the tests: --test 'python -m pytest -q'"


class SandboxUnavailable(UsageError):
    """No isolation works on this machine."""

    default_hint = (
        "install bubblewrap (`apt install bubblewrap`), or accept the risk of running"
        " the tests unconfined: --sandbox none"
    )


class LimitReached(V4AgentError):
    """A limit on cost, tokens or time was reached."""

    exit_code = 3
    default_hint = "raise the limit: --max-cost, --budget or --max-time"


class CredentialError(V4AgentError):
    """A provider's key is missing or was refused."""

    exit_code = 4
    default_hint = "set the provider's key in the environment"


class KeyMissing(CredentialError):
    """No key is set; nothing was sent."""


class KeyRefused(CredentialError):
    """The provider refused the key (401, 403)."""

    default_hint = "check that the key is valid and has access to this model"


class ProviderError(V4AgentError):
    """A provider or the network failed, after retries."""

    exit_code = 5
    default_hint = "try again later, or another model with -m"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.retry_after = retry_after


class RequestRefused(ProviderError):
    """The provider refused the request; sending it again would not help."""


class ContextOverflow(ProviderError):
    """The prompt does not fit the model's window."""

    default_hint = "lower the packing budget: --budget TOKENS"


class RateLimited(ProviderError):
    """Too many requests (429)."""


class ServerFailed(ProviderError):
    """The provider failed, or the connection did."""


class IncompleteAnswer(ProviderError):
    """The answer was truncated, empty or malformed. Nothing of it was used."""


class EditError(V4AgentError):
    """The answer's edits cannot be applied. The message is fit to be sent back to the model."""

    default_hint = "let the model try again with more rounds: --max-rounds N"


class NoEdits(EditError):
    """The answer has no edit in the expected format."""


class EditNotFound(EditError):
    """The text to be replaced is not in the file."""


class EditAmbiguous(EditError):
    """The text to be replaced stands in more than one place."""


class PathRefused(EditError):
    """The path may not be written."""


class Unverified(V4AgentError):
    """A change was made that no test could verify."""

    exit_code = 6
    default_hint = "add a test that fails without the change, and run again"


class Interrupted(V4AgentError):
    """The user or the system asked to stop."""

    exit_code = 130
    default_hint = "your repository was not changed"


EXIT_CODES: dict[int, str] = {
    0: "done, or resolved: the failing tests pass and the passing ones still do",
    1: "ran, but not resolved",
    2: "usage or configuration",
    3: "a limit was reached (cost, tokens, time)",
    4: "a key is missing or was refused",
    5: "provider or network failure after retries, or an answer that is not whole",
    6: "a change was made that no test could verify",
    130: "interrupted (Ctrl-C, SIGTERM)",
}
"""Exit code -> meaning: the one table behind `--help`, the README and the tests."""
