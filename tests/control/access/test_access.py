"""The rules of the door by themselves: which keys are keys, and what a caller may do with one."""

from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from mainstay.control.access import service as access
from mainstay.control.access.errors import InvalidKey, PermissionDenied
from mainstay.control.access.models import ROLES, Caller, IssuedKey
from mainstay.control.access.operations import DECLARED, Permission, Role
from mainstay.kernel.errors import Invalid, NotFound
from mainstay.kernel.ids import encode_id, new_id
from mainstay.platform.postgres import Database
from tests.isolation.who_may import HOLDERS
from tests.support.database import DatabaseUrls
from tests.support.tenants import TestTenant

READ = "GET /v1/audit"
OTHER = "_" * 43


@pytest.fixture
async def superuser(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_urls.superuser)
    yield connection
    await connection.close()


async def issue(owner: Database, tenant: TestTenant, role: Role = "admin", **fields: object) -> IssuedKey:
    async with owner.write(tenant.admin, unaudited="a fixture") as tx:
        return await access.issue_key(tx, role=role, name=role, holder_id=tenant.admin_id, **fields)  # type: ignore[arg-type]


async def proved(database: Database, key: str, tenant: str | None = None) -> Caller:
    return await access.authenticate(database, key, request_id="req_test", tenant=tenant)


def caller_of(role: Role | str, scopes: frozenset[Permission] | None = None) -> Caller:
    return Caller(new_id(), new_id(), new_id(), role, "req_test", scopes)  # type: ignore[arg-type]


async def test_key_proves_who_holds_it_and_what_it_is_limited_to(
    database: Database, owner_database: Database, tenant: TestTenant, other_tenant: TestTenant
) -> None:
    key = await issue(owner_database, tenant, scopes=["audit.read"], expires_in_days=2)
    # A member looks into its own tenant, whichever it names.
    caller = await proved(database, key.secret, encode_id("ten_", other_tenant.tenant_id))
    assert (caller.tenant_id, caller.principal_id, caller.key_id) == (tenant.tenant_id, tenant.admin_id, key.id)
    assert (caller.role, caller.permissions) == ("admin", {"audit.read"})
    assert (await proved(database, (await issue(owner_database, tenant)).secret)).permissions == set(
        DECLARED.permissions["admin"]
    )


async def test_secret_of_another_is_no_key_with_a_prefix_that_is_known(
    database: Database, owner_database: Database, tenant: TestTenant
) -> None:
    key = await issue(owner_database, tenant)
    for wrong in (f"ms_{key.prefix}_{OTHER}", key.secret[:-1], "", None):
        with pytest.raises(InvalidKey):
            await proved(database, wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "ended",
    [
        "UPDATE mainstay.api_keys SET revoked_at = now() WHERE tenant_id = $1",
        "UPDATE mainstay.api_keys SET expires_at = now() - interval '1 second' WHERE tenant_id = $1",
        "UPDATE mainstay.principals SET disabled_at = now() WHERE tenant_id = $1",
    ],
)
async def test_key_that_has_ended_is_no_key(
    database: Database, owner_database: Database, tenant: TestTenant, superuser: asyncpg.Connection, ended: str
) -> None:
    key = await issue(owner_database, tenant, expires_in_days=1)
    await proved(database, key.secret)
    await superuser.execute(ended, tenant.tenant_id)
    with pytest.raises(InvalidKey):
        await proved(database, key.secret)


async def test_role_that_counts_is_the_one_its_holder_has(
    database: Database, owner_database: Database, tenant: TestTenant, superuser: asyncpg.Connection
) -> None:
    key = await issue(owner_database, tenant)
    await superuser.execute("UPDATE mainstay.principals SET role = 'product' WHERE id = $1", tenant.admin_id)
    assert (await proved(database, key.secret)).role == "product"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"role": "customer", "scopes": ["ask", "audit.read"]}, "does not include audit.read"),
        ({"scopes": []}, "without scopes"),
        ({"expires_in_days": 0}, "lives 1 to"),
        ({"expires_in_days": access.KEY_LIFETIME_MAX_DAYS + 1}, "lives 1 to"),
    ],
)
async def test_key_that_cannot_be_is_not_made(
    owner_database: Database, tenant: TestTenant, fields: dict[str, object], sentence: str
) -> None:
    with pytest.raises(Invalid, match=sentence):
        await issue(owner_database, tenant, **fields)  # type: ignore[arg-type]


