"""What needs the owner of the schema: a closed list, run on the command line, without a listener."""

from mainstay.edge.maintain.plans import change_plan, list_plans, set_tenant_plan
from mainstay.edge.maintain.prepare import prepare
from mainstay.edge.maintain.roles import embedded_owner_url, resolve_urls
from mainstay.edge.maintain.tenants import NewTenant, create_key, create_operator, create_tenant

__all__ = [
    "NewTenant",
    "change_plan",
    "create_key",
    "create_operator",
    "create_tenant",
    "embedded_owner_url",
    "list_plans",
    "prepare",
    "resolve_urls",
    "set_tenant_plan",
]
