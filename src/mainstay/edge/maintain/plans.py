"""Plans, and who has which: data that only the owner of the schema changes."""

from collections.abc import Sequence
from uuid import UUID

from mainstay.config import Settings
from mainstay.control.limits import service as limits
from mainstay.control.limits.models import Limits, Plan
from mainstay.control.tenants import service as tenants
from mainstay.edge.maintain.database import maintenance_scope, open_database

_NO_TENANT = UUID(int=0)


async def list_plans(settings: Settings, owner_url: str) -> Sequence[Plan]:
    """Return all plans, with the two for requests without a key at the end."""
    async with open_database(settings, owner_url) as database, database.keyhole() as tx:
        return await limits.plans(tx)


async def set_tenant_plan(settings: Settings, owner_url: str, *, tenant: str, plan: str) -> None:
    """Put a tenant on a plan, which holds in every process within a second; raises NotFound or UnknownPlan."""
    async with open_database(settings, owner_url) as database:
        async with database.keyhole() as tx:
            tenant_id = await tenants.require_id(tx, tenant)
        async with database.write(maintenance_scope(tenant_id)) as tx:
            await limits.put_on_plan(tx, plan)


async def change_plan(settings: Settings, owner_url: str, name: str, change: Limits) -> Plan:
    """Change those limits of a plan that are given, for all its tenants within a second; raises UnknownPlan, Invalid.

    The change commits with the audit row of its first tenant. Each of the others is told in a transaction of its own,
    so a crash may leave some untold; to give the same change again tells all of them.
    """
    async with open_database(settings, owner_url) as database:
        async with database.keyhole() as tx:
            plan = await limits.changed_plan(tx, name, change)
            told = await limits.tenants_of_plan(tx, name)
        nobody = None if told else "no tenant has this plan"
        async with database.write(maintenance_scope(told[0] if told else _NO_TENANT), unaudited=nobody) as tx:
            await limits.change_plan(tx, plan)
            if told:
                await limits.record_plan_change(tx, plan)
        for tenant_id in told[1:]:
            async with database.write(maintenance_scope(tenant_id)) as tx:
                await limits.record_plan_change(tx, plan)
    return plan
