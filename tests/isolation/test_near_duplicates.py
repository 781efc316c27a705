"""Nearly the same text of another tenant is never found, and never taken for one's own (goal S.T9).

A semantic cache or a shared index would answer one tenant with what it knows from another. Here each text of one has a
twin of the other that differs in one word and whose vector points nearly the same way.
"""

import numpy as np
import pytest

from mainstay.knowledge.retrieval import service
from mainstay.platform.postgres import Database
from tests.support.figures import Figures
from tests.support.retrieval import index_texts, make_chunks, make_store, make_vectors
from tests.support.tenants import TestTenant, make_tenant

DIMENSIONS = 64
SIMILARITY_MIN = 0.9
PAIRS_OF_TENANTS = 1000


async def count_hits(database: Database, one: TestTenant, other: TestTenant, *, pairs: int, seed: int) -> int:
    """Return how often `one` gets something of `other`: by its text, its vector, or the digest of its content."""
    words = np.random.default_rng(seed).choice(["tide", "moon", "kelp", "gull", "reef", "foam"], (pairs, 8))
    texts = [f"{' '.join(row)} berth{number}" for number, row in enumerate(words)]
    theirs = make_vectors(pairs, seed=seed, dimensions=DIMENSIONS)
    ours = theirs + 0.3 * make_vectors(pairs, seed=seed + 1, dimensions=DIMENSIONS)
    ours /= np.linalg.norm(ours, axis=1, keepdims=True)
    assert (theirs * ours).sum(axis=1).min() >= SIMILARITY_MIN
    stores = []
    for tenant, mark, vectors in ((one, "ours", ours), (other, "theirs", theirs)):
        async with database.write(tenant.admin, unaudited="a test") as tx:
            stores.append(await make_store(tx))
            await index_texts(tx, stores[-1], [f"{text} {mark}" for text in texts], vectors=vectors)
    hashes = [service.indexed_hash(chunk) for chunk in make_chunks([f"{text} theirs" for text in texts])]
    hits = 0
    async with database.read(one.admin) as tx:
        for store_id in stores:
            hits += len(await service.known_vectors(tx, store_id, hashes))
        for text, vector in zip(texts, theirs, strict=True):
            query = f"{text} theirs"
            found = await service.search(tx, store_id=stores[0], query=query, vector=vector, limit=3)
            hits += sum(passage.text.endswith("theirs") for passage in (*found.passages,))
            # The twin of one's own is what the search does find.
            assert found.passages[0].text == f"{text} ours"
    async with database.read(other.admin) as tx:
        assert len(await service.known_vectors(tx, stores[1], hashes)) == pairs
    return hits


async def run(database: Database, owner: Database, figures: Figures, *, tenants: int, pairs: int) -> None:
    hits = 0
    for number in range(tenants):
        one, other = await make_tenant(owner), await make_tenant(owner)
        hits += await count_hits(database, one, other, pairs=pairs, seed=10 * number)
    figures.record("near-duplicate pairs without a hit", tenants * pairs - hits, tried=tenants * pairs)
    assert hits == 0


async def test_near_duplicates_of_another_tenant_are_not_hit(
    database: Database, owner_database: Database, record_figure: Figures
) -> None:
    await run(database, owner_database, record_figure, tenants=1, pairs=100)


@pytest.mark.deep
@pytest.mark.timeout(900)
async def test_ten_thousand_near_duplicates_are_not_hit(
    database: Database, owner_database: Database, record_figure: Figures
) -> None:
    await run(database, owner_database, record_figure, tenants=10, pairs=PAIRS_OF_TENANTS)
