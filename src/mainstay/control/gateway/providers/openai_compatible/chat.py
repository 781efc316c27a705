"""Chat completions as a stream: text as it comes, and the provider's own count of tokens at the end."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

import orjson

from mainstay.control.gateway.errors import ModelRejected, ModelUnavailable
from mainstay.control.gateway.models import ChatEvent, ChatRequest, Finished, TextDelta
from mainstay.control.gateway.providers.openai_compatible.connection import Connection, error_sentence
from mainstay.control.gateway.providers.openai_compatible.policy import (
    DETAIL_CHARS_MAX,
    Deadlines,
    Retriable,
    Retries,
)
from mainstay.control.gateway.providers.openai_compatible.server_sent_events import EventTooLarge, event_data
from mainstay.kernel.errors import MainstayError

CHARS_PER_TOKEN = 4
# A hostile or broken model must not fill our memory; it is cut as if it had reached its own limit.
OUTPUT_CHARS_MAX = 1_000_000

_Reason = Literal["stop", "length", "refused", "filtered"]
_REASONS: dict[str, _Reason] = {"length": "length", "content_filter": "filtered"}


@dataclass
class _Tally:
    """What is known of one attempt so far."""

    request: ChatRequest
    characters: int = 0
    reason: _Reason | None = None
    refused: bool = False
    usage: tuple[int, int] | None = field(default=None)

    def finished(self, reason: _Reason) -> Finished:
        if self.usage is not None:
            return Finished("refused" if self.refused else reason, *self.usage)
        sent = sum(len(message.content) for message in self.request.messages)
        return Finished(
            "refused" if self.refused else reason,
            input_tokens=-(-sent // CHARS_PER_TOKEN),
            output_tokens=-(-self.characters // CHARS_PER_TOKEN),
            estimated=True,
        )


class OpenAiCompatible:
    """The chat model `name` at `url`, for example https://api.openai.com/v1."""

    provider = "openai-compatible"
    follows_instructions = True

    def __init__(
        self,
        url: str,
        name: str,
        key: str | None,
        *,
        deadlines: Deadlines | None = None,
        retries: Retries | None = None,
    ) -> None:
        self.name = name
        self._connection = Connection(url, name, key, deadlines or Deadlines())
        self._retries = retries or Retries()

    async def close(self) -> None:
        """Close all connections."""
        await self._connection.close()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Yield the answer's text and its end.

        A request is sent again only while nothing of its answer has been given on, so that no text is repeated.
        Closing the generator closes the connection, by which a provider notices that it may stop.
        Raises ModelUnavailable, ModelExhausted, ModelMisconfigured or ModelRejected.
        """
        ends_at = asyncio.get_running_loop().time() + self._connection.deadlines.total_s
        attempt = 0
        while True:
            visible = False
            try:
                async with aclosing(self._attempt(request, ends_at)) as events:
                    async for event in events:
                        visible = True
                        yield event
                return
            except Retriable as failure:
                pause_s = None if visible else self._retries.pause_after(failure, attempt)
                if pause_s is None or asyncio.get_running_loop().time() + pause_s > ends_at:
                    raise failure.error from None
            attempt += 1
            await asyncio.sleep(pause_s)

    async def _attempt(self, request: ChatRequest, ends_at: float) -> AsyncGenerator[ChatEvent]:
        tally = _Tally(request)
        async with (
            self._connection.post("chat/completions", self._body(request), ends_at=ends_at) as chunks,
            aclosing(chunks),
            aclosing(event_data(chunks)) as events,
        ):
            try:
                async for data in events:
                    if data == b"[DONE]":
                        break
                    text = self._read(data, tally)
                    if text:
                        yield TextDelta(text)
                    if tally.characters > OUTPUT_CHARS_MAX:
                        yield tally.finished("length")
                        return
            except EventTooLarge as error:
                raise ModelUnavailable(f"The provider of {self.name} sends what cannot be read: {error}.") from None
        if tally.reason is None:
            broken = ModelUnavailable(f"The provider of {self.name} broke off in the middle of its answer. Ask again.")
            raise Retriable(broken)
        yield tally.finished(tally.reason)

    def _body(self, request: ChatRequest) -> dict[str, object]:
        # OpenAI's newer models refuse the old name of this limit; everybody else's servers know the old one.
        limit = "max_completion_tokens" if self._connection.host.endswith(".openai.com") else "max_tokens"
        sampling = {"temperature": request.temperature, "top_p": request.top_p}
        return {
            "model": self.name,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            limit: request.output_tokens_max,
            **{name: value for name, value in sampling.items() if value is not None},
        }

    def _read(self, data: bytes, tally: _Tally) -> str:
        """Return the text of one event and note in `tally` what else it says."""
        try:
            chunk: object = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise self._unreadable(data) from None
        if not isinstance(chunk, dict):
            raise self._unreadable(data)
        if chunk.get("error"):
            raise self._said_error(data, chunk["error"])
        tally.usage = _usage(chunk.get("usage")) or tally.usage
        choices = chunk.get("choices") or ()
        choice = choices[0] if isinstance(choices, list) and choices else {}
        if not isinstance(choice, dict):
            raise self._unreadable(data)
        reason = choice.get("finish_reason")
        if isinstance(reason, str):
            tally.reason = _REASONS.get(reason, "stop")
        delta = choice.get("delta") or {}
        if not isinstance(delta, dict):
            raise self._unreadable(data)
        content, refusal = delta.get("content"), delta.get("refusal")
        tally.refused = tally.refused or bool(refusal)
        text = "".join(piece for piece in (content, refusal) if isinstance(piece, str))
        tally.characters += len(text)
        return text

    def _unreadable(self, data: bytes) -> ModelUnavailable:
        return ModelUnavailable(
            f"The provider of {self.name} sent an event of {len(data)} bytes that is no chat completion chunk. "
            "Check that MAINSTAY_MODEL_URL speaks OpenAI's format."
        )

    def _said_error(self, data: bytes, error: object) -> MainstayError | Retriable:
        """Return what an error inside a stream means; its code, where it is a number, is an HTTP status."""
        detail = self._connection.without_key(error_sentence(data))[:DETAIL_CHARS_MAX]
        code = error.get("code") if isinstance(error, dict) else None
        if isinstance(code, int) and 400 <= code < 500 and code not in (408, 425, 429):
            return ModelRejected(f"The provider of {self.name} refuses this request: {detail}")
        return Retriable(ModelUnavailable(f"The provider of {self.name} failed: {detail or 'it gave no reason'}."))


def _usage(usage: object) -> tuple[int, int] | None:
    if not isinstance(usage, dict):
        return None
    sent, written = usage.get("prompt_tokens"), usage.get("completion_tokens", 0)
    if isinstance(sent, int) and isinstance(written, int) and sent >= 0 and written >= 0:
        return sent, written
    return None
