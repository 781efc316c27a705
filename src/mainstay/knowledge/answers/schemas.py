"""Responses and chat completions as OpenAI's clients send and read them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mainstay.knowledge.answers.models import INSTRUCTIONS_CHARS_MAX
from mainstay.platform.http import Exact

Key = Annotated[str, Field(max_length=64)]
# Without NUL, which the database refuses: a feature is stored only when the answer has been written.
Value = Annotated[str, Field(max_length=512, pattern=r"^[^\x00]*$")]
Metadata = Annotated[dict[Key, Value], Field(max_length=16)]
MESSAGES_MAX = 200
Temperature = Annotated[float, Field(ge=0, le=2)]
TopP = Annotated[float, Field(ge=0, le=1)]


class ContentPart(BaseModel):
    """A piece of a message; only text is read."""

    model_config = ConfigDict(extra="ignore")

    type: str
    text: str = ""


class InputMessage(BaseModel):
    """A turn as a client sends it."""

    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant"] = "user"
    content: str | Sequence[ContentPart] | None = None

    def text(self) -> str:
        """Return the text of all parts."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "\n".join(part.text for part in self.content if part.type in ("text", "input_text", "output_text"))


class FileSearchTool(BaseModel):
    """The tool `file_search`: which stores to search, and how many passages to use."""

    model_config = ConfigDict(extra="ignore")

    type: str
    vector_store_ids: Sequence[str] = ()
    max_num_results: int | None = Field(default=None, ge=1, le=50)
    filters: Mapping[str, Any] | None = None
    ranking_options: Mapping[str, Any] | None = None


class ConversationName(BaseModel):
    """A conversation by its id."""

    id: str


class ResponseCreate(BaseModel):
    """`POST /v1/responses`."""

    model_config = ConfigDict(extra="ignore")

    input: str | Annotated[Sequence[InputMessage], Field(max_length=MESSAGES_MAX)]
    model: str = "assistant/default"
    tools: Annotated[Sequence[FileSearchTool], Field(max_length=16)] = ()
    include: Sequence[str] | None = None
    stream: bool = False
    previous_response_id: str | None = None
    conversation: str | ConversationName | None = None
    metadata: Metadata | None = None
    max_output_tokens: int | None = Field(default=None, ge=1, le=32_000)
    instructions: str | None = Field(default=None, max_length=INSTRUCTIONS_CHARS_MAX)
    temperature: Temperature | None = None
    top_p: TopP | None = None


class ChatCompletionCreate(BaseModel):
    """`POST /v1/chat/completions`."""

    model_config = ConfigDict(extra="ignore")

    model: str
    messages: Annotated[Sequence[InputMessage], Field(min_length=1, max_length=MESSAGES_MAX)]
    stream: bool = False
    stream_options: Mapping[str, Any] | None = None
    metadata: Metadata | None = None
    max_tokens: int | None = Field(default=None, ge=1, le=32_000)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=32_000)
    temperature: Temperature | None = None
    top_p: TopP | None = None
    tools: Annotated[Sequence[FileSearchTool], Field(max_length=16)] = ()

    def with_usage(self) -> bool:
        """Return whether a stream is to end with what it took."""
        return bool((self.stream_options or {}).get("include_usage"))


class FileCitation(Exact):
    """A quote, where it stands in its source, and the passage around it."""

    type: Literal["file_citation"]
    index: int
    file_id: str
    filename: str
    quote: str
    page: int | None
    chunk_id: str
    document_id: str
    document_version: int
    start_char: int
    end_char: int
    heading_path: Sequence[str]
    number: int | None
    passage: str
    quote_start: int


class OutputText(Exact):
    """The text of an answer with its citations."""

    type: Literal["output_text"]
    text: str
    annotations: Sequence[FileCitation]
    logprobs: Sequence[None]


