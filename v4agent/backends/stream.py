"""A tap on the wire: what the provider really sent, before litellm turns it into success.

litellm reports cut, empty and malformed streams as finished answers (facts/backends.md, section
3.3). The tap sits in the HTTP transport, reads the server-sent events (WHATWG HTML, "Server-sent
events") as they pass, and holds the deadlines.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
from pydantic import BaseModel

from v4agent.errors import IncompleteAnswer, ProviderError, RequestRefused, ServerFailed

WHOLE = frozenset({"stop", "end_turn", "stop_sequence", "completed"})
CUT = frozenset({"length", "max_tokens", "model_context_window_exceeded", "max_output_tokens"})
REFUSED = frozenset({"content_filter", "refusal"})
OVERLOADED = frozenset({"insufficient_system_resource"})


class Deadlines(BaseModel):
    """Seconds. Defaults allow for DeepSeek's queue of up to ten minutes."""

    connect: float = 20.0
    first_token: float = 630.0
    idle: float = 300.0
    total: float = 1800.0


class Record:
    """What one response said on the wire."""

    def __init__(self) -> None:
        self.requests = 0
        self.events = 0
        self.malformed = 0
        self.finish: str | None = None
        self.error: str | None = None
        self.request_id: str | None = None
        self.content_seen = False
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take bytes of the body."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line.strip(b"\r"))

    def close(self) -> None:
        """The body has ended."""
        if self._rest.strip():
            self._line(self._rest.strip(b"\r"))
        self._rest = b""

    def _line(self, line: bytes) -> None:
        if not line.startswith(b"data:"):
            return
        body = line[5:].strip()
        if body == b"[DONE]" or not body:
            return
        try:
            event = json.loads(body)
        except ValueError:
            self.malformed += 1
            return
        if isinstance(event, dict):
            self.events += 1
            self._event(event)

    def _event(self, event: dict[str, Any]) -> None:
        kind = event.get("type", "")
        if event.get("error"):
            self.error = json.dumps(event["error"])[:500]
        if kind.startswith("response."):
            self._responses(kind, event.get("response") or {})
        elif kind in ("message_delta", "message_stop", "content_block_delta"):
            self.content_seen |= kind == "content_block_delta"
            self.finish = (event.get("delta") or {}).get("stop_reason") or self.finish
        for choice in event.get("choices") or ():
            self.content_seen |= any((choice.get("delta") or {}).values())
            self.finish = choice.get("finish_reason") or self.finish

    def _responses(self, kind: str, response: dict[str, Any]) -> None:
        self.content_seen |= kind.endswith(".delta")
        if kind == "response.completed":
            self.finish = "completed"
        elif kind == "response.incomplete":
            self.finish = (response.get("incomplete_details") or {}).get("reason") or "incomplete"
        elif kind == "response.failed":
            self.error = json.dumps(response.get("error"))[:500]

    def problem(self, text: str) -> ProviderError | None:
        """Why the answer may not be used; None when it is whole."""
        if self.error:
            return ServerFailed(f"the provider failed in mid-answer: {self.error}")
        if self.finish in OVERLOADED:
            return ServerFailed("the provider ran out of resources in mid-answer")
        if self.finish in REFUSED:
            return RequestRefused("the provider refused to answer", hint="word the task otherwise")
        if self.malformed:
            return IncompleteAnswer("the answer has a malformed part: it was not used")
        if self.finish in CUT:
            return IncompleteAnswer(
                f"the answer was cut at the output limit ({self.finish}): it was not used",
                hint="a lower --effort leaves more room for the answer",
            )
        if self.finish not in WHOLE:
            reason = f" ({self.finish})" if self.finish else ""
            return IncompleteAnswer(
                f"the answer ended before it was whole{reason}: it was not used"
            )
        return None if text.strip() else IncompleteAnswer("the answer is empty")


class Tap(httpx.BaseTransport):
    """A transport that records the body of each response and enforces the deadlines."""

    def __init__(self, deadlines: Deadlines, proxy: str | None = None) -> None:
        self.record = Record()
        self._deadlines = deadlines
        self._inner = httpx.HTTPTransport(proxy=proxy)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send; a compressed body could not be read in passing, so none is asked for."""
        self.record.requests += 1
        request.headers["accept-encoding"] = "identity"
        started = time.monotonic()
        response = self._inner.handle_request(request)
        self.record.request_id = response.headers.get("x-request-id") or response.headers.get(
            "request-id"
        )
        if response.is_success:
            response.stream = _Watched(response.stream, self.record, self._deadlines, started)
        return response

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


class _Watched(httpx.SyncByteStream):
    def __init__(
        self,
        inner: Any,  # noqa: ANN401 - httpx types it no closer
        record: Record,
        deadlines: Deadlines,
        started: float,
    ) -> None:
        self._inner = inner
        self._record = record
        self._deadlines = deadlines
        self._started = started

    def __iter__(self) -> Iterator[bytes]:
        for data in self._inner:
            self._record.feed(data)
            self._check()
            yield data
        self._record.close()

    def _check(self) -> None:
        """Comments keep a connection alive for ever; they must not keep us."""
        seconds = time.monotonic() - self._started
        if seconds > self._deadlines.total:
            raise httpx.ReadTimeout(f"no whole answer in {self._deadlines.total:.0f} s")
        if not self._record.content_seen and seconds > self._deadlines.first_token:
            raise httpx.ReadTimeout(f"no answer began in {self._deadlines.first_token:.0f} s")

    def close(self) -> None:
        self._inner.close()
