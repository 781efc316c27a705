"""Questions, the answers to them with their citations, and the receipts that explain them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from mainstay.knowledge.documents.models import SourceState

AnswerState = Literal["running", "completed", "failed", "cancelled"]
IncompleteReason = Literal["max_output_tokens", "content_filter"]

# What an answer's time goes into, in order.
STAGES = ("embed", "search", "generate", "total")

QUESTION_CHARS_MAX = 16_000
INSTRUCTIONS_CHARS_MAX = 16_000
STORES_MAX = 8


@dataclass(frozen=True)
class AnswerOptions:
    """What a client says of an answer besides the question; it is kept with the answer and returned with it.

    `filters` are over the attributes of documents, in OpenAI's form.
    """

    metadata: Mapping[str, str] = field(default_factory=dict)
    instructions: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    output_tokens_max: int | None = None
    filters: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Question:
    """What a client asks. At most one of the three names of a conversation is set.

    `system` are the system messages among its turns, which a model that follows instructions is given too.
    """

    text: str
    assistant: str
    store_ids: tuple[UUID, ...] = ()
    previous_id: UUID | None = None
    conversation_id: UUID | None = None
    conversation_key: str | None = None
    turns: tuple["Turn", ...] = ()
    system: str | None = None
    passages_max: int | None = None
    options: AnswerOptions = AnswerOptions()
    feature: str = "answers"


@dataclass(frozen=True)
class Turn:
    """One earlier question of a conversation with its answer."""

    question: str
    answer: str


@dataclass(frozen=True)
class Source:
    """A passage that was found for an answer: used under `number`, or cut for a reason."""

    rank: int
    number: int | None
    cut_reason: str | None
    store_id: UUID
    document_id: UUID
    version_id: UUID
    version_number: int
    file_id: UUID
    filename: str
    chunk_id: UUID
    chunk_sha256: bytes
    passage: str
    start_char: int
    end_char: int
    page_first: int | None
    page_last: int | None
    heading_path: tuple[str, ...]
    lexical_score: float | None
    lexical_rank: int | None
    vector_score: float | None
    vector_rank: int | None
    fused_score: float


@dataclass(frozen=True)
class Citation:
    """A quote of a source, found at its offsets in that version; offsets are code points of the version's text."""

    ordinal: int
    source: Source
    quote: str
    start_char: int
    end_char: int
    page: int | None
    answer_index: int


@dataclass(frozen=True)
class Answer:
    """An answer as it stands; `incomplete_reason` says why a completed one was cut short."""

    id: UUID
    owner_id: UUID
    conversation_id: UUID
    previous_id: UUID | None
    request_id: str
    assistant: str
    question: str
    state: AnswerState
    created_at: datetime
    store_ids: tuple[UUID, ...] = ()
    options: AnswerOptions = AnswerOptions()
    answer: str | None = None
    incomplete_reason: IncompleteReason | None = None
    refused: bool | None = None
    failure_code: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    provider: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd_nanos: int | None = None
    stages_ms: Mapping[str, float] | None = None
    finished_at: datetime | None = None
    citations: Sequence[Citation] = field(default=())
    sources: Sequence[Source] = field(default=())


@dataclass(frozen=True)
class Receipt:
    """An answer with how each of its sources stands today, by version."""

    answer: Answer
    source_states: Mapping[UUID, SourceState]

    @property
    def source_changed(self) -> bool:
        """Return whether a source that the answer cites has changed or gone since."""
        cited = {citation.source.version_id for citation in self.answer.citations}
        return any(self.source_states.get(version_id) != "current" for version_id in cited)


@dataclass(frozen=True)
class Started:
    """The answer has an id and a conversation."""

    answer: Answer


@dataclass(frozen=True)
class Retrieved:
    """What was found, before a word is written."""

    sources: Sequence[Source]


@dataclass(frozen=True)
class Delta:
    """A piece of the answer's text."""

    text: str


@dataclass(frozen=True)
class Cited:
    """A citation whose quote was found in its version."""

    citation: Citation


@dataclass(frozen=True)
class Ended:
    """The answer as it was stored."""

    answer: Answer


AnswerEvent = Started | Retrieved | Delta | Cited | Ended
