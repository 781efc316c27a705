"""A row of the audit: who did what to which thing, and how it ended. Ids, codes and digests only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

Outcome = Literal["done", "answered", "denied", "failed"]
Fact = str | int | bool | None


@dataclass(frozen=True)
class AuditEntry:
    """One row, as it is stored and digested."""

    id: UUID
    at: datetime
    tenant_id: UUID
    principal_id: UUID
    request_id: str
    action: str
    outcome: Outcome
    target_id: str | None
    facts: Mapping[str, Fact]
    digest: bytes = b""
