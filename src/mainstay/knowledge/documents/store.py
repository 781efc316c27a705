"""The SQL of uploads and stores."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from mainstay.control.access.models import Visibility
from mainstay.knowledge.documents.models import File, Store
from mainstay.platform.postgres import ReadTx, WriteTx, load_queries

_QUERIES = load_queries(__package__)


async def insert_file(
    tx: WriteTx,
    *,
    file_id: UUID,
    visibility: Visibility,
    filename: str,
    purpose: str,
    content_type: str | None,
    size: int,
    sha256: bytes,
) -> datetime:
    """Record an upload and return when."""
    return await tx.change_value(
        _QUERIES["insert_file"],
        id=file_id,
        visibility=visibility,
        filename=filename,
        purpose=purpose,
        content_type=content_type,
        bytes=size,
        sha256=sha256,
    )


async def find_file(tx: ReadTx, file_id: UUID) -> File | None:
    """Return one visible upload."""
    row = await tx.fetch_one(_QUERIES["find_file"], id=file_id)
    return File(**row) if row else None


async def list_files(tx: ReadTx, *, before: UUID | None, purpose: str | None, limit: int) -> Sequence[File]:
    """Return visible uploads older than `before`, newest first."""
    return [File(**row) for row in await tx.fetch(_QUERIES["list_files"], before=before, purpose=purpose, limit=limit)]


async def delete_file(tx: WriteTx, file_id: UUID) -> bool:
    """Hide an upload; False where there is none."""
    return await tx.execute(_QUERIES["delete_file"], id=file_id) > 0


async def insert_store(
    tx: WriteTx, *, store_id: UUID, visibility: Visibility, name: str, metadata: Mapping[str, str]
) -> None:
    """Make a store."""
    await tx.execute(_QUERIES["insert_store"], id=store_id, visibility=visibility, name=name, metadata=dict(metadata))


async def find_store(tx: ReadTx, store_id: UUID) -> Store | None:
    """Return one visible store with its counts."""
    row = await tx.fetch_one(_QUERIES["find_store"], id=store_id)
    return (await _with_counts(tx, [Store(**row)]))[0] if row else None


async def lock_name(tx: WriteTx, name: str) -> None:
    """Wait until no other transaction looks for a store of this name."""
    await tx.fetch(_QUERIES["lock_name"], name=name)


async def find_store_named(tx: ReadTx, name: str) -> Store | None:
    """Return the oldest visible store of a name."""
    row = await tx.fetch_one(_QUERIES["find_store_named"], name=name)
    return (await _with_counts(tx, [Store(**row)]))[0] if row else None


async def had_store(tx: ReadTx, name: str) -> bool:
    """Return whether there is, or was before it was deleted, a visible store of a name."""
    return await tx.fetch_value(_QUERIES["had_store"], name=name)


async def list_stores(tx: ReadTx, *, before: UUID | None, limit: int) -> Sequence[Store]:
    """Return visible stores older than `before`, newest first."""
    rows = await tx.fetch(_QUERIES["list_stores"], before=before, limit=limit)
    return await _with_counts(tx, [Store(**row) for row in rows])


async def delete_store(tx: WriteTx, store_id: UUID) -> bool:
    """Hide a store; False where there is none."""
    return await tx.execute(_QUERIES["delete_store"], id=store_id) > 0


async def touch_store(tx: WriteTx, store_id: UUID) -> None:
    """Note that a store was used."""
    await tx.execute(_QUERIES["touch_store"], id=store_id)


_COUNTED_AS: Mapping[str, str] = {
    "queued": "in_progress",
    "working": "in_progress",
    "ready": "completed",
    "retired": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}


async def _with_counts(tx: ReadTx, stores: Sequence[Store]) -> Sequence[Store]:
    """Return the stores with how many documents of each state they hold."""
    counts: dict[UUID, dict[str, int]] = {store.id: {} for store in stores}
    for row in await tx.fetch(_QUERIES["count_documents"], store_ids=list(counts)):
        found = counts[row["store_id"]]
        state = _COUNTED_AS[row["state"]]
        found[state] = found.get(state, 0) + row["documents"]
        found["bytes"] = found.get("bytes", 0) + (row["bytes"] or 0)
    return [replace(store, **counts[store.id]) for store in stores]
