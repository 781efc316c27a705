"""A stranger tries every operation with another tenant's ids and gets what an unknown id gives.

Each operation first succeeds for its owner with a canary in the response, so that a refusal for the stranger means
something; and every operation of the API must stand in the table, so that a new one cannot be forgotten. The package
`attack` does the same with all principals, mixed ids and concurrent connections.
"""

import httpx2
import pytest

from tests.isolation.operations import EMPTY_FOR, STAFF_ONLY, WAYS, Call, Way, method_of, untold
from tests.isolation.things import THINGS, Things
from tests.isolation.victims import make_things
from tests.support.system import Member, TestSystem

# A way that names a thing by a name of the caller's own finds or makes the caller's, whoever else has one of that name.
NAMING_BY_ID = {name: [way for way in ways if way.steady] for name, ways in WAYS.items() if any(w.steady for w in ways)}


def _comparable(response: httpx2.Response, things: Things) -> tuple[int, str]:
    """Return status and body with the ids that were asked for blotted out."""
    body = response.text
    for value in (getattr(things, name) for name in THINGS):
        body = body.replace(value, "ID")
    return response.status_code, body


async def _call(member: Member, operation: str, call: Call) -> httpx2.Response:
    path, options = call
    return await member.http.request(method_of(operation), path, **options)


async def _judge(other: Member, owner: Member, operation: str, way: Way, things: Things) -> httpx2.Response:
    """Return what the other gets for the owner's ids, after comparing it with what unknown ids give."""
    unknown = things.unknown()
    foreign = await _call(other, operation, way.call(things))
    nobody = await _call(other, operation, way.call(unknown))
    assert _comparable(foreign, things) == _comparable(nobody, unknown)
    assert things.canary not in foreign.text
    own = await _call(owner, operation, way.call(things))
    assert own.status_code == 200, own.text
    assert way.silent or things.canary in own.text
    return foreign


async def test_table_tells_of_every_operation_and_parameter(system: TestSystem) -> None:
    async with httpx2.AsyncClient(base_url=system.address, trust_env=False) as http:
        openapi = (await http.get("/openapi.json")).json()
    assert untold(openapi) == []
    usage = openapi["paths"]["/v1/usage"]["get"]
    usage["parameters"] = [one for one in usage["parameters"] if one["name"] != "request_id"]
    openapi["paths"]["/v1/exports"] = {"get": {"parameters": []}}
    openapi["components"]["schemas"]["SearchCreate"]["properties"]["version_id"] = {}
    assert untold(openapi) == [
        "GET /v1/exports stands in one of the two",
        "GET /v1/usage does not take request_id",
        "POST /v1/vector_stores/{store_id}/search takes version_id, which has no slot",
    ]


@pytest.mark.parametrize("operation", NAMING_BY_ID)
async def test_stranger_gets_what_an_unknown_id_gives(system: TestSystem, operation: str) -> None:
    owner, stranger = await system.member("owner"), await system.member("owner")
    things = await make_things(owner, auditor=owner)
    for way in NAMING_BY_ID[operation]:
        foreign = await _judge(stranger, owner, operation, way, things)
        by_name = any(slot.parameter in EMPTY_FOR and slot.place == "query" for slot in way.slots)
        assert foreign.status_code == (200 if by_name else 404)


@pytest.mark.parametrize("operation", [name for name in NAMING_BY_ID if not name.startswith("DELETE")])
async def test_customer_cannot_reach_what_another_customer_owns(system: TestSystem, operation: str) -> None:
    admin = await system.member("owner")
    owner, other = await system.member("customer", of=admin), await system.member("customer", of=admin)
    if operation in STAFF_ONLY:
        return await _denied(other, operation)
    things = await make_things(owner)
    for way in NAMING_BY_ID[operation]:
        await _judge(other, owner, operation, way, things)
    return None


async def _denied(member: Member, operation: str) -> None:
    method, path = operation.split()
    refused = await member.http.request(method, path)
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "permission_denied"


async def test_denial_is_audited(system: TestSystem) -> None:
    admin = await system.member("owner")
    customer = await system.member("customer", of=admin)
    refused = await customer.http.get("/v1/audit")
    assert refused.status_code == 403
    rows = await admin.call("GET", f"/v1/audit?request_id={refused.headers['x-request-id']}")
    assert [(row["action"], row["outcome"]) for row in rows["data"]] == [("access.deny", "denied")]


@pytest.mark.parametrize("key", [None, "sk-wrong", f"ms_{'0' * 12}_{'a' * 43}"])
async def test_without_a_valid_key_nothing_is_answered(system: TestSystem, key: str | None) -> None:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with httpx2.AsyncClient(base_url=system.address, headers=headers, trust_env=False) as http:
        refused = [await http.request(*name.replace("{", "").replace("}", "").split()) for name in WAYS]
    assert {one.status_code for one in refused} == {401}
    assert {one.json()["error"]["code"] for one in refused} == {"invalid_api_key"}
