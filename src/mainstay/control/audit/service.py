"""The rules of the audit: what changes something says so in the same transaction, or does not happen."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import orjson

from mainstay.control.audit import store
from mainstay.control.audit.models import AuditEntry, Fact, Outcome
from mainstay.kernel.ids import new_id
from mainstay.kernel.paging import Page, PageRequest
from mainstay.platform.postgres import ReadTx, WriteTx


async def record(
    tx: WriteTx,
    action: str,
    *,
    outcome: Outcome = "done",
    target_id: str | None = None,
    facts: Mapping[str, Fact] | None = None,
) -> None:
    """Add a row for what this transaction does, in the name of its scope.

    `action` reads `noun.verb`; `facts` hold ids, codes and counts, never what a person wrote.
    """
    scope = tx.scope
    entry = AuditEntry(
        id=new_id(),
        at=datetime.now(UTC),
        tenant_id=scope.tenant_id,
        principal_id=scope.principal_id,
        request_id=scope.request_id,
        action=action,
        outcome=outcome,
        target_id=target_id,
        facts=facts or {},
    )
    await store.insert(tx, replace(entry, digest=digest(entry)))
    tx.mark_audited()


def digest(entry: AuditEntry) -> bytes:
    """Return the SHA-256 of a row's fields as JSON with sorted keys, by which a later edit is found."""
    fields = {
        "id": str(entry.id),
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "tenant_id": str(entry.tenant_id),
        "principal_id": str(entry.principal_id),
        "request_id": entry.request_id,
        "action": entry.action,
        "outcome": entry.outcome,
        "target_id": entry.target_id,
        "facts": dict(entry.facts),
    }
    return sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).digest()


async def page(
    tx: ReadTx, request: PageRequest, *, action: str | None = None, request_id: str | None = None
) -> Page[AuditEntry]:
    """Return a page of rows, of one action or one request where asked."""
    return await store.page(tx, request, action=action, request_id=request_id)
