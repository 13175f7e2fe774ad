"""What a backend is, and how one is made from a model's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from v4agent.backends.catalog import Row, find
from v4agent.plugins import load
from v4agent.types import Completion, Prompt

REPLAY = "replay:"


class Backend(Protocol):
    """Answers a conversation, whole or with an error."""

    row: Row

    def check_key(self) -> None:
        """Make sure that a key is set, before anything is sent.

        Raises:
            KeyMissing: names the variable.
        """
        ...

    def complete(
        self,
        prompt: Prompt,
        *,
        max_cost: float | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Completion:
        """One answer.

        Args:
            max_cost: US dollars that this request may cost at most.

        Raises:
            LimitReached: the request could cost more; nothing was sent.
            CredentialError, ProviderError: see `errors.py`; a partial answer is never returned.
        """
        ...


def backend(
    model: str,
    *,
    api_base: str | None = None,
    effort: str | None = None,
    environ: Mapping[str, str],
    user_models: Path | None = None,
    repo_id: str = "",
    allow_unpriced: bool = False,
) -> Backend:
    """Make the backend of a model.

    Args:
        model: catalogue name, litellm id, or `replay:FILE`.
        repo_id: stable id of the repository; isolates and warms the provider's cache.

    Raises:
        UsageError: the model is unknown, or the URL is neither https nor loopback.
    """
    if model.startswith(REPLAY):
        replayed: Backend = load("backends", "replay")(Path(model.removeprefix(REPLAY)))
        return replayed
    client: Backend = load("backends", "litellm")(
        find(model, user_models),
        api_base=api_base,
        effort=effort,
        environ=environ,
        repo_id=repo_id,
        allow_unpriced=allow_unpriced,
    )
    return client
