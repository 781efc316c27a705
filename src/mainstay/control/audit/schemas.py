"""Rows of the audit as clients see them."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel

from mainstay.control.audit.models import AuditEntry, Fact, Outcome
from mainstay.kernel.ids import encode_id


class AuditObject(BaseModel):
    """One row: who did what, when, on which request, and how it ended."""

    id: str
    object: Literal["audit.entry"] = "audit.entry"
    at: str
    principal_id: str
    request_id: str
    action: str
    outcome: Outcome
    target_id: str | None
    facts: Mapping[str, Fact]
    digest: str

    @classmethod
    def of(cls, entry: AuditEntry) -> "AuditObject":
        """Return the outer form of a row."""
        return cls(
            id=encode_id("aud_", entry.id),
            at=entry.at.isoformat(),
            principal_id=encode_id("usr_", entry.principal_id),
            request_id=entry.request_id,
            action=entry.action,
            outcome=entry.outcome,
            target_id=entry.target_id,
            facts=entry.facts,
            digest=entry.digest.hex(),
        )