async def operator(owner: Database, lifetime_days: int = 1) -> str:
    async with owner.keyhole() as tx:
        return (await access.add_operator(tx, name="on call", lifetime_days=lifetime_days)).secret


async def test_operator_looks_into_the_tenant_that_it_names(
    database: Database, owner_database: Database, tenant: TestTenant
) -> None:
    key = await operator(owner_database)
    caller = await proved(database, key, encode_id("ten_", tenant.tenant_id))
    assert (caller.tenant_id, caller.role, caller.scope.sees_all) == (tenant.tenant_id, "operator", True)
    with pytest.raises(Invalid, match="names the tenant"):
        await proved(database, key)
    with pytest.raises(NotFound):
        await proved(database, key, encode_id("ten_", new_id()))
    with pytest.raises(InvalidKey):
        await proved(database, f"{key[:16]}{OTHER}", encode_id("ten_", tenant.tenant_id))


@pytest.mark.parametrize("ended", ["revoked_at = now()", "expires_at = now() - interval '1 second'"])
async def test_key_of_an_operator_that_has_ended_is_no_key(
    database: Database, owner_database: Database, tenant: TestTenant, superuser: asyncpg.Connection, ended: str
) -> None:
    key, named = await operator(owner_database), encode_id("ten_", tenant.tenant_id)
    await proved(database, key, named)
    await superuser.execute(f"UPDATE mainstay.operators SET {ended} WHERE prefix = $1", key.split("_")[1])
    with pytest.raises(InvalidKey):
        await proved(database, key, named)


@pytest.mark.parametrize("days", [0, access.OPERATOR_LIFETIME_MAX_DAYS + 1])
async def test_operator_without_an_end_is_not_made(owner_database: Database, days: int) -> None:
    with pytest.raises(Invalid, match="lives 1 to"):
        await operator(owner_database, days)


@pytest.mark.parametrize("role", ROLES)
def test_caller_may_what_both_its_role_and_its_key_include(role: Role) -> None:
    for permission, holders in HOLDERS.items():
        others = frozenset(HOLDERS) - {permission}
        assert (permission in caller_of(role).permissions) == (role in holders)
        assert (permission in caller_of(role, frozenset({permission})).permissions) == (role in holders)
        assert permission not in caller_of(role, others).permissions
        with pytest.raises(PermissionDenied, match=permission):
            access.require(caller_of(role, others), permission)


def test_only_the_staff_sees_all_and_shares_by_default() -> None:
    assert {role for role in ROLES if caller_of(role).scope.sees_all} == {"owner", "admin", "reviewer", "engineer"}
    assert [role for role in ROLES if caller_of(role).visibility_default == "private"] == ["customer"]


def test_operator_has_no_permission_and_reads_by_what_is_open_to_it() -> None:
    one = caller_of("operator")
    assert one.permissions == frozenset()
    access.authorise(one, READ)
    for closed in ("GET /v1/files/{file_id}/content", "POST /v1/keys"):
        with pytest.raises(PermissionDenied):
            access.authorise(one, closed)


def test_caller_may_what_the_table_that_it_came_with_says() -> None:
    looser = replace(DECLARED.operations[READ], permission="ask")
    table = replace(DECLARED, operations={READ: looser})
    with pytest.raises(PermissionDenied):
        access.authorise(caller_of("customer"), READ)
    access.authorise(replace(caller_of("customer"), declared=table), READ)
    with pytest.raises(KeyError):
        access.authorise(caller_of("owner"), "GET /v1/exports")
