"""Writers, merges and crashes of one store do not lose or revive a chunk."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from contextvars import Context
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest

from mainstay.knowledge.retrieval import service
from mainstay.platform.postgres import Database
from mainstay.platform.postgres.embedded import EmbeddedCluster
from tests.support.database import SCOPE_KEY, scratch_database
from tests.support.retrieval import IndexedVersion, index_texts, make_store
from tests.support.tenants import TestTenant, make_tenant

T = TypeVar("T")


async def elsewhere(work: Coroutine[None, None, T]) -> T:
    """Run `work` as another request would: in a task that has no transaction open."""
    return await asyncio.create_task(work, context=Context())


def word(number: int) -> str:
    """Return a word of its own for each number; one with a digit in it would be found by its letters too."""
    return f"{chr(ord('a') + number)}ux"


async def fill(database: Database, tenant: TestTenant, versions: int) -> tuple[UUID, list[IndexedVersion]]:
    async with database.write(tenant.admin, unaudited="a test") as tx:
        store_id = await make_store(tx)
        return store_id, [await index_texts(tx, store_id, [word(number), "moon"]) for number in range(versions)]


async def retire(database: Database, tenant: TestTenant, store_id: UUID, version: IndexedVersion) -> int:
    async with database.write(tenant.admin, unaudited="a test") as tx:
        return await service.retire_version(tx, store_id, version.version_id)


async def merge(database: Database, tenant: TestTenant, store_id: UUID) -> bool:
    async with database.write(tenant.admin, unaudited="a test") as tx:
        return await service.merge_segments(tx, store_id)


async def found_texts(database: Database, tenant: TestTenant, store_id: UUID, query: str) -> list[str]:
    async with database.read(tenant.admin) as tx:
        found = await service.search(tx, store_id=store_id, query=query, vector=None, limit=100)
    return sorted(passage.text for passage in found.passages)


async def test_version_retired_during_a_merge_stays_retired(database: Database, tenant: TestTenant) -> None:
    store_id, versions = await fill(database, tenant, 8)
    async with database.write(tenant.admin, unaudited="a test") as tx:
        assert await service.merge_segments(tx, store_id)
        assert await elsewhere(retire(database, tenant, store_id, versions[3])) == 2
        assert await elsewhere(found_texts(database, tenant, store_id, "dux eux")) == ["eux"]
    assert await found_texts(database, tenant, store_id, "dux eux") == ["eux"]
    assert len(await found_texts(database, tenant, store_id, "moon")) == 7
    while await merge(database, tenant, store_id):
        pass
    assert await found_texts(database, tenant, store_id, "dux eux") == ["eux"]
    assert len(await found_texts(database, tenant, store_id, "moon")) == 7


async def test_second_merge_of_a_store_returns_at_once(database: Database, tenant: TestTenant) -> None:
    store_id, _ = await fill(database, tenant, 16)
    async with database.write(tenant.admin, unaudited="a test") as tx:
        assert await service.merge_segments(tx, store_id)
        assert not await elsewhere(merge(database, tenant, store_id))
    assert await merge(database, tenant, store_id)
    assert len(await found_texts(database, tenant, store_id, "moon")) == 16


async def test_writers_of_one_store_wait_and_lose_nothing(database: Database, tenant: TestTenant) -> None:
    async with database.write(tenant.admin, unaudited="a test") as tx:
        store_id = await make_store(tx)

    async def add(number: int) -> None:
        async with database.write(tenant.admin, unaudited="a test") as tx:
            await index_texts(tx, store_id, [word(number), "gull", "reef"])
        await merge(database, tenant, store_id)

    await asyncio.gather(*(elsewhere(add(number)) for number in range(24)))
    assert len(await found_texts(database, tenant, store_id, "gull")) == 24
    for number in range(24):
        assert await found_texts(database, tenant, store_id, word(number)) == [word(number)]


async def test_new_documents_and_new_versions_never_wait_for_each_other_in_a_circle(
    database: Database, tenant: TestTenant
) -> None:
    store_id, versions = await fill(database, tenant, 10)

    async def replace(version: IndexedVersion) -> None:
        async with database.write(tenant.admin, unaudited="a test") as tx:
            await service.retire_version(tx, store_id, version.version_id)
            await index_texts(tx, store_id, version.texts)

    async def add() -> None:
        async with database.write(tenant.admin, unaudited="a test") as tx:
            await index_texts(tx, store_id, ["kelp"] * 50)

    work = [work for version in versions for work in (replace(version), add())]
    await asyncio.gather(*map(elsewhere, work))
    assert len(await found_texts(database, tenant, store_id, "moon")) == len(versions)


async def test_first_writers_of_a_store_share_one_generation(database: Database, tenant: TestTenant) -> None:
    async with database.write(tenant.admin, unaudited="a test") as tx:
        store_id = await make_store(tx)

    async def add() -> None:
        async with database.write(tenant.admin, unaudited="a test") as tx:
            await index_texts(tx, store_id, ["tide"])

    await asyncio.gather(*(elsewhere(add()) for _ in range(4)))
    assert len(await found_texts(database, tenant, store_id, "tide")) == 4


@pytest.fixture
def cluster() -> Iterator[EmbeddedCluster]:
    folder = Path(tempfile.mkdtemp(prefix="mainstay-tests-", dir="/tmp"))
    folder.chmod(0o711)
    made = EmbeddedCluster(folder / "postgres")
    made.start(deadline_s=60)
    yield made
    made.stop(deadline_s=20)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.deep
async def test_kill_of_postgresql_loses_no_index(cluster: EmbeddedCluster) -> None:
    query, seen = "moon cux hux", []
    # What made the database loses its connection too; the database goes with its cluster.
    with suppress(asyncpg.InterfaceError):
        async with scratch_database(cluster.superuser_url) as urls:
            owner, database = (
                await Database.connect(urls.owner, scope_key=SCOPE_KEY, as_owner=True),
                await Database.connect(urls.app, scope_key=SCOPE_KEY),
            )
            tenant = await make_tenant(owner)
            store_id, versions = await fill(database, tenant, 20)
            await merge(database, tenant, store_id)
            await retire(database, tenant, store_id, versions[2])
            seen.append(await found_texts(database, tenant, store_id, query))
            await owner.close()
            await database.close()
            port = urlsplit(cluster.superuser_url).port
            server = cluster.server
            assert server is not None
            os.kill(server.pid, signal.SIGKILL)
            cluster.stop_leftovers(deadline_s=20)
            cluster.start(deadline_s=60)
            moved = urls.app.replace(f":{port}/", f":{urlsplit(cluster.superuser_url).port}/")
            again = await Database.connect(moved, scope_key=SCOPE_KEY)
            seen.append(await found_texts(again, tenant, store_id, query))
            await again.close()
    assert len(seen) == 2
    assert seen[0] == seen[1] == sorted([*["moon"] * 19, word(7)])
