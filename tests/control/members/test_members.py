"""Principals, keys and groups over the real server: nobody reaches above their own, and a tenant keeps an owner."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from mainstay.control.access.models import Caller
from mainstay.control.access.operations import DECLARED, Role
from mainstay.control.members import service as members
from mainstay.control.members.errors import AboveYourOwn
from mainstay.kernel.ids import new_id
from mainstay.platform.postgres import Database
from tests.support.system import Member, TestSystem
from tests.support.tenants import TestTenant


async def refused(member: Member, status: int, code: str, method: str, path: str, **options: Any) -> None:
    """Check how the member is refused."""
    body = await member.call(method, path, status=status, **options)
    assert body["error"]["code"] == code


async def actions(member: Member) -> list[str]:
    """Return what the tenant's audit says was done, oldest first."""
    return [row["action"] for row in (await member.call("GET", "/v1/audit?limit=100"))["data"]][::-1]


async def with_key(system: TestSystem, member: Member, **fields: Any) -> tuple[Member, str]:
    """Return the member with a new key, made over the API with `fields`, and the key's id."""
    made = await member.call("POST", "/v1/keys", json={"name": "narrow", **fields})
    client = system.client(made["key"])
    return Member(member.tenant_id, member.role, made["key"], client, made["principal_id"]), made["id"]


async def test_key_can_do_what_its_scopes_say_and_no_more(system: TestSystem) -> None:
    staff = await system.member("owner")
    narrow, _ = await with_key(system, staff, scopes=["documents.read"])
    await narrow.call("GET", "/v1/vector_stores")
    await refused(narrow, 403, "permission_denied", "POST", "/v1/vector_stores", json={"name": "x"})
    listed = (await staff.call("GET", "/v1/keys"))["data"]
    assert [(one["name"], one["scopes"], one["state"]) for one in listed] == [
        ("narrow", ["documents.read"], "active"),
        ("owner", None, "active"),
    ]
    assert narrow.key not in str(listed)


async def test_revoked_key_is_no_key(system: TestSystem) -> None:
    staff = await system.member("owner")
    narrow, key_id = await with_key(system, staff)
    await narrow.call("GET", "/v1/models")
    await staff.call("DELETE", f"/v1/keys/{key_id}")
    await refused(narrow, 401, "invalid_api_key", "GET", "/v1/models")
    assert [one["state"] for one in (await staff.call("GET", "/v1/keys"))["data"]] == ["revoked", "active"]
    assert (await actions(staff))[-2:] == ["key.create", "key.revoke"]


async def test_keys_follow_the_role_of_their_holder(system: TestSystem) -> None:
    staff = await system.member("owner")
    other = await system.member("admin", of=staff)
    await other.call("GET", "/v1/audit")
    path = f"/v1/principals/{other.principal_id}"
    await staff.call("POST", path, json={"role": "customer"})
    await refused(other, 403, "permission_denied", "GET", "/v1/audit")
    await staff.call("POST", path, json={"disabled": True})
    await refused(other, 401, "invalid_api_key", "GET", "/v1/models")
    await refused(
        staff, 400, "invalid_request", "POST", "/v1/keys", json={"name": "k", "principal_id": other.principal_id}
    )
    await staff.call("POST", path, json={"disabled": False})
    await other.call("GET", "/v1/models")


@pytest.mark.parametrize("role", DECLARED.permissions)
async def test_nobody_gives_a_role_above_their_own(system: TestSystem, role: Role) -> None:
    staff = await system.member("owner")
    admin = await system.member("admin", of=staff)
    body = {"name": "new", "role": role}
    if role == "owner":
        await refused(admin, 403, "above_your_own", "POST", "/v1/principals", json=body)
    else:
        await admin.call("POST", "/v1/principals", json=body)
    await staff.call("POST", "/v1/principals", json=body)


async def test_admin_reaches_no_owner(system: TestSystem) -> None:
    staff = await system.member("owner")
    admin = await system.member("admin", of=staff)
    owner_key = (await staff.call("GET", f"/v1/keys?principal_id={staff.principal_id}"))["data"][0]["id"]
    path = f"/v1/principals/{staff.principal_id}"
    for body in ({"role": "customer"}, {"disabled": True}):
        await refused(admin, 403, "above_your_own", "POST", path, json=body)
    await refused(admin, 403, "above_your_own", "POST", f"/v1/principals/{admin.principal_id}", json={"role": "owner"})
    body = {"name": "k", "principal_id": staff.principal_id}
    await refused(admin, 403, "above_your_own", "POST", "/v1/keys", json=body)
    await refused(admin, 403, "above_your_own", "DELETE", f"/v1/keys/{owner_key}")
    # Limited to what the admin itself may do, a key of the owner's reaches no further.
    await admin.call("POST", "/v1/keys", json={**body, "scopes": ["ask"]})


