"""Search by words and by meaning, and the index behind it.

What is indexed of a chunk is its text under its title and headings. A version is indexed, and the one before it
retired, in the caller's transaction: there is no moment at which both or neither are found.
"""

import asyncio
import time
from collections.abc import Sequence
from hashlib import sha256
from uuid import UUID

from mainstay.kernel.errors import invariant
from mainstay.knowledge.documents.parsed import Chunk
from mainstay.knowledge.retrieval import fusion, merging, store
from mainstay.knowledge.retrieval.errors import EmbeddingMismatch, InvalidSearch, NotRetrievable
from mainstay.knowledge.retrieval.models import MERGE, Filter, Found, Generation, MergePayload
from mainstay.knowledge.retrieval.postings import analyse, number, pack
from mainstay.knowledge.retrieval.store import Vector
from mainstay.knowledge.retrieval.terms import query_words
from mainstay.platform.jobs import enqueue
from mainstay.platform.postgres import ReadTx, WriteTx
from mainstay.platform.telemetry.metrics import RETRIEVAL_SECONDS

LIMIT_MAX = 100
# How many of the chunks that ranked below the limit a search still names.
CUT_MAX = 20
VERSION_CHUNKS_MAX = 200_000
_CONTEXT_CHARS_MAX = 300
# A probe is a sentence or two.
_PROBE_CHARS_MAX = 200
# An embedding is kept in 16 bits a number, and is otherwise the vector itself.
_PROBE_SIMILARITY_MIN = 0.99


def indexed_text(chunk: Chunk, title: str = "") -> str:
    """Return what both legs index of a chunk: its text under the title of its document and its headings."""
    headings = [title, *chunk.heading_path] if title not in chunk.heading_path else chunk.heading_path
    context = " > ".join(heading for heading in headings if heading)
    return f"{context[:_CONTEXT_CHARS_MAX]}\n{chunk.text}" if context else chunk.text


def indexed_hash(chunk: Chunk, title: str = "") -> bytes:
    """Return the digest of `indexed_text`, by which an embedding is known again."""
    return sha256(indexed_text(chunk, title).encode()).digest()


async def known_vectors(tx: ReadTx, store_id: UUID, hashes: Sequence[bytes]) -> dict[bytes, Vector]:
    """Return the vectors that a store already has for these digests (`indexed_hash`), so that they cost nothing."""
    generation = await store.find_generation(tx, store_id)
    return await store.find_known_embeddings(tx, generation.id, hashes) if generation else {}


async def index_version(
    tx: WriteTx,
    store_id: UUID,
    document_id: UUID,
    version_id: UUID,
    chunks: Sequence[Chunk],
    vectors: Vector,
    *,
    embedding_model: str,
    title: str = "",
) -> None:
    """Make the chunks of a version searchable from the moment the transaction commits.

    `vectors` has one row of length 1 per chunk, of `indexed_text`. Raises EmbeddingMismatch where the store is indexed
    with another model. The caller retires the version before in the same transaction.
    """
    invariant(len(chunks) == len(vectors) > 0, f"{len(chunks)} chunks came with {len(vectors)} vectors")
    invariant(len(chunks) <= VERSION_CHUNKS_MAX, f"{len(chunks)} chunks are more than {VERSION_CHUNKS_MAX} a version")
    texts = [indexed_text(chunk, title) for chunk in chunks]
    analysed = await asyncio.to_thread(analyse, texts)
    first = await store.reserve_chunk_numbers(tx, store_id, len(chunks))
    dimensions = vectors.shape[1]
    generation = await store.find_generation(tx, store_id)
    if generation is None:
        generation = await store.add_generation(tx, store_id, embedding_model=embedding_model, dimensions=dimensions)
    _require_same_model(generation, embedding_model, dimensions)
    # The segment is packed while PostgreSQL writes the chunks.
    packing = asyncio.create_task(asyncio.to_thread(lambda: pack(number(analysed.chunks, first))))
    await store.add_chunks(
        tx,
        store_id=store_id,
        document_id=document_id,
        version_id=version_id,
        chunk_no_first=first,
        chunks=chunks,
        analysed=analysed,
    )
    await store.add_segment(
        tx,
        generation.id,
        chunk_no_first=first,
        chunk_no_last=first + len(chunks) - 1,
        chunk_count=len(chunks),
        packed=await packing,
    )
    await store.add_embeddings(
        tx,
        generation.id,
        document_id=document_id,
        chunk_no_first=first,
        input_sha256s=[sha256(text.encode()).digest() for text in texts],
        vectors=vectors,
        analysed=analysed,
    )
    await _plan_merge(tx, store_id, generation)


