"""Stores and documents limited to groups and principals: what is made from them is seen by nobody else (S.P2, S.T3)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from mainstay.control.access.operations import DECLARED
from mainstay.kernel.ids import decode_id
from mainstay.platform.postgres import Database, Scope
from mainstay.platform.postgres.queries import parse_queries
from mainstay.schema.declared import declared
from tests.support.database import SCOPE_KEY
from tests.support.system import Member, TestSystem

SECRET = "The bonus of the harbour master is nine thousand crowns."
PLAIN = "The harbour master wears a yellow coat."
# Whose rows are an owner's own and not made from a document.
OF_THEIR_OWNER = {"mainstay.stores", "mainstay.files", "mainstay.jobs", "mainstay.job_attempts"}
TABLES = sorted(set(declared().policies) - OF_THEIR_OWNER)
# Rows of the lexical index are of a whole store: they hold numbers and digests, and no text.
OF_A_STORE = {
    "mainstay.file_batches",
    "mainstay.chunk_counters",
    "mainstay.index_generations",
    "mainstay.index_segments",
    "mainstay.posting_blocks",
    "mainstay.retired_chunks",
}
TABLES_MIN = 12
_COUNTS = parse_queries(
    "\n".join(
        f"-- name: {table.split('.')[1]}\n-- All rows.\nSELECT count(*) FROM {table} WHERE tenant_id = :tenant_id"
        for table in TABLES
    ),
    origin="tests",
)

_RETIRE = parse_queries(
    """
-- name: retire
-- A chunk that is retired and whose postings no merge has dropped.
INSERT INTO mainstay.retired_chunks (tenant_id, generation_id, chunk_no)
SELECT tenant_id, id, 99 FROM mainstay.index_generations WHERE tenant_id = :tenant_id
""",
    origin="tests",
)["retire"]


@pytest.fixture
async def database(system: TestSystem) -> AsyncIterator[Database]:
    """The database of the system, as its processes reach it."""
    opened = await Database.connect(system.urls.app, scope_key=SCOPE_KEY)
    yield opened
    await opened.close()


@dataclass(frozen=True)
class House:
    """A tenant with a store that is shared with a group of one; `secret` and `plain` are the files in it."""

    staff: Member
    insider: Member
    outsider: Member
    group: str
    store: str
    secret: str
    plain: str

    async def share(self, **fields: Any) -> None:
        await self.staff.call("PUT", f"/v1/vector_stores/{self.store}/audience", json=fields)

    async def restrict(self, file_id: str, **fields: Any) -> None:
        path = f"/v1/vector_stores/{self.store}/files/{file_id}/audience"
        await self.staff.call("PUT", path, json={"restricted": True, **fields})

    async def found(self, member: Member) -> list[str]:
        path = f"/v1/vector_stores/{self.store}/search"
        body = {"query": "harbour master bonus", "max_num_results": 10}
        return [one["file_id"] for one in (await member.call("POST", path, json=body))["data"]]


@pytest.fixture
async def house(system: TestSystem) -> House:
    staff = await system.member("owner")
    insider, outsider = await system.member("customer", of=staff), await system.member("customer", of=staff)
    group = (await staff.call("POST", "/v1/groups", json={"name": "harbour"}))["id"]
    await staff.call("POST", f"/v1/groups/{group}/members", json={"principal_id": insider.principal_id})
    store = await staff.make_store("harbour")
    secret = (await staff.add("bonus.txt", SECRET, store_id=store))["id"]
    plain = (await staff.add("coat.txt", PLAIN, store_id=store))["id"]
    made = House(staff, insider, outsider, group, store, secret, plain)
    await made.share(visibility="private", group_ids=[group])
    return made


def scope_of(member: Member) -> Scope:
    return Scope(UUID(str(member.tenant_id)), decode_id("usr_", member.principal_id), member.role in DECLARED.sees_all)


async def counts(database: Database, member: Member) -> dict[str, int]:
    """Return how many rows of each table the member's scope shows."""
    async with database.read(scope_of(member)) as tx:
        return {f"mainstay.{name}": await tx.fetch_value(query) for name, query in _COUNTS.items()}


async def ask(member: Member) -> dict[str, Any]:
    return await member.call("POST", "/v1/responses", json={"input": "What is the bonus of the harbour master?"})