async def test_narrow_key_makes_no_wider_one(system: TestSystem) -> None:
    staff = await system.member("owner")
    narrow, _ = await with_key(system, staff, scopes=["keys.manage", "ask"])
    await refused(narrow, 403, "above_your_own", "POST", "/v1/keys", json={"name": "k"})
    await refused(narrow, 403, "above_your_own", "POST", "/v1/keys", json={"name": "k", "scopes": ["documents.read"]})
    await narrow.call("POST", "/v1/keys", json={"name": "k", "scopes": ["ask"]})
    await refused(narrow, 403, "permission_denied", "POST", "/v1/principals", json={"name": "p", "role": "customer"})


async def test_scope_beyond_the_role_is_refused(system: TestSystem) -> None:
    staff = await system.member("owner")
    customer = await system.member("customer", of=staff)
    body = {"name": "k", "principal_id": customer.principal_id, "scopes": ["audit.read"]}
    await refused(staff, 400, "invalid_request", "POST", "/v1/keys", json=body)


async def test_last_owner_stays(system: TestSystem) -> None:
    staff = await system.member("owner")
    path = f"/v1/principals/{staff.principal_id}"
    for body in ({"role": "admin"}, {"disabled": True}):
        await refused(staff, 409, "last_owner", "POST", path, json=body)
    second = await staff.call("POST", "/v1/principals", json={"name": "second", "role": "owner"})
    await staff.call("POST", f"/v1/principals/{second['id']}", json={"disabled": True})
    # An owner that is disabled is none.
    await refused(staff, 409, "last_owner", "POST", path, json={"role": "admin"})


async def test_two_owners_do_not_remove_each_other_at_once(system: TestSystem) -> None:
    first = await system.member("owner")
    for _ in range(5):
        second = await system.member("owner", of=first)
        statuses = [
            response.status_code
            for response in await asyncio.gather(
                first.http.post(f"/v1/principals/{second.principal_id}", json={"disabled": True}),
                second.http.post(f"/v1/principals/{first.principal_id}", json={"disabled": True}),
            )
        ]
        # One removes the other; who came second is the last owner, or has no key any more.
        assert sorted(statuses)[0] == 200
        assert sorted(statuses)[1] in (401, 409), statuses
        first = second if statuses[1] == 200 else first


async def test_group_has_its_members(system: TestSystem) -> None:
    staff = await system.member("owner")
    customer = await system.member("customer", of=staff)
    group = await staff.call("POST", "/v1/groups", json={"name": "pilots"})
    path = f"/v1/groups/{group['id']}"
    await refused(staff, 409, "group_exists", "POST", "/v1/groups", json={"name": "pilots"})
    for _ in range(2):
        added = await staff.call("POST", f"{path}/members", json={"principal_id": customer.principal_id})
        assert added["member_count"] == 1
    listed = (await staff.call("GET", f"{path}/members"))["data"]
    assert [(one["id"], one["role"]) for one in listed] == [(customer.principal_id, "customer")]
    await staff.call("DELETE", f"{path}/members/{customer.principal_id}")
    await staff.call("DELETE", f"{path}/members/{customer.principal_id}", status=404)
    await staff.call("DELETE", path)
    await staff.call("GET", path, status=404)
    wanted = ["group.create", "group.add_member", "group.add_member", "group.remove_member", "group.delete"]
    assert [action for action in await actions(staff) if action.startswith("group.")] == wanted


async def test_who_does_not_see_all_gives_no_role_that_does(database: Database, tenant: TestTenant) -> None:
    """Whatever the permissions are: no role of the declared table is so, and one that is added may be."""
    table = replace(DECLARED, sees_all=DECLARED.sees_all - {"owner"})
    caller = Caller(tenant.tenant_id, tenant.admin_id, new_id(), "owner", "req_test", declared=table)
    async with database.write(tenant.admin, unaudited="a test") as tx:
        made = await members.create_principal(tx, caller, name="new", role="customer", kind="user")
        assert made.role == "customer"
        with pytest.raises(AboveYourOwn, match="sees all"):
            await members.create_principal(tx, caller, name="new", role="reviewer", kind="user")
