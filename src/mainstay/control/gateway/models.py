"""The ports of the gateway: what a model is asked, and what comes back."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Embeddings:
    """Vectors of shape (texts, dimensions), each of length 1, in the order of the texts; and the tokens read."""

    vectors: Vectors
    input_tokens: int


class EmbeddingModel(Protocol):
    """Turns texts into vectors whose inner product says how alike they are in meaning."""

    @property
    def name(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def dimensions(self) -> int: ...

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return one vector per text; raises Invalid for an empty text and Unavailable when the model fails."""
        ...


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Passage:
    """A piece of a document, as a model may quote it; `number` is what a citation names, from 1.

    The scores are those of retrieval (BM25, and cosine), where the passage came from a search.
    """

    number: int
    title: str
    heading_path: tuple[str, ...]
    text: str
    lexical_score: float = 0.0
    vector_score: float = 0.0


@dataclass(frozen=True)
class ChatRequest:
    """What a chat model is asked: the messages as a wire format has them, and what they were made from.

    `temperature` and `top_p` are for models that sample; without them a provider uses its own.
    """

    messages: tuple[Message, ...]
    question: str
    passages: tuple[Passage, ...]
    output_tokens_max: int
    temperature: float | None = None
    top_p: float | None = None


@dataclass(frozen=True)
class TextDelta:
    """A piece of the answer's text."""

    text: str


@dataclass(frozen=True)
class Quote:
    """A citation: code points [start_char, end_char) of the passage's text support the answer up to `answer_index`."""

    passage_number: int
    start_char: int
    end_char: int
    answer_index: int


@dataclass(frozen=True)
class Finished:
    """The end of an answer; token counts are the provider's own unless `estimated`."""

    reason: Literal["stop", "length", "refused", "filtered"]
    input_tokens: int
    output_tokens: int
    estimated: bool = False


ChatEvent = TextDelta | Quote | Finished


class ChatModel(Protocol):
    """Writes an answer, piece by piece; the last event is always Finished, unless an error is raised."""

    @property
    def name(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def follows_instructions(self) -> bool:
        """Return whether the model does what a system message says; one that only quotes does not."""
        ...

    def stream(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        """Return the events of the answer to `request`."""
        ...