async def test_every_child_row_is_seen_where_its_store_is(house: House, database: Database) -> None:
    batch = {"file_ids": [house.plain]}
    await house.staff.call("POST", f"/v1/vector_stores/{house.store}/file_batches", json=batch)
    # Passages and quotes come from an answer; a merge drops what is retired soon, so a row of that is made by hand.
    await ask(house.staff)
    async with database.write(scope_of(house.staff), unaudited="a test") as tx:
        await tx.execute(_RETIRE)
    everything = await counts(database, house.staff)
    print(f"{len(TABLES)} tables that hide rows inside a tenant: {everything}")
    assert len(TABLES) >= TABLES_MIN
    assert 0 not in everything.values(), "a table without rows proves nothing"
    assert set((await counts(database, house.outsider)).values()) == {0}
    theirs = await counts(database, house.insider)
    answers = {"mainstay.answer_passages", "mainstay.citations"}
    assert theirs == {table: 0 if table in answers else count for table, count in everything.items()}


async def test_every_child_row_of_a_restricted_document_is_hidden(house: House, database: Database) -> None:
    await ask(house.insider)
    before = await counts(database, house.insider)
    everything = await counts(database, house.staff)
    await house.restrict(house.secret)
    after = await counts(database, house.insider)
    assert await counts(database, house.staff) == everything
    for table in TABLES:
        if table in OF_A_STORE:
            assert after[table] == before[table], table
        else:
            assert after[table] < before[table], table
    await house.restrict(house.secret, principal_ids=[house.insider.principal_id])
    assert await counts(database, house.insider) == before


async def test_store_is_found_by_its_audience_alone(house: House) -> None:
    store, file = f"/v1/vector_stores/{house.store}", f"/v1/files/{house.secret}"
    for path in (store, f"{store}/files", f"{store}/files/{house.secret}", file, f"{file}/content"):
        await house.outsider.call("GET", path, status=404)
        assert (await house.insider.http.get(path)).status_code == 200, path
    assert (await house.outsider.call("GET", "/v1/files"))["data"] == []
    assert (await house.outsider.call("GET", "/v1/vector_stores"))["data"] == []
    await house.outsider.call("POST", f"{store}/search", json={"query": "bonus"}, status=404)
    assert await house.found(house.insider) == [house.secret, house.plain]
    refused = await house.outsider.http.post("/v1/responses", json={"input": "What is the bonus?"})
    assert refused.status_code >= 400
    assert "crowns" in str(await ask(house.insider))


async def test_who_leaves_a_group_loses_what_it_saw(house: House) -> None:
    answer = await ask(house.insider)
    receipt = f"/v1/answers/{answer['id']}/receipt"
    assert "crowns" in str((await house.insider.call("GET", receipt))["passages"])
    await house.staff.call("DELETE", f"/v1/groups/{house.group}/members/{house.insider.principal_id}")
    await house.insider.call("GET", f"/v1/vector_stores/{house.store}", status=404)
    # The answer that it was given stays its own, without the passages behind it.
    assert (await house.insider.call("GET", receipt))["passages"] == []
    assert "crowns" in str((await house.staff.call("GET", receipt))["passages"])


async def test_restricted_document_is_found_by_its_own_audience_alone(house: House) -> None:
    await house.restrict(house.secret, principal_ids=[house.outsider.principal_id])
    assert await house.found(house.insider) == [house.plain]
    path = f"/v1/vector_stores/{house.store}/files"
    assert [one["id"] for one in (await house.insider.call("GET", path))["data"]] == [house.plain]
    for hidden in (f"{path}/{house.secret}", f"/v1/files/{house.secret}", f"/v1/files/{house.secret}/content"):
        await house.insider.call("GET", hidden, status=404)
    assert "crowns" not in str(await ask(house.insider))
    # A document's audience sees it as far as it sees the store.
    await house.outsider.call("GET", f"{path}/{house.secret}", status=404)
    await house.share(visibility="private", group_ids=[house.group], principal_ids=[house.outsider.principal_id])
    assert await house.found(house.outsider) == [house.secret, house.plain]
    assert await house.found(house.staff) == [house.secret, house.plain]


