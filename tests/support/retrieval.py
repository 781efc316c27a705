"""Stores with indexed versions, made without parsing and without a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

import numpy as np

from mainstay.kernel.ids import new_id
from mainstay.knowledge.documents.parsed import Chunk
from mainstay.knowledge.retrieval import service
from mainstay.knowledge.retrieval.store import Vector
from mainstay.platform.postgres import WriteTx
from mainstay.platform.postgres.queries import parse_queries

MODEL = "test-embedder"
DIMENSIONS = 8

_QUERIES = parse_queries(
    """
-- name: add_store
-- A store of the caller's.
INSERT INTO mainstay.stores (tenant_id, id, owner_id, visibility, name)
VALUES (:tenant_id, :id, :principal_id, :visibility, 'a store')
-- name: add_file
-- A file of the caller's.
INSERT INTO mainstay.files (tenant_id, id, owner_id, visibility, filename, purpose, bytes, sha256)
VALUES (:tenant_id, :id, :principal_id, 'tenant', 'a.txt', 'assistants', 1, sha256('a'))
-- name: add_document
-- A document of a store.
INSERT INTO mainstay.documents (tenant_id, id, store_id, external_id) VALUES (:tenant_id, :id, :store_id, :external_id)
-- name: add_version
-- The only version of a document.
INSERT INTO mainstay.document_versions (tenant_id, id, store_id, document_id, file_id, number, sha256)
VALUES (:tenant_id, :id, :store_id, :document_id, :file_id, 1, sha256('a'))
""",
    origin="tests",
)


@dataclass(frozen=True)
class IndexedVersion:
    """A version that is indexed, with what it was made from."""

    document_id: UUID
    version_id: UUID
    texts: tuple[str, ...]
    vectors: Vector


async def make_store(tx: WriteTx, *, visibility: str = "tenant") -> UUID:
    """Create an empty store that belongs to the transaction's principal."""
    store_id = new_id()
    await tx.execute(_QUERIES["add_store"], id=store_id, visibility=visibility)
    return store_id


def make_vectors(count: int, *, seed: int = 0, dimensions: int = DIMENSIONS) -> Vector:
    """Return `count` vectors of length 1 that point anywhere."""
    vectors = np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make_chunks(texts: Sequence[str], *, headings: tuple[str, ...] = ()) -> list[Chunk]:
    """Return chunks that stand one after the other in a document."""
    chunks: list[Chunk] = []
    start = 0
    for ordinal, text in enumerate(texts):
        digest = sha256(text.encode()).hexdigest()
        chunks.append(Chunk(ordinal, text, start, start + len(text), None, None, headings, digest))
        start += len(text) + 1
    return chunks


async def add_document_version(tx: WriteTx, store_id: UUID) -> tuple[UUID, UUID]:
    """Create a document with a version that nothing is indexed of yet; return the ids of both."""
    document_id, version_id, file_id = new_id(), new_id(), new_id()
    await tx.execute(_QUERIES["add_file"], id=file_id)
    await tx.execute(_QUERIES["add_document"], id=document_id, store_id=store_id, external_id=str(document_id))
    await tx.execute(
        _QUERIES["add_version"], id=version_id, store_id=store_id, document_id=document_id, file_id=file_id
    )
    return document_id, version_id


async def index_texts(
    tx: WriteTx, store_id: UUID, texts: Sequence[str], *, vectors: Vector | None = None, title: str = ""
) -> IndexedVersion:
    """Create a document of these chunks and index it."""
    document_id, version_id = await add_document_version(tx, store_id)
    if vectors is None:
        vectors = make_vectors(len(texts), seed=len(texts))
    await service.index_version(
        tx, store_id, document_id, version_id, make_chunks(texts), vectors, embedding_model=MODEL, title=title
    )
    return IndexedVersion(document_id, version_id, tuple(texts), vectors)
