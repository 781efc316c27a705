"""The SQL of the audit."""

from mainstay.control.audit.models import AuditEntry
from mainstay.kernel.paging import Page, PageRequest
from mainstay.platform.postgres import ReadTx, WriteTx, fetch_page, load_queries

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


async def page(tx: ReadTx, request: PageRequest, *, action: str | None, request_id: str | None) -> Page[AuditEntry]:
    """Return a page of rows, of one action or one request where asked."""
    return await fetch_page(
        tx,
        _QUERIES["list_entries"],
        request,
        lambda row: AuditEntry(**row),
        key=_QUERIES["find_entry_key"],
        action=action,
        request_id=request_id,
    )
