"""What an answer is made from: the best passages of its stores, and those that were cut with the reason."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from mainstay.control.gateway.models import Vectors
from mainstay.knowledge.answers.models import Source
from mainstay.knowledge.documents import versions
from mainstay.knowledge.documents.models import VersionCard
from mainstay.knowledge.retrieval import service as retrieval
from mainstay.knowledge.retrieval.models import Filter, ScoredPassage
from mainstay.platform.postgres import ReadTx

# How many passages behind the last one used the receipt keeps.
CUT_KEPT = 8
# What all passages together may hold; a passage that would go over it is cut.
CONTEXT_CHARS_MAX = 24_000


async def find_sources(
    tx: ReadTx,
    *,
    store_ids: Sequence[UUID],
    filters: Mapping[str, Any] | None,
    query: str,
    vector: Vectors,
    passages_max: int,
) -> Sequence[Source]:
    """Search the stores and return their passages best first, numbered from 1 up to `passages_max`, the rest cut."""
    found: list[tuple[UUID, ScoredPassage]] = []
    for store_id in store_ids:
        matching = await versions.matching(tx, store_id, filters) if filters is not None else None
        result = await retrieval.search(
            tx,
            store_id=store_id,
            query=query,
            vector=vector,
            limit=passages_max + CUT_KEPT,
            filters=Filter(tuple(matching)) if matching is not None else None,
        )
        found.extend((store_id, passage) for passage in result.passages)
    found.sort(key=lambda one: -one[1].fused_score)
    kept = found[: passages_max + CUT_KEPT]
    cards = await versions.describe(tx, [passage.version_id for _, passage in kept])
    return _number(kept, cards, passages_max)


def _number(
    found: Sequence[tuple[UUID, ScoredPassage]], cards: dict[UUID, VersionCard], passages_max: int
) -> Sequence[Source]:
    sources: list[Source] = []
    number = characters = 0
    for rank, (store_id, passage) in enumerate(found, start=1):
        cut = _cut_reason(number, characters + len(passage.text), passages_max)
        if cut is None:
            number += 1
            characters += len(passage.text)
        sources.append(
            _source(rank, number if cut is None else None, cut, store_id, passage, cards[passage.version_id])
        )
    return sources


def _cut_reason(used: int, characters: int, passages_max: int) -> str | None:
    if used >= passages_max:
        return "below_rank"
    return "context_full" if characters > CONTEXT_CHARS_MAX else None


def _source(
    rank: int, number: int | None, cut: str | None, store_id: UUID, passage: ScoredPassage, card: VersionCard
) -> Source:
    return Source(
        rank=rank,
        number=number,
        cut_reason=cut,
        store_id=store_id,
        document_id=passage.document_id,
        version_id=passage.version_id,
        version_number=card.number,
        file_id=card.file_id,
        filename=card.filename,
        chunk_id=passage.chunk_id,
        chunk_sha256=passage.sha256,
        passage=passage.text,
        start_char=passage.start_char,
        end_char=passage.end_char,
        page_first=passage.page_first,
        page_last=passage.page_last,
        heading_path=tuple(passage.heading_path),
        lexical_score=passage.lexical_score,
        lexical_rank=passage.lexical_rank,
        vector_score=passage.vector_score,
        vector_rank=passage.vector_rank,
        fused_score=passage.fused_score,
    )
