"""The SQL of the audit."""

from collections.abc import Sequence
from uuid import UUID

from mainstay.control.audit.models import AuditEntry
from mainstay.platform.postgres import ReadTx, WriteTx, load_queries

_QUERIES = load_queries(__package__)


async def insert(tx: WriteTx, entry: AuditEntry) -> None:
    """Add one row."""
    await tx.execute(
        _QUERIES["insert_entry"],
        id=entry.id,
        at=entry.at,
        request_id=entry.request_id,
        action=entry.action,
        outcome=entry.outcome,
        target_id=entry.target_id,
        facts=dict(entry.facts),
        digest=entry.digest,
    )


async def page(
    tx: ReadTx, *, before: UUID | None, action: str | None, request_id: str | None, limit: int
) -> Sequence[AuditEntry]:
    """Return rows older than `before`, newest first."""
    rows = await tx.fetch(_QUERIES["list_entries"], before=before, action=action, request_id=request_id, limit=limit)
    return [AuditEntry(**row) for row in rows]
