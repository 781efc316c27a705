"""The product's own retrieval over a judged set: indexed and searched by `service`, in a real PostgreSQL."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from bench.quality.measures import DEPTH
from bench.quality.sets import Document, JudgedSet
from mainstay.control.gateway.models import Vectors
from mainstay.knowledge.documents.parsed import Chunk
from mainstay.knowledge.retrieval import fusion, service, store
from mainstay.knowledge.retrieval.terms import query_words
from mainstay.platform.postgres import Database
from mainstay.platform.postgres.embedded import EmbeddedCluster
from tests.support.database import SCOPE_KEY, scratch_database
from tests.support.retrieval import add_document_version, make_store
from tests.support.tenants import TestTenant, make_tenant

GIVEN_URL = "MAINSTAY_TEST_DATABASE_URL"
_COMMIT_DOCUMENTS = 64
# A query that has no terms, so that the vector leg decides alone.
_NO_WORDS = "?"

Ranking = Sequence[str]


@dataclass(frozen=True)
class IndexedSet:
    """A set in a store of its own, ready to be searched."""

    database: Database
    tenant: TestTenant
    store_id: UUID
    document_names: Mapping[UUID, str]

    async def search(self, query: str, vector: Vectors | None) -> Ranking:
        """Return the ids of the best documents; without a vector by the lexical leg alone."""
        async with self.database.read(self.tenant.admin) as tx:
            found = await service.search(tx, store_id=self.store_id, query=query, vector=vector, limit=DEPTH)
        # Chunks that neither leg supports fill up the list and would be counted as found.
        return [
            self.document_names[one.document_id] for one in found.passages if vector is not None or one.lexical_rank
        ]

    async def search_by_vector(self, vector: Vectors) -> Ranking:
        """Return the ids of the best documents by the vector leg alone."""
        return await self.search(_NO_WORDS, vector)

    async def search_weighed(self, query: str, vector: Vectors, lexical_weight: float) -> Ranking:
        """Return the ids of the best documents by both legs, with another weight than the product's."""
        async with self.database.read(self.tenant.admin) as tx:
            generation = await store.find_live_generation(tx, self.store_id, vector)
            if generation is None:
                return []
            weighing = fusion.parameters(query, generation, has_vector=True)
            passages, _ = await store.search_hybrid(
                tx,
                store_id=self.store_id,
                generation=generation,
                words=query_words(query, generation.languages),
                vector=vector,
                weighing={**weighing, "lexical_weight": lexical_weight},
                limit=DEPTH,
                cut=0,
                version_ids=None,
            )
        return [self.document_names[passage.document_id] for passage in passages]


@asynccontextmanager
async def open_database() -> AsyncIterator[tuple[Database, TestTenant]]:
    """Open a migrated database with a tenant in it, on the PostgreSQL that is given or on one of our own."""
    given = os.environ.get(GIVEN_URL)
    folder = _readable_folder()
    cluster = EmbeddedCluster(folder / "postgres", {"synchronous_commit": "off"})
    try:
        if not given:
            cluster.start(deadline_s=60)
        async with scratch_database(given or cluster.superuser_url) as urls:
            owner, database = (
                await Database.connect(urls.owner, scope_key=SCOPE_KEY, as_owner=True),
                await Database.connect(urls.app, scope_key=SCOPE_KEY),
            )
            try:
                yield database, await make_tenant(owner)
            finally:
                await database.close()
                await owner.close()
    finally:
        if not given:
            cluster.stop(deadline_s=20)
        shutil.rmtree(folder, ignore_errors=True)


def _readable_folder() -> Path:
    """Return a new folder into which PostgreSQL's own user may look."""
    folder = Path(tempfile.mkdtemp(prefix="mainstay-bench-", dir="/tmp"))
    folder.chmod(0o711)
    return folder


def indexed_texts(documents: Sequence[Document]) -> list[str]:
    """Return what the product would embed of each document."""
    return [service.indexed_text(_chunk(document), document.title) for document in documents]


async def index_set(
    database: Database, tenant: TestTenant, judged: JudgedSet, vectors: Vectors, *, embedding_model: str
) -> IndexedSet:
    """Index a set, one chunk per document, so that the judgements of documents are those of chunks."""
    names: dict[UUID, str] = {}
    async with database.write(tenant.admin, unaudited="a benchmark") as tx:
        store_id = await make_store(tx)
    for start in range(0, len(judged.documents), _COMMIT_DOCUMENTS):
        async with database.write(tenant.admin, unaudited="a benchmark") as tx:
            for index, document in enumerate(judged.documents[start : start + _COMMIT_DOCUMENTS], start):
                document_id, version_id = await add_document_version(tx, store_id)
                names[document_id] = document.id
                await service.index_version(
                    tx,
                    store_id,
                    document_id,
                    version_id,
                    [_chunk(document)],
                    vectors[index : index + 1],
                    embedding_model=embedding_model,
                    title=document.title,
                )
            while await service.merge_segments(tx, store_id):
                pass
    return IndexedSet(database, tenant, store_id, names)


def _chunk(document: Document) -> Chunk:
    digest = sha256(document.text.encode()).hexdigest()
    return Chunk(0, document.text, 0, len(document.text), None, None, (), digest)
