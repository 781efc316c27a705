"""What can go wrong with tenants."""

from mainstay.kernel.errors import MainstayError


class TenantExists(MainstayError):
    """A tenant of this name stands already."""

    kind = "conflict"
    code = "tenant_exists"


class InvalidTenantName(MainstayError):
    """A tenant's name is lower-case letters, digits and dashes."""

    code = "invalid_tenant_name"
