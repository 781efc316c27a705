"""The SQL of limits."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from mainstay.control.limits.models import Ask, Grant, Limits, Plan
from mainstay.platform.postgres import KeyholeTx, ReadTx, Record, WriteTx, load_queries

_QUERIES = load_queries(__package__)


async def take_requests(tx: KeyholeTx, asks: Sequence[Ask]) -> Mapping[tuple[UUID, UUID], Grant]:
    """Take and put back requests of many subjects at once; the ids of a subject without limits are missing."""
    rows = await tx.fetch(
        _QUERIES["take_requests"],
        tenant_ids=[ask.subject.tenant_id for ask in asks],
        subject_ids=[ask.subject.id for ask in asks],
        wanted=[ask.wanted for ask in asks],
        returned=[ask.returned for ask in asks],
        returned_hours=[ask.returned_hour for ask in asks],
    )
    return {(row["tenant_id"], row["subject_id"]): _grant(row) for row in rows}


def _grant(row: Record) -> Grant:
    return Grant(
        granted=row["granted"],
        limits=_limits(row),
        burst_left=row["burst_left"],
        hour_left=row["hour_left"],
        hour=row["hour"],
        hour_ends_s=row["hour_ends_s"],
    )


def _limits(row: Record) -> Limits:
    return Limits(row["requests_per_second"], row["requests_burst"], row["requests_per_hour"])


async def list_plans(tx: KeyholeTx) -> Sequence[Plan]:
    """Return all plans: first those for tenants, the smallest first."""
    rows = await tx.fetch(_QUERIES["list_plans"])
    return [Plan(row["name"], row["for_tenants"], _limits(row)) for row in rows]


async def find_plan(tx: KeyholeTx, name: str) -> Plan | None:
    """Return one plan."""
    row = await tx.fetch_one(_QUERIES["find_plan"], name=name)
    return Plan(row["name"], row["for_tenants"], _limits(row)) if row else None


async def update_plan(tx: WriteTx, name: str, limits: Limits) -> None:
    """Change what a plan allows."""
    await tx.execute(
        _QUERIES["update_plan"],
        name=name,
        requests_per_second=limits.requests_per_second,
        requests_burst=limits.requests_burst,
        requests_per_hour=limits.requests_per_hour,
    )


async def tenants_of_plan(tx: KeyholeTx, plan: str) -> Sequence[UUID]:
    """Return the tenants of a plan in the order of their ids; only the owner's role may ask."""
    rows = await tx.fetch(_QUERIES["tenants_of_plan"], plan=plan)
    return [row["tenant_id"] for row in rows]


async def plan_of_tenant(tx: ReadTx) -> str | None:
    """Return the name of the plan of the tenant of the scope."""
    return await tx.fetch_value(_QUERIES["plan_of_tenant"])


async def update_tenant_plan(tx: WriteTx, plan: str) -> int:
    """Put the tenant of the scope on a plan; return how many tenants that were."""
    return await tx.execute(_QUERIES["update_tenant_plan"], plan=plan)


async def is_principal(tx: ReadTx, subject_id: UUID) -> bool:
    """Return whether the tenant has this principal."""
    return bool(await tx.fetch_value(_QUERIES["is_principal"], id=subject_id))


async def is_key(tx: ReadTx, subject_id: UUID) -> bool:
    """Return whether the tenant has this key."""
    return bool(await tx.fetch_value(_QUERIES["is_key"], id=subject_id))


async def upsert_cap(tx: WriteTx, subject_id: UUID, limits: Limits) -> None:
    """Set the limits of one subject."""
    await tx.execute(
        _QUERIES["upsert_cap"],
        subject_id=subject_id,
        requests_per_second=limits.requests_per_second,
        requests_burst=limits.requests_burst,
        requests_per_hour=limits.requests_per_hour,
    )


async def delete_cap(tx: WriteTx, subject_id: UUID) -> int:
    """Take the limits of one subject away; return how many there were."""
    return await tx.execute(_QUERIES["delete_cap"], subject_id=subject_id)


async def mark_reached(tx: WriteTx, subject_id: UUID, hour: int) -> bool:
    """Note that the cap of a subject was reached in an hour; return whether nobody had noted it."""
    if not await tx.fetch_value(_QUERIES["lock_unreached"], subject_id=subject_id, hour=hour):
        return False
    await tx.execute(_QUERIES["mark_reached"], subject_id=subject_id, hour=hour)
    return True