async def retire_version(tx: WriteTx, store_id: UUID, version_id: UUID) -> int:
    """Stop retrieving the chunks of a version when the transaction commits; return how many there were.

    The chunks themselves stay: receipts quote them. What was retired before is left as it is.
    """
    await store.lock_writers(tx, store_id)
    generation = await store.find_generation(tx, store_id)
    if generation is None:
        return 0
    retired = await store.retire(tx, generation.id, store_id=store_id, version_id=version_id)
    await _plan_merge(tx, store_id, generation)
    return retired.chunk_count


async def merge_segments(tx: WriteTx, store_id: UUID) -> bool:
    """Do one merge of a store's lexical index where one is due; return whether another may be.

    Searches and writers go on meanwhile. A second merge of the same store returns at once.
    """
    generation = await store.find_generation(tx, store_id)
    if generation is None or not await store.try_lock_merge(tx, generation.id):
        return False
    due = merging.next_merge(await store.list_segments(tx, generation.id))
    if not due:
        return False
    await store.merge(tx, generation.id, due)
    return True


async def search(
    tx: ReadTx,
    *,
    store_id: UUID,
    query: str,
    vector: Vector | None,
    limit: int,
    filters: Filter | None = None,
    embedding_model: str | None = None,
) -> Found:
    """Return the best `limit` passages of a store for a query, by both legs weighed together.

    `vector` is the query's embedding by the model of the store; without one the words alone decide. A store in which
    nothing is indexed yet finds nothing, nor does a filter that leaves no version. Raises InvalidSearch for an empty
    query or a limit out of range, and EmbeddingMismatch for a vector of another model.
    """
    if not query.strip():
        raise InvalidSearch("The query is empty: send some words to search for.", param="query")
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidSearch(f"The limit is {limit}: choose from 1 to {LIMIT_MAX}.", param="limit")
    started = time.perf_counter()
    generation = await store.find_live_generation(tx, store_id, vector)
    if generation is None or generation.chunk_count == 0 or (filters is not None and not filters.version_ids):
        return Found((), (), {"retrieve": _ms_since(started)})
    if vector is not None:
        _require_same_model(generation, embedding_model or generation.embedding_model, len(vector))
    passages, cut = await store.search_hybrid(
        tx,
        store_id=store_id,
        generation=generation,
        words=query_words(query, generation.languages),
        vector=vector,
        weighing=fusion.parameters(query, generation, has_vector=vector is not None),
        limit=limit,
        cut=CUT_MAX,
        version_ids=list(filters.version_ids) if filters else None,
    )
    took_ms = _ms_since(started)
    RETRIEVAL_SECONDS.observe(took_ms / 1000)
    return Found(passages, cut, {"retrieve": took_ms})


async def prove_retrievable(
    tx: ReadTx, store_id: UUID, version_id: UUID, chunks: Sequence[Chunk], vectors: Vector
) -> None:
    """Raise NotRetrievable unless a passage of a version is found by its own words and by its own vector.

    The index is read as a search reads it, but only where this version stands in it: a search ranks the whole store,
    and an ingest of many documents must not cost more with each of them.
    """
    index = len(chunks) // 2
    generation = await store.find_live_generation(tx, store_id, None)
    words = query_words(chunks[index].text.strip()[:_PROBE_CHARS_MAX], generation.languages) if generation else ()
    terms = [term for word in words if word.expected for term in word.terms]
    by_words, similarity = (
        await store.probe(tx, generation.id, version_id=version_id, ordinal=index, terms=terms, vector=vectors[index])
        if generation
        else (False, 0.0)
    )
    if similarity < _PROBE_SIMILARITY_MIN or (terms and not by_words):
        raise NotRetrievable(
            f"Passage {index + 1} of {len(chunks)} was indexed but its own words do not find it; add the file again."
        )


async def _plan_merge(tx: WriteTx, store_id: UUID, generation: Generation) -> None:
    """Add a job that merges segments where that is due and none waits or runs for this store."""
    if merging.next_merge(await store.list_segments(tx, generation.id)):
        await enqueue(
            tx,
            MERGE,
            MergePayload(store_id),
            request_id=tx.scope.request_id,
            unique_key=f"{MERGE.name}:{store_id.hex}",
        )


def _require_same_model(generation: Generation, embedding_model: str, dimensions: int) -> None:
    if (generation.embedding_model, generation.dimensions) != (embedding_model, dimensions):
        raise EmbeddingMismatch(
            f"The store is indexed with '{generation.embedding_model}' ({generation.dimensions} dimensions), but the"
            f" vector is of '{embedding_model}' ({dimensions} dimensions):"
            " use that model, or put the documents into a new store."
        )


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
