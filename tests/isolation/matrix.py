"""Every principal that the matrix of permissions asks as, and what each operation must answer it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2

from mainstay.control.access import service as access
from mainstay.control.access.operations import Permission, Role
from mainstay.kernel.ids import decode_id
from mainstay.platform.postgres import Scope
from mainstay.platform.postgres.queries import parse_queries
from tests.isolation.who_may import HOLDERS, operator_may, permission_for
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
    "name": "no-schedule-",
}
UNKNOWN_THINGS = {name: prefix + UNKNOWN for name, prefix in PREFIXES.items()}
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
    """Who asks: what it sends, and what it is to the rules."""

    name: str
    headers: Mapping[str, str]
    role: Role | None = None
    operator: bool = False
    foreign: bool = False
    # Keys that have all scopes of the role but one, by the one that each has not.
    without_scope: Mapping[Permission, str] | None = None

    def headers_for(self, operation: str) -> Mapping[str, str]:
        needed = permission_for(operation)
        if needed is None or self.without_scope is None:
            return self.headers
        return bearer(self.without_scope[needed])

    def expected(self, operation: str) -> set[int]:
        """Return the statuses that the rules allow; the bodies are empty and the ids unknown."""
        needed = permission_for(operation)
        if needed is None:
            return {200}
        if self.role is None and not self.operator:
            return {401}
        may = operator_may(operation) if self.operator else self.role in HOLDERS[needed]
        if not may or self.without_scope is not None:
            return {403}
        if self.foreign and "{" in operation:
            # An empty body is refused before anything is looked up, whose it may be.
            return {404} if operation.startswith(("GET", "DELETE")) else {400, 404}
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


async def make_principals(system: TestSystem) -> list[Principal]:
    """Return the nine of the goal, and the roles that it does not name."""
    staff, stranger = await system.member("owner"), await system.member("admin")
    roles: Sequence[Role] = sorted(HOLDERS["ask"])  # type: ignore[assignment]
    narrow: dict[Permission, str] = {}
    held = [permission for permission, holders in HOLDERS.items() if "admin" in holders]
    for permission in held:
        narrow[permission] = await key_of(system, staff, "admin", sorted(set(held) - {permission}))
    tenant = {"mainstay-tenant": f"ten_{UUID(str(staff.tenant_id)).hex}"}
    return [
        Principal("anonymous", {}),
        Principal("expired", bearer(await expired_key(system, staff))),
        Principal("wrong scope", {}, role="admin", without_scope=narrow),
        *[Principal(role, bearer(await key_of(system, staff, role)), role=role) for role in roles],
        Principal("other tenant's admin", bearer(stranger.key), role="admin", foreign=True),
        Principal("operator", {**bearer(await operator_key(system)), **tenant}, operator=True),
    ]


async def try_operation(
    http: httpx2.AsyncClient, operation: str, one: Principal, things: Mapping[str, str] = UNKNOWN_THINGS
) -> str:
    """Return what a server answers otherwise than it should, or nothing."""
    method, path = request_of(operation, things)
    response = await http.request(method, path, headers=dict(one.headers_for(operation)), **body_of(method, path))
    expected = one.expected(operation)
    if response.status_code in expected:
        return ""
    return f"{operation} by {one.name}: {response.status_code}, not {sorted(expected)}"


def request_of(name: str, things: Mapping[str, str]) -> tuple[str, str]:
    method, path = name.split(maxsplit=1)
    return (method, path.format(**things)) if method != "MOUNT" else ("GET", f"{path}/index.html")


def body_of(method: str, path: str) -> dict[str, Any]:
    """Return a body of the form that a route reads; what stands in it is looked at only after the permission."""
    if (method, path) == ("POST", "/v1/files"):
        return {"files": {"file": ("a.txt", b"x")}}
    return {"json": {}} if method in ("POST", "PUT") else {}
