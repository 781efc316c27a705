"""Models and embeddings in OpenAI's shapes."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

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
