"""Models and embeddings in OpenAI's shapes."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mainstay.platform.http import Exact

INPUTS_MAX = 2048


class ModelObject(BaseModel):
    """A model that can be named on a request."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str


class EmbeddingsCreate(BaseModel):
    """Texts to be embedded."""

    model_config = ConfigDict(extra="ignore")

    input: str | Annotated[Sequence[str], Field(min_length=1, max_length=INPUTS_MAX)]
    model: str
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None


class EmbeddingObject(Exact):
    """The vector of one text, as numbers, or as base64 of 32-bit floats where asked."""

    object: Literal["embedding"]
    index: int
    embedding: Sequence[float] | str


class EmbeddingUsage(Exact):
    """What embedding took."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(Exact):
    """One vector per text, in their order."""

    object: Literal["list"]
    data: Sequence[EmbeddingObject]
    model: str
    usage: EmbeddingUsage
