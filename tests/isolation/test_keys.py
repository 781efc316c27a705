"""What leaves the database, and what waits in it, carries its tenant: objects and jobs (goal S.T9).

Two tenants put the same bytes under the same names into their stores, which is where a key without the tenant shows.
"""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from mainstay.knowledge.documents.models import INGEST
from tests.support.database import at
from tests.support.system import Member, TestSystem

TEXT = "The lighthouse keeper leaves the lamp on until nine."
NAME = "lamp.txt"
# What a job may be about, and where that has its row; a payload holds nothing else.
TABLES = {"version_id": "document_versions", "store_id": "stores"}


@pytest.fixture
async def superuser(system: TestSystem, superuser_url: str) -> AsyncIterator[asyncpg.Connection]:
    serving_url = system.settings.serving_url or ""
    connection = await asyncpg.connect(at(superuser_url, database=serving_url.rsplit("/", 1)[1]))
    yield connection
    await connection.close()


async def add(member: Member) -> tuple[str, dict[str, object]]:
    store_id = await member.make_store("lamps")
    return store_id, await member.add(NAME, TEXT, store_id=store_id, external_id="lamp")


async def test_same_bytes_of_two_tenants_are_two_objects(system: TestSystem) -> None:
    one, other = await system.member("owner"), await system.member("owner")
    (_, first), (_, second) = await add(one), await add(other)
    assert first["unchanged"] is second["unchanged"] is False
    folder = system.settings.home / "blobs"
    keys = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    ours = {
        f"uploads/{member.tenant_id.hex}/{str(file['id'])[-32:]}" for member, file in ((one, first), (other, second))
    }
    assert ours <= keys
    assert all(UUID(part) for key in keys for part in key.split("/")[1:])
    # The bytes of one go, and those of the other stay.
    await one.call("DELETE", f"/v1/files/{first['id']}")
    assert (await other.http.get(f"/v1/files/{second['id']}/content")).text == TEXT


async def test_same_text_is_embedded_anew_for_each_tenant(system: TestSystem) -> None:
    tokens = []
    for _ in range(2):
        member = await system.member("owner")
        await add(member)
        tokens.append((await member.call("GET", "/v1/usage"))["total"]["input_tokens"])
    assert tokens[0] == tokens[1] > 0


async def test_jobs_hold_ids_of_their_own_tenant_alone(system: TestSystem, superuser: asyncpg.Connection) -> None:
    await add(await system.member("owner"))
    await add(await system.member("customer", of=await system.member("owner")))
    jobs = await superuser.fetch("SELECT id, tenant_id, kind, payload FROM mainstay.jobs")
    for job in jobs:
        for name, value in await superuser.fetch("SELECT key, value FROM jsonb_each_text($1)", job["payload"]):
            of = f"SELECT tenant_id FROM mainstay.{TABLES[name]} WHERE id = $1"
            assert await superuser.fetchval(of, UUID(value)) == job["tenant_id"], (job["kind"], job["id"])
    assert {job["kind"] for job in jobs} >= {INGEST.name}
