"""Search in OpenAI's shape."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class RankingOptions(BaseModel):
    """What a result must score to be returned; there is one ranker, so its name decides nothing."""

    model_config = ConfigDict(extra="ignore")

    score_threshold: float | None = Field(default=None, ge=0, le=1)


class SearchCreate(BaseModel):
    """What to search a store for."""

    model_config = ConfigDict(extra="ignore")

    query: (
        Annotated[str, Field(min_length=1, max_length=16_000)]
        | Annotated[Sequence[Annotated[str, Field(max_length=16_000)]], Field(min_length=1, max_length=8)]
    )
    max_num_results: int = Field(default=10, ge=1, le=50)
    filters: Mapping[str, Any] | None = None
    ranking_options: RankingOptions | None = None
    rewrite_query: bool = False
