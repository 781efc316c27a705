"""What needs the owner of the schema: a closed list, run on the command line, without a listener."""

from mainstay.edge.maintain.prepare import prepare
from mainstay.edge.maintain.roles import embedded_owner_url, resolve_urls
from mainstay.edge.maintain.tenants import NewTenant, create_key, create_operator, create_tenant

__all__ = [
    "NewTenant",
    "create_key",
    "create_operator",
    "create_tenant",
    "embedded_owner_url",
    "prepare",
    "resolve_urls",
]