class OutputMessage(Exact):
    """What the assistant says."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    status: str
    content: Sequence[OutputText]


class FoundPassage(Exact):
    """A passage as the tool found it."""

    file_id: str
    filename: str
    score: float
    text: str
    attributes: Mapping[str, int | str]


class FileSearchCall(Exact):
    """The search for an answer; its results where the client asked for them."""

    id: str
    type: Literal["file_search_call"]
    status: str
    queries: Sequence[str]
    results: Sequence[FoundPassage] | None


class ResponseUsage(Exact):
    """What an answer took."""

    input_tokens: int
    input_tokens_details: Mapping[str, int]
    output_tokens: int
    output_tokens_details: Mapping[str, int]
    total_tokens: int


class ResponseError(Exact):
    """Why an answer failed."""

    code: str
    message: str


class IncompleteDetails(Exact):
    """Why an answer ends before its end."""

    reason: str


class ResponseTool(Exact):
    """Where an answer was looked for, and which documents were meant."""

    type: Literal["file_search"]
    vector_store_ids: Sequence[str]
    filters: Mapping[str, Any] | None = None


class ResponseObject(Exact):
    """An answer."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["in_progress", "completed", "incomplete", "failed", "cancelled"]
    error: ResponseError | None
    incomplete_details: IncompleteDetails | None
    instructions: str | None
    max_output_tokens: int | None
    metadata: Mapping[str, str]
    model: str
    output: Sequence[FileSearchCall | OutputMessage]
    parallel_tool_calls: bool
    previous_response_id: str | None
    conversation: ConversationName
    temperature: float | None
    top_p: float | None
    tool_choice: str
    tools: Sequence[ResponseTool]
    usage: ResponseUsage | None
    answered: bool | None
    cost_usd_nanos: int | None
    latency_ms: float | None
    request_id: str


class ChatMessage(Exact):
    """What the assistant says, with citations where it read documents."""

    role: Literal["assistant"]
    content: str
    refusal: None
    annotations: Sequence[FileCitation]


class ChatChoice(Exact):
    """The one choice."""

    index: int
    message: ChatMessage
    logprobs: None
    finish_reason: str


class ChatUsage(Exact):
    """What a completion took."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(Exact):
    """A completion; of an assistant also with its conversation and cost."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: Sequence[ChatChoice]
    usage: ChatUsage
    conversation: ConversationName | None = None
    cost_usd_nanos: int | None = None


class ReceiptPrompt(Exact):
    """The prompt an answer was written with."""

    name: str | None
    version: str | None


class ReceiptUsage(Exact):
    """The tokens that were counted."""

    input_tokens: int | None
    output_tokens: int | None


class ReceiptPassage(Exact):
    """A passage that was found: used under its number, or cut for a reason."""

    number: int | None
    rank: int
    reason: str | None
    cited: bool
    source_state: str
    chunk_id: str
    chunk_sha256: str
    document_id: str
    document_version: int
    file_id: str
    filename: str
    page: int | None
    page_last: int | None
    heading_path: Sequence[str]
    start_char: int
    end_char: int
    lexical_score: float | None
    lexical_rank: int | None
    vector_score: float | None
    vector_rank: int | None
    fused_score: float
    text: str


class ReceiptObject(Exact):
    """What an answer was made from, what it took, and whether a source has changed since."""

    id: str
    object: Literal["answer.receipt"]
    answer_id: str
    conversation_id: str
    request_id: str
    created_at: int
    state: str
    question: str
    answer: str | None
    answered: bool
    failure_code: str | None
    incomplete_reason: str | None
    instructions: str | None
    temperature: float | None
    top_p: float | None
    filters: Mapping[str, Any] | None
    prompt: ReceiptPrompt
    provider: str | None
    model: str | None
    store_ids: Sequence[str]
    stages_ms: Mapping[str, float] | None
    usage: ReceiptUsage
    cost_usd_nanos: int | None
    cost_usd: str
    citations: Sequence[FileCitation]
    passages: Sequence[ReceiptPassage]
    cut: Sequence[ReceiptPassage]
    source_changed: bool
