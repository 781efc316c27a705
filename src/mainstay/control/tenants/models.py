"""A tenant is the customer organisation; everything else belongs to one."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class Tenant:
    """One customer organisation."""

    id: UUID
    name: str
    created_at: datetime
