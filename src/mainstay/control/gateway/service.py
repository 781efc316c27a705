"""Every call of a model goes through here: timed, counted and priced, with no transaction open.

The call record is handed to the caller, who writes it in the same commit as what the call was for.
"""

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mainstay.control.gateway.errors import UnknownModel
from mainstay.control.gateway.models import ChatEvent, ChatModel, ChatRequest, EmbeddingModel, Finished, Vectors
from mainstay.control.metering.models import CallKind, CallOutcome, ModelCall
from mainstay.platform.postgres import outside_transaction

# (provider, model, input tokens, output tokens) → nano-USD, or None where no price is known.
PriceList = Callable[[str, str, int, int], int | None]

EMBED_BATCH_TEXTS = 256


@dataclass(frozen=True)
class Embedded:
    """Vectors and the record of the call that made them."""

    vectors: Vectors
    call: ModelCall


class ChatCall:
    """One running call of a chat model; its record can be read at any moment, also after a failure."""

    def __init__(self, model: ChatModel, request: ChatRequest, prices: PriceList) -> None:
        self.model = model
        self._request = request
        self._prices = prices
        self._started = time.perf_counter()
        self._finished: Finished | None = None
        self._outcome: CallOutcome = "cancelled"
        self._characters = 0
        self.first_token_ms: float | None = None

    async def events(self) -> AsyncGenerator[ChatEvent]:
        """Yield the model's events; what a client does not wait for is recorded as cancelled."""
        outside_transaction("chat model")
        try:
            async for event in self.model.stream(self._request):
                if isinstance(event, Finished):
                    self._finished = event
                elif self.first_token_ms is None:
                    self.first_token_ms = self._elapsed_ms()
                self._characters += len(getattr(event, "text", ""))
                yield event
            self._outcome = "completed"
        except Exception:
            self._outcome = "failed"
            raise

    @property
    def finish_reason(self) -> Literal["stop", "length", "refused", "filtered"] | None:
        """Return why the model stopped, or None while it has not."""
        return self._finished.reason if self._finished else None

    def record(self) -> ModelCall:
        """Return what the call took; without a count of the provider tokens are estimated at four characters each."""
        sent = sum(len(message.content) for message in self._request.messages)
        used_in = self._finished.input_tokens if self._finished else sent // 4 + 1
        used_out = self._finished.output_tokens if self._finished else self._characters // 4
        return _record(self._prices, "chat", self.model, used_in, used_out, self._elapsed_ms(), self._outcome)

    def _elapsed_ms(self) -> float:
        return (time.perf_counter() - self._started) * 1000


class Gateway:
    """The models of this deployment, by name, and their prices."""

    def __init__(self, chat_models: Mapping[str, ChatModel], embedder: EmbeddingModel, prices: PriceList) -> None:
        self._chat_models = chat_models
        self._prices = prices
        self.embedder = embedder

    def models(self) -> Sequence[ChatModel | EmbeddingModel]:
        """Return all models, chat models first."""
        return [*self._chat_models.values(), self.embedder]

    def chat_names(self) -> Sequence[str]:
        """Return the names of the chat models, the preferred one first."""
        return list(self._chat_models)

    def chat_model(self, name: str) -> ChatModel:
        """Return the chat model called `name`; raises UnknownModel with the names there are."""
        model = self._chat_models.get(name)
        if model is None:
            raise UnknownModel(name, sorted(self._chat_models))
        return model

    def chat(self, name: str, request: ChatRequest) -> ChatCall:
        """Start a call of the chat model called `name`; raises UnknownModel with the names there are."""
        return ChatCall(self.chat_model(name), request, self._prices)

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Embedded:
        """Return one vector per text and the record of the call."""
        outside_transaction("embedding model")
        if model not in (None, self.embedder.name):
            raise UnknownModel(model, [self.embedder.name])
        started = time.perf_counter()
        made = await self.embedder.embed(texts)
        latency_ms = (time.perf_counter() - started) * 1000
        record = _record(self._prices, "embedding", self.embedder, made.input_tokens, 0, latency_ms, "completed")
        return Embedded(made.vectors, record)


def _record(
    prices: PriceList,
    kind: CallKind,
    model: ChatModel | EmbeddingModel,
    input_tokens: int,
    output_tokens: int,
    latency_ms: float,
    outcome: CallOutcome,
) -> ModelCall:
    cost = prices(model.provider, model.name, input_tokens, output_tokens)
    return ModelCall(
        kind,
        model.provider,
        model.name,
        input_tokens,
        output_tokens,
        round(latency_ms, 2),
        cost or 0,
        cost is not None,
        outcome,
    )
