"""The SQL of retrieval, and its rows as what they mean."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from mainstay.kernel.errors import invariant
from mainstay.kernel.ids import new_id
from mainstay.knowledge.documents.parsed import Chunk
from mainstay.knowledge.retrieval.fusion import CANDIDATES
from mainstay.knowledge.retrieval.models import CutPassage, Generation, Retired, ScoredPassage, Segment
from mainstay.knowledge.retrieval.postings import AnalysedChunks, Packed, pack, term_key, unpack, without
from mainstay.knowledge.retrieval.terms import QueryWord
from mainstay.platform.postgres import ReadTx, Record, WriteTx, load_queries
from mainstay.platform.postgres.codecs import encode_halfvecs

Vector = NDArray[np.float32]

_QUERIES = load_queries(__package__ or "")
_UNIT_SEPARATOR = "\x1f"
# A statement that adds so many rows ends well before its deadline.
_STATEMENT_ROWS_MAX = 4_000


async def find_live_generation(tx: ReadTx, store_id: UUID, vector: Vector | None) -> Generation | None:
    """Return the live generation of a visible store, or None where nothing was ever indexed."""
    row = await tx.fetch_one(_QUERIES["find_live_generation"], store_id=store_id, vector=vector)
    return _generation(row) if row else None


async def find_generation(tx: ReadTx, store_id: UUID) -> Generation | None:
    """Return the live generation of a store for its writers."""
    row = await tx.fetch_one(_QUERIES["find_generation"], store_id=store_id)
    return _generation(row) if row else None


async def add_generation(tx: WriteTx, store_id: UUID, *, embedding_model: str, dimensions: int) -> Generation:
    """Make the first generation of a store."""
    generation_id = new_id()
    await tx.execute(
        _QUERIES["insert_generation"],
        id=generation_id,
        store_id=store_id,
        embedding_model=embedding_model,
        dimensions=dimensions,
    )
    return Generation(generation_id, embedding_model, dimensions, 0, 0, ())


async def search_hybrid(
    tx: ReadTx,
    *,
    store_id: UUID,
    generation: Generation,
    words: Sequence[QueryWord],
    vector: Vector | None,
    weighing: Mapping[str, float],
    limit: int,
    cut: int,
    version_ids: Sequence[UUID] | None,
) -> tuple[Sequence[ScoredPassage], Sequence[CutPassage]]:
    """Return the best `limit` chunks of a generation, and the `cut` ones that ranked next."""
    terms = [(word_no, term_key(term), word) for word_no, word in enumerate(words) for term in word.terms]
    await tx.fetch(_QUERIES["plan_search_once"])
    rows = await tx.fetch(
        _QUERIES["search_hybrid"],
        store_id=store_id,
        generation_id=generation.id,
        chunk_count=float(generation.chunk_count),
        term_count_mean=generation.term_count_mean,
        words=[word_no for word_no, _, _ in terms],
        keys=[key for _, key, _ in terms],
        weights=[word.weight for _, _, word in terms],
        expected=[word.expected for _, _, word in terms],
        vector=vector,
        candidates=max(CANDIDATES, limit + cut),
        version_ids=version_ids,
        limit_count=limit,
        cut_count=cut,
        **weighing,
    )
    return [_passage(row) for row in rows[:limit]], [CutPassage(**_placed(row)) for row in rows[limit:]]


async def probe(
    tx: ReadTx, generation_id: UUID, *, version_id: UUID, ordinal: int, terms: Sequence[str], vector: Vector
) -> tuple[bool, float]:
    """Return whether one of `terms` finds a live chunk of a version, and how alike its embedding is to `vector`."""
    row = await tx.fetch_one(
        _QUERIES["probe"],
        generation_id=generation_id,
        version_id=version_id,
        ordinal=ordinal,
        keys=[term_key(term) for term in terms],
        vector=vector,
    )
    return (row["by_words"], row["similarity"] or 0.0) if row else (False, 0.0)


async def reserve_chunk_numbers(tx: WriteTx, store_id: UUID, count: int) -> int:
    """Return the first of `count` fresh numbers; whoever comes next waits until this transaction ends."""
    last: int = await tx.fetch_value(_QUERIES["reserve_chunk_numbers"], store_id=store_id, count=count)
    return last - count + 1


async def lock_writers(tx: WriteTx, store_id: UUID) -> None:
    """Wait until this transaction is the only one that changes what the store retrieves."""
    await tx.fetch_value(_QUERIES["lock_writers"], store_id=store_id)


async def add_chunks(
    tx: WriteTx,
    *,
    store_id: UUID,
    document_id: UUID,
    version_id: UUID,
    chunk_no_first: int,
    chunks: Sequence[Chunk],
    analysed: AnalysedChunks,
) -> None:
    """Store the chunks of a version, numbered from `chunk_no_first`."""
    for start in range(0, len(chunks), _STATEMENT_ROWS_MAX):
        batch = chunks[start : start + _STATEMENT_ROWS_MAX]
        first = chunk_no_first + start
        added = await tx.execute(
            _QUERIES["insert_chunks"],
            store_id=store_id,
            document_id=document_id,
            version_id=version_id,
            ids=[new_id() for _ in batch],
            chunk_nos=list(range(first, first + len(batch))),
            ordinals=[chunk.ordinal for chunk in batch],
            texts=[chunk.text for chunk in batch],
            starts=[chunk.start_char for chunk in batch],
            ends=[chunk.end_char for chunk in batch],
            pages_first=[chunk.page_first for chunk in batch],
            pages_last=[chunk.page_last for chunk in batch],
            heading_paths=[_UNIT_SEPARATOR.join(chunk.heading_path) for chunk in batch],
            sha256s=[bytes.fromhex(chunk.sha256) for chunk in batch],
            term_counts=[terms.length for terms in analysed.chunks[start : start + _STATEMENT_ROWS_MAX]],
        )
        invariant(added == len(batch), f"version {version_id} is not of document {document_id} in store {store_id}")


async def add_segment(
    tx: WriteTx, generation_id: UUID, *, chunk_no_first: int, chunk_no_last: int, chunk_count: int, packed: Packed
) -> None:
    """Store packed postings as a segment of their own."""
    bucket_bits, blocks = packed
    await tx.execute(
        _QUERIES["insert_segment"],
        generation_id=generation_id,
        chunk_no_first=chunk_no_first,
        chunk_no_last=chunk_no_last,
        chunk_count=chunk_count,
        bucket_bits=bucket_bits,
    )
    for start in range(0, len(blocks), _STATEMENT_ROWS_MAX):
        batch = blocks[start : start + _STATEMENT_ROWS_MAX]
        await tx.execute(
            _QUERIES["insert_blocks"],
            generation_id=generation_id,
            segment_no=chunk_no_first,
            bucket_nos=[block.bucket_no for block in batch],
            block_nos=[block.block_no for block in batch],
            keys_last=list(accumulate(len(block.keys) for block in batch)),
            postings_last=list(accumulate(len(block.postings) for block in batch)),
            keys=np.concatenate([block.keys for block in batch]),
            bounds=np.concatenate([block.bounds for block in batch]),
            postings=np.concatenate([block.postings for block in batch]),
        )


async def add_embeddings(
    tx: WriteTx,
    generation_id: UUID,
    *,
    document_id: UUID,
    chunk_no_first: int,
    input_sha256s: Sequence[bytes],
    vectors: Vector,
    analysed: AnalysedChunks,
) -> None:
    """Store the embeddings of new chunks, and in the same statement what the chunks add to the statistics."""
    for start in range(0, len(vectors), _STATEMENT_ROWS_MAX):
        batch = vectors[start : start + _STATEMENT_ROWS_MAX]
        first = chunk_no_first + start
        await tx.execute(
            _QUERIES["add_embeddings"],
            generation_id=generation_id,
            document_id=document_id,
            chunk_nos=list(range(first, first + len(batch))),
            input_sha256s=list(input_sha256s[start : start + _STATEMENT_ROWS_MAX]),
            embeddings=encode_halfvecs(batch),
            chunk_count=len(batch),
            term_count=sum(terms.length for terms in analysed.chunks[start : start + _STATEMENT_ROWS_MAX]),
            languages=sorted(set(analysed.languages)),
        )


async def retire(tx: WriteTx, generation_id: UUID, *, store_id: UUID, version_id: UUID) -> Retired:
    """Hide the chunks of a version from both legs and from the statistics."""
    row = await tx.fetch_one(
        _QUERIES["retire_version"], generation_id=generation_id, store_id=store_id, version_id=version_id
    )
    return Retired(row["chunk_count"], row["term_count"]) if row else Retired(0, 0)


async def find_known_embeddings(tx: ReadTx, generation_id: UUID, hashes: Sequence[bytes]) -> dict[bytes, Vector]:
    """Return the embeddings that a generation holds of these inputs."""
    rows = await tx.fetch(_QUERIES["find_known_embeddings"], generation_id=generation_id, input_sha256s=list(hashes))
    return {row["input_sha256"]: row["embedding"] for row in rows}


async def list_segments(tx: ReadTx, generation_id: UUID) -> Sequence[Segment]:
    """Return the segments of a generation in the order of their chunks."""
    rows = await tx.fetch(_QUERIES["list_segments"], generation_id=generation_id)
    return [
        Segment(row["chunk_no_first"], row["chunk_no_last"], row["chunk_count"], row["retired_count"]) for row in rows
    ]


async def list_indexed_stores(tx: ReadTx) -> Sequence[UUID]:
    """Return the stores that have a live index."""
    return [row["store_id"] for row in await tx.fetch(_QUERIES["list_indexed_stores"])]


async def try_lock_merge(tx: WriteTx, generation_id: UUID) -> bool:
    """Return whether this transaction, until it ends, is the only one that merges the generation."""
    return bool(await tx.fetch_value(_QUERIES["try_lock_merge"], generation_id=str(generation_id)))


async def merge(tx: WriteTx, generation_id: UUID, merged: Sequence[Segment]) -> None:
    """Make one segment of neighbours, without the chunks that are retired."""
    first, last = merged[0].chunk_no_first, merged[-1].chunk_no_last
    span = {"segment_no_first": first, "segment_no_last": merged[-1].chunk_no_first}
    blocks = await tx.fetch(_QUERIES["list_blocks"], generation_id=generation_id, **span)
    rows = await tx.fetch(
        _QUERIES["list_retired"], generation_id=generation_id, chunk_no_first=first, chunk_no_last=last
    )
    retired = [row["chunk_no"] for row in rows]
    await tx.execute(_QUERIES["delete_blocks"], generation_id=generation_id, **span)
    await tx.execute(_QUERIES["delete_segments"], generation_id=generation_id, **span)
    await tx.execute(_QUERIES["delete_retired"], generation_id=generation_id, chunk_nos=retired)
    live = sum(segment.chunk_count for segment in merged) - len(retired)
    if live > 0:
        binary = [(row["keys"], row["bounds"], row["postings"]) for row in blocks]
        packed = await asyncio.to_thread(lambda: pack(without(unpack(binary), retired)))
        await add_segment(tx, generation_id, chunk_no_first=first, chunk_no_last=last, chunk_count=live, packed=packed)


def _generation(row: Record) -> Generation:
    return Generation(
        id=row["id"],
        embedding_model=row["embedding_model"],
        dimensions=row["dimensions"],
        chunk_count=row["chunk_count"],
        term_count_total=row["term_count_total"],
        languages=tuple(row["languages"]),
        similarity_mean=row.get("similarity_mean"),
    )


def _placed(row: Record) -> dict[str, Any]:
    return {
        "rank": row["rank"],
        "lexical_score": row["lexical_score"],
        "lexical_rank": row["lexical_rank"],
        "vector_score": row["vector_score"],
        "vector_rank": row["vector_rank"],
        "fused_score": row["fused_score"],
        "chunk_id": row["id"],
        "document_id": row["document_id"],
        "version_id": row["version_id"],
        "sha256": row["sha256"],
    }


def _passage(row: Record) -> ScoredPassage:
    return ScoredPassage(
        **_placed(row),
        ordinal=row["ordinal"],
        text=row["text"],
        start_char=row["start_char"],
        end_char=row["end_char"],
        page_first=row["page_first"],
        page_last=row["page_last"],
        heading_path=tuple(row["heading_path"]),
    )
