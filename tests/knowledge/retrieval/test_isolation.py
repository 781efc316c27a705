"""A search sees one store of one tenant, and its scores depend on nothing else."""

from dataclasses import astuple
from uuid import UUID

import numpy as np
import pytest

from mainstay.knowledge.retrieval import service
from mainstay.knowledge.retrieval.fusion import CANDIDATES
from mainstay.platform.postgres import Database, Scope
from mainstay.platform.postgres.queries import parse_queries
from tests.support.retrieval import index_texts, make_chunks, make_store, make_vectors
from tests.support.tenants import TestTenant

_RESTRICT = parse_queries(
    """
-- name: restrict
-- Hides a document from everyone but those who see all.
INSERT INTO mainstay.restricted_documents (tenant_id, document_id) VALUES (:tenant_id, :document_id)
""",
    origin="tests",
)["restrict"]
TEXTS = ["tide moon kelp", "tide tide", "gull reef moon"]


async def search(database: Database, scope: Scope, store_id: UUID) -> list[tuple[object, ...]]:
    """Return all that a search shows of each passage."""
    vector = make_vectors(1, seed=4)[0]
    async with database.read(scope) as tx:
        found = await service.search(tx, store_id=store_id, query="tide moon", vector=vector, limit=10)
    assert not found.cut
    return [astuple(passage) for passage in found.passages]


async def test_scores_do_not_depend_on_other_tenants_or_stores(
    database: Database, tenant: TestTenant, other_tenant: TestTenant
) -> None:
    async with database.write(tenant.admin, unaudited="a test") as tx:
        store_id = await make_store(tx)
        await index_texts(tx, store_id, TEXTS)
    before = await search(database, tenant.admin, store_id)
    for scope in (other_tenant.admin, tenant.admin):
        async with database.write(scope, unaudited="a test") as tx:
            crowded = await make_store(tx)
            for _ in range(10):
                await index_texts(tx, crowded, ["tide " * 9, *TEXTS])
            await service.merge_segments(tx, crowded)
    assert len(before) == len(TEXTS)
    assert await search(database, tenant.admin, store_id) == before


async def test_stranger_finds_nothing_and_changes_nothing(
    database: Database, tenant: TestTenant, other_tenant: TestTenant
) -> None:
    async with database.write(tenant.admin, unaudited="a test") as tx:
        store_id = await make_store(tx)
        version = await index_texts(tx, store_id, TEXTS)
    before = await search(database, tenant.admin, store_id)
    hashes = [service.indexed_hash(chunk) for chunk in make_chunks(TEXTS)]
    assert await search(database, other_tenant.admin, store_id) == []
    async with database.write(other_tenant.admin, unaudited="a test") as tx:
        assert await service.known_vectors(tx, store_id, hashes) == {}
        assert await service.retire_version(tx, store_id, version.version_id) == 0
        assert not await service.merge_segments(tx, store_id)
    assert len(before) == len(TEXTS)
    assert await search(database, tenant.admin, store_id) == before
    async with database.read(tenant.admin) as tx:
        assert len(await service.known_vectors(tx, store_id, hashes)) == len(TEXTS)


async def test_private_store_is_searched_by_its_owner_and_admins_only(database: Database, tenant: TestTenant) -> None:
    async with database.write(tenant.admin, unaudited="a test") as tx:
        store_id = await make_store(tx, visibility="private")
        await index_texts(tx, store_id, TEXTS)
    assert len(await search(database, tenant.admin, store_id)) == len(TEXTS)
    assert await search(database, tenant.customer, store_id) == []


@pytest.mark.parametrize("by_meaning", [True, False], ids=["both legs", "words alone"])
async def test_hidden_chunks_take_no_place_among_the_best(
    database: Database, tenant: TestTenant, by_meaning: bool
) -> None:
    # More that match better than a leg ever proposes, all of them in one document that is hidden from the customer.
    hidden_count, seen_count, limit = 2 * CANDIDATES, 12, 10
    vector = make_vectors(1, seed=4)[0]
    async with database.write(tenant.admin, unaudited="a test") as tx:
        store_id = await make_store(tx)
        near = np.tile(vector, (hidden_count, 1))
        hidden = await index_texts(tx, store_id, [f"tide moon {no}" for no in range(hidden_count)], vectors=near)
        far = make_vectors(seen_count, seed=5)
        seen = await index_texts(tx, store_id, [f"tide {'kelp ' * 20}{no}" for no in range(seen_count)], vectors=far)
        await tx.execute(_RESTRICT, document_id=hidden.document_id)
    found = {}
    for name, scope in (("admin", tenant.admin), ("customer", tenant.customer)):
        async with database.read(scope) as tx:
            found[name] = await service.search(
                tx, store_id=store_id, query="tide moon", vector=vector if by_meaning else None, limit=limit
            )
    assert {one.document_id for one in found["admin"].passages} == {hidden.document_id}
    theirs = [*found["customer"].passages, *found["customer"].cut]
    assert len(found["customer"].passages) == limit
    assert len(theirs) == seen_count
    assert {one.document_id for one in theirs} == {seen.document_id}
