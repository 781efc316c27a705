"""A search sees one store of one tenant, and its scores depend on nothing else."""

from dataclasses import astuple
from uuid import UUID

from mainstay.knowledge.retrieval import service
from mainstay.platform.postgres import Database, Scope
from tests.support.retrieval import index_texts, make_chunks, make_store, make_vectors
from tests.support.tenants import TestTenant

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
