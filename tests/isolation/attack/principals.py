"""Who attacks: nine principals, none of which may see what the victim, a customer, keeps for itself."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import asyncpg
import httpx2

from tests.isolation.things import Things
from tests.isolation.victims import make_things
from tests.support.system import Member, TestSystem


@dataclass(frozen=True)
class Attacker:
    """A principal with a client, and what it may name beside the victim's things: its own, or those of a helper.

    `member` is whose working key it sends; without one it has none.
    """

    name: str
    http: httpx2.AsyncClient
    own: Things
    member: Member | None = None


@dataclass(frozen=True)
class Stage:
    """A victim with its things, an auditor of its tenant, and everyone who attacks."""

    victim: Member
    auditor: Member
    things: Things
    attackers: Sequence[Attacker]


async def make_stage(system: TestSystem, superuser: asyncpg.Connection) -> Stage:
    """Make new tenants with a victim and nine attackers; what they own is made first, so that it is older."""
    auditor, stranger = await system.member("owner"), await system.member("admin")
    makers: dict[str, Callable[[], Awaitable[Member]]] = {
        "admin of another tenant": _given(stranger),
        "reviewer of another tenant": lambda: system.member("reviewer", of=stranger),
        "service of another tenant": lambda: system.member("service", of=stranger),
        "customer of another tenant": lambda: system.member("customer", of=stranger),
        "service of the victim's tenant": lambda: system.member("service", of=auditor),
        "customer of the victim's tenant": lambda: system.member("customer", of=auditor),
    }
    members = {name: await make() for name, make in makers.items()}
    own = await asyncio.gather(*(make_things(member) for member in members.values()))
    attackers = [
        Attacker(name, member.http, things, member) for (name, member), things in zip(members.items(), own, strict=True)
    ]
    victim = await system.member("customer", of=auditor)
    things = await make_things(victim, auditor=auditor)
    await _fail(victim, things)
    for name, key in (
        ("no key", None),
        ("expired key of the victim's tenant", await _dead_key(system, superuser, auditor, "expires_at")),
        ("revoked key of the victim's tenant", await _dead_key(system, superuser, auditor, "revoked_at")),
    ):
        attackers.append(Attacker(name, _client(system, key), own[0]))
    return Stage(victim, auditor, things, attackers)


def _given(member: Member) -> Callable[[], Awaitable[Member]]:
    async def give() -> Member:
        return member

    return give


async def _fail(victim: Member, things: Things) -> None:
    """Let a job of the victim's end badly, so that what the logs say of failures is searched too."""
    broken = (f"{things.canary}.pdf", f"%PDF-1.7 {things.canary}".encode())
    file = await victim.call("POST", "/v1/files", files={"file": broken})
    await victim.call("POST", f"/v1/vector_stores/{things.store_id}/files", json={"file_id": file["id"]})
    assert (await victim.ended(things.store_id, file["id"]))["status"] == "failed"


async def _dead_key(system: TestSystem, superuser: asyncpg.Connection, of: Member, column: str) -> str:
    """Return the key of an owner of the tenant that worked, and does not any more."""
    member = await system.member("owner", of=of)
    await member.call("GET", "/v1/files")
    changed = await superuser.execute(
        f"UPDATE mainstay.api_keys SET {column} = now() - interval '1 second' WHERE prefix = $1",
        member.key.split("_")[1],
    )
    assert changed == "UPDATE 1"
    return member.key


def _client(system: TestSystem, key: str | None) -> httpx2.AsyncClient:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    client = httpx2.AsyncClient(base_url=system.address, headers=headers, timeout=60, trust_env=False)
    system.clients.append(client)
    return client
