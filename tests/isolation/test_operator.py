"""An operator above the tenants reads one of them by name, changes nothing, and the tenant sees every look."""

from uuid import UUID

import httpx2
import pytest

from mainstay.edge.maintain import create_operator
from mainstay.kernel.ids import encode_id
from tests.support.system import Member, TestSystem


@pytest.fixture
async def operator(system: TestSystem) -> tuple[str, httpx2.AsyncClient]:
    """The id of an operator as the audit has it, and a client with its key."""
    made = await create_operator(system.settings, system.urls.owner, name="on call", lifetime_days=1)
    return encode_id("usr_", made.id), system.client(made.secret)


def of(member: Member) -> dict[str, str]:
    return {"mainstay-tenant": encode_id("ten_", UUID(str(member.tenant_id)))}


async def test_each_read_stands_in_the_audit_of_the_tenant(
    system: TestSystem, operator: tuple[str, httpx2.AsyncClient]
) -> None:
    operator_id, http = operator
    staff, other = await system.member("owner"), await system.member("owner")
    store = await staff.make_store("private things", visibility="private")
    for path in ("/v1/vector_stores", f"/v1/vector_stores/{store}", "/v1/audit"):
        assert (await http.get(path, headers=of(staff))).status_code == 200
    assert (await http.get(f"/v1/vector_stores/{store}", headers=of(other))).status_code == 404
    rows = (await staff.call("GET", "/v1/audit?action=operator.read"))["data"]
    looks = [(row["principal_id"], row["facts"]["operation"], row["target_id"]) for row in rows]
    assert looks == [
        (operator_id, "GET /v1/audit", None),
        (operator_id, "GET /v1/vector_stores/{store_id}", store),
        (operator_id, "GET /v1/vector_stores", None),
    ]
    assert len((await other.call("GET", "/v1/audit?action=operator.read"))["data"]) == 1


async def test_operator_changes_nothing(system: TestSystem, operator: tuple[str, httpx2.AsyncClient]) -> None:
    _, http = operator
    staff = await system.member("owner")
    for method, path in (("POST", "/v1/vector_stores"), ("POST", "/v1/principals"), ("POST", "/v1/responses")):
        refused = await http.request(method, path, headers=of(staff), json={"name": "x", "input": "y", "role": "owner"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")
    denials = (await staff.call("GET", "/v1/audit?action=access.deny"))["data"]
    assert len(denials) == 3
    assert (await staff.call("GET", "/v1/vector_stores"))["data"] == []


async def test_operator_names_a_tenant_that_is_there(operator: tuple[str, httpx2.AsyncClient]) -> None:
    _, http = operator
    assert (await http.get("/v1/audit")).status_code == 400
    for named in ("ten_01a1fdb30000700080000000000000ff", "ten_1", "x"):
        assert (await http.get("/v1/audit", headers={"mainstay-tenant": named})).status_code == 404


async def test_members_key_looks_into_no_other_tenant(system: TestSystem) -> None:
    staff, other = await system.member("owner"), await system.member("owner")
    store = await staff.make_store("mine")
    assert (await other.http.get(f"/v1/vector_stores/{store}", headers=of(staff))).status_code == 404
