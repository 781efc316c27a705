"""Every operation of the declared table, tried by nine principals: each is answered as the table says (S.P2)."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import httpx2
import pytest

from mainstay.control.access import service as access
from mainstay.control.access.operations import DECLARED, Operation, Permission, Role
from mainstay.kernel.ids import decode_id
from mainstay.platform.postgres import Scope
from mainstay.platform.postgres.queries import parse_queries
from tests.support.planted_jobs import Planter
from tests.support.system import Member, TestSystem

UNKNOWN = "01a1fdb30000700080000000000000ff"
PREFIXES = {
    "file_id": "file-",
    "store_id": "vs_",
    "answer_id": "resp_",
    "principal_id": "usr_",
    "key_id": "key_",
    "group_id": "grp_",
    "batch_id": "vsfb_",
    "subject_id": "key_",
    "model": "no-model-",
    "job_id": "job_",
}
PRINCIPALS_MIN = 9
OPERATIONS_MIN = 40
_EXPIRE = parse_queries(
    """
-- name: expire
-- Lets a key have ended a second ago.
UPDATE mainstay.api_keys SET expires_at = now() - interval '1 second' WHERE tenant_id = :tenant_id AND id = :id
""",
    origin="tests",
)["expire"]


@dataclass(frozen=True)
class Principal:
    """Who asks: what it sends, and what it is to the table."""

    name: str
    headers: Mapping[str, str]
    role: Role | None = None
    operator: bool = False
    foreign: bool = False
    # The one scope that its key has not, by operation; the other scopes it has.
    without_scope: Mapping[Permission, str] | None = None

    def headers_for(self, operation: Operation | None) -> Mapping[str, str]:
        if operation is None or self.without_scope is None:
            return self.headers
        return bearer(self.without_scope[operation.permission])

    def expected(self, operation: Operation | None) -> set[int]:
        """Return the statuses that the table allows; the bodies are empty and the ids unknown."""
        if operation is None:
            return {200}
        if self.role is None and not self.operator:
            return {401}
        may = (
            operation.operator if self.operator else operation.permission in DECLARED.permissions[self.role or "owner"]
        )
        if not may or self.without_scope is not None:
            return {403}
        if self.foreign and "{" in operation.name:
            # An empty body is refused before anything is looked up, whose it may be.
            return {404} if operation.name.startswith(("GET", "DELETE")) else {400, 404}
        return {200, 400, 404}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def key_of(system: TestSystem, member: Member, role: Role, scopes: list[Permission] | None = None) -> str:
    """Return a key of a new principal of the member's tenant."""
    async with system.owner.write(scope_of(member), unaudited="a fixture") as tx:
        return (await access.issue_key(tx, role=role, name=role, scopes=scopes)).secret


def scope_of(member: Member) -> Scope:
    return Scope(UUID(str(member.tenant_id)), decode_id("usr_", member.principal_id), sees_all=True)


async def expired_key(system: TestSystem, member: Member) -> str:
    async with system.owner.write(scope_of(member), unaudited="a fixture") as tx:
        key = await access.issue_key(tx, role="admin", name="expired", expires_in_days=1)
        await tx.execute(_EXPIRE, id=key.id)
    return key.secret


async def operator_key(system: TestSystem) -> str:
    async with system.owner.keyhole() as tx:
        return (await access.add_operator(tx, name="matrix", lifetime_days=1)).secret


@pytest.fixture
async def principals(system: TestSystem) -> list[Principal]:
    """The nine of the goal, and the roles that it does not name."""
    staff, stranger = await system.member("owner"), await system.member("admin")
    narrow: dict[Permission, str] = {}
    for permission in DECLARED.permissions["admin"]:
        scopes = sorted(DECLARED.permissions["admin"] - {permission})
        narrow[permission] = await key_of(system, staff, "admin", scopes)
    tenant = {"mainstay-tenant": f"ten_{UUID(str(staff.tenant_id)).hex}"}
    return [
        Principal("anonymous", {}),
        Principal("expired", bearer(await expired_key(system, staff))),
        Principal("wrong scope", {}, role="admin", without_scope=narrow),
        *[Principal(role, bearer(await key_of(system, staff, role)), role=role) for role in DECLARED.permissions],
        Principal("other tenant's admin", bearer(stranger.key), role="admin", foreign=True),
        Principal("operator", {**bearer(await operator_key(system)), **tenant}, operator=True),
    ]


async def things_of(member: Member) -> dict[str, str]:
    """Return ids of things that are there, for whoever must not reach them."""
    store = await member.make_store()
    file = (await member.call("POST", "/v1/files", files={"file": ("a.txt", b"x")}))["id"]
    group = (await member.call("POST", "/v1/groups", json={"name": "g"}))["id"]
    key = (await member.call("POST", "/v1/keys", json={"name": "k"}))["id"]
    assert member.owner is not None
    return {
        **{name: prefix + UNKNOWN for name, prefix in PREFIXES.items()},
        "job_id": await Planter.of(member.owner, member.tenant_id, member.principal_id).dead(),
        "store_id": store,
        "file_id": file,
        "group_id": group,
        "key_id": key,
        "principal_id": member.principal_id,
    }


def request_of(name: str, things: Mapping[str, str]) -> tuple[str, str]:
    method, path = name.split(maxsplit=1)
    return (method, path.format(**things)) if method != "MOUNT" else ("GET", f"{path}/index.html")


def body_of(method: str, path: str) -> dict[str, Any]:
    """Return a body of the form that a route reads; what stands in it is looked at only after the permission."""
    if (method, path) == ("POST", "/v1/files"):
        return {"files": {"file": ("a.txt", b"x")}}
    return {"json": {}} if method in ("POST", "PUT") else {}


async def test_each_operation_answers_each_principal_as_the_table_says(
    system: TestSystem, principals: list[Principal]
) -> None:
    unknown = {name: prefix + UNKNOWN for name, prefix in PREFIXES.items()}
    real = await things_of(await system.member("owner"))
    cases: Counter[str] = Counter()
    wrong: list[str] = []
    async with httpx2.AsyncClient(base_url=system.address, trust_env=False, timeout=60) as http:
        for name in (*DECLARED.operations, *DECLARED.public):
            operation = DECLARED.operations.get(name)
            for one in principals:
                method, path = request_of(name, real if one.foreign else unknown)
                body = body_of(method, path)
                response = await http.request(method, path, headers=dict(one.headers_for(operation)), **body)
                expected = one.expected(operation)
                cases[one.name] += 1
                if response.status_code not in expected:
                    wrong.append(f"{name} by {one.name}: {response.status_code}, not {sorted(expected)}")
    print(
        f"{cases.total()} cases: {len(DECLARED.operations)} operations and {len(DECLARED.public)} public ones,"
        f" {len(cases)} principals, {len(wrong)} answered otherwise than declared"
    )
    assert wrong == []
    assert len(DECLARED.operations) >= OPERATIONS_MIN
    assert len(cases) >= PRINCIPALS_MIN
    assert set(cases.values()) == {len(DECLARED.operations) + len(DECLARED.public)}


async def test_matrix_notices_a_table_that_says_something_else(principals: list[Principal]) -> None:
    """The expectations come from the table: with one row changed they change, so nothing is right by accident."""
    operation = DECLARED.operations["GET /v1/audit"]
    looser = replace(operation, permission="documents.read")
    changed = [one.name for one in principals if one.expected(operation) != one.expected(looser)]
    assert set(changed) == {"reviewer", "product", "customer", "service"}
