"""Plain model calls: messages in, text out, metered and audited when they end, whatever ends them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Literal

from mainstay.control.audit import service as audit
from mainstay.control.gateway.models import ChatRequest, Message, TextDelta
from mainstay.control.gateway.service import ChatCall, Gateway
from mainstay.control.metering import service as metering
from mainstay.platform.postgres import Database, Scope

OUTPUT_TOKENS_DEFAULT = 1000
FEATURE = "chat"


# Why a call ended, in the words of OpenAI's clients.
_REASONS: Final[dict[str, Literal["stop", "length", "content_filter"]]] = {
    "stop": "stop",
    "refused": "stop",
    "length": "length",
    "filtered": "content_filter",
}


@dataclass(frozen=True)
class Completed:
    """The whole text of a call and what it took."""

    text: str
    input_tokens: int
    output_tokens: int
    finish_reason: Literal["stop", "length", "content_filter"]


class Completion:
    """One plain call on its way."""

    def __init__(self, database: Database, scope: Scope, call: ChatCall) -> None:
        self._database = database
        self._scope = scope
        self._call = call

    async def pieces(self) -> AsyncGenerator[str]:
        """Yield the text piece by piece; the call is recorded also when nobody reads on."""
        try:
            async with aclosing(self._call.events()) as events:
                async for event in events:
                    if isinstance(event, TextDelta):
                        yield event.text
        finally:
            await asyncio.shield(asyncio.create_task(self._settle()))

    async def whole(self) -> Completed:
        """Return the whole text."""
        return self.completed("".join([piece async for piece in self.pieces()]))

    def completed(self, text: str) -> Completed:
        """Return what the call took and why it ended, with the text that its pieces made."""
        record = self._call.record()
        return Completed(text, record.input_tokens, record.output_tokens, _REASONS[self._call.finish_reason or "stop"])

    async def _settle(self) -> None:
        async with self._database.write(self._scope) as tx:
            record = self._call.record()
            await metering.record(tx, record, feature=FEATURE)
            outcome = "answered" if record.outcome == "completed" else "failed"
            await audit.record(tx, "model.call", outcome=outcome, facts={"kind": "chat"})


class PlainChat:
    """Starts plain calls; one per process."""

    def __init__(self, database: Database, gateway: Gateway) -> None:
        self._database = database
        self._gateway = gateway

    def start(
        self,
        scope: Scope,
        model: str,
        messages: tuple[Message, ...],
        *,
        output_tokens_max: int | None,
        temperature: float | None = None,
        top_p: float | None = None,
    ) -> Completion:
        """Start a call; raises UnknownModel before anything is sent."""
        question = next((message.content for message in reversed(messages) if message.role == "user"), "")
        tokens_max = output_tokens_max or OUTPUT_TOKENS_DEFAULT
        request = ChatRequest(messages, question, (), tokens_max, temperature, top_p)
        return Completion(self._database, scope, self._gateway.chat(model, request))
