"""Search in OpenAI's shape."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mainstay.platform.http import Exact


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


class SearchText(Exact):
    """The text of a passage."""

    type: Literal["text"]
    text: str


class SearchResult(Exact):
    """A passage: where it stands, and how it scored by words, by meaning and by both."""

    file_id: str
    filename: str
    score: float
    attributes: Mapping[str, Any]
    content: Sequence[SearchText]
    chunk_id: str
    document_id: str
    document_version: int
    external_id: str
    page: int | None
    page_last: int | None
    heading_path: Sequence[str]
    start_char: int
    end_char: int
    lexical_score: float | None
    lexical_rank: int | None
    vector_score: float | None
    vector_rank: int | None


class SearchPage(Exact):
    """The best passages, best first, and how long finding them took."""

    object: Literal["vector_store.search_results.page"]
    search_query: Sequence[str]
    data: Sequence[SearchResult]
    has_more: bool
    next_page: None
    timings_ms: Mapping[str, float]