async def test_file_that_all_saw_is_hidden_with_its_document(system: TestSystem) -> None:
    """In a store of the whole tenant, where the file was uploaded for all and never stood anywhere else."""
    staff = await system.member("owner")
    customer = await system.member("customer", of=staff)
    store = await staff.make_store("open")
    file = (await staff.add("bonus.txt", SECRET, store_id=store))["id"]
    await customer.call("GET", f"/v1/files/{file}")
    path = f"/v1/vector_stores/{store}/files/{file}/audience"
    await staff.call("PUT", path, json={"restricted": True})
    for hidden in (f"/v1/files/{file}", f"/v1/files/{file}/content"):
        await customer.call("GET", hidden, status=404)
    assert (await customer.call("GET", "/v1/files"))["data"] == []


async def test_deleted_group_closes_what_was_shared_with_it(house: House) -> None:
    await house.share(visibility="tenant")
    await house.restrict(house.secret, group_ids=[house.group])
    assert await house.found(house.insider) == [house.secret, house.plain]
    await house.staff.call("DELETE", f"/v1/groups/{house.group}")
    assert await house.found(house.insider) == await house.found(house.outsider) == [house.plain]
    path = f"/v1/vector_stores/{house.store}/files/{house.secret}/audience"
    shown = await house.staff.call("GET", path)
    assert (shown["restricted"], shown["principal_ids"], shown["group_ids"]) == (True, [], [])
    await house.staff.call("PUT", path, json={"restricted": False})
    assert await house.found(house.outsider) == [house.secret, house.plain]


async def test_new_version_of_a_restricted_document_is_restricted(house: House) -> None:
    rule = await house.staff.add("rule.txt", "The first bonus rule.", store_id=house.store, external_id="rule")
    await house.restrict(rule["id"])
    second = await house.staff.add("rule.txt", "The second bonus rule.", store_id=house.store, external_id="rule")
    assert second["document_id"] == rule["document_id"]
    assert second["id"] not in await house.found(house.insider)
    await house.insider.call("GET", f"/v1/files/{second['id']}/content", status=404)
    assert second["id"] in await house.found(house.staff)


async def test_who_shares_without_seeing_all_keeps_sight(system: TestSystem, house: House) -> None:
    service = await system.member("service", of=house.staff)
    await house.share(visibility="tenant")
    path = f"/v1/vector_stores/{house.store}"
    shown = await service.call(
        "PUT", f"{path}/files/{house.plain}/audience", json={"restricted": True, "group_ids": [house.group]}
    )
    assert shown["principal_ids"] == [service.principal_id]
    shown = await service.call("PUT", f"{path}/audience", json={"visibility": "private"})
    assert shown["principal_ids"] == [service.principal_id]
    assert await house.found(service) == [house.secret, house.plain]
    await house.insider.call("GET", path, status=404)


async def test_hidden_document_is_not_overwritten_by_its_name(system: TestSystem, house: House) -> None:
    service = await system.member("service", of=house.staff)
    await house.share(visibility="tenant")
    rule = await house.staff.add("rule.txt", "The bonus rule.", store_id=house.store, external_id="rule")
    await house.restrict(rule["id"])
    upload = await service.call("POST", "/v1/files", files={"file": ("rule.txt", b"No bonus for anyone.")})
    body = {"file_id": upload["id"], "external_id": "rule"}
    refused = await service.call("POST", f"/v1/vector_stores/{house.store}/files", json=body, status=409)
    assert refused["error"]["code"] == "external_id_taken"
    shown = await house.staff.call("GET", f"/v1/vector_stores/{house.store}/files/{rule['id']}")
    assert (shown["version"], shown["status"]) == (1, "completed")


@pytest.mark.parametrize(
    "body",
    [
        {"visibility": "tenant", "group_ids": ["grp_01a1fdb30000700080000000000000ff"]},
        {"visibility": "private", "group_ids": ["grp_01a1fdb30000700080000000000000ff"]},
        {"visibility": "private", "principal_ids": ["usr_1"]},
        {"visibility": "everyone"},
    ],
)
async def test_audience_that_is_none_is_refused(house: House, body: dict[str, Any]) -> None:
    refused = await house.staff.http.put(f"/v1/vector_stores/{house.store}/audience", json=body)
    assert refused.status_code in (400, 404)
    assert await house.found(house.insider) == [house.secret, house.plain]
