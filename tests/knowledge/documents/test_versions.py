import asyncio
from hashlib import sha256

import asyncpg
import pytest

from mainstay.knowledge.documents import version_store
from mainstay.platform.postgres import Database, load_queries
from tests.support.database import DatabaseUrls
from tests.support.retrieval import add_document_version, make_store
from tests.support.system import TestSystem
from tests.support.tenants import TestTenant

TEXT = "The ferry sails at noon."
DEADLINE_S = 30.0

_QUERIES = load_queries("mainstay.knowledge.documents")

_WAITING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE OF%'
"""


async def test_content_sent_again_is_read_from_the_new_upload(system: TestSystem) -> None:
    member = await system.member()
    store_id = await member.make_store()
    files = f"/v1/vector_stores/{store_id}/files"
    first = await member.call("POST", "/v1/files", files={"file": ("a.txt", TEXT.encode())})
    blob = first["id"].removeprefix("file-")
    (system.settings.home / "blobs" / "uploads" / str(member.tenant_id).replace("-", "") / blob).unlink()
    await member.call("POST", files, json={"file_id": first["id"], "external_id": "a"})
    failed = await member.ended(store_id, first["id"])
    assert failed["last_error"]["code"] == "file_deleted"
    again = await member.add("a.txt", TEXT, store_id=store_id, external_id="a")
    assert (again["status"], again["version"]) == ("completed", 1)
    assert again["id"] != first["id"]


async def test_adding_known_content_answers_with_its_own_document(system: TestSystem) -> None:
    member = await system.member()
    store_id = await member.make_store()
    await member.add("a.txt", TEXT, store_id=store_id, external_id="a")
    # Another document of the same content, in a later version, stands before it in every order.
    await member.add("b.txt", "The ferry sails at one.", store_id=store_id, external_id="b")
    await member.add("b.txt", TEXT, store_id=store_id, external_id="b")
    known = await member.add("a.txt", TEXT, store_id=store_id, external_id="a", wait=False)
    assert (known["external_id"], known["version"], known["unchanged"]) == ("a", 1, True)


async def test_known_files_are_those_that_stand_with_the_content(system: TestSystem) -> None:
    member = await system.member()
    store_id, other_id = await member.make_store(), await member.make_store()
    old, new = TEXT, "The ferry sails at one."

    async def known(*asked: tuple[str, str], of: str = store_id) -> list[tuple[str, int]]:
        files = [{"external_id": name, "sha256": sha256(text.encode()).hexdigest()} for name, text in asked]
        found = await member.call("POST", f"/v1/vector_stores/{of}/known_files", json={"files": files})
        assert all(one["unchanged"] for one in found["data"])
        return sorted((one["external_id"], one["version"]) for one in found["data"])

    await member.add("a.txt", old, store_id=store_id, external_id="a")
    gone = await member.add("b.txt", old, store_id=store_id, external_id="b")
    failed = await member.add("c.txt", "  ", store_id=store_id, external_id="c")
    assert failed["status"] == "failed"
    everything = [("a", old), ("b", old), ("a", new), ("c", "  "), ("d", old), ("x" * 4096, old)]
    assert await known(*everything) == [("a", 1), ("b", 1)]
    assert await known(*everything, of=other_id) == []
    await member.add("a.txt", new, store_id=store_id, external_id="a")
    assert await known(*everything) == [("a", 2), ("b", 1)]
    assert await known(("a", old)) == []
    await member.call("DELETE", f"/v1/vector_stores/{store_id}/files/{gone['id']}")
    assert await known(*everything) == [("a", 2)]
    assert await known() == []


@pytest.mark.parametrize(
    "files",
    [
        [{"external_id": "a", "sha256": "AB" * 32}],
        [{"external_id": "a", "sha256": "ab" * 31}],
        [{"external_id": "", "sha256": "ab" * 32}],
        [{"external_id": "a", "sha256": "ab" * 32}] * 1_001,
    ],
)
async def test_digests_that_are_none_are_refused(system: TestSystem, files: list[dict[str, str]]) -> None:
    member = await system.member()
    path = f"/v1/vector_stores/{await member.make_store()}/known_files"
    refused = await member.call("POST", path, json={"files": files}, status=400)
    assert refused["error"]["param"].startswith("files")


async def test_removing_a_document_does_not_deadlock_with_its_ingest(
    database: Database, database_urls: DatabaseUrls, tenant: TestTenant
) -> None:
    async with database.write(tenant.admin, unaudited="a fixture") as tx:
        document_id, version_id = await add_document_version(tx, await make_store(tx))

    removing = asyncio.Event()

    async def ingest() -> object:
        await removing.wait()
        async with database.write(tenant.admin, unaudited="a test") as tx:
            return await version_store.find_work(tx, version_id)

    # Made before the transaction begins: a task that is made inside one counts as inside it.
    ingesting = asyncio.create_task(ingest())
    watcher = await asyncpg.connect(database_urls.superuser)
    try:
        async with asyncio.timeout(DEADLINE_S):
            async with database.write(tenant.admin, unaudited="a test") as tx:
                await tx.execute(_QUERIES["delete_document"], id=document_id)
                removing.set()
                while not await watcher.fetchval(_WAITING):  # noqa: ASYNC110  (PostgreSQL has no event for it)
                    await asyncio.sleep(0.01)
                await tx.execute(_QUERIES["cancel_versions"], document_id=document_id)
            assert await ingesting is None
    finally:
        await watcher.close()
