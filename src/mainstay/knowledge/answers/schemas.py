"""Responses and chat completions as OpenAI's clients send and read them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mainstay.knowledge.answers.models import INSTRUCTIONS_CHARS_MAX

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
