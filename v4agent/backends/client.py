"""The backend over litellm: it translates to each vendor's wire format, policy is ours.

litellm is imported inside the call that needs it: that takes seconds and loads the environment
file of a repository unless it is told not to (facts/robustness.md, section 0.3).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from v4agent.backends.catalog import Row
from v4agent.backends.pricing import cost, estimate
from v4agent.backends.retry import translated, with_retries
from v4agent.errors import KeyMissing, LimitReached, UsageError
from v4agent.redaction import Redactor
from v4agent.types import Completion, Message, Prompt, Usage

if TYPE_CHECKING:
    from v4agent.backends.stream import Deadlines, Tap

LOOPBACK = ("127.0.0.1", "localhost", "::1")
NO_KEY = "no-key-needed"
BYTES_PER_TOKEN = 3
"""Low on purpose: the estimate before sending must not be below the truth."""
_ENVIRONMENT = {
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
}


class LitellmBackend:
    """One model, one key, one URL. Never another vendor, never a partial answer."""

    def __init__(
        self,
        row: Row,
        *,
        api_base: str | None = None,
        effort: str | None = None,
        environ: Mapping[str, str],
        repo_id: str = "",
        allow_unpriced: bool = False,
        deadlines: Deadlines | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.row = row
        self._api_base = _checked_url(api_base or row.api_base)
        self._effort = effort
        self._reserve = row.output_reserve(effort)
        self._key = environ.get(row.key_env or "", "")
        self._proxy = environ.get("HTTPS_PROXY") or environ.get("https_proxy")
        self._repo_id = repo_id
        self._allow_unpriced = allow_unpriced
        self._deadlines = deadlines
        self._sleep = sleep
        self._redactor = Redactor({"key": self._key, **_live(environ)})

    def check_key(self) -> None:
        """See `Backend.check_key`. A server on loopback needs none."""
        if self._api_base is None:
            raise UsageError(
                f"{self.row.name} is not in the catalogue, so its URL is not known",
                hint="name it with --api-base URL",
            )
        if not self._key and not _is_loopback(self._api_base):
            raise KeyMissing(
                f"no key for {self.row.name}: {self.row.key_env} is not set",
                hint=f"export {self.row.key_env}=..., or use -m repair, which needs no key",
            )

    def complete(
        self,
        prompt: Prompt,
        *,
        max_cost: float | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Completion:
        """See `Backend.complete`."""
        self.check_key()
        self._check_cost(prompt, max_cost)
        started, now = time.monotonic(), datetime.now(UTC)
        requests = 0

        def once() -> tuple[_Answer, str | None]:
            nonlocal requests
            requests += 1
            return self._once(prompt, on_text)

        answer, request_id = with_retries(once, sleep=self._sleep)
        return Completion(
            text=answer.text,
            reasoning=answer.reasoning or None,
            model=self.row.litellm_id,
            finish_reason="stop",
            usage=answer.usage,
            cost_usd=cost(self.row, answer.usage, now),
            seconds=round(time.monotonic() - started, 3),
            request_id=request_id,
            requests=requests,
        )

    def _check_cost(self, prompt: Prompt, max_cost: float | None) -> None:
        """Reserve before sending: the whole output limit at today's price."""
        if max_cost is None:
            return
        size = sum(len(m.content.encode()) for m in prompt.messages)
        most = estimate(self.row, size // BYTES_PER_TOKEN, self._reserve, datetime.now(UTC))
        if most is None:
            if not self._allow_unpriced and not _is_loopback(self._api_base or ""):
                raise UsageError(
                    f"the price of {self.row.name} is unknown, so --max-cost can't be kept",
                    hint="add it to models.toml, or accept it with --allow-unpriced",
                )
        elif most > max_cost:
            raise LimitReached(
                f"the next request to {self.row.name} could cost ${most:.4f},"
                f" and ${max_cost:.4f} is left of --max-cost",
                hint="raise --max-cost, lower --budget or --effort, or take a cheaper model",
            )

    def _once(
        self, prompt: Prompt, on_text: Callable[[str], None] | None
    ) -> tuple[_Answer, str | None]:
        litellm = _litellm()
        from v4agent.backends.stream import Deadlines, Tap

        deadlines = self._deadlines or Deadlines()
        proxy = None if _is_loopback(self._api_base or "") else self._proxy
        tap = Tap(deadlines, proxy)
        answer = _Answer()
        try:
            with _http(tap, deadlines) as http:
                for chunk in litellm.completion(**self._request(prompt, http, deadlines)):
                    answer.add(chunk, on_text)
        except KeyboardInterrupt:
            raise
        except Exception as error:  # litellm raises dozens of classes, and bare ones
            found = tap.record.error
            raise translated(_cause(error, found), self._redactor.scrub) from None
        problem = tap.record.problem(answer.text)
        if problem is not None:
            problem.message = self._redactor.scrub(problem.message)
            raise problem
        return answer, tap.record.request_id

    def _request(self, prompt: Prompt, http: Any, deadlines: Deadlines) -> dict[str, Any]:  # noqa: ANN401
        import httpx

        timeout = httpx.Timeout(
            deadlines.idle,
            connect=deadlines.connect,
            read=min(deadlines.idle, deadlines.first_token),
        )
        request: dict[str, Any] = {
            "model": self.row.litellm_id,
            "messages": [self._message(m, n) for n, m in enumerate(prompt.messages)],
            "api_base": self._api_base,
            "api_key": self._key or NO_KEY,
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": self._reserve,
            "max_retries": 0,
            "num_retries": 0,
            "timeout": timeout,
        }
        return request | self._vendor_rules() | {"client": self._client(http, timeout)}

    def _vendor_rules(self) -> dict[str, Any]:
        """What only this vendor wants (facts/backends.md, section 4)."""
        effort = self._effort or self.row.effort
        if self.row.vendor == "deepseek":
            body: dict[str, Any] = {"thinking": {"type": "enabled"}, "reasoning_effort": effort}
            if self._repo_id:
                body["user_id"] = self._repo_id
            return {"extra_body": body}
        if self.row.vendor == "openai":
            rules: dict[str, Any] = {
                "reasoning_effort": effort,
                "store": False,
                "include": ["reasoning.encrypted_content"],
            }
            if self._repo_id:
                rules["prompt_cache_key"] = self._repo_id[:32]
            return rules
        if self.row.vendor == "anthropic":
            return {
                "reasoning_effort": effort,
                "cache_control_injection_points": [
                    {"location": "message", "role": "system"},
                    {"location": "message", "index": 1},
                    {"location": "message", "index": -1},
                ],
            }
        return {}

    def _client(self, http: Any, timeout: Any) -> Any:  # noqa: ANN401 - litellm's own types
        """The client that litellm sends through, with our tap in it."""
        provider = self.row.litellm_id.partition("/")[0]
        if self.row.vendor == "compatible" and provider in ("openai", "custom_openai"):
            import openai

            return openai.OpenAI(
                api_key=self._key or NO_KEY,
                base_url=self._api_base,
                http_client=http,
                max_retries=0,
                timeout=timeout,
            )
        from litellm.llms.custom_httpx.http_handler import HTTPHandler

        return HTTPHandler(client=http)

    def _message(self, message: Message, number: int) -> dict[str, Any]:
        body: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.role == "assistant" and self.row.vendor == "deepseek":
            body["reasoning_content"] = message.reasoning or ""
        return body


class _Answer:
    """Our own assembly of a stream: litellm's loses reasoning and doubles thinking."""

    def __init__(self) -> None:
        self.text = ""
        self.reasoning = ""
        self.usage = Usage()

    def add(self, chunk: Any, on_text: Callable[[str], None] | None) -> None:  # noqa: ANN401
        """Take one chunk of litellm's stream."""
        for choice in getattr(chunk, "choices", None) or ():
            delta = choice.delta
            piece = getattr(delta, "content", None) or ""
            self.text += piece
            self.reasoning += getattr(delta, "reasoning_content", None) or ""
            if piece and on_text is not None:
                on_text(piece)
        usage = getattr(chunk, "usage", None)
        if usage is not None:
            self.usage = _usage(usage)


def _usage(raw: Any) -> Usage:  # noqa: ANN401 - litellm's Usage
    prompt = getattr(raw, "prompt_tokens_details", None)
    output = getattr(raw, "completion_tokens_details", None)
    cached = getattr(prompt, "cached_tokens", None) or getattr(raw, "prompt_cache_hit_tokens", 0)
    return Usage(
        prompt_tokens=raw.prompt_tokens or 0,
        cached_tokens=cached or 0,
        cache_write_tokens=getattr(raw, "cache_creation_input_tokens", 0) or 0,
        completion_tokens=raw.completion_tokens or 0,
        reasoning_tokens=getattr(output, "reasoning_tokens", 0) or 0,
    )


def _http(tap: Tap, deadlines: Deadlines) -> Any:  # noqa: ANN401
    import httpx

    timeout = httpx.Timeout(deadlines.idle, connect=deadlines.connect)
    return httpx.Client(transport=tap, timeout=timeout, follow_redirects=False)


@cache
def _litellm() -> ModuleType:
    """litellm, told first to load no `.env`, fetch no price map and print nothing."""
    os.environ.update(_ENVIRONMENT)
    import litellm

    litellm.suppress_debug_info = True
    litellm.drop_params = False
    module: ModuleType = litellm
    return module


def _cause(error: BaseException, wire: str | None) -> BaseException:
    """The error with a status, if one is wrapped in it; else what the wire said."""
    seen: BaseException | None = error
    original = getattr(error, "original_exception", None)
    for candidate in (original, error.__cause__, seen):
        if isinstance(getattr(candidate, "status_code", None), int):
            return candidate  # type: ignore[return-value]
    return RuntimeError(wire) if wire else error


def _checked_url(url: str | None) -> str | None:
    """Keys travel over https, or stay on this machine.

    Raises:
        UsageError: any other URL.
    """
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        if parts.username or parts.password:
            raise UsageError("the URL holds a user or password", hint="keys go in the environment")
        return url
    raise UsageError(
        f"the URL {url!r} is refused: it is neither https nor on this machine",
        hint="use https, or http://127.0.0.1:PORT/v1",
    )


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in LOOPBACK


def _live(environ: Mapping[str, str]) -> dict[str, str]:
    return {n: v for n, v in environ.items() if n.endswith(("_API_KEY", "_TOKEN"))}
