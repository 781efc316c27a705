"""What retrieval finds: passages with the scores that put them where they stand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from mainstay.platform.jobs import JobKind


@dataclass(frozen=True)
class MergePayload:
    """The store whose segments are to be merged."""

    store_id: UUID


# The kind of job that merges segments of a store's lexical index, so that a query has few to look into.
MERGE = JobKind("retrieval.merge", payload=MergePayload, queue="ingest", timeout_s=300, attempts_max=5)


@dataclass(frozen=True)
class Generation:
    """One way of indexing a store: its embedding model, and the statistics of what is live in it.

    `similarity_mean` is how alike to a given query's vector its chunks are on average, where there was a query.
    """

    id: UUID
    embedding_model: str
    dimensions: int
    chunk_count: int
    term_count_total: int
    languages: tuple[str, ...]
    similarity_mean: float | None = None

    @property
    def term_count_mean(self) -> float:
        """The average length of a chunk, in terms."""
        return max(1.0, self.term_count_total / max(1, self.chunk_count))


@dataclass(frozen=True)
class Filter:
    """Which versions a search may return chunks of; scores stay those of the whole store."""

    version_ids: tuple[UUID, ...]


@dataclass(frozen=True)
class Scores:
    """How a chunk was placed. `lexical_score` is BM25, `vector_score` the cosine with the query, None if not compared.

    A rank counts from 1 within its leg and is None where the leg did not propose the chunk. `fused_score` is between
    0 and 1 and is what `rank` goes by.
    """

    rank: int
    lexical_score: float
    lexical_rank: int | None
    vector_score: float | None
    vector_rank: int | None
    fused_score: float


@dataclass(frozen=True)
class CutPassage(Scores):
    """A chunk that was found but ranked below what was asked for."""

    chunk_id: UUID
    document_id: UUID
    version_id: UUID
    sha256: bytes


@dataclass(frozen=True)
class ScoredPassage(CutPassage):
    """A chunk that was found; offsets are code points of its version's text, pages count from 1."""

    ordinal: int
    text: str
    start_char: int
    end_char: int
    page_first: int | None
    page_last: int | None
    heading_path: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """The best passages for a query, best first; what ranked next below them; and how long each stage took."""

    passages: Sequence[ScoredPassage]
    cut: Sequence[CutPassage]
    timings_ms: Mapping[str, float]


@dataclass(frozen=True)
class Retired:
    """What a version took with it when it was retired: its chunks, and their terms in all."""

    chunk_count: int
    term_count: int


@dataclass(frozen=True)
class Segment:
    """A piece of the lexical index: the numbers of its chunks, how many it began with, how many are retired."""

    chunk_no_first: int
    chunk_no_last: int
    chunk_count: int
    retired_count: int
