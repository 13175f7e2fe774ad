"""One retry policy, and the translation of what litellm raises into our errors."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from v4agent.errors import (
    ContextOverflow,
    CredentialError,
    IncompleteAnswer,
    KeyRefused,
    ProviderError,
    RateLimited,
    RequestRefused,
    ServerFailed,
)

T = TypeVar("T")

OVERFLOW = re.compile(
    r"maximum context|context.length|exceeds the context window|prompt is too long"
    r"|exceed the configured limit|ContextWindowExceeded|too many tokens",
    re.IGNORECASE,
)
QUOTA = re.compile(r"insufficient.{0,20}(balance|quota|credit|funds)|billing", re.IGNORECASE)
MAX_RETRY_AFTER = 60.0
MAX_WAIT_TOTAL = 600.0
JITTER = 0.1


class Backoff(NamedTuple):
    """Seconds doubled from `first` up to `most`, `tries` times."""

    first: float
    most: float
    tries: int


POLICY: dict[type[ProviderError], Backoff] = {
    RateLimited: Backoff(1.0, 30.0, 5),
    ServerFailed: Backoff(0.5, 10.0, 5),
    IncompleteAnswer: Backoff(0.5, 10.0, 2),
}
"""Classes that are tried again. Everything else ends the call at once."""


def with_retries(call: Callable[[], T], *, sleep: Callable[[float], None] = time.sleep) -> T:
    """Call until it succeeds or the policy of what it raises is used up.

    Raises:
        ProviderError, CredentialError: the last error.
    """
    failures: dict[type[ProviderError], int] = {}
    waited = 0.0
    while True:
        try:
            return call()
        except ProviderError as error:
            backoff = POLICY.get(type(error))
            seen = failures[type(error)] = failures.get(type(error), 0) + 1
            if backoff is None or seen > backoff.tries:
                raise
            seconds = _pause(error, backoff, seen)
            waited += seconds
            if seconds > MAX_RETRY_AFTER or waited > MAX_WAIT_TOTAL:
                raise
            sleep(seconds)


def _pause(error: ProviderError, backoff: Backoff, seen: int) -> float:
    if error.retry_after is not None:
        return error.retry_after
    seconds = min(backoff.first * float(2 ** (seen - 1)), backoff.most)
    return seconds * (1 + random.uniform(-JITTER, JITTER))


def translated(
    error: BaseException, scrub: Callable[[str], str]
) -> ProviderError | CredentialError:
    """Our error for what litellm, its SDKs or httpx raised. Texts pass `scrub`."""
    status = getattr(error, "status_code", None)
    status = status if isinstance(status, int) else None
    text = scrub(str(error))[:600]
    if OVERFLOW.search(text):
        return ContextOverflow(f"the prompt does not fit the model's window: {text}", status=status)
    if status in (401, 403):
        return KeyRefused(f"the provider refused the key ({status}): {text}")
    if status == 402 or (status in (400, 429) and QUOTA.search(text)):
        return RequestRefused(
            f"the account can't pay ({status}): {text}", hint="add credit at the provider"
        )
    if status == 429:
        return RateLimited(f"too many requests: {text}", status=429, retry_after=_after(error))
    if status is not None and 400 <= status < 500 and status != 408:
        return RequestRefused(
            f"the provider refused the request ({status}): {text}",
            hint="check the model's name and --api-base",
            status=status,
        )
    if status is not None and 300 <= status < 400:
        return RequestRefused(f"the URL redirects ({status}), which is not followed", status=status)
    return ServerFailed(
        f"the provider can't be reached or failed: {text}", status=status, retry_after=_after(error)
    )


def _after(error: BaseException) -> float | None:
    """Seconds of a Retry-After header (delta form; RFC 9110, section 10.2.3)."""
    response = getattr(error, "response", None)
    for headers in (getattr(error, "litellm_response_headers", None),
                    getattr(response, "headers", None)):  # fmt: skip
        value = headers.get("retry-after") if headers is not None else None
        if value is not None:
            try:
                return max(0.0, float(value))
            except ValueError:
                return None
    return None
